# SPDX-License-Identifier: GPL-2.0-only
"""The structures of ``include/linux/maple_tree.h``.

They stand below that header, because ``lib`` imports nothing of ``linux``; use
them through :mod:`pykmm.linux.maple_tree`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Generic, TypeVar, final

import attrs

from ..engine.events import Access
from ..engine.objects import Named
from ..engine.step import enter, leave
from ..engine.thread import current_thread
from ..errors import ContextError, UsageError
from .maple_tree_slots import ULONG_MAX, Slot, SlotTable

if TYPE_CHECKING:
    from typing import Protocol

    from ..engine.thread import Thread
    from ..errno import Errno

    class _Lock(Protocol):
        """What the owner's lock answers."""

        @property
        def name(self) -> str: ...

        def held_by(self, thread: Thread) -> bool: ...

        def held_exclusively_by(self, thread: Thread) -> bool: ...


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
    "xa_is_zero",
]

T = TypeVar("T")

#: The tree tracks gaps, as ``mas_empty_area()`` needs.
MT_FLAGS_ALLOC_RANGE: Final = 0x01
#: Readers may walk under RCU alone.
MT_FLAGS_USE_RCU: Final = 0x02
#: How the tree is locked ...
MT_FLAGS_LOCK_MASK: Final = 0x300
#: ... here: by a lock of its owner, such as ``mmap_lock``.
MT_FLAGS_LOCK_EXTERN: Final = 0x300

#: ``ma_state.mas_flags``: nodes are reserved for the next store.
MA_STATE_PREALLOC: Final = 0x01


class maple_status(enum.IntEnum):
    """What a :class:`ma_state` knows about where it stands."""

    #: At the slot that contains ``index``.
    ma_active = 0
    #: Nowhere yet; the next call searches from the root.
    ma_start = 1
    #: At the one entry that lives in the root pointer itself.
    ma_root = 2
    #: Searched, and there is nothing there.
    ma_none = 3
    #: The lock may have been dropped; the next call searches again.
    ma_pause = 4
    #: Ran into the upper limit.
    ma_overflow = 5
    #: Ran into the lower limit.
    ma_underflow = 6
    #: A call failed.
    ma_error = 7


# The annotations are wider than the values, or mypy would take a status that was
# once compared for unchangeable across calls.
ma_active: Final[maple_status] = maple_status.ma_active
ma_start: Final[maple_status] = maple_status.ma_start
ma_root: Final[maple_status] = maple_status.ma_root
ma_none: Final[maple_status] = maple_status.ma_none
ma_pause: Final[maple_status] = maple_status.ma_pause
ma_overflow: Final[maple_status] = maple_status.ma_overflow
ma_underflow: Final[maple_status] = maple_status.ma_underflow
ma_error: Final[maple_status] = maple_status.ma_error


@final
class ZeroEntry:
    """The type of :data:`XA_ZERO_ENTRY`, of which there is one."""

    def __repr__(self) -> str:
        return "XA_ZERO_ENTRY"

    def __reduce__(self) -> str:
        # Copies and unpickled ones are the one object again.
        return "XA_ZERO_ENTRY"


#: Occupies its range like any entry, but loads as None (``include/linux/xarray.h``).
XA_ZERO_ENTRY: Final = ZeroEntry()


def xa_is_zero(entry: object) -> bool:
    """Tell whether *entry* is the zero entry.

    Walks hand it out as if it were one of the tree's own entries, as in C, so
    whoever may meet it has to ask.
    """
    return entry is XA_ZERO_ENTRY


