# SPDX-License-Identifier: GPL-2.0-only
"""Walking a maple tree with a :class:`ma_state`: find, next, prev.

Every walk is a short way for the usual case, a state that stands at a slot, and a
set-up that decodes what the status says about the call before. The set-ups follow
``lib/maple_tree.c`` case by case, because what a status promises is visible:
callers switch direction, raise a limit or pause in the middle of a loop.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from .maple_tree_state import (
    ULONG_MAX,
    ma_active,
    ma_error,
    ma_none,
    ma_overflow,
    ma_pause,
    ma_root,
    ma_start,
    ma_state,
    ma_underflow,
)

if TYPE_CHECKING:
    from .maple_tree_slots import Slot

__all__ = [
    "mas_find",
    "mas_find_range",
    "mas_find_range_rev",
    "mas_find_rev",
    "mas_next",
    "mas_next_range",
    "mas_pause",
    "mas_prev",
    "mas_prev_range",
    "mas_walk",
]

T = TypeVar("T")


class _SetUp(enum.Enum):
    """What a set-up returns, unless it has the answer to the call already."""

    DONE = "step now"


_DONE: Final = _SetUp.DONE


def mas_state_walk(mas: ma_state[T]) -> T | None:
    """Search from the root for ``mas.index``; O(log n).

    Only a search that ends in a node sets the bounds.

    Return: The entry there, or None.
    """
    table = mas.tree._slots
    mas.status = mas.tree._root
    if mas.status is not ma_active:
        mas._seq = -1
        return table.head.next.entry if mas.index == 0 else None
    slot = mas._at = table.floor(mas.index)
    mas._seq = table.seq
    if mas.index <= slot.last:
        mas.index, mas.last = slot.first, slot.last
        return slot.entry
    mas.index, mas.last = slot.last + 1, slot.next.first - 1
    return None


def mas_walk(mas: ma_state[T]) -> T | None:
    """Go to the slot that contains ``mas.index``; O(log n).

    Return: The entry, or None in a gap. The bounds are those of the slot, be it
        an entry or a gap; may be the zero entry.
    """
    entry = mas_state_walk(mas)
    if mas.status is ma_none:
        mas.index, mas.last = 0, ULONG_MAX
    elif mas.status is ma_root:
        if mas.index == 0:
            mas.last = 0
        else:
            _beyond_root(mas)
    return entry


def _beyond_root(mas: ma_state[T]) -> None:
    """Stand in the gap above an entry that lives in the root pointer."""
    mas.index, mas.last = 1, ULONG_MAX
    mas.status = ma_none


def _to_root_entry(mas: ma_state[T]) -> T | None:
    """Stand at address 0, where the root pointer's entry is, if there is one."""
    mas.index = mas.last = 0
    mas.status = ma_root
    return mas.tree._slots.head.next.entry if mas.tree._root is ma_root else None


def _position(mas: ma_state[T]) -> Slot[T]:
    """Find the slot that an active *mas* stands at; O(1) unless the tree changed.

    Return: The slot that contains ``mas.index``, or the one below the gap that does.
    """
    table = mas.tree._slots
    if mas._seq != table.seq:
        mas._at = table.floor(mas.index)
        mas._seq = table.seq
    return mas._at


def mas_may_activate(mas: ma_state[T]) -> None:
    """Go on from where a limit was hit, if that was anywhere."""
    mas.status = ma_start if mas._seq == -1 else ma_active


def _step_to(mas: ma_state[T], slot: Slot[T]) -> T | None:
    mas._at = slot
    mas.index = slot.first
    mas.last = slot.last
    return slot.entry


def mas_next_slot(mas: ma_state[T], max: int, empty: bool) -> T | None:
    """Step up from an active *mas*; with *empty*, a gap is a step as well. O(1)."""
    slot = _position(mas)
    above = slot.next
    in_gap = mas.index > slot.last
    if max <= (above.first - 1 if in_gap else slot.last):
        mas.status = ma_overflow
        return None
    gap_follows = not in_gap and above.first > slot.last + 1
    if gap_follows and (empty or above.first > max):
        mas.index, mas.last = slot.last + 1, above.first - 1
        if not empty:
            mas.status = ma_overflow
        return None
    return _step_to(mas, above)


