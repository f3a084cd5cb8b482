# SPDX-License-Identifier: GPL-2.0-only
"""Sleeping locks with readers — ``linux/rwsem.h``, ``kernel/locking/rwsem.c``.

Whoever cannot have the lock queues. Any waiter, even one that only asks to read,
makes every trylock fail; that is how one queued writer keeps the OOM reaper out.
Readers are *granted* the lock by whoever lets them in, all those in the queue at
once; the first writer is only woken, and others may take the lock before it runs,
until it has waited for 4 ms. The state and the queue are in :mod:`._rwsem`.
"""

from __future__ import annotations

from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep, Thread, current_thread
from ..errno import EINTR
from ._primitive import let_go
from ._rwsem import (
    Waiter,
    cancel,
    enqueue,
    grant_readers,
    rw_semaphore,
    take_in_turn,
    wake_head,
)
from ._waiting import look_at_signals, wait_for
from .kernel import might_sleep

__all__ = [
    "down_read",
    "down_read_killable",
    "down_read_trylock",
    "down_write",
    "down_write_killable",
    "down_write_nested",
    "down_write_trylock",
    "downgrade_write",
    "rw_semaphore",
    "rwsem_is_contended",
    "rwsem_is_locked",
    "up_read",
    "up_write",
]

_NO_SPINNING = "no spinning: a writer queues where Linux's may get by without"


# -- reading --------------------------------------------------------------------------


def _try_read(sem: rw_semaphore, t: Thread) -> bool:
    if sem.writer is not None or sem.queue:
        return False
    sem.readers += 1
    t.held.append(sem)
    leave(t, sem, Access.SHARE, sem._state())
    return True


def _steal_read(sem: rw_semaphore, t: Thread) -> bool:
    """Take a free lock ahead of the queue, and its readers along if one is first."""
    if not sem._may_be_stolen():
        return False
    sem.readers = 1
    t.held.append(sem)
    if not sem.queue[0].writes:
        grant_readers(sem)
    leave(t, sem, Access.ACQUIRE, sem._state())
    return True


def _down_read(sem: rw_semaphore, kind: str, sleep: Sleep) -> int:
    might_sleep()
    t = enter(sem, kind)
    if _try_read(sem, t) or _steal_read(sem, t):
        return 0
    waiter = enqueue(sem, t, sleep, writes=False)
    # Which of several readers is first is the same to everybody: they get in at once.
    leave(t, sem, Access.ADD, sem._state())
    # A reader that has been granted the lock no longer looks at its signals.
    if waiter.woken or not look_at_signals(sleep):
        granted = wait_for(sem, f"{kind}_wait", partial(sem._lets_go, t), sleep)
        if granted is not None:
            granted.held.append(sem)
            leave(granted, sem, Access.WAIT, sem._state(), True)
            return 0
    return _give_up_read(sem, kind, waiter)


def _give_up_read(sem: rw_semaphore, kind: str, waiter: Waiter) -> int:
    t = enter(sem, f"{kind}_killed")
    if waiter.woken:
        t.held.append(sem)
        leave(t, sem, Access.SHARE, sem._state())
        return 0
    cancel(sem, waiter)
    leave(t, sem, Access.WRITE, f"{sem._state()}: -EINTR")
    return -EINTR


@mirrors("kernel/locking/rwsem.c", checked="v7.2", abridged=_NO_SPINNING, inline=True)
def down_read(sem: rw_semaphore) -> None:
    """Share the lock; queue while a writer has it, or waits behind readers.

    Context: May sleep. A holder that asks again can deadlock behind a writer.
    """
    _down_read(sem, "down_read", Sleep.UNINTERRUPTIBLE)


@mirrors("kernel/locking/rwsem.c", checked="v7.2", abridged=_NO_SPINNING, inline=True)
def down_read_killable(sem: rw_semaphore) -> int:
    """Share the lock, or give up when killed in the queue.

    Context: May sleep. Without a need to wait it succeeds even for a task that
        is being killed.
    Return: 0, or -EINTR without the lock.
    """
    return _down_read(sem, "down_read_killable", Sleep.KILLABLE)


@mirrors("kernel/locking/rwsem.c", checked="v7.2", inline=True)
def down_read_trylock(sem: rw_semaphore) -> bool:
    """Share the lock if no writer has it and *nobody waits*.

    Context: Any; never sleeps.
    Return: Whether it was taken; a failure has only read.
    """
    t = enter(sem, "down_read_trylock")
    if _try_read(sem, t):
        return True
    leave(t, sem, Access.READ, sem._state())
    return False


@mirrors("kernel/locking/rwsem.c", checked="v7.2", inline=True)
def up_read(sem: rw_semaphore) -> None:
    """Give a share back; the last one lets the queue in.

    Context: Called by a thread that took or was granted a share.
    """
    t = enter(sem, "up_read")
    let_go(t, sem, holds=sem.readers > 0)
    sem.readers -= 1
    if not sem.readers:
        wake_head(sem)
    # Which reader was the last one, and woke, is the same to everybody.
    leave(t, sem, Access.UNSHARE, sem._state())


# -- writing --------------------------------------------------------------------------


