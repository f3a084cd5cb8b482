# SPDX-License-Identifier: GPL-2.0-only
"""Small maple trees that the tests begin with, and how they look at a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykmm.lib.maple_tree import mtree_store_range
from pykmm.linux.maple_tree import (
    MT_FLAGS_ALLOC_RANGE,
    ULONG_MAX,
    ma_state,
    maple_status,
    maple_tree,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykmm.linux.maple_tree import ZeroEntry

Tree = maple_tree[str]

MAX = ULONG_MAX


def tree(*ranges: tuple[int, int, str | ZeroEntry]) -> Tree:
    mt = Tree(MT_FLAGS_ALLOC_RANGE)
    for first, last, entry in ranges:
        assert mtree_store_range(mt, first, last, entry, 0) == 0
    return mt


def abc() -> Tree:
    """Two ranges that touch, a gap, and a third."""
    return tree((0x1000, 0x1FFF, "A"), (0x2000, 0x2FFF, "B"), (0x5000, 0x5FFF, "C"))


def after(
    mas: ma_state[str], step: Callable[[ma_state[str], int], str | None], limit: int
) -> tuple[str | None, int, int, maple_status]:
    entry = step(mas, limit)
    return entry, mas.index, mas.last, mas.status
