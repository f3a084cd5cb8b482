# SPDX-License-Identifier: GPL-2.0-only
"""A map from ranges of addresses to entries — ``lib/maple_tree.c``.

Linux keeps a process's VMAs in one. What it stands on here is a sorted line of
ranges instead of a B-tree; answers, bounds and statuses are those of the real
one, also at every boundary. This file has the calls that need no state; those on
a ``ma_state`` are in ``maple_tree_walk`` and ``maple_tree_write``, and are handed
on here so that one import finds all.

Where it knowingly differs, because Linux's answer hangs on how its nodes happen to
lie:

- ``mtree_insert_range()`` of all addresses, 0 to ``ULONG_MAX``, refuses a tree
  that is not empty; Linux overwrites one that fits a single node and has 0 free.
- ``mas_store()`` over all addresses returns what was at 0; Linux returns NULL if
  there is more than one node.
- After a store through a state that gave the tree its first node, walks up from
  that state see what is above; Linux says ma_overflow until the next search.
- ``mas_prev()`` right after a gap search gives the true bounds; in Linux ``last``
  may run into the gap, up to the address that was found.
- ``mas_empty_area_rev()`` up to ``ULONG_MAX`` also finds room that begins at 0;
  in Linux a sum overflows there. After -EBUSY the status is always ma_error.
- ``mas_empty_area()`` searches all of its window, and walks search first, from
  whatever state; Linux wants one that was reset, or does something undefined.

The owner's lock orders writers; who reads under RCU alone is looked after in
``maple_tree_rcu``.
"""

from __future__ import annotations

from typing import TypeVar

from ..errno import EEXIST, EINVAL
from . import maple_tree_walk
from .maple_tree_rcu import lockless_load, lockless_walk
from .maple_tree_state import (
    ULONG_MAX,
    ZeroEntry,
    ma_none,
    ma_overflow,
    ma_pause,
    ma_root,
    ma_start,
    ma_state,
    ma_underflow,
    maple_tree,
    xa_is_zero,
)
from .maple_tree_walk import mas_pause
from .maple_tree_write import (
    mas_destroy,
    mas_empty_area,
    mas_empty_area_rev,
    mas_erase,
    mas_preallocate,
    mas_store,
    mas_store_gfp,
    mas_store_prealloc,
)

__all__ = [
    "__mt_destroy",
    "__mt_dup",
    "mas_destroy",
    "mas_empty_area",
    "mas_empty_area_rev",
    "mas_erase",
    "mas_find",
    "mas_find_range",
    "mas_find_range_rev",
    "mas_find_rev",
    "mas_is_none",
    "mas_is_overflow",
    "mas_is_paused",
    "mas_is_ptr",
    "mas_is_start",
    "mas_is_underflow",
    "mas_next",
    "mas_next_range",
    "mas_pause",
    "mas_preallocate",
    "mas_prev",
    "mas_prev_range",
    "mas_store",
    "mas_store_gfp",
    "mas_store_prealloc",
    "mas_walk",
    "mt_find",
    "mt_find_after",
    "mt_next",
    "mt_prev",
    "mtree_destroy",
    "mtree_dup",
    "mtree_erase",
    "mtree_insert",
    "mtree_insert_range",
    "mtree_load",
    "mtree_store",
    "mtree_store_range",
]

T = TypeVar("T")

mas_find = lockless_walk(maple_tree_walk.mas_find)
mas_find_range = lockless_walk(maple_tree_walk.mas_find_range)
mas_find_range_rev = lockless_walk(maple_tree_walk.mas_find_range_rev)
mas_find_rev = lockless_walk(maple_tree_walk.mas_find_rev)
mas_next = lockless_walk(maple_tree_walk.mas_next)
mas_next_range = lockless_walk(maple_tree_walk.mas_next_range)
mas_prev = lockless_walk(maple_tree_walk.mas_prev)
mas_prev_range = lockless_walk(maple_tree_walk.mas_prev_range)
mas_walk = lockless_walk(maple_tree_walk.mas_walk)


def mas_is_start(mas: ma_state[T]) -> bool:
    """Tell whether the next call searches from the root."""
    return mas.status is ma_start


def mas_is_paused(mas: ma_state[T]) -> bool:
    """Tell whether *mas* was paused and not used since."""
    return mas.status is ma_pause


def mas_is_none(mas: ma_state[T]) -> bool:
    """Tell whether the last search ended where there is no node."""
    return mas.status is ma_none


def mas_is_ptr(mas: ma_state[T]) -> bool:
    """Tell whether *mas* stands at an entry in the root pointer."""
    return mas.status is ma_root


def mas_is_overflow(mas: ma_state[T]) -> bool:
    """Tell whether the last call ran into its upper limit."""
    return mas.status is ma_overflow


def mas_is_underflow(mas: ma_state[T]) -> bool:
    """Tell whether the last call ran into its lower limit."""
    return mas.status is ma_underflow


