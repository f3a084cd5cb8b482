# SPDX-License-Identifier: GPL-2.0-only
"""Worlds in, answers out: one line each, so that a port can keep talking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ..engine.collector import uncollected
from .answer import answer_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class _Output(Protocol):
        def write(self, text: str, /) -> object: ...

        def flush(self) -> object: ...


__all__ = ["serve"]

#: An answer has no circles to look for.
_spell: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def serve(lines: Iterable[str | bytes], out: _Output) -> int:
    """Answer each of *lines*, which may be an open file, on a line of *out*.

    Each answer is flushed. Only ASCII is written, whatever the line holds.

    Return: The exit status: 1 if any line was an error, else 0.
    """
    status = 0
    for line in lines:
        with uncollected():  # until the answer, which can be large, is gone again
            found = answer_line(line)
            if "error" in found:
                status = 1
            text = _spell(found)
            del found
        out.write(text + "\n")
        out.flush()
    return status
