# SPDX-License-Identifier: GPL-2.0-only
"""Keys and buckets of futexes — ``kernel/futex/core.c``."""

from __future__ import annotations

from typing import Final

from ...engine.annotate import mirrors
from ...engine.statics import MachineLocal
from ...errno import EFAULT
from ...linux.bug import WARN_ON
from ...linux.compiler import READ_ONCE
from ...linux.mm_types import mm_struct
from ...linux.sched import current
from ...linux.spinlock import spin_lock, spin_unlock
from ...linux.uaccess import UserWord
from .futex import (
    FLAGS_SHARED,
    futex_hash_bucket,
    futex_hb_waiters_dec,
    futex_hb_waiters_inc,
    futex_key,
    futex_q,
)

__all__ = [
    "__futex_unqueue",
    "futex_hash",
    "futex_init",
    "futex_q_lock",
    "futex_q_unlock",
    "futex_unqueue",
    "get_futex_key",
]

#: A key of memory that others have mapped, too, and one of memory that nobody else
#: maps, asked for as if somebody might.
_FUT_OFF_INODE: Final = 1
_FUT_OFF_MMSHARED: Final = 2

_futex_queues = MachineLocal(futex_hash_bucket)


@mirrors("kernel/futex/core.c", checked="v7.2", abridged="one bucket")
def futex_init() -> None:
    """Make the buckets.

    Context: Boot.
    """
    _futex_queues()


@mirrors(
    "kernel/futex/core.c",
    checked="v7.2",
    abridged="the memory that a word stands in is always there",
)
def get_futex_key(uaddr: UserWord | None, flags: int) -> futex_key | int:
    """Find out what tells this word from others.

    Context: *uaddr* is in current's memory.
    Return: The key, or -EFAULT.
    """
    mm = current().mm
    if uaddr is None or not isinstance(mm, mm_struct):
        return -EFAULT
    if not flags & FLAGS_SHARED:
        return futex_key(mm, uaddr, 0)
    if uaddr.is_shared:
        return futex_key(None, uaddr, _FUT_OFF_INODE)
    return futex_key(mm, uaddr, _FUT_OFF_MMSHARED)


@mirrors("kernel/futex/core.c", checked="v7.2", abridged="all keys meet in one bucket")
def futex_hash(key: futex_key) -> futex_hash_bucket:
    """Return the bucket in which who waits for *key* queues."""
    del key
    return _futex_queues()


@mirrors("kernel/futex/core.c", checked="v7.2")
def __futex_unqueue(q: futex_q, hb: futex_hash_bucket) -> None:
    """Take *q* out of its bucket.

    Context: ``hb.lock`` is held.
    """
    if WARN_ON(q not in hb.chain, f"{q.name} is in no queue"):
        return
    hb.chain.remove(q)
    futex_hb_waiters_dec(hb)


@mirrors("kernel/futex/core.c", checked="v7.2")
def futex_q_lock(q: futex_q, hb: futex_hash_bucket) -> None:
    """Begin to wait.

    Context: Takes ``hb.lock``.
    """
    futex_hb_waiters_inc(hb)
    # No step: nobody finds *q* before it is queued.
    q.__dict__["lock_ptr"] = hb.lock
    spin_lock(hb.lock)


@mirrors("kernel/futex/core.c", checked="v7.2")
def futex_q_unlock(hb: futex_hash_bucket) -> None:
    """Give up before having queued.

    Context: ``hb.lock`` is held, and given back.
    """
    futex_hb_waiters_dec(hb)
    spin_unlock(hb.lock)


@mirrors("kernel/futex/core.c", checked="v7.2", abridged="nobody is moved to another")
def futex_unqueue(q: futex_q) -> int:
    """Stop waiting.

    Context: Takes the bucket's lock, unless *q* has been woken.
    Return: 1 if *q* was still queued, 0 if somebody has woken it.
    """
    hb = futex_hash(q.key)
    if READ_ONCE(q).lock_ptr is None:
        return 0
    spin_lock(hb.lock)
    # A waker that had the lock first was faster.
    still = READ_ONCE(q).lock_ptr is not None
    if still:
        __futex_unqueue(q, hb)
    spin_unlock(hb.lock)
    return int(still)
