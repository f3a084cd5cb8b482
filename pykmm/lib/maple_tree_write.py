# SPDX-License-Identifier: GPL-2.0-only
"""Changing a maple tree through a :class:`ma_state`, and finding room in it.

Linux first decides which of nine kinds a store is, then carries it out. The kinds
differ in what happens to nodes; what shows is whether the root becomes a node,
over which range a gap spreads, and what the state says afterwards.

Memory for the map never runs out here. A scenario that wants -ENOMEM replaces the
function that shall fail, before which the tree is unchanged, as in Linux.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errno import EBUSY, EINVAL
from ..errors import UsageError
from .maple_tree_gaps import highest_gap, lowest_gap
from .maple_tree_state import (
    MA_STATE_PREALLOC,
    ULONG_MAX,
    ZeroEntry,
    ma_active,
    ma_error,
    ma_root,
    ma_start,
    ma_state,
)
from .maple_tree_walk import mas_state_walk

if TYPE_CHECKING:
    from ..errno import Errno

__all__ = [
    "mas_destroy",
    "mas_empty_area",
    "mas_empty_area_rev",
    "mas_erase",
    "mas_preallocate",
    "mas_store",
    "mas_store_gfp",
    "mas_store_prealloc",
]

T = TypeVar("T")


def mas_set_err(mas: ma_state[T], error: Errno) -> Errno:
    """Make *mas* useless until it is set anew, and return *error*."""
    mas.status = ma_error
    mas._error = error
    mas._seq = -1
    return error


def mas_wr_prealloc_setup(mas: ma_state[T], entry: T | ZeroEntry | None) -> T | None:
    """Find where a store goes.

    Return: What was stored at ``mas.index``.
    """
    table = mas.tree._slots
    if mas.tree._root is ma_active:
        at = mas._at if mas._seq == table.seq else table.head
        if not at.first <= mas.index < at.next.first:
            at = table.floor(mas.index)
        mas._at, mas._seq, mas.status = at, table.seq, ma_active
        return at.entry if mas.index <= at.last else None
    mas._at, mas._seq = table.floor(mas.index), -1
    if mas.status is ma_root and (entry is not None or mas.last < ULONG_MAX):
        return None  # Linux goes on from ma_root without another look
    mas.status = mas.tree._root
    return table.head.next.entry if mas.index == 0 else None


def mas_wr_store_entry(mas: ma_state[T], entry: T | ZeroEntry | None) -> T | None:
    """Store *entry* over the range of *mas*.

    Return: What was stored at ``mas.index``.
    """
    content = mas_wr_prealloc_setup(mas, entry)
    tree = mas.tree
    had_node = tree._root is ma_active
    mas._at = tree._write(mas._at, mas.index, mas.last, entry)
    if tree._root is ma_active:
        mas.status, mas._seq = ma_active, tree._slots.seq
    elif had_node or entry is not None:
        mas.status, mas._seq = ma_start, -1
    if had_node and entry is None:
        mas.index, mas.last = mas._at.last + 1, mas._at.next.first - 1
    return content


def mas_store(mas: ma_state[T], entry: T | ZeroEntry | None) -> T | None:
    """Overwrite ``[mas.index, mas.last]``; entries that stick out keep the rest.

    O(log n) for each range that comes or goes. For None the bounds become those
    of the whole gap.

    Context: The tree's lock is held for writing.
    Return: What was stored at ``mas.index`` alone. None with the status ma_error
        if the range is the wrong way round.
    """
    if mas.tree._refuses(mas.index, mas.last):
        mas_set_err(mas, -EINVAL)
        return None
    content = mas_wr_store_entry(mas, entry)
    mas_destroy(mas)
    return content


def mas_store_gfp(
    mas: ma_state[T],
    entry: T | ZeroEntry | None,
    gfp: int,  # noqa: ARG001 -- Linux's signature
) -> int:
    """Overwrite ``[mas.index, mas.last]``, like :func:`mas_store`.

    Context: The tree's lock is held for writing. May sleep if *gfp* says so.
    Return: 0, or -EINVAL if the range is the wrong way round.
    """
    if mas.tree._refuses(mas.index, mas.last):
        return mas_set_err(mas, -EINVAL)
    mas_wr_store_entry(mas, entry)
    mas_destroy(mas)
    return 0


def mas_preallocate(
    mas: ma_state[T],
    entry: T | ZeroEntry | None,
    gfp: int,  # noqa: ARG001 -- Linux's signature
) -> int:
    """Reserve what :func:`mas_store_prealloc` of *entry* will need; O(log n).

    For None the bounds already become those of the gap that will be.

    Context: The tree's lock is held for writing. May sleep if *gfp* says so.
    Return: 0, or -EINVAL if the range is the wrong way round.
    """
    if mas.tree._refuses(mas.index, mas.last):
        return mas_set_err(mas, -EINVAL)
    mas_wr_prealloc_setup(mas, entry)
    if entry is None and mas.status is ma_active:
        mas_wr_extend_null(mas)
    mas.mas_flags |= MA_STATE_PREALLOC
    return 0


def mas_wr_extend_null(mas: ma_state[T]) -> None:
    """Widen the range of *mas* by the gaps that touch it."""
    slot = mas._at
    if mas.index == slot.first:
        mas._at = slot = slot.prev
    if mas.index > slot.last:
        mas.index = slot.last + 1
    slot = mas.tree._slots.floor(mas.last)
    if mas.last >= slot.last:
        mas.last = slot.next.first - 1


def mas_store_prealloc(mas: ma_state[T], entry: T | ZeroEntry | None) -> None:
    """Overwrite ``[mas.index, mas.last]`` out of what was reserved; cannot fail.

    Context: The tree's lock is held for writing; never sleeps.
    """
    if mas.tree._refuses(mas.index, mas.last):
        raise UsageError(
            f"mas_store_prealloc() cannot store over index={mas.index:#x}, "
            f"last={mas.last:#x}: give the range the right way round"
        )
    mas_wr_store_entry(mas, entry)
    mas_destroy(mas)


def mas_destroy(mas: ma_state[T]) -> None:
    """Give back what is still reserved; O(1)."""
    mas.mas_flags &= ~MA_STATE_PREALLOC


def mas_erase(mas: ma_state[T]) -> T | None:
    """Remove the entry that contains ``mas.index``, over its whole range.

    O(log n). The bounds become those of the gap, which may be wider.

    Context: The tree's lock is held for writing.
    Return: The entry, or None in a gap, of which the bounds then are.
    """
    entry = mas_state_walk(mas)
    if entry is not None:
        mas_wr_store_entry(mas, None)
    return entry


def _empty_area(mas: ma_state[T], min: int, max: int, size: int, up: bool) -> int:
    """Find the lowest or the highest gap; see :func:`mas_empty_area`."""
    if min > max or not 0 < size <= max - min + 1:
        return -EINVAL
    table = mas.tree._slots
    mas.status, mas._seq = mas.tree._root, -1
    search = lowest_gap if up else highest_gap
    first = search(table, min, max, size)
    if mas.status is ma_active:
        mas.index, mas.last = min, max
        if first is None:
            return mas_set_err(mas, -EBUSY)
        mas._at, mas._seq = table.floor(first), table.seq
    if first is None:
        return -EBUSY
    mas.index, mas.last = first, first + size - 1
    return 0


def mas_empty_area(mas: ma_state[T], min: int, max: int, size: int) -> int:
    """Find the lowest *size* free addresses within ``[min, max]``.

    Usually O(log n); see :func:`pykmm.lib.maple_tree_gaps.lowest_gap`.

    Context: The tree's lock is held. Always searches the whole window, wherever
        *mas* stands; Linux wants a state that was reset.
    Return: 0 with them as the range of *mas*; -EBUSY if there is no room; -EINVAL
        if *size* is 0 or the window cannot hold it.
    """
    return _empty_area(mas, min, max, size, up=True)


def mas_empty_area_rev(mas: ma_state[T], min: int, max: int, size: int) -> int:
    """Find the highest *size* free addresses within ``[min, max]``.

    As :func:`mas_empty_area` in everything else.
    """
    return _empty_area(mas, min, max, size, up=False)