@attrs.define(eq=False)
class maple_tree(Generic[T]):
    """A map from disjoint ranges of ``[0, ULONG_MAX]`` to entries.

    Equal neighbours are never merged. The owner's lock orders all access.

    >>> mt: maple_tree[str] = maple_tree(MT_FLAGS_ALLOC_RANGE)
    """

    ma_flags: int = 0
    #: The lock of its owner, where one is to be watched.
    ma_external_lock: _Lock | None = attrs.field(default=None, repr=False)
    #: What the steps of readers without that lock happen to, and a writer's.
    _where: Named = attrs.field(factory=Named, repr=False)
    _slots: SlotTable[T] = attrs.field(init=False, factory=SlotTable, repr=False)
    #: What a search from the root finds there: ma_none nothing, ma_root an entry
    #: that needs no node because it covers just address 0, ma_active a node. A
    #: tree can have a node and no entry, and a node with an entry for address 0
    #: only: it depends on how it came about.
    _root: maple_status = attrs.field(init=False, default=ma_none, repr=False)

    def _refuses(self, first: int, last: int) -> bool:
        """Tell whether a store over ``[first, last]`` must fail with -EINVAL."""
        if first < 0 or last > ULONG_MAX:
            raise UsageError(
                f"the range first={first:#x}, last={last:#x} leaves the address "
                "line: give unsigned longs, from 0 to ULONG_MAX"
            )
        return first > last

    def _write(
        self, below: Slot[T], first: int, last: int, entry: T | ZeroEntry | None
    ) -> Slot[T]:
        """Store *entry* over ``[first, last]``; *below* is the slot floor of *first*.

        A step if readers may come without the lock.

        Return: The new slot; for None the slot below the gap.
        """
        if not self._is_watched():
            return self._put(below, first, last, entry)
        t = enter(self._where, "mas_store")
        slot = self._put(below, first, last, entry)
        leave(t, self._where, Access.WRITE, f"{first:#x}-{last:#x}: {entry}")
        return slot

    def _is_watched(self) -> bool:
        """Tell whether a change is a step; report one without the lock."""
        lock = self.ma_external_lock
        if lock is None:
            return False
        t = current_thread()
        if t.is_boot or t.machine.stopping:
            return False
        if not lock.held_exclusively_by(t):
            raise ContextError(
                f"{t.name} changes {self._where.name} without {lock.name}"
            )
        return bool(self.ma_flags & MT_FLAGS_USE_RCU)

    def _put(
        self, below: Slot[T], first: int, last: int, entry: T | ZeroEntry | None
    ) -> Slot[T]:
        own: T | None = entry  # type: ignore[assignment]  # passes for one, as in C
        table = self._slots
        if self._root is ma_active:
            # A gap over an entry that covers all addresses is a store into the
            # slot that is there, and leaves the node; any other empties the tree.
            lowest = table.head.next
            keeps_node = lowest is table.tail or lowest.last - lowest.first == ULONG_MAX
            below = table.overwrite(below, first, last, own)
            if table.head.next is table.tail and not keeps_node:
                self._root = ma_none
            return below
        if own is None:
            if self._root is ma_root and first == 0:
                table.clear()
                self._root = ma_none
            return table.head
        self._root = ma_root if last == 0 and not xa_is_zero(own) else ma_active
        return table.overwrite(below, first, last, own)

    def _entries(self) -> list[T]:
        """List what is stored, without a step, for who only takes a look."""
        return [slot.entry for slot in self._slots if slot.entry is not None]

    def _clear(self) -> None:
        """Empty the tree."""
        if self._root is not ma_none and self._is_watched():
            t = enter(self._where, "mt_destroy")
            self._slots.clear()
            self._root = ma_none
            leave(t, self._where, Access.WRITE, "empty")
            return
        self._slots.clear()
        self._root = ma_none

    def _check(self) -> None:
        """Assert every law of the tree, or show it all; O(n)."""
        try:
            self._slots.check()
            self._check_root()
        except AssertionError as law:
            raise AssertionError(f"{law}\n{self._dump()}") from None

    def _check_root(self) -> None:
        ranges = [(slot.first, slot.last) for slot in self._slots]
        if self._root is ma_none:
            assert not ranges, "a tree without root has entries"
        elif self._root is ma_root:
            assert ranges == [(0, 0)], "the root entry does not cover just address 0"
            assert not xa_is_zero(self._slots.head.next.entry), "zero entry in the root"
        else:
            assert self._root is ma_active, f"the root cannot be {self._root.name}"

    def _dump(self) -> str:
        """Draw the tree, one line a range."""
        lines = [f"{self!r} root {self._root.name}"]
        lines += [f"  {s.first:#x}-{s.last:#x}: {s.entry!r}" for s in self._slots]
        return "\n".join(lines)


@attrs.define(eq=False)
class ma_state(Generic[T]):
    """A position in a tree, and the range of the last answer.

    After a call that found a slot, ``index`` and ``last`` are its bounds. After a
    change of the tree through anything but this state, the next call searches
    for ``index`` again.
    """

    tree: maple_tree[T] = attrs.field(repr=False)
    index: int
    last: int
    status: maple_status = attrs.field(init=False, default=ma_start)
    mas_flags: int = attrs.field(init=False, default=0)
    #: The slot that contains ``index``, or the one before the gap that does ...
    _at: Slot[T] = attrs.field(init=False, repr=False)
    #: ... as of this state of the slot table; -1 where C has a NULL ``node``.
    _seq: int = attrs.field(init=False, default=-1, repr=False)
    #: What ``ma_error`` means; C hides it in ``node``.
    _error: Errno | None = attrs.field(init=False, default=None, repr=False)


def MA_STATE(  # noqa: N802 -- Linux's macro
    mt: maple_tree[T], first: int, end: int
) -> ma_state[T]:
    """Make a state of *mt* for the range ``[first, end]``; O(1)."""
    return ma_state(mt, first, end)
