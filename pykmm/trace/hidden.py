# SPDX-License-Identifier: GPL-2.0-only
"""Drawings with their values hidden, for people to fill in.

Who did what stays; what it came to is a question mark.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import evolve

if TYPE_CHECKING:
    from .phrases import Row

__all__ = ["HIDDEN", "hide"]

#: What stands where a value would.
HIDDEN: Final = "?"
_CHANGE: Final = re.compile(r"\S+ -> \S+")
_RESULT: Final = re.compile(r"= [^\s,]+")


def hide(row: Row) -> Row:
    """Return *row* without what its steps made or saw."""
    cells = tuple(
        (thread, evolve(cell, texts=tuple(map(_marked, cell.texts))))
        for thread, cell in row.cells
    )
    return evolve(row, cells=cells)


def _marked(text: str) -> str:
    return _RESULT.sub(f"= {HIDDEN}", _CHANGE.sub(f"{HIDDEN} -> {HIDDEN}", text))
