# SPDX-License-Identifier: GPL-2.0-only
"""Which locks are of one class, and what a class may nest in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pykmm.engine import Machine
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.mmap_lock import (
    mmap_write_lock,
    mmap_write_lock_nested,
    mmap_write_unlock,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_trylock, mutex_unlock
from pykmm.linux.rwsem import (
    down_write,
    downgrade_write,
    rw_semaphore,
    up_read,
)
from pykmm.linux.spinlock import (
    rwlock_t,
    spin_lock,
    spin_lock_nested,
    spin_unlock,
)
from tests.detect.locks import nest, node
from tests.detect.programs import Body, explored, found

# -- classes ------------------------------------------------------------------------


def test_a_class_is_a_field_of_a_kind_of_structure() -> None:
    """Four locks, no circle among them, but one between their two classes."""

    def setup(_: Machine) -> Sequence[Body]:
        one, two = node(), node()
        return [
            lambda: nest(("mutex", one.other), ("spin", one.lock)),
            lambda: nest(("spin", two.lock), ("mutex", two.other)),
        ]

    # Sleeping under a spinlock is reported first, as an invalid wait context.
    report = found(setup, detectors="lockdep")
    assert report is not None
    assert "might sleep in atomic context" in report.summary

    def backwards(_: Machine) -> Sequence[Body]:
        one, two = node(), node()

        def trylocked() -> None:
            if mutex_trylock(one.other):
                spin_lock(one.lock)
                spin_unlock(one.lock)
                mutex_unlock(one.other)

        def chained() -> None:
            spin_lock(two.lock)
            nest(("read", middle))
            spin_unlock(two.lock)
            nest(("write", middle), ("spin", one.lock))

        middle = rwlock_t()
        return [trylocked, chained]

    report = found(backwards, detectors="lockdep")
    assert report is not None
    assert "node.lock -> rwlock_t#1 -> node.lock" in report.summary


def test_two_locks_of_one_class_are_recursive_locking_unless_nested() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        one, two = node(), node()
        return [lambda: nest(("spin", one.lock), ("spin", two.lock))]

    report = found(setup, detectors="lockdep")
    assert report is not None
    assert report.summary == "possible recursive locking: node.lock -> node.lock"


@pytest.mark.parametrize(("subclass", "clean"), [(0, False), (1, True)])
def test_nesting_is_promised_with_a_subclass(subclass: int, clean: bool) -> None:
    def setup(_: Machine) -> Sequence[Body]:
        old, new = mm_struct(), mm_struct()

        def fork() -> None:
            mmap_write_lock(old)
            mmap_write_lock_nested(new, subclass)
            mmap_write_unlock(new)
            mmap_write_unlock(old)
            # The promise was for that time only.
            mmap_write_lock(new)
            mmap_write_unlock(new)

        return [fork]

    assert (found(setup, detectors="lockdep") is None) is clean


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 2), (2, 1)])
def test_each_subclass_nests_in_the_others(first: int, second: int) -> None:
    def setup(_: Machine) -> Sequence[Body]:
        outer, one, two = node(), node(), node()

        def work() -> None:
            spin_lock(outer.lock)
            spin_lock_nested(one.lock, first)
            spin_lock_nested(two.lock, second)
            for it in (two, one, outer):
                spin_unlock(it.lock)

        return [work]

    report = found(setup, detectors="lockdep")
    if first != second:
        assert report is None
    else:
        assert report is not None
        assert report.summary == (
            "possible recursive locking: node.lock/1 -> node.lock/1"
        )


def test_a_reader_that_queues_must_not_nest_and_one_that_does_not_may() -> None:
    def queueing(_: Machine) -> Sequence[Body]:
        sem, inner = rw_semaphore(), mutex()
        return [
            lambda: nest(("down_read", sem), ("mutex", inner), ("down_read", sem)),
        ]

    def spinning(_: Machine) -> Sequence[Body]:
        lock = rwlock_t()
        return [lambda: nest(("read", lock), ("read", lock))]

    report = found(queueing, detectors="lockdep")
    assert report is not None
    assert "possible recursive locking" in report.summary
    assert found(spinning, detectors="lockdep") is None


def test_downgrading_takes_nothing() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        sem, inner = rw_semaphore(), mutex()

        def work() -> None:
            down_write(sem)
            mutex_lock(inner)
            downgrade_write(sem)
            mutex_unlock(inner)
            up_read(sem)

        return [work, work]

    assert explored(setup).reports == ()
