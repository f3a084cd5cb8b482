# SPDX-License-Identifier: GPL-2.0-only
"""Saying no to a line: where in it, and why."""

from __future__ import annotations

__all__ = ["Refused", "pointer"]


class Refused(Exception):
    """A line cannot be answered; nothing that it asks for counts as done.

    *where* is a JSON pointer to the place, *what* one sentence.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where or 'the line'}: {what}")
        self.where = where
        self.what = what

    def answer(self) -> dict[str, object]:
        """Return what is written instead of an answer."""
        return {"error": {"where": self.where, "what": self.what}}


def pointer(where: str, *steps: str | int) -> str:
    """Extend the JSON pointer *where* by keys and positions."""
    for step in steps:
        where += "/" + str(step).replace("~", "~0").replace("/", "~1")
    return where
