# SPDX-License-Identifier: GPL-2.0-only
"""The address line under a maple tree: disjoint ranges with gaps between them.

Linux keeps the ranges in a B-tree of cache-line-sized nodes, which cannot be seen
from outside. Here a range is one :class:`Slot`, found through a sorted list of
first addresses and linked to its neighbours. A gap has no object: it is what lies
between two linked slots. Two sentinels, one before address 0 and one after
``ULONG_MAX``, spare every walk the question whether there is a neighbour.

Rejected: a ``SortedDict`` alone, because a step to the neighbour is a search
there; objects for gaps, because an insert then touches three ranges, not one.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import attrs

# It ships no types; a stub package may be there.
from sortedcontainers import SortedList  # type: ignore[import-untyped,unused-ignore]

from .maple_tree_memo import GapMemo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ULONG_MAX", "Slot", "SlotTable"]

T = TypeVar("T")

#: The last address of the line.
ULONG_MAX: Final = 2**64 - 1


@attrs.define(eq=False)
class Slot(Generic[T]):
    """One entry and the inclusive range that it covers."""

    first: int
    last: int
    entry: T | None
    prev: Slot[T] = attrs.field(init=False, repr=False)
    next: Slot[T] = attrs.field(init=False, repr=False)


class _Firsts(Protocol):
    """What is used of a ``SortedList[int]``.

    The two private lists are bisected directly because a search through the
    public methods (bisect, then index) takes three times as long.
    """

    _lists: list[list[int]]
    _maxes: list[int]

    def add(self, value: int) -> None: ...
    def remove(self, value: int) -> None: ...
    def clear(self) -> None: ...
    def update(self, iterable: Iterable[int]) -> None: ...
    def __iter__(self) -> Iterator[int]: ...


def _sentinel(at: int) -> Slot[T]:
    return Slot(at, at, None)


@attrs.define(eq=False)
class SlotTable(Generic[T]):
    """The slots of one tree, by address and in order."""

    #: The sentinels; ``head.next`` is the lowest slot, ``tail.prev`` the highest.
    head: Slot[T] = attrs.field(init=False, factory=lambda: _sentinel(-1))
    tail: Slot[T] = attrs.field(init=False, factory=lambda: _sentinel(ULONG_MAX + 1))
    #: Grows with every change, so that a remembered slot can be known to be stale.
    seq: int = attrs.field(init=False, default=0)
    gaps_down: GapMemo = attrs.field(init=False, factory=GapMemo)
    gaps_up: GapMemo = attrs.field(init=False, factory=GapMemo)
    _firsts: _Firsts = attrs.field(init=False, factory=SortedList)
    _by_first: dict[int, Slot[T]] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        """Link the sentinels to each other."""
        self.head.prev = self.head
        self.head.next = self.tail
        self.tail.prev = self.head
        self.tail.next = self.tail

    def __len__(self) -> int:
        return len(self._by_first)

    def __iter__(self) -> Iterator[Slot[T]]:
        """Iterate over the slots, lowest first."""
        slot = self.head.next
        while slot is not self.tail:
            yield slot
            slot = slot.next

    def floor(self, index: int) -> Slot[T]:
        """Find the slot that contains *index*, or else the nearest one below.

        O(log n).

        Return: The slot; ``head`` when nothing begins at or below *index*.
        """
        maxes = self._firsts._maxes
        chunk = bisect_right(maxes, index)
        if chunk == len(maxes):
            return self.tail.prev
        firsts = self._firsts._lists[chunk]
        at = bisect_right(firsts, index)
        if at:
            return self._by_first[firsts[at - 1]]
        return self._by_first[maxes[chunk - 1]] if chunk else self.head

    def overwrite(
        self, below: Slot[T], first: int, last: int, entry: T | None
    ) -> Slot[T]:
        """Make ``[first, last]`` one slot of *entry*, or a gap for None.

        *below* is ``floor(first)``, which callers often know already. A slot that
        sticks out on either side keeps the rest of its range. O(log n) for each
        slot that comes or goes.

        Return: The new slot; for None the slot before the gap.
        """
        self.seq += 1
        if first <= below.last:
            if entry is not None and first == below.first and last == below.last:
                below.entry = entry
                return below
            below = self._cut(below, first, last)
        above = below.next
        while above.first <= last:
            if above.last > last:
                self._raise_first(above, last + 1)
                break
            self._unlink(above)
            above = above.next
        if entry is not None:
            return self._link(below, first, last, entry)
        self.gaps_down.opened(below.last + 1, above.first - 1)
        self.gaps_up.opened(1 - above.first, -1 - below.last)
        return below

    def _cut(self, slot: Slot[T], first: int, last: int) -> Slot[T]:
        """End *slot*, which contains *first*, right before it."""
        if slot.first == first:
            return slot.prev
        if slot.last > last:
            self._link(slot, last + 1, slot.last, slot.entry)
        slot.last = first - 1
        return slot

    def _link(self, below: Slot[T], first: int, last: int, entry: T | None) -> Slot[T]:
        slot = Slot(first, last, entry)
        above = below.next
        slot.prev = below
        slot.next = above
        below.next = above.prev = slot
        self._by_first[first] = slot
        self._firsts.add(first)
        return slot

    def _unlink(self, slot: Slot[T]) -> None:
        # The slot keeps its own links: overwrite() still has to step off it.
        slot.prev.next = slot.next
        slot.next.prev = slot.prev
        del self._by_first[slot.first]
        self._firsts.remove(slot.first)

    def _raise_first(self, slot: Slot[T], first: int) -> None:
        del self._by_first[slot.first]
        self._firsts.remove(slot.first)
        slot.first = first
        self._by_first[first] = slot
        self._firsts.add(first)

    def clear(self) -> None:
        """Drop every slot, O(n), and the reference cycles that the links are."""
        for slot in self._by_first.values():
            del slot.prev, slot.next
        self._by_first.clear()
        self._firsts.clear()
        self.head.next = self.tail
        self.tail.prev = self.head
        self.gaps_down.clear()
        self.gaps_up.clear()
        self.seq += 1

    def copy_from(self, other: SlotTable[T]) -> None:
        """Fill this empty table with the ranges and entries of *other*; O(n)."""
        below = self.head
        for slot in other:
            new = Slot(slot.first, slot.last, slot.entry)
            new.prev = below
            below.next = new
            self._by_first[slot.first] = new
            below = new
        below.next = self.tail
        self.tail.prev = below
        self._firsts.update(self._by_first)
        self.seq += 1

    def check(self) -> None:
        """Assert every law of the structure; O(n)."""
        below = self.head
        assert below.last == -1
        for slot in self:
            assert slot.prev is below, f"{slot} does not link back to {below}"
            assert below.last < slot.first <= slot.last, f"{below} and {slot} overlap"
            assert slot.entry is not None, f"{slot} holds nothing"
            assert self._by_first.get(slot.first) is slot, f"{slot} is not indexed"
            below = slot
        assert self.tail.prev is below, f"{below} is not the last slot"
        assert below.last <= ULONG_MAX, f"{below} ends beyond the address line"
        assert list(self._firsts) == sorted(self._by_first), "the index is out of order"
        assert list(self._firsts) == [slot.first for slot in self], "a slot is lost"