def mas_prev_slot(mas: ma_state[T], min: int, empty: bool) -> T | None:
    """Step down from an active *mas*; with *empty*, a gap is a step as well. O(1)."""
    slot = _position(mas)
    in_gap = mas.index > slot.last
    if min >= (slot.last + 1 if in_gap else slot.first):
        mas.status = ma_underflow
        return None
    below = slot if in_gap else slot.prev
    gap_follows = not in_gap and below.last + 1 < slot.first
    if gap_follows and (empty or below.last < min):
        mas._at = below
        mas.index, mas.last = below.last + 1, slot.first - 1
        if not empty:
            mas.status = ma_underflow
        return None
    return _step_to(mas, below)


def mas_next_setup(mas: ma_state[T], max: int) -> T | Literal[_SetUp.DONE] | None:
    """Prepare a step up from whatever the last call left."""
    was_none = mas.status is ma_none
    if mas.last >= max:
        mas.status = ma_overflow
        return None
    if mas.status is ma_active:
        return _DONE
    if mas.status is ma_error:
        return None
    if mas.status is ma_overflow:  # the limit is another one now
        mas_may_activate(mas)
    if mas.status is ma_underflow:  # the state is one before where it stands
        entry = mas_walk(mas)
        if entry is not None:
            return entry
    elif mas.status in (ma_none, ma_pause, ma_start):
        mas_walk(mas)
    if mas.status is ma_root:
        if was_none and mas.index == 0:
            mas.last = 0
        else:
            _beyond_root(mas)
    return _DONE if mas.status is ma_active else None


def mas_next(mas: ma_state[T], max: int) -> T | None:
    """Go to the first entry above the slot that contains ``mas.index``.

    Amortised O(1) from an active state, else O(log n).

    Return: The entry if it begins at or below *max*, else None with the status
        ma_overflow; may be the zero entry.
    """
    entry = mas_next_setup(mas, max)
    return mas_next_slot(mas, max, empty=False) if entry is _DONE else entry


def mas_next_range(mas: ma_state[T], max: int) -> T | None:
    """Go to the slot above the one that contains ``mas.index``, be it a gap.

    Amortised O(1) from an active state, else O(log n).

    Return: The entry, or None in a gap and at the limit (ma_overflow).
    """
    entry = mas_next_setup(mas, max)
    return mas_next_slot(mas, max, empty=True) if entry is _DONE else entry


def mas_prev_setup(mas: ma_state[T], min: int) -> T | Literal[_SetUp.DONE] | None:
    """Prepare a step down from whatever the last call left."""
    if mas.index <= min:
        mas.status = ma_underflow
        return None
    if mas.status is ma_active:
        return _DONE
    if mas.status is ma_error:
        return None
    if mas.status is ma_underflow:  # the limit is another one now
        mas_may_activate(mas)
    if mas.status is ma_overflow:  # the state is one after where it stands
        entry = mas_walk(mas)
        if entry is not None:
            return entry
    elif mas.status in (ma_none, ma_pause, ma_start):
        mas_walk(mas)
    if mas.status is ma_root or (mas.status is ma_none and mas.index):
        return _to_root_entry(mas)
    return None if mas.status is ma_none else _DONE


def mas_prev(mas: ma_state[T], min: int) -> T | None:
    """Go to the first entry below the slot that contains ``mas.index``.

    Amortised O(1) from an active state, else O(log n).

    Return: The entry if it ends at or above *min*, else None with the status
        ma_underflow; may be the zero entry.
    """
    entry = mas_prev_setup(mas, min)
    return mas_prev_slot(mas, min, empty=False) if entry is _DONE else entry


def mas_prev_range(mas: ma_state[T], min: int) -> T | None:
    """Go to the slot below the one that contains ``mas.index``, be it a gap.

    Amortised O(1) from an active state, else O(log n).

    Return: The entry, or None in a gap and at the limit (ma_underflow).
    """
    entry = mas_prev_setup(mas, min)
    return mas_prev_slot(mas, min, empty=True) if entry is _DONE else entry


