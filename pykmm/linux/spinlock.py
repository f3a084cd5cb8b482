# SPDX-License-Identifier: GPL-2.0-only
"""Locks that forbid sleeping — ``include/linux/spinlock.h``, ``rwlock.h``.

A thread that waits for one is simply not runnable: spinning would only add steps
in which nothing happens. Interrupts are threads here, so the ``_irq`` forms, which
keep them away from this CPU, are the plain ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import current_thread, thread_here
from ..errors import ContextError
from ._primitive import Lock, let_go, refuse_recursion

if TYPE_CHECKING:
    from ..engine.objects import Struct
    from ..engine.thread import Thread

__all__ = [
    "DEFINE_SPINLOCK",
    "assert_spin_locked",
    "read_lock",
    "read_unlock",
    "rwlock_t",
    "spin_is_locked",
    "spin_lock",
    "spin_lock_irq",
    "spin_lock_irqsave",
    "spin_lock_nested",
    "spin_trylock",
    "spin_unlock",
    "spin_unlock_irq",
    "spin_unlock_irqrestore",
    "spinlock_t",
    "write_lock",
    "write_lock_irq",
    "write_unlock",
    "write_unlock_irq",
]


class spinlock_t(Lock):
    """A lock that one thread holds; ``with lock:`` holds it for a block."""

    holder: Thread | None = None

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* keeps everybody else out."""
        return self.holder is thread

    def _idle(self) -> bool:
        return self.holder is None

    def __enter__(self) -> None:
        spin_lock(self)

    def _release(self) -> None:
        spin_unlock(self)


def DEFINE_SPINLOCK(  # noqa: N802 -- Linux's name
    owner: Struct | None = None,
) -> spinlock_t:
    """Make a lock that stands alone, or among a file's statics *owner*."""
    return spinlock_t(owner)


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_lock(lock: spinlock_t) -> None:
    """Wait until the lock is free, and take it.

    Context: Any; from here to :func:`spin_unlock` the thread must not sleep. A
        thread that holds the lock already is reported as deadlocked.
    """
    _spin(lock, "spin_lock")


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_lock_nested(lock: spinlock_t, subclass: int) -> None:
    """Take a second lock of a kind of which one is held already, as meant.

    Context: As :func:`spin_lock`. The order of the two is the caller's promise; a
        *subclass* of 0 promises nothing.
    """
    _spin(lock, "spin_lock_nested" if subclass else "spin_lock")


def _spin(lock: spinlock_t, kind: str) -> None:
    found, host = lock.holder, thread_here()
    if (
        host is not None
        and host.is_alone
        and not (found or (lock.owner or lock)._death)
    ):
        # Its steps are none, and large machines feel the way through them.
        lock.holder = host
        host.held.append(lock)
        host.atomic += 1
        return
    if found is not None:
        refuse_recursion(lock, found, kind)
    t = enter(lock, kind, lock._idle)
    if found is not None:
        lock.contended += 1
    lock.holder = t
    t.held.append(lock)
    t.atomic += 1
    leave(t, lock, Access.ACQUIRE, t.name, True)


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_trylock(lock: spinlock_t) -> bool:
    """Take the lock if it is free; a failure has only read.

    Context: Any; after a success the thread must not sleep.
    Return: Whether it was taken.
    """
    t = enter(lock, "spin_trylock")
    if lock.holder is not None:
        lock.contended += 1
        leave(t, lock, Access.READ, lock.holder.name)
        return False
    lock.holder = t
    t.held.append(lock)
    t.atomic += 1
    leave(t, lock, Access.ACQUIRE, t.name)
    return True


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_unlock(lock: spinlock_t) -> None:
    """Give the lock back.

    Context: Called by the thread that took it.
    """
    host = thread_here()
    if (
        host is not None
        and host.is_alone
        and host is lock.holder
        and host.held[-1] is lock
        and (lock.owner or lock)._death is None
    ):
        host.held.pop()
        lock.holder = None
        host.atomic -= 1
        return
    t = enter(lock, "spin_unlock")
    let_go(t, lock, holds=lock.holder is t)
    lock.holder = None
    t.atomic -= 1
    leave(t, lock, Access.RELEASE, "free")


spin_lock_irq = spin_lock_irqsave = spin_lock
spin_unlock_irq = spin_unlock_irqrestore = spin_unlock


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_is_locked(lock: spinlock_t) -> bool:
    """Tell whether anybody holds the lock.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(lock, "spin_is_locked")
    holder = lock.holder
    leave(t, lock, Access.READ, holder.name if holder else "free")
    return holder is not None


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def assert_spin_locked(lock: spinlock_t) -> None:
    """Report the caller unless it holds the lock.

    Context: Any. No step: nobody else can change the answer.
    """
    t = current_thread()
    if lock.holder is not t and not t.machine.stopping:
        raise ContextError(f"{t.name} relies on {lock.name}, which it does not hold")


class rwlock_t(Lock):
    """A spinning lock that one writer or many readers hold."""

    recursive = True

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        self.writer: Thread | None = None
        self.readers: list[Thread] = []

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* keeps everybody else out."""
        return self.writer is thread

    def _readable(self) -> bool:
        return self.writer is None

    def _writable(self) -> bool:
        return self.writer is None and not self.readers


_UNFAIR = "a waiting writer does not hold up readers, as if all of them were interrupts"


@mirrors("include/linux/rwlock.h", checked="v7.2", abridged=_UNFAIR, inline=True)
def read_lock(lock: rwlock_t) -> None:
    """Wait until no writer holds the lock, and share it.

    Context: Any, also inside itself; the thread must not sleep from here on.
    """
    found = lock.writer
    if found is not None:
        refuse_recursion(lock, found, "read_lock")
    t = enter(lock, "read_lock", lock._readable)
    if found is not None:
        lock.contended += 1
    lock.readers.append(t)
    t.held.append(lock)
    t.atomic += 1
    leave(t, lock, Access.SHARE, _readers(lock), True)


@mirrors("include/linux/rwlock.h", checked="v7.2", inline=True)
def read_unlock(lock: rwlock_t) -> None:
    """Give a share back.

    Context: Called by the thread that took it.
    """
    t = enter(lock, "read_unlock")
    holds = t in lock.readers
    let_go(t, lock, holds=holds)
    if holds:
        lock.readers.remove(t)
    t.atomic -= 1
    leave(t, lock, Access.UNSHARE, _readers(lock))


@mirrors("include/linux/rwlock.h", checked="v7.2", inline=True)
def write_lock(lock: rwlock_t) -> None:
    """Wait until nobody holds the lock, and take it.

    Context: Any; the thread must not sleep from here on, and must not hold
        the lock already in either way.
    """
    t = current_thread()
    busy = not lock._writable()
    if busy:
        refuse_recursion(lock, t if lock.held_by(t) else None, "write_lock")
    t = enter(lock, "write_lock", lock._writable)
    lock.contended += busy
    lock.writer = t
    t.held.append(lock)
    t.atomic += 1
    leave(t, lock, Access.ACQUIRE, t.name, True)


@mirrors("include/linux/rwlock.h", checked="v7.2", inline=True)
def write_unlock(lock: rwlock_t) -> None:
    """Give the lock back.

    Context: Called by the thread that took it.
    """
    t = enter(lock, "write_unlock")
    let_go(t, lock, holds=lock.writer is t)
    lock.writer = None
    t.atomic -= 1
    leave(t, lock, Access.RELEASE, "free")


write_lock_irq = write_lock
write_unlock_irq = write_unlock


def _readers(lock: rwlock_t) -> str:
    return f"{len(lock.readers)} readers" if lock.readers else "free"
