# SPDX-License-Identifier: GPL-2.0-only
"""Who waits for a word of memory, and where — ``kernel/futex/futex.h``.

A waiter queues under the lock of its bucket, after it has looked at the word under
that lock. Whoever changes the word does so before it looks whether anybody waits, so
that one of the two sees the other.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ...engine.annotate import mirrors
from ...engine.fields import const, embedded, guarded, kernel_struct, shared
from ...engine.guards import one_way
from ...engine.objects import Struct
from ...linux.atomic import atomic_dec, atomic_inc, atomic_read, atomic_t
from ...linux.mm_types import mm_struct
from ...linux.spinlock import spin_unlock, spinlock_t
from ...linux.uaccess import UserWord
from ...linux.uapi_futex import FUTEX_CLOCK_REALTIME, FUTEX_PRIVATE_FLAG

__all__ = [
    "FLAGS_CLOCKRT",
    "FLAGS_SHARED",
    "futex_get_value_locked",
    "futex_hash_bucket",
    "futex_hb_waiters_dec",
    "futex_hb_waiters_inc",
    "futex_hb_waiters_pending",
    "futex_key",
    "futex_match",
    "futex_q",
    "futex_queue",
    "futex_to_flags",
]

FLAGS_SHARED: Final = 0x10
FLAGS_CLOCKRT: Final = 0x20


@mirrors("kernel/futex/futex.h", checked="v7.2", abridged="nothing of robust futexes")
def futex_to_flags(op: int) -> int:
    """Translate what a program asked for."""
    flags = 0 if op & FUTEX_PRIVATE_FLAG else FLAGS_SHARED
    return flags | (FLAGS_CLOCKRT if op & FUTEX_CLOCK_REALTIME else 0)


@frozen
class futex_key:
    """What tells one word from another: two keys are of one word if they are equal.

    A word is private to its address space unless it stands in shared memory. Who asks
    with FUTEX_PRIVATE_FLAG and who asks without do not find each other.
    """

    mm: mm_struct | None
    word: UserWord
    offset: int


@kernel_struct
class futex_hash_bucket(Struct):
    """Where the waiters of some words queue."""

    waiters: atomic_t = embedded(lambda hb: atomic_t(0, hb))
    lock: spinlock_t = embedded(spinlock_t)
    #: In the order in which they came.
    chain: list[futex_q] = guarded(by="lock", factory=list)


@kernel_struct
class futex_q(Struct):
    """One waiter, on the waiter's stack: gone as soon as that returns.

    It has been woken when ``lock_ptr`` is None, which its waker writes last.
    """

    key: futex_key = const()
    bitset: int = const()
    lock_ptr: spinlock_t | None = shared(default=None)

    @one_way
    def _is_woken(self) -> bool:
        """Be the guard of the sleep."""
        return self.__dict__["lock_ptr"] is None


@mirrors("kernel/futex/futex.h", checked="v7.2", inline=True)
def futex_match(key1: futex_key, key2: futex_key) -> bool:
    """Tell whether both are of one word."""
    return key1 == key2


@mirrors("kernel/futex/futex.h", checked="v7.2", abridged="the word is always there")
def futex_get_value_locked(word: UserWord) -> int:
    """Read the word.

    Context: Does not fault: the bucket's lock is held.
    """
    return word.read()


@mirrors("kernel/futex/futex.h", checked="v7.2", abridged="nobody has a priority")
def futex_queue(q: futex_q, hb: futex_hash_bucket) -> None:
    """Queue, and let go of the bucket.

    Context: ``hb.lock`` is held, and given back.
    """
    hb.chain.append(q)
    spin_unlock(hb.lock)


@mirrors("kernel/futex/futex.h", checked="v7.2", inline=True)
def futex_hb_waiters_inc(hb: futex_hash_bucket) -> None:
    """Say that somebody is about to wait, before looking at the word."""
    atomic_inc(hb.waiters)


@mirrors("kernel/futex/futex.h", checked="v7.2", inline=True)
def futex_hb_waiters_dec(hb: futex_hash_bucket) -> None:
    """Say that somebody waits no more."""
    atomic_dec(hb.waiters)


@mirrors("kernel/futex/futex.h", checked="v7.2", inline=True)
def futex_hb_waiters_pending(hb: futex_hash_bucket) -> bool:
    """Tell whether anybody waits, after changing the word."""
    return atomic_read(hb.waiters) > 0
