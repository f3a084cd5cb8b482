# SPDX-License-Identifier: GPL-2.0-only
"""Maple trees as their users see them — ``include/linux/maple_tree.h``.

The structures, the calls that only touch a state, and the loops. A loop macro is
a generator: ``for entry in mas_for_each(mas, max)``. The state moves along with
it, so its bounds are the entry's inside the loop, and the loop may store, erase
or pause through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..lib.maple_tree import mas_find, mas_find_rev, mt_find, mt_find_after
from ..lib.maple_tree_state import (
    MA_STATE,
    MA_STATE_PREALLOC,
    MT_FLAGS_ALLOC_RANGE,
    MT_FLAGS_LOCK_EXTERN,
    MT_FLAGS_LOCK_MASK,
    MT_FLAGS_USE_RCU,
    ULONG_MAX,
    XA_ZERO_ENTRY,
    ZeroEntry,
    ma_active,
    ma_error,
    ma_none,
    ma_overflow,
    ma_pause,
    ma_root,
    ma_start,
    ma_state,
    ma_underflow,
    maple_status,
    maple_tree,
    xa_is_zero,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MA_STATE",
    "MA_STATE_PREALLOC",
    "MT_FLAGS_ALLOC_RANGE",
    "MT_FLAGS_LOCK_EXTERN",
    "MT_FLAGS_LOCK_MASK",
    "MT_FLAGS_USE_RCU",
    "ULONG_MAX",
    "XA_ZERO_ENTRY",
    "ZeroEntry",
    "__mas_set_range",
    "ma_active",
    "ma_error",
    "ma_none",
    "ma_overflow",
    "ma_pause",
    "ma_root",
    "ma_start",
    "ma_state",
    "ma_underflow",
    "maple_status",
    "maple_tree",
    "mas_for_each",
    "mas_for_each_rev",
    "mas_init",
    "mas_is_active",
    "mas_is_err",
    "mas_reset",
    "mas_set",
    "mas_set_range",
    "mt_clear_in_rcu",
    "mt_external_lock",
    "mt_for_each",
    "mt_in_rcu",
    "mt_init",
    "mt_init_flags",
    "mt_set_in_rcu",
    "mtree_empty",
    "xa_is_zero",
]

T = TypeVar("T")


def mt_init_flags(mt: maple_tree[T], flags: int) -> None:
    """Make *mt* an empty tree with *flags*; O(n) if it was not empty."""
    mt._clear()
    mt.ma_flags = flags


def mt_init(mt: maple_tree[T]) -> None:
    """Make *mt* an empty tree without flags."""
    mt_init_flags(mt, 0)


def mtree_empty(mt: maple_tree[T]) -> bool:
    """Tell whether the root is empty; O(1).

    False also for the one tree that has a node but no entry: an entry over all
    addresses, erased.
    """
    return mt._root is ma_none


def mt_external_lock(mt: maple_tree[T]) -> bool:
    """Tell whether the tree is locked by a lock of its owner."""
    return mt.ma_flags & MT_FLAGS_LOCK_MASK == MT_FLAGS_LOCK_EXTERN


def mt_in_rcu(mt: maple_tree[T]) -> bool:
    """Tell whether readers may walk the tree under RCU alone."""
    return bool(mt.ma_flags & MT_FLAGS_USE_RCU)


def mt_set_in_rcu(mt: maple_tree[T]) -> None:
    """Let readers walk the tree under RCU alone from now on.

    Context: The tree's lock is held for writing.
    """
    mt.ma_flags |= MT_FLAGS_USE_RCU


def mt_clear_in_rcu(mt: maple_tree[T]) -> None:
    """Let nobody walk the tree under RCU alone any more.

    Context: The tree's lock is held for writing, and no such reader is left.
    """
    mt.ma_flags &= ~MT_FLAGS_USE_RCU


def mas_init(mas: ma_state[T], tree: maple_tree[T], addr: int) -> None:
    """Make *mas* a fresh state of *tree* at *addr*; O(1)."""
    mas.tree = tree
    mas.mas_flags = 0
    mas_set(mas, addr)


def mas_reset(mas: ma_state[T]) -> None:
    """Make the next call search from the root for ``mas.index``; O(1)."""
    mas.status = ma_start
    mas._seq = -1


def __mas_set_range(mas: ma_state[T], start: int, last: int) -> None:
    """Set the range without giving up the position; O(1).

    *start* lies within the slot where *mas* stands.
    """
    mas.index = start
    mas.last = last


def mas_set_range(mas: ma_state[T], start: int, last: int) -> None:
    """Point *mas* at another range; the next call searches from the root. O(1)."""
    mas_reset(mas)
    __mas_set_range(mas, start, last)


def mas_set(mas: ma_state[T], index: int) -> None:
    """Point *mas* at another address; the next call searches from the root. O(1)."""
    mas_set_range(mas, index, index)


def mas_is_active(mas: ma_state[T]) -> bool:
    """Tell whether *mas* stands at a slot."""
    return mas.status is ma_active


def mas_is_err(mas: ma_state[T]) -> bool:
    """Tell whether the last call on *mas* failed."""
    return mas.status is ma_error


def mas_for_each(mas: ma_state[T], max: int) -> Iterator[T]:
    """Walk up over the entries that begin at or below *max*.

    O(log n), then O(1) for each; may give the zero entry.
    """
    while (entry := mas_find(mas, max)) is not None:
        yield entry


def mas_for_each_rev(mas: ma_state[T], min: int) -> Iterator[T]:
    """Walk down over the entries that end at or above *min*.

    O(log n), then O(1) for each; may give the zero entry.
    """
    while (entry := mas_find_rev(mas, min)) is not None:
        yield entry


def mt_for_each(mt: maple_tree[T], index: int, max: int) -> Iterator[T]:
    """Walk up from *index* over the entries that begin at or below *max*.

    O(log n) for each, because nothing is kept in between: the loop may change the
    tree as it likes. Passes over zero entries.
    """
    found = mt_find(mt, index, max)
    while (entry := found[0]) is not None:
        yield entry
        following = mt_find_after(mt, found[1], max)
        found = following
