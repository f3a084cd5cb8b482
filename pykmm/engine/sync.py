# SPDX-License-Identifier: GPL-2.0-only
"""Cells, counters and locks for programs that are not about kernels.

They are what litmus tests and the explorer's own tests are written with. The
kernel's primitives live in :mod:`pykmm.linux` and are built on the same two
halves of a step, :func:`enter` and :func:`leave`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import ContextError
from .events import ACQUIRE, ADD, READ, RELEASE, SHARE, UNSHARE, WRITE
from .ledger import holders
from .objects import Root
from .step import enter, enter_if, leave

if TYPE_CHECKING:
    from types import TracebackType

    from .thread import Thread

__all__ = ["Cell", "Counter", "Mutex", "PlainCell", "RWLock"]

_T = TypeVar("_T")


class Cell(Root, Generic[_T]):
    """A shared variable; each access is a step of its own, and is marked.

    Programs may race on it, as on what Linux reads and writes with ``READ_ONCE()``
    and ``WRITE_ONCE()``; like these, it orders nothing else. :meth:`store_release`
    and :meth:`load_acquire` do, and so does a :meth:`cas` that succeeds.
    """

    def __init__(self, value: _T) -> None:
        super().__init__()
        self._value = value

    def get(self) -> _T:
        """Read the value."""
        t = enter(self, "read")
        value = self._value
        leave(t, self, READ, value)
        return value

    def set(self, value: _T) -> None:
        """Write the value."""
        t = enter(self, "write")
        self._value = value
        leave(t, self, WRITE, value)

    def store_release(self, value: _T) -> None:
        """Write the value, and let whoever acquires it see all that came before."""
        t = enter(self, "store_release")
        self._value = value
        leave(t, self, WRITE, value)

    def load_acquire(self) -> _T:
        """Read the value, and see all that came before it was released."""
        t = enter(self, "load_acquire")
        value = self._value
        leave(t, self, READ, value)
        return value

    def cas(self, old: _T, new: _T) -> bool:
        """Write *new* if the value is *old*; a failure has only read."""
        t = enter_if(self, "cas", partial(self._holds, old), WRITE, READ)
        hit = self._holds(old)
        if hit:
            self._value = new
        leave(t, self, WRITE if hit else READ, self._value)
        return hit

    def _holds(self, value: _T) -> bool:
        return bool(self._value == value)

    def peek(self) -> _T:
        """Look without a step; for the host, when the machine is at rest."""
        return self._value


class PlainCell(Root, Generic[_T]):
    """A shared variable that is accessed plainly: something else has to order that.

    Two accesses, one of them a write, that nothing orders are a data race.
    """

    plain = True

    def __init__(self, value: _T) -> None:
        super().__init__()
        self._value = value
        #: What it held before it was last written, for people to read.
        self.before: object = None

    def get(self) -> _T:
        """Read the value."""
        t = enter(self, "read")
        value = self._value
        leave(t, self, READ, value)
        return value

    def set(self, value: _T) -> None:
        """Write the value."""
        t = enter(self, "write")
        self.before, self._value = self._value, value
        leave(t, self, WRITE, value)

    def peek(self) -> _T:
        """Look without a step; for the host, when the machine is at rest."""
        return self._value


class Counter(Cell[int]):
    """A shared number that can be added to in one step."""

    def fetch_add(self, amount: int = 1) -> int:
        """Add, and return the value before."""
        t = enter(self, "fetch_add")
        before = self._value
        self._value = before + amount
        leave(t, self, WRITE, self._value)
        return before

    def add(self, amount: int = 1) -> None:
        """Add without looking: commutes with other additions."""
        t = enter(self, "add")
        self._value += amount
        leave(t, self, ADD, self._value)


class Mutex(Root):
    """A lock that one thread holds; usable as a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self.holder: Thread | None = None

    def held_by(self, thread: Thread) -> bool:
        """Tell whether *thread* holds the lock."""
        return self.holder is thread

    held_exclusively_by = held_by

    def _idle(self) -> bool:
        return self.holder is None

    def lock(self) -> None:
        """Wait until the lock is free, and take it."""
        t = enter(self, "lock", self._idle)
        self.holder = t
        t.held.append(self)
        leave(t, self, ACQUIRE, t.name, True)

    def trylock(self) -> bool:
        """Take the lock if it is free; a failure has only read."""
        t = enter(self, "trylock")
        free = self.holder is None
        if free:
            self.holder = t
            t.held.append(self)
        leave(t, self, ACQUIRE if free else READ, free)
        return free

    def unlock(self) -> None:
        """Give the lock back."""
        t = enter(self, "unlock")
        if self.holder is not t and not t.machine.stopping:
            raise ContextError(
                f"{t.name} unlocks {self.name}, which it does not hold",
                facts=holders(self, t),
            )
        self.holder = None
        held = t.held
        if self in held:
            held.remove(self)
        leave(t, self, RELEASE, "free")

    __enter__ = lock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unlock()


class RWLock(Root):
    """A lock that one writer or many readers hold; nobody queues."""

    #: Readers get in although a writer waits, so they may nest.
    recursive = True

    def __init__(self) -> None:
        super().__init__()
        self.writer: Thread | None = None
        self.readers: list[Thread] = []

    def held_by(self, thread: Thread) -> bool:
        """Tell whether *thread* holds the lock in either way."""
        return self.writer is thread or thread in self.readers

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* keeps everybody else out."""
        return self.writer is thread

    def _readable(self) -> bool:
        return self.writer is None

    def _writable(self) -> bool:
        return self.writer is None and not self.readers

    def read_lock(self) -> None:
        """Wait until no writer holds the lock, and share it."""
        t = enter(self, "read_lock", self._readable)
        self.readers.append(t)
        t.held.append(self)
        leave(t, self, SHARE, len(self.readers), True)

    def read_unlock(self) -> None:
        """Give a share back."""
        t = enter(self, "read_unlock")
        self.readers.remove(t)
        t.held.remove(self)
        leave(t, self, UNSHARE, len(self.readers))

    def write_lock(self) -> None:
        """Wait until nobody holds the lock, and take it."""
        t = enter(self, "write_lock", self._writable)
        self.writer = t
        t.held.append(self)
        leave(t, self, ACQUIRE, t.name, True)

    def write_unlock(self) -> None:
        """Give the lock back."""
        t = enter(self, "write_unlock")
        self.writer = None
        t.held.remove(self)
        leave(t, self, RELEASE, "free")
