# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for a word of memory, and waking who does — ``kernel/futex/waitwake.c``."""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...engine.events import Access
from ...engine.fields import field_of, step_write
from ...engine.step import leave
from ...engine.thread import Sleep
from ...errno import EAGAIN, EINVAL, ERESTARTSYS
from ...linux._waiting import look_at_signals, wait_for
from ...linux.sched import current
from ...linux.sched.signal import signal_pending
from ...linux.spinlock import spin_lock, spin_unlock
from ...linux.uaccess import UserWord
from .core import (
    __futex_unqueue,
    futex_hash,
    futex_q_lock,
    futex_q_unlock,
    futex_unqueue,
    get_futex_key,
)
from .futex import (
    futex_get_value_locked,
    futex_hash_bucket,
    futex_hb_waiters_pending,
    futex_key,
    futex_match,
    futex_q,
    futex_queue,
)

__all__ = ["futex_wait", "futex_wake"]


# -- waking ----------------------------------------------------------------------------


@mirrors(
    "kernel/futex/waitwake.c",
    checked="v7.2",
    abridged="the waiter may run at once, as one that is woken for nothing may",
)
def futex_wake_mark(q: futex_q, hb: futex_hash_bucket) -> None:
    """Wake one waiter.

    Context: ``hb.lock`` is held. *q* is not to be touched afterwards: its waiter
        needs no lock any more to leave, and takes *q* along.
    """
    __futex_unqueue(q, hb)
    step_write(q, "lock_ptr", None, "smp_store_release")


@mirrors(
    "kernel/futex/waitwake.c",
    checked="v7.2",
    abridged="no robust unlocking, no priority inheritance",
)
def futex_wake(uaddr: UserWord | None, flags: int, nr_wake: int, bitset: int) -> int:
    """Wake up to *nr_wake* of those who wait for the word, and one at least.

    Context: Takes the bucket's lock, if anybody waits at all.
    Return: How many; -EFAULT for a bad address, -EINVAL for an empty *bitset*.
    """
    if not bitset:
        return -EINVAL
    key = get_futex_key(uaddr, flags)
    if not isinstance(key, futex_key):
        return key
    ret = 0
    hb = futex_hash(key)
    if not futex_hb_waiters_pending(hb):
        return ret
    spin_lock(hb.lock)
    for this in list(hb.chain):
        if not futex_match(this.key, key) or not this.bitset & bitset:
            continue
        futex_wake_mark(this, hb)
        ret += 1
        if ret >= nr_wake:
            break
    spin_unlock(hb.lock)
    return ret


# -- waiting ---------------------------------------------------------------------------


@mirrors("kernel/futex/waitwake.c", checked="v7.2", abridged="no time limit")
def futex_do_wait(q: futex_q) -> None:
    """Sleep until woken, or until there is a signal.

    Context: Sleeps.
    """
    if look_at_signals(Sleep.INTERRUPTIBLE):
        return
    word = field_of(q, "lock_ptr")
    t = wait_for(word, "schedule", q._is_woken, Sleep.INTERRUPTIBLE)
    if t is not None:
        leave(t, word, Access.WAIT, None, True)


@mirrors("kernel/futex/waitwake.c", checked="v7.2", abridged="the word is always there")
def futex_wait_setup(uaddr: UserWord, val: int, q: futex_q) -> int:
    """Queue, if the word is still *val*.

    Context: Takes the bucket's lock: who changes the word and then looks for waiters
        finds this one, or has changed it before this looks.
    Return: 0 when queued; -EAGAIN if the word is another.
    """
    hb = futex_hash(q.key)
    futex_q_lock(q, hb)
    if futex_get_value_locked(uaddr) != val:
        futex_q_unlock(hb)
        return -EAGAIN
    futex_queue(q, hb)
    return 0


@mirrors("kernel/futex/waitwake.c", checked="v7.2", abridged="no time limit")
def __futex_wait(uaddr: UserWord | None, flags: int, val: int, bitset: int) -> int:
    """Wait as :func:`futex_wait` does."""
    if not bitset:
        return -EINVAL
    key = get_futex_key(uaddr, flags)
    if uaddr is None or not isinstance(key, futex_key):
        return key  # type: ignore[return-value]  # without an address it is an errno
    q = futex_q(key=key, bitset=bitset)
    try:
        while True:
            ret = futex_wait_setup(uaddr, val, q)
            if ret:
                return ret
            futex_do_wait(q)
            if not futex_unqueue(q):
                return 0
            if signal_pending(current()):
                return -ERESTARTSYS
    finally:
        q._free()


@mirrors("kernel/futex/waitwake.c", checked="v7.2", abridged="no time limit")
def futex_wait(uaddr: UserWord | None, flags: int, val: int, bitset: int) -> int:
    """Sleep while the word is *val*, until somebody wakes who waits for it.

    Context: Sleeps, interruptibly.
    Return: 0 if woken; -EAGAIN if the word is another, -ERESTARTSYS for a signal,
        -EFAULT for a bad address, -EINVAL for an empty *bitset*.
    """
    return __futex_wait(uaddr, flags, val, bitset)
