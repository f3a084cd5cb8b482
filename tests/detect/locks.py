# SPDX-License-Identifier: GPL-2.0-only
"""Locks of every kind, by name, to be nested in each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pykmm.engine import Machine, Mutex, RWLock, Struct
from pykmm.engine.fields import embedded, kernel_struct
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.rwsem import (
    down_read,
    down_write,
    rw_semaphore,
    up_read,
    up_write,
)
from pykmm.linux.spinlock import (
    read_lock,
    read_unlock,
    rwlock_t,
    spin_lock,
    spin_unlock,
    spinlock_t,
    write_lock,
    write_unlock,
)
from tests.detect.programs import Body, Setup


@kernel_struct
class node(Struct):
    """Something with a lock inside."""

    lock: spinlock_t = embedded(spinlock_t)
    other: mutex = embedded(mutex)


#: How to take and give a lock back, by kind of lock and mode.
WAYS = {
    "mutex": (mutex_lock, mutex_unlock),
    "spin": (spin_lock, spin_unlock),
    "read": (read_lock, read_unlock),
    "write": (write_lock, write_unlock),
    "down_read": (down_read, up_read),
    "down_write": (down_write, up_write),
    "engine": (Mutex.lock, Mutex.unlock),
    "engine_read": (RWLock.read_lock, RWLock.read_unlock),
    "engine_write": (RWLock.write_lock, RWLock.write_unlock),
}
MAKES: dict[str, Callable[[], object]] = {
    "mutex": mutex,
    "spin": spinlock_t,
    "read": rwlock_t,
    "write": rwlock_t,
    "down_read": rw_semaphore,
    "down_write": rw_semaphore,
    "engine": Mutex,
    "engine_read": RWLock,
    "engine_write": RWLock,
}


def nest(*pairs: tuple[str, object]) -> None:
    """Take locks one inside of the other, and give them back."""
    for way, lock in pairs:
        WAYS[way][0](lock)  # type: ignore[arg-type, operator]  # as the table says
    for way, lock in reversed(pairs):
        WAYS[way][1](lock)  # type: ignore[arg-type, operator]  # as the table says


def abba(a1: str, b1: str, b2: str, a2: str) -> Setup:
    """One nests b in a, the other a in b, each in the ways told."""

    def setup(_: Machine) -> Sequence[Body]:
        a, b = MAKES[a1](), MAKES[b1]()
        return [lambda: nest((a1, a), (b1, b)), lambda: nest((b2, b), (a2, a))]

    return setup
