# SPDX-License-Identifier: GPL-2.0-only
"""What orders two accesses: locks, counters, births and sleeps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pykmm.engine import Cell, Counter, Machine, Mutex, PlainCell, RWLock
from pykmm.linux import bitops
from pykmm.linux.atomic import (
    atomic_dec_and_test,
    atomic_t,
    atomic_xchg,
)
from pykmm.linux.bitops import Bits
from pykmm.linux.refcount import refcount_dec_and_test, refcount_t
from pykmm.linux.rwsem import (
    down_read,
    down_write,
    downgrade_write,
    rw_semaphore,
    up_read,
    up_write,
)
from pykmm.linux.spinlock import (
    read_lock,
    read_unlock,
    rwlock_t,
    spin_lock,
    spin_trylock,
    spin_unlock,
    spinlock_t,
    write_lock,
    write_unlock,
)
from pykmm.linux.wait import wait_event, wait_queue_head_t, wake_up
from tests.detect.programs import Body, Setup, between, races


def mutex(_: Machine) -> Sequence[Body]:
    x, lock = PlainCell(0), Mutex()

    def add() -> None:
        with lock:
            x.set(x.get() + 1)

    return [add, add, add]


def spinlock(_: Machine) -> Sequence[Body]:
    x, lock = PlainCell(0), spinlock_t()
    add = between(
        lambda: spin_lock(lock), lambda: spin_unlock(lock), lambda: x.set(x.get() + 1)
    )
    return [add, add]


def successful_trylock(_: Machine) -> Sequence[Body]:
    x, lock = PlainCell(0), spinlock_t()

    def add() -> None:
        if spin_trylock(lock):
            x.set(x.get() + 1)
            spin_unlock(lock)

    return [add, add]


def readers_and_a_writer(_: Machine) -> Sequence[Body]:
    x, lock = PlainCell(0), rwlock_t()
    look = between(lambda: read_lock(lock), lambda: read_unlock(lock), x.get)
    write = between(
        lambda: write_lock(lock), lambda: write_unlock(lock), lambda: x.set(1)
    )
    return [look, look, write]


def rwlock_of_the_engine(_: Machine) -> Sequence[Body]:
    x, lock = PlainCell(0), RWLock()
    look = between(lock.read_lock, lock.read_unlock, x.get)
    return [look, look, between(lock.write_lock, lock.write_unlock, lambda: x.set(1))]


def rwsem_with_queue(_: Machine) -> Sequence[Body]:
    x, sem = PlainCell(0), rw_semaphore()
    look = between(lambda: down_read(sem), lambda: up_read(sem), x.get)
    write = between(lambda: down_write(sem), lambda: up_write(sem), lambda: x.set(1))
    return [look, write, write]


def downgraded(_: Machine) -> Sequence[Body]:
    x, sem = PlainCell(0), rw_semaphore()

    def write() -> None:
        down_write(sem)
        x.set(1)
        downgrade_write(sem)
        x.get()
        up_read(sem)

    return [write, between(lambda: down_read(sem), lambda: up_read(sem), x.get)]


def released_and_acquired(_: Machine) -> Sequence[Body]:
    x, flag = PlainCell(0), Cell(0)

    def put() -> None:
        x.set(1)
        flag.store_release(1)

    return [put, lambda: flag.load_acquire() and x.get()]


def handed_on_by_a_third(_: Machine) -> Sequence[Body]:
    """What was acquired is released, too."""
    x, first, second = PlainCell(0), Cell(0), Cell(0)

    def put() -> None:
        x.set(1)
        first.store_release(1)

    def relay() -> None:
        if first.load_acquire():
            second.store_release(1)

    return [put, relay, lambda: second.load_acquire() and x.get()]


def compare_and_swap(_: Machine) -> Sequence[Body]:
    x, lock = PlainCell(0), Cell(0)

    def add() -> None:
        if lock.cas(0, 1):
            x.set(x.get() + 1)
            lock.store_release(0)

    return [add, add]


def fetch_add(_: Machine) -> Sequence[Body]:
    x, turn = PlainCell(0), Counter(0)

    def put() -> None:
        if turn.fetch_add() == 0:
            x.set(1)
            turn.fetch_add()

    return [put, lambda: turn.fetch_add() == 2 and x.get()]


def creation(m: Machine) -> Sequence[Body]:
    x = PlainCell(0)

    def parent() -> None:
        x.set(1)
        m.thread("child", x.get)

    return [parent]


def two_runs(m: Machine) -> Sequence[Body]:
    x = PlainCell(0)
    m.thread("before", lambda: x.set(1))
    m.run()
    return [x.get, x.get]


def woken(_: Machine) -> Sequence[Body]:
    """The condition acquires what the waker released; the queue itself need not."""
    x, ready, queue = PlainCell(0), Cell(0), wait_queue_head_t()

    def work() -> None:
        x.set(1)
        ready.store_release(1)
        wake_up(queue)

    def wait() -> None:
        wait_event(queue, ready.load_acquire)
        x.get()

    return [work, wait]


def last_reference(_: Machine) -> Sequence[Body]:
    x = [PlainCell(0), PlainCell(0)]
    count = refcount_t(2)

    def put(mine: PlainCell[int]) -> None:
        mine.set(1)
        if refcount_dec_and_test(count):
            for cell in x:
                cell.set(-1)

    return [lambda: put(x[0]), lambda: put(x[1])]


def last_reference_on_an_atomic(_: Machine) -> Sequence[Body]:
    x, count = PlainCell(0), atomic_t(2)

    def put() -> None:
        if atomic_dec_and_test(count):
            x.get()

    def write_and_put() -> None:
        x.set(1)
        put()

    return [put, write_and_put]


def exchanged(_: Machine) -> Sequence[Body]:
    x, v = PlainCell(0), atomic_t(0)

    def put() -> None:
        x.set(1)
        atomic_xchg(v, 1)

    return [put, lambda: atomic_xchg(v, 2) == 1 and x.get()]


def bit_lock(_: Machine) -> Sequence[Body]:
    x, word = PlainCell(0), Bits()

    def put() -> None:
        if not bitops.test_and_set_bit(0, word):
            x.set(1)
            bitops.test_and_set_bit(1, word)

    return [put, lambda: bitops.test_and_set_bit(1, word) and x.get()]


ORDERED = (
    mutex,
    spinlock,
    successful_trylock,
    readers_and_a_writer,
    rwlock_of_the_engine,
    rwsem_with_queue,
    downgraded,
    released_and_acquired,
    handed_on_by_a_third,
    compare_and_swap,
    fetch_add,
    creation,
    two_runs,
    woken,
    last_reference,
    last_reference_on_an_atomic,
    exchanged,
    bit_lock,
)


@pytest.mark.parametrize("program", ORDERED, ids=lambda f: f.__name__)
def test_ordered_accesses_do_not_race(program: Setup) -> None:
    assert races(program) == []
