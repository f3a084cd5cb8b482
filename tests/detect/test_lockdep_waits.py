# SPDX-License-Identifier: GPL-2.0-only
"""What counts as a lock although nobody holds it: timers' functions, read sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pykmm.engine import Machine
from pykmm.errors import LockInversion
from pykmm.linux.completion import complete, completion, wait_for_completion
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.spinlock import spin_lock_bh, spin_unlock_bh, spinlock_t
from pykmm.linux.srcu import (
    srcu_read_lock,
    srcu_read_unlock,
    srcu_struct,
    synchronize_srcu,
)
from pykmm.linux.timer import (
    mod_timer,
    timer_delete,
    timer_delete_sync,
    timer_list,
    timer_setup,
)
from tests.detect.locks import nest
from tests.detect.programs import Body, explored, found


def deleting(
    delete: Callable[[timer_list], object], *, locked: bool
) -> Callable[[Machine], Sequence[Body]]:
    """Make a program that deletes a timer whose function takes a lock.

    It has given the lock back by then, so nobody gets stuck; the next time it may not.
    """

    def setup(_: Machine) -> Sequence[Body]:
        lock, timer, done = spinlock_t(), timer_list(synced=True), completion()

        def expired(_: timer_list) -> None:
            nest(("spin", lock))
            complete(done)

        timer_setup(timer, expired)

        def work() -> None:
            mod_timer(timer, 2000)
            wait_for_completion(done)
            if locked:
                spin_lock_bh(lock)
            delete(timer)
            if locked:
                spin_unlock_bh(lock)

        return [work]

    return setup


def test_waiting_for_a_timer_with_a_lock_that_its_function_takes() -> None:
    program = deleting(timer_delete_sync, locked=True)
    assert [r.kind for r in explored(program).reports] == ["lock-inversion"]
    report = found(program, detectors="lockdep")
    assert report is not None
    assert report.summary == (
        "possible circular locking dependency: "
        "spinlock_t#1 -> timer_list#1 -> spinlock_t#1"
    )
    assert report.facts == [
        ("spinlock_t#1 -> timer_list#1", "t0 holds spinlock_t#1 since step 9  work"),
        ("", "waits for timer_list#1 at step 10  timer_delete_sync < work"),
        (
            "timer_list#1 -> spinlock_t#1",
            "timer:expired is in timer_list#1 since step 3  fire",
        ),
        ("", "takes spinlock_t#1 at step 4  nest < expired < fire"),
    ]


@pytest.mark.parametrize(
    ("delete", "locked"),
    [(timer_delete, True), (timer_delete_sync, False), (timer_delete, False)],
)
def test_a_timer_may_be_deleted_without_waiting_or_without_the_lock(
    delete: Callable[[timer_list], object], locked: bool
) -> None:
    assert explored(deleting(delete, locked=locked)).reports == ()


def sections(
    inside: bool, synchronize: bool, *, locked: bool = True
) -> Callable[[Machine], Sequence[Body]]:
    """Make readers that take a mutex in or around their sections, and somebody who
    waits for them, or reads as well, with or without that mutex."""

    def setup(_: Machine) -> Sequence[Body]:
        domain, lock = srcu_struct(), mutex()

        def reader() -> None:
            if not inside:
                mutex_lock(lock)
            idx = srcu_read_lock(domain)
            if inside:
                mutex_lock(lock)
                mutex_unlock(lock)
            srcu_read_unlock(domain, idx)
            if not inside:
                mutex_unlock(lock)

        def other() -> None:
            if locked:
                mutex_lock(lock)
            if synchronize:
                synchronize_srcu(domain)
            else:
                srcu_read_unlock(domain, srcu_read_lock(domain))
            if locked:
                mutex_unlock(lock)

        return [reader, other]

    return setup


def test_waiting_for_readers_with_a_lock_that_they_take() -> None:
    report = found(sections(inside=True, synchronize=True), detectors="lockdep")
    assert isinstance(report, LockInversion)
    assert report.summary == (
        "possible circular locking dependency: mutex#1 -> srcu_struct#1 -> mutex#1"
    )
    assert report.facts[1][1].startswith("waits for srcu_struct#1 at step ")
    assert report.facts[2][1].startswith("t0 is in srcu_struct#1 since step ")


@pytest.mark.parametrize(
    "program",
    [
        sections(inside=False, synchronize=True),
        sections(inside=True, synchronize=True, locked=False),
        sections(inside=True, synchronize=False),
    ],
)
def test_readers_may_nest_and_be_waited_for(
    program: Callable[[Machine], Sequence[Body]],
) -> None:
    assert explored(program).reports == ()


def test_waiting_in_a_section_for_its_own_end_is_recursive() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        domain = srcu_struct()

        def work() -> None:
            srcu_read_lock(domain)
            synchronize_srcu(domain)

        return [work]

    report = found(setup, detectors="lockdep")
    assert report is not None
    assert report.summary == (
        "possible recursive locking: srcu_struct#1 -> srcu_struct#1"
    )