def mas_find_setup(mas: ma_state[T], max: int) -> T | Literal[_SetUp.DONE] | None:
    """Prepare a search upwards: the first call looks at ``mas.index`` itself."""
    if mas.status is ma_active:
        return None if mas.last >= max else _DONE
    if mas.status is ma_error:
        return None
    if mas.status is ma_underflow and mas.index >= max:
        mas.status = ma_overflow
        return None
    if mas.status in (ma_pause, ma_none, ma_overflow) and mas.last >= max:
        return None
    if mas.status is ma_start and mas.index > max:
        return None
    if mas.status is ma_pause:
        mas.index = mas.last + 1
    elif mas.status is ma_none:
        mas.index = mas.last
    if mas.status is not ma_root:
        entry = mas_walk(mas)
        if entry is not None:
            return entry
    if mas.status is ma_root:
        _beyond_root(mas)
    return None if mas.status is ma_none or mas.index == max else _DONE


def mas_find(mas: ma_state[T], max: int) -> T | None:
    """Go to the next entry: the first call from ``mas.index`` up, later above it.

    Amortised O(1) a call, O(log n) for the first.

    Return: The entry if it begins at or below *max*, else None, with the bounds of
        the last slot that was looked at; may be the zero entry.
    """
    if mas.status is ma_active and mas._seq == mas.tree._slots.seq and mas.last < max:
        above = mas._at.next
        if above.first <= max:
            mas._at = above
            mas.index = above.first
            mas.last = above.last
            return above.entry
    answer = mas_find_setup(mas, max)
    if answer is not _DONE:
        return answer
    entry = mas_next_slot(mas, max, empty=False)
    mas.status = ma_active  # a search for more may go on from here
    return entry


def mas_find_range(mas: ma_state[T], max: int) -> T | None:
    """Go to the next slot, be it a gap; the first call from ``mas.index`` up.

    Amortised O(1) a call, O(log n) for the first.

    Return: The entry, or None in a gap and at the limit (ma_overflow).
    """
    entry = mas_find_setup(mas, max)
    return mas_next_slot(mas, max, empty=True) if entry is _DONE else entry


def mas_find_rev_setup(mas: ma_state[T], min: int) -> T | Literal[_SetUp.DONE] | None:
    """Prepare a search downwards: the first call looks at ``mas.index`` itself."""
    status = mas.status
    if status is ma_active:
        return None if mas.index < min else _DONE
    if status is ma_error:
        return None
    if mas.index <= min and status not in (ma_start, ma_root):
        mas.status = ma_none if status is ma_none else ma_underflow
        return None
    if status is ma_pause:
        mas.index -= 1
    if status in (ma_overflow, ma_underflow):
        mas_may_activate(mas)
    elif status is not ma_root:
        mas.status = ma_start
    if mas.status is ma_start:
        if mas.index < min:
            return None
        entry = mas_walk(mas)
        if entry is not None:
            return entry
    if mas.status is ma_root:
        mas.status = ma_none
        return None
    if mas.status is ma_none:
        return _to_root_entry(mas)
    return None if mas.index < min else _DONE


def mas_find_rev(mas: ma_state[T], min: int) -> T | None:
    """Go to the next entry down: the first call from ``mas.index``, later below it.

    Amortised O(1) a call, O(log n) for the first.

    Return: The entry if it ends at or above *min*, else None; may be the zero
        entry.
    """
    if mas.status is ma_active and mas._seq == mas.tree._slots.seq:
        below = mas._at
        if mas.index <= below.last:
            below = below.prev
        if below.last >= min:
            mas._at = below
            mas.index = below.first
            mas.last = below.last
            return below.entry
    entry = mas_find_rev_setup(mas, min)
    return mas_prev_slot(mas, min, empty=False) if entry is _DONE else entry


def mas_find_range_rev(mas: ma_state[T], min: int) -> T | None:
    """Go to the next slot down, be it a gap; the first call from ``mas.index``.

    Amortised O(1) a call, O(log n) for the first.

    Return: The entry, or None in a gap and at the limit (ma_underflow).
    """
    entry = mas_find_rev_setup(mas, min)
    return mas_prev_slot(mas, min, empty=True) if entry is _DONE else entry


def mas_pause(mas: ma_state[T]) -> None:
    """Forget the position, because the lock is about to be dropped; O(1).

    The next find goes on above ``last``, the next find_rev below ``index``.
    """
    mas.status = ma_pause
    mas._seq = -1
