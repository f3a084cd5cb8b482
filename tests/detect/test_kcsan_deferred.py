# SPDX-License-Identifier: GPL-2.0-only
"""What orders what is done later: completions, grace periods, timers and work."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pykmm.engine import Cell, Machine, PlainCell
from pykmm.linux.completion import (
    complete,
    complete_all,
    completion,
    completion_done,
    try_wait_for_completion,
    wait_for_completion,
)
from pykmm.linux.rcupdate import (
    call_rcu,
    rcu_read_lock,
    rcu_read_unlock,
    synchronize_rcu,
)
from pykmm.linux.srcu import (
    srcu_read_lock,
    srcu_read_unlock,
    srcu_struct,
    synchronize_srcu,
)
from pykmm.linux.timer import add_timer, mod_timer, timer_list, timer_setup
from pykmm.linux.workqueue import schedule_work, work_struct
from tests.detect.programs import Body, Setup, between, found, races


def in_section(body: Body) -> Body:
    return between(rcu_read_lock, rcu_read_unlock, body)


def completed(_: Machine) -> Sequence[Body]:
    x, done = PlainCell(0), completion()

    def work() -> None:
        x.set(1)
        complete(done)

    def wait() -> None:
        wait_for_completion(done)
        x.get()

    return [work, wait]


def looked_at_and_done(_: Machine) -> Sequence[Body]:
    x, done = PlainCell(0), completion()

    def work() -> None:
        x.set(1)
        complete_all(done)

    return [work, lambda: completion_done(done) and x.get()]


def tried_and_done(_: Machine) -> Sequence[Body]:
    x, done = PlainCell(0), completion()

    def work() -> None:
        x.set(1)
        complete(done)

    return [work, lambda: try_wait_for_completion(done) and x.get()]


def grace_period(_: Machine) -> Sequence[Body]:
    x, published = PlainCell(0), Cell(1)

    def look() -> None:
        rcu_read_lock()
        if published.load_acquire():
            x.get()
        rcu_read_unlock()

    def retire() -> None:
        published.set(0)
        synchronize_rcu()
        x.set(-1)

    return [look, retire]


def section_behind_a_grace_period(_: Machine) -> Sequence[Body]:
    """Who sees what comes behind a grace period began behind its begin."""
    x, flag = PlainCell(0), Cell(0)

    def publish() -> None:
        x.set(1)
        synchronize_rcu()
        flag.set(1)

    return [publish, in_section(lambda: flag.get() and x.get())]


def section_behind_a_callback(_: Machine) -> Sequence[Body]:
    x, flag = PlainCell(0), Cell(0)

    def publish() -> None:
        x.set(1)
        call_rcu(lambda: flag.set(1))

    return [publish, in_section(lambda: flag.get() and x.get())]


def sleepable_section(_: Machine) -> Sequence[Body]:
    x, flag, domain = PlainCell(0), Cell(0), srcu_struct()

    def publish() -> None:
        x.set(1)
        synchronize_srcu(domain)
        flag.set(1)

    def look() -> None:
        idx = srcu_read_lock(domain)
        if flag.get():
            x.get()
        srcu_read_unlock(domain, idx)

    return [publish, look]


def rcu_callback(_: Machine) -> Sequence[Body]:
    x, published = PlainCell(0), Cell(1)

    def look() -> None:
        rcu_read_lock()
        if published.load_acquire():
            x.get()
        rcu_read_unlock()

    def retire() -> None:
        published.set(0)
        call_rcu(lambda: x.set(-1))

    return [look, retire]


def timer(_: Machine) -> Sequence[Body]:
    x, clock = PlainCell(0), timer_list()

    def arm() -> None:
        timer_setup(clock, lambda _: x.get())
        x.set(1)
        add_timer(clock, 2000)

    return [arm]


def timer_moved_by_another(_: Machine) -> Sequence[Body]:
    x, clock = [PlainCell(0), PlainCell(0)], timer_list()
    timer_setup(clock, lambda _: None)

    def arm(mine: PlainCell[int]) -> None:
        mine.set(1)
        mod_timer(clock, 2000)

    return [lambda: arm(x[0]), lambda: arm(x[1])]


def work(_: Machine) -> Sequence[Body]:
    """What is behind the end of one execution is before the next one."""
    x = PlainCell(0)
    job = work_struct(lambda: x.set(x.get() + 1))
    return [lambda: schedule_work(job), lambda: schedule_work(job)]


ORDERED = (
    completed,
    looked_at_and_done,
    tried_and_done,
    grace_period,
    section_behind_a_grace_period,
    section_behind_a_callback,
    sleepable_section,
    rcu_callback,
    timer,
    timer_moved_by_another,
    work,
)


@pytest.mark.parametrize("program", ORDERED, ids=lambda f: f.__name__)
def test_what_is_done_later_does_not_race_with_what_it_waits_for(
    program: Setup,
) -> None:
    assert races(program) == []


def test_work_that_was_pending_comes_behind_both_who_wanted_it() -> None:
    """The second one finds it pending, and its stores are seen all the same."""

    def setup(_: Machine) -> Sequence[Body]:
        cells = [PlainCell(0), PlainCell(0)]
        job = work_struct(lambda: [cell.get() for cell in cells])

        def want(mine: PlainCell[int]) -> None:
            mine.set(1)
            schedule_work(job)

        return [lambda: want(cells[0]), lambda: want(cells[1])]

    assert found(setup, "000111", detectors="kcsan") is None
    assert races(setup)  # the work may also come before the second one's store
