# SPDX-License-Identifier: GPL-2.0-only
"""Locks that forbid sleeping — ``include/linux/spinlock.h``, ``rwlock.h``.

A thread that waits for one is simply not runnable: spinning would only add steps
in which nothing happens. What the ``_irq`` and ``_bh`` forms keep away meanwhile is
noted, and is no step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import current_thread, thread_here
from ..errors import ContextError
from ._primitive import Lock, let_go, refuse_recursion
from .bottom_half import local_bh_disable, local_bh_enable
from .irqflags import (
    local_irq_disable,
    local_irq_enable,
    local_irq_restore,
    local_irq_save,
)

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
    "spin_lock_bh",
    "spin_lock_irq",
    "spin_lock_irqsave",
    "spin_lock_nested",
    "spin_trylock",
    "spin_unlock",
    "spin_unlock_bh",
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
    #: What :func:`spin_lock_irqsave` found, which Linux keeps in a variable of the
    #: holder's.
    flags: int = 0

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
    current_thread().subclass = subclass
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
    _let_spin(lock, "spin_unlock")


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_lock_bh(lock: spinlock_t) -> None:
    """Keep softirqs away, and take the lock.

    Context: As :func:`spin_lock`. For a lock that softirqs take, too.
    """
    local_bh_disable()
    _spin(lock, "spin_lock_bh")


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_unlock_bh(lock: spinlock_t) -> None:
    """Give the lock back, and let softirqs in.

    Context: As :func:`spin_unlock`, with interrupts on.
    """
    _let_spin(lock, "spin_unlock_bh")
    local_bh_enable()


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_lock_irq(lock: spinlock_t) -> None:
    """Switch interrupts off, and take the lock.

    Context: As :func:`spin_lock`, with interrupts on. For a lock that interrupts
        take, too.
    """
    local_irq_disable()
    _spin(lock, "spin_lock_irq")


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_unlock_irq(lock: spinlock_t) -> None:
    """Give the lock back, and switch interrupts on.

    Context: As :func:`spin_unlock`.
    """
    _let_spin(lock, "spin_unlock_irq")
    local_irq_enable()


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_lock_irqsave(lock: spinlock_t) -> None:
    """Switch interrupts off if they are on, and take the lock.

    Context: As :func:`spin_lock`. The lock keeps how it was until it is given back.
    """
    flags = local_irq_save()
    _spin(lock, "spin_lock_irqsave")
    lock.flags = flags


@mirrors("include/linux/spinlock.h", checked="v7.2", inline=True)
def spin_unlock_irqrestore(lock: spinlock_t) -> None:
    """Give the lock back, and leave interrupts as they were before.

    Context: As :func:`spin_unlock`.
    """
    flags = lock.flags  # when it has been given back it is somebody else's
    _let_spin(lock, "spin_unlock_irqrestore")
    local_irq_restore(flags)


def _let_spin(lock: spinlock_t, kind: str) -> None:
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
    t = enter(lock, kind)
    let_go(t, lock, holds=lock.holder is t)
    lock.holder = None
    t.atomic -= 1
    leave(t, lock, Access.RELEASE, "free")


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
    _write(lock, "write_lock")


@mirrors("include/linux/rwlock.h", checked="v7.2", inline=True)
def write_unlock(lock: rwlock_t) -> None:
    """Give the lock back.

    Context: Called by the thread that took it.
    """
    _let_write(lock, "write_unlock")


@mirrors("include/linux/rwlock.h", checked="v7.2", inline=True)
def write_lock_irq(lock: rwlock_t) -> None:
    """Switch interrupts off, and take the lock.

    Context: As :func:`write_lock`, with interrupts on. For a lock that interrupts
        take, too.
    """
    local_irq_disable()
    _write(lock, "write_lock_irq")


@mirrors("include/linux/rwlock.h", checked="v7.2", inline=True)
def write_unlock_irq(lock: rwlock_t) -> None:
    """Give the lock back, and switch interrupts on.

    Context: As :func:`write_unlock`.
    """
    _let_write(lock, "write_unlock_irq")
    local_irq_enable()


def _write(lock: rwlock_t, kind: str) -> None:
    t = current_thread()
    busy = not lock._writable()
    if busy:
        refuse_recursion(lock, t if lock.held_by(t) else None, kind)
    t = enter(lock, kind, lock._writable)
    lock.contended += busy
    lock.writer = t
    t.held.append(lock)
    t.atomic += 1
    leave(t, lock, Access.ACQUIRE, t.name, True)


def _let_write(lock: rwlock_t, kind: str) -> None:
    t = enter(lock, kind)
    let_go(t, lock, holds=lock.writer is t)
    lock.writer = None
    t.atomic -= 1
    leave(t, lock, Access.RELEASE, "free")


def _readers(lock: rwlock_t) -> str:
    return f"{len(lock.readers)} readers" if lock.readers else "free"