def _own(sem: rw_semaphore, t: Thread, access: Access, *, waited: bool = False) -> None:
    sem.writer = t
    t.held.append(sem)
    leave(t, sem, access, sem._state(), waited)


def _down_write(sem: rw_semaphore, kind: str, sleep: Sleep) -> int:
    might_sleep()
    t = enter(sem, kind)
    if sem._may_be_stolen():
        _own(sem, t, Access.ACQUIRE)
        return 0
    waiter = enqueue(sem, t, sleep, writes=True)
    leave(t, sem, Access.WRITE, sem._state())
    while not look_at_signals(sleep):
        woken = wait_for(sem, f"{kind}_wait", partial(sem._lets_go, t), sleep)
        if woken is None:
            break
        waiter.woken = False
        if take_in_turn(sem, waiter):
            _own(sem, woken, Access.WRITE, waited=True)
            return 0
        leave(woken, sem, Access.WAIT, sem._state(), True)  # somebody was faster
    return _give_up_write(sem, kind, waiter)


def _give_up_write(sem: rw_semaphore, kind: str, waiter: Waiter) -> int:
    t = enter(sem, f"{kind}_killed")
    if take_in_turn(sem, waiter):
        _own(sem, t, Access.WRITE)
        return 0
    cancel(sem, waiter)
    leave(t, sem, Access.WRITE, f"{sem._state()}: -EINTR")
    return -EINTR


@mirrors("kernel/locking/rwsem.c", checked="v7.2", abridged=_NO_SPINNING, inline=True)
def down_write(sem: rw_semaphore) -> None:
    """Take the lock alone; queue while anybody holds it.

    Context: May sleep. The caller must not hold the lock in either way.
    """
    _down_write(sem, "down_write", Sleep.UNINTERRUPTIBLE)


@mirrors("kernel/locking/rwsem.c", checked="v7.2", abridged=_NO_SPINNING, inline=True)
def down_write_nested(sem: rw_semaphore, subclass: int) -> None:
    """Take the lock alone, inside of another one of its class.

    Context: As :func:`down_write`. That somebody orders the two locks is the caller's
        promise; a *subclass* of 0 promises nothing.
    """
    current_thread().subclass = subclass
    kind = "down_write_nested" if subclass else "down_write"
    _down_write(sem, kind, Sleep.UNINTERRUPTIBLE)


@mirrors("kernel/locking/rwsem.c", checked="v7.2", abridged=_NO_SPINNING, inline=True)
def down_write_killable(sem: rw_semaphore) -> int:
    """Take the lock alone, or give up when killed in the queue.

    Context: May sleep. Without a need to wait it succeeds even for a task that
        is being killed.
    Return: 0, or -EINTR without the lock.
    """
    return _down_write(sem, "down_write_killable", Sleep.KILLABLE)


@mirrors("kernel/locking/rwsem.c", checked="v7.2", inline=True)
def down_write_trylock(sem: rw_semaphore) -> bool:
    """Take the lock alone if nobody holds it and *nobody waits*.

    Context: Any; never sleeps.
    Return: Whether it was taken; a failure has only read.
    """
    t = enter(sem, "down_write_trylock")
    if not sem.queue and sem._may_be_stolen():
        _own(sem, t, Access.ACQUIRE)
        return True
    leave(t, sem, Access.READ, sem._state())
    return False


@mirrors("kernel/locking/rwsem.c", checked="v7.2", inline=True)
def up_write(sem: rw_semaphore) -> None:
    """Give the lock back and let the queue in.

    Context: Called by the thread that took it.
    """
    t = enter(sem, "up_write")
    let_go(t, sem, holds=sem.writer is t)
    sem.writer = None
    wake_head(sem)
    leave(t, sem, Access.RELEASE, sem._state())


@mirrors("kernel/locking/rwsem.c", checked="v7.2", inline=True)
def downgrade_write(sem: rw_semaphore) -> None:
    """Turn the write lock into a share, with no moment in between.

    Readers at the head of the queue get in; a writer there keeps all out.

    Context: Called by the writer. Never sleeps.
    """
    t = enter(sem, "downgrade_write")
    let_go(t, sem, holds=sem.writer is t)
    t.held.append(sem)
    sem.writer = None
    sem.readers = 1
    if sem.queue and not sem.queue[0].writes:
        grant_readers(sem)
    leave(t, sem, Access.WRITE, sem._state())


# -- looking --------------------------------------------------------------------------


@mirrors("include/linux/rwsem.h", checked="v7.2", inline=True)
def rwsem_is_locked(sem: rw_semaphore) -> bool:
    """Tell whether anybody holds the lock or waits for it.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(sem, "rwsem_is_locked")
    locked = sem.writer is not None or sem.readers > 0 or bool(sem.queue)
    leave(t, sem, Access.READ, sem._state())
    return locked


@mirrors("include/linux/rwsem.h", checked="v7.2", inline=True)
def rwsem_is_contended(sem: rw_semaphore) -> bool:
    """Tell whether anybody waits for the lock.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(sem, "rwsem_is_contended")
    contended = bool(sem.queue)
    leave(t, sem, Access.READ, sem._state())
    return contended
