# SPDX-License-Identifier: GPL-2.0-only
"""As many executions as there are orders, where the orders were counted one by one.

Every interleaving is run, and told apart by the order of its steps in conflict; the
numbers beside the programs are what that came to.
"""

from __future__ import annotations

import pytest

from pykmm.engine import Cell, Counter, Machine, Mutex, RWLock
from pykmm.linux.rcupdate import _put_and_call_rcu, call_rcu, rcu
from pykmm.linux.refcount import (
    refcount_dec_and_test,
    refcount_inc,
    refcount_inc_not_zero,
    refcount_t,
)
from pykmm.linux.rwsem import down_read, down_write, rw_semaphore, up_read, up_write
from pykmm.schedulers import Dfs, Dpor
from tests.litmus.harness import Program, run
from tests.schedulers.primitives import Flag
from tests.schedulers.reference import explore_all


def drops(n: int) -> Program:
    """Everybody drops a reference, and nobody can tell who is last."""

    def program(m: Machine) -> object:
        count, freed = refcount_t(n), Cell(0)
        run(m, *[lambda: _put_and_call_rcu(count, lambda: freed.set(1), "free")] * n)
        return freed.peek()

    return program


def drops_that_tell(n: int) -> Program:
    """The same, but whoever is last knows it."""

    def program(m: Machine) -> object:
        count = refcount_t(n)
        return run(m, *[lambda: refcount_dec_and_test(count)] * n)

    return program


def borrowers(m: Machine) -> object:
    """Two take and give back a reference that somebody else keeps."""
    count = refcount_t(1)

    def borrow() -> bool:
        refcount_inc(count)
        return refcount_dec_and_test(count)

    return run(m, borrow, borrow)


def drop_against_get(m: Machine) -> object:
    count, freed = refcount_t(2), Cell(0)

    def put() -> None:
        _put_and_call_rcu(count, lambda: freed.set(1), "free")

    return run(m, put, put, lambda: refcount_inc_not_zero(count))[2]


def reader_and_callback(m: Machine) -> object:
    x = Cell(0)

    def read() -> object:
        with rcu():
            return x.get()

    return run(m, read, lambda: call_rcu(lambda: x.set(1)))[0]


def two_readers_and_a_callback(m: Machine) -> object:
    def read() -> None:
        with rcu():
            pass

    return run(m, read, read, lambda: call_rcu(lambda: None))


def semaphore(readers: int, writers: int) -> Program:
    def program(m: Machine) -> object:
        sem = rw_semaphore()

        def read() -> None:
            down_read(sem)
            up_read(sem)

        def write() -> None:
            down_write(sem)
            up_write(sem)

        return run(m, *[read] * readers, *[write] * writers)

    return program


def flags_twice(m: Machine) -> object:
    flag = Flag()
    return run(m, flag.raise_, flag.raise_, flag.raise_, flag.wait)


def try_and_lock(m: Machine) -> object:
    lock, x = Mutex(), Cell(0)

    def attempt() -> bool:
        got = lock.trylock()
        if got:
            x.set(1)
            lock.unlock()
        return got

    def owner() -> None:
        with lock:
            x.set(2)

    return run(m, attempt, owner, attempt), x.peek()


def upgrade(m: Machine) -> object:
    """Read under the shared lock, write under the exclusive one."""
    lock, x = RWLock(), Cell(0)

    def body() -> None:
        lock.read_lock()
        found = x.get()
        lock.read_unlock()
        lock.write_lock()
        x.set(found + 1)
        lock.write_unlock()

    run(m, body, body)
    return x.peek()


def spinning(m: Machine) -> object:
    x, y = Counter(0), Counter(0)

    def claim(mine: Counter, other: Counter) -> bool:
        mine.fetch_add()
        return other.cas(0, 5)

    return run(m, lambda: claim(x, y), lambda: claim(y, x))


PROGRAMS = [
    ("drops(2)", drops(2), 1),
    ("drops(4)", drops(4), 1),
    ("drops_that_tell(3)", drops_that_tell(3), 3),
    ("borrowers", borrowers, 3),
    ("drop_against_get", drop_against_get, 4),
    ("reader_and_callback", reader_and_callback, 3),
    ("two_readers_and_a_callback", two_readers_and_a_callback, 4),
    ("semaphore(1, 1)", semaphore(1, 1), 4),
    ("semaphore(2, 0)", semaphore(2, 0), 1),
    ("flags_twice", flags_twice, 3),
    ("try_and_lock", try_and_lock, 15),
    ("upgrade", upgrade, 4),
    ("spinning", spinning, 3),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "orders"),
    [pytest.param(program, orders, id=name) for name, program, orders in PROGRAMS],
)
def test_one_execution_for_each_order(program: Program, orders: int) -> None:
    brute = explore_all(program, Dfs(), 200_000)
    clever = explore_all(program, Dpor())
    assert clever.outcomes == brute.outcomes
    assert clever.orders.keys() == brute.orders.keys()
    assert len(brute.orders) == orders
    assert (sum(clever.orders.values()), clever.redundant) == (orders, 0)
