# SPDX-License-Identifier: GPL-2.0-only
"""Finding room: the lowest and the highest gap of a size within a window.

Linux keeps the largest gap below every tree node, which makes the search
O(log n). Here the search walks the ranges and remembers what it proved
(:mod:`pykmm.lib.maple_tree_memo`), so that the next search for as much or more
does not walk the full part again. The usual load, one mapping stacked below the
other, costs O(1) a search this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .maple_tree_slots import SlotTable

__all__ = ["highest_gap", "lowest_gap"]

T = TypeVar("T")


def highest_gap(table: SlotTable[T], low: int, high: int, size: int) -> int | None:
    """Find the highest gap of *size* addresses within ``[low, high]``.

    O(log n) while the space fills from above, O(n) at worst.

    Return: Its first address, or None.
    """
    end = table.gaps_down.begin(high, size)
    if end < low:
        return None
    below = table.floor(end)
    if end <= below.last:
        end, below = below.first - 1, below.prev
    while end - below.last < size and below.last >= low:
        end, below = below.first - 1, below.prev
    if end - below.last < size:
        end = below.last
    table.gaps_down.prove(high, size, end)
    first = end - size + 1
    return first if first >= max(low, below.last + 1) else None


def lowest_gap(table: SlotTable[T], low: int, high: int, size: int) -> int | None:
    """Find the lowest gap of *size* addresses within ``[low, high]``.

    O(log n) while the space fills from below, O(n) at worst.

    Return: Its first address, or None.
    """
    first = -table.gaps_up.begin(-low, size)
    if first > high:
        return None
    below = table.floor(first)
    first, above = max(first, below.last + 1), below.next
    while above.first - first < size and above.first <= high:
        first, above = above.last + 1, above.next
    if above.first - first < size:
        first = above.first
    table.gaps_up.prove(-low, size, -first)
    return first if first + size - 1 <= min(high, above.first - 1) else None
