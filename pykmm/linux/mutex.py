# SPDX-License-Identifier: GPL-2.0-only
"""Sleeping locks with one holder — ``include/linux/mutex.h``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep, Thread
from ..errno import EINTR
from ._primitive import Lock, let_go, refuse_recursion
from ._waiting import look_at_signals, wait_for
from .kernel import might_sleep

if TYPE_CHECKING:
    from ..engine.objects import Struct

__all__ = [
    "mutex",
    "mutex_is_locked",
    "mutex_lock",
    "mutex_lock_interruptible",
    "mutex_lock_killable",
    "mutex_trylock",
    "mutex_unlock",
]

_ORDER = "waiters take it in any order: neither a queue nor handing over"


class mutex(Lock):
    """A lock that one thread holds; ``with lock:`` holds it for a block."""

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        self.holder: Thread | None = None

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* keeps everybody else out."""
        return self.holder is thread

    def _idle(self) -> bool:
        return self.holder is None

    def __enter__(self) -> None:
        mutex_lock(self)

    def _release(self) -> None:
        mutex_unlock(self)


def _take(lock: mutex, t: Thread, *, waited: bool) -> None:
    lock.holder = t
    t.held.append(lock)
    leave(t, lock, Access.ACQUIRE, t.name, waited)


def _try(lock: mutex, kind: str) -> bool:
    t = enter(lock, kind)
    if lock.holder is None:
        _take(lock, t, waited=False)
        return True
    lock.contended += 1
    leave(t, lock, Access.READ, lock.holder.name)
    return False


@mirrors("kernel/locking/mutex.c", checked="v7.2", abridged=_ORDER, inline=True)
def mutex_lock(lock: mutex) -> None:
    """Wait until the mutex is free, and take it.

    Context: May sleep. A thread that holds it already is reported as deadlocked.
    """
    might_sleep()
    found = lock.holder
    if found is not None:
        refuse_recursion(lock, found, "mutex_lock")
    t = enter(lock, "mutex_lock", lock._idle)
    lock.contended += found is not None
    _take(lock, t, waited=True)


@mirrors("kernel/locking/mutex.c", checked="v7.2", abridged=_ORDER, inline=True)
def mutex_lock_killable(lock: mutex) -> int:
    """Take the mutex, or give up when killed while it is somebody else's.

    Context: May sleep. A free mutex is taken even by a task that is being killed.
    Return: 0, or -EINTR without the mutex.
    """
    return _lock_or_give_up(lock, "mutex_lock_killable", Sleep.KILLABLE)


@mirrors("kernel/locking/mutex.c", checked="v7.2", abridged=_ORDER, inline=True)
def mutex_lock_interruptible(lock: mutex) -> int:
    """Take the mutex, or give up when a signal comes while it is somebody else's.

    Context: May sleep. A free mutex is taken whatever signal is pending.
    Return: 0, or -EINTR without the mutex.
    """
    return _lock_or_give_up(lock, "mutex_lock_interruptible", Sleep.INTERRUPTIBLE)


def _lock_or_give_up(lock: mutex, kind: str, sleep: Sleep) -> int:
    might_sleep()
    if _try(lock, kind):
        return 0
    if look_at_signals(sleep):
        return -EINTR
    t = wait_for(lock, f"{kind}_wait", lock._idle, sleep)
    if t is None:
        return -EINTR
    _take(lock, t, waited=True)
    return 0


@mirrors("kernel/locking/mutex.c", checked="v7.2", inline=True)
def mutex_trylock(lock: mutex) -> bool:
    """Take the mutex if it is free; a failure has only read.

    Context: Process context, but never sleeps.
    Return: Whether it was taken.
    """
    return _try(lock, "mutex_trylock")


@mirrors("kernel/locking/mutex.c", checked="v7.2", inline=True)
def mutex_unlock(lock: mutex) -> None:
    """Give the mutex back.

    Context: Process context, by the thread that took it.
    """
    t = enter(lock, "mutex_unlock")
    let_go(t, lock, holds=lock.holder is t)
    lock.holder = None
    leave(t, lock, Access.RELEASE, "free")


@mirrors("kernel/locking/mutex.c", checked="v7.2", inline=True)
def mutex_is_locked(lock: mutex) -> bool:
    """Tell whether anybody holds the mutex.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(lock, "mutex_is_locked")
    holder = lock.holder
    leave(t, lock, Access.READ, holder.name if holder else "free")
    return holder is not None