@lockless_load
def mtree_load(mt: maple_tree[T], index: int) -> T | None:
    """Load the entry that contains *index*; O(log n).

    Return: The entry; None in a gap and for the zero entry.
    """
    slot = mt._slots.floor(index)
    if index > slot.last or xa_is_zero(slot.entry):
        return None
    return slot.entry


def mtree_store_range(
    mt: maple_tree[T],
    first: int,
    last: int,
    entry: T | ZeroEntry | None,
    gfp: int,  # noqa: ARG001 -- Linux's signature
) -> int:
    """Overwrite ``[first, last]``; entries that stick out keep the rest.

    O(log n) for each range that comes or goes.

    Context: Takes the tree's lock in Linux; here the caller's holds. May sleep if
        *gfp* says so.
    Return: 0, or -EINVAL if the range is the wrong way round.
    """
    if mt._refuses(first, last):
        return -EINVAL
    mt._write(mt._slots.floor(first), first, last, entry)
    return 0


def mtree_store(
    mt: maple_tree[T], index: int, entry: T | ZeroEntry | None, gfp: int
) -> int:
    """Overwrite the one address *index*, like :func:`mtree_store_range`."""
    return mtree_store_range(mt, index, index, entry, gfp)


def mtree_insert_range(
    mt: maple_tree[T],
    first: int,
    last: int,
    entry: T | ZeroEntry | None,
    gfp: int,  # noqa: ARG001 -- Linux's signature
) -> int:
    """Store *entry* over ``[first, last]`` if all of that is free; O(log n).

    Context: As :func:`mtree_store_range`.
    Return: 0, -EEXIST if anything is there, or -EINVAL if the range is the wrong
        way round.
    """
    if mt._refuses(first, last):
        return -EINVAL
    below = mt._slots.floor(first)
    if first <= below.last or below.next.first <= last:
        return -EEXIST
    if entry is not None:
        mt._write(below, first, last, entry)
    return 0


def mtree_insert(
    mt: maple_tree[T], index: int, entry: T | ZeroEntry | None, gfp: int
) -> int:
    """Store *entry* at the one address *index* if that is free."""
    return mtree_insert_range(mt, index, index, entry, gfp)


def mtree_erase(mt: maple_tree[T], index: int) -> T | None:
    """Remove the entry that contains *index*, over its whole range; O(log n).

    Return: The entry, or None in a gap.
    """
    return mas_erase(ma_state(mt, index, index))


def __mt_destroy(mt: maple_tree[T]) -> None:
    """Empty the tree and keep its flags; O(n).

    Context: The tree's lock is held for writing. The entries are not touched.
    """
    mt._clear()


def mtree_destroy(mt: maple_tree[T]) -> None:
    """Empty the tree, like :func:`__mt_destroy` but for who holds no lock yet."""
    __mt_destroy(mt)


def __mt_dup(
    mt: maple_tree[T],
    new: maple_tree[T],
    gfp: int,  # noqa: ARG001 -- Linux's signature
) -> int:
    """Make *new* a copy of *mt*; the entries are shared. O(n).

    Context: Both trees' locks are held, for *new* for writing. May sleep if *gfp*
        says so.
    Return: 0, or -EINVAL if *new* is not empty or its flags differ.
    """
    if mt.ma_flags != new.ma_flags or new._root is not ma_none:
        return -EINVAL
    new._slots.copy_from(mt._slots)
    new._root = mt._root
    return 0


def mtree_dup(mt: maple_tree[T], new: maple_tree[T], gfp: int) -> int:
    """Make *new* a copy of *mt*, like :func:`__mt_dup` but without locks held."""
    return __mt_dup(mt, new, gfp)


@lockless_load
def mt_find(mt: maple_tree[T], index: int, max: int) -> tuple[T | None, int]:
    """Find the first entry that contains *index* or begins above it; O(log n).

    Zero entries are passed over.

    Return: The entry if it begins at or below *max*, or None; and where to go on,
        which C writes back to its ``index``: the address above the entry, 0 if
        there is none, unchanged without an entry.
    """
    if index > max:
        return None, index
    slot = mt._slots.floor(index)
    if index > slot.last:
        slot = slot.next
    while slot.first <= max:
        if not xa_is_zero(slot.entry):
            return slot.entry, (slot.last + 1) & ULONG_MAX
        slot = slot.next
    return None, index


def mt_find_after(mt: maple_tree[T], index: int, max: int) -> tuple[T | None, int]:
    """Go on with :func:`mt_find`, unless *index* has wrapped around to 0."""
    if index == 0:
        return None, 0
    return mt_find(mt, index, max)


def mt_next(mt: maple_tree[T], index: int, max: int) -> T | None:
    """Find the first entry above the slot that contains *index*; O(log n).

    Return: The entry if it begins at or below *max*, or None.
    """
    return mas_next(ma_state(mt, index, index), max)


def mt_prev(mt: maple_tree[T], index: int, min: int) -> T | None:
    """Find the first entry below the slot that contains *index*; O(log n).

    Return: The entry if it ends at or above *min*, or None.
    """
    return mas_prev(ma_state(mt, index, index), min)
