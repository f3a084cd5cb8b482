# SPDX-License-Identifier: GPL-2.0-only
"""Worlds in, answers out: one line each, so that a port can keep talking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.collector import uncollected
from .answer import answered
from .refusal import Refused
from .text import spell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class _Output(Protocol):
        def write(self, text: str, /) -> object: ...

        def flush(self) -> object: ...


__all__ = ["serve"]


def serve(lines: Iterable[str | bytes], out: _Output) -> int:
    """Answer each of *lines*, which may be an open file, on a line of *out*.

    Each answer is flushed. Only ASCII is written, whatever the line holds.

    Return: The exit status: 1 if any line was an error, else 0.
    """
    status = 0
    for line in lines:
        with uncollected():  # until the answer, which can be large, is spelled
            try:
                text = answered(line).line()
            except Refused as refused:
                text, status = spell(refused.answer()) + "\n", 1
        out.write(text)
        out.flush()
    return status
