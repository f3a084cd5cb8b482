# SPDX-License-Identifier: GPL-2.0-only
"""Which orders of locks are reported, and that nobody has to get stuck for it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from pykmm.detect import Lockdep, LockGraph
from pykmm.engine import Cell, Machine, Mutex
from pykmm.errors import (
    ContextError,
    Deadlock,
    LockInversion,
    Report,
    UseAfterFree,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_trylock, mutex_unlock
from pykmm.linux.spinlock import (
    spin_lock,
    spin_unlock,
)
from pykmm.linux.wait import wait_event_interruptible, wait_queue_head_t
from pykmm.runner import explore, replay
from pykmm.scenario import Scenario
from tests.detect.locks import MAKES, abba, nest, node
from tests.detect.programs import Body, Setup, explored, found


@pytest.mark.parametrize("way", ["mutex", "spin", "write", "down_write", "engine"])
def test_an_inversion_is_found_where_nobody_gets_stuck(way: str) -> None:
    report = found(abba(way, way, way, way), detectors="lockdep")
    assert isinstance(report, LockInversion)
    assert report.summary.startswith("possible circular locking dependency: ")


READERS = [
    ("read", "read", "read", "read"),
    ("write", "read", "write", "read"),
    ("write", "read", "read", "write"),
    ("read", "write", "read", "write"),
    ("read", "write", "write", "read"),
    ("write", "write", "read", "read"),
    ("engine_write", "engine_read", "engine_write", "engine_read"),
    ("engine_read", "engine_read", "engine_read", "engine_read"),
    ("down_read", "down_write", "down_read", "down_write"),
    ("down_write", "down_read", "down_write", "down_read"),
]


@pytest.mark.parametrize(("a1", "b1", "b2", "a2"), READERS)
def test_readers_close_a_circle_exactly_if_that_can_deadlock(
    a1: str, b1: str, b2: str, a2: str
) -> None:
    program = abba(a1, b1, b2, a2)
    reports = explored(program, detectors="lockdep").reports
    stuck = any(isinstance(report, Deadlock) for report in reports)
    report = found(program, detectors="lockdep")
    assert isinstance(report, LockInversion) is stuck


def test_readers_that_queue_wait_for_a_writer_that_waits() -> None:
    """Two are not enough for a deadlock, but a third may come any time."""
    program = abba("down_read", "down_read", "down_read", "down_read")
    assert isinstance(found(program, detectors="lockdep"), LockInversion)


def test_a_trylock_waits_for_nobody_but_what_follows_it_does() -> None:
    def first(_: Machine) -> Sequence[Body]:
        a, b = mutex(), mutex()

        def try_b() -> None:
            mutex_lock(a)
            if mutex_trylock(b):
                mutex_unlock(b)
            mutex_unlock(a)

        return [try_b, lambda: nest(("mutex", b), ("mutex", a))]

    def second(_: Machine) -> Sequence[Body]:
        a, b = mutex(), mutex()

        def try_a() -> None:
            if mutex_trylock(a):
                mutex_lock(b)
                mutex_unlock(b)
                mutex_unlock(a)

        return [try_a, lambda: nest(("mutex", b), ("mutex", a))]

    assert found(first, detectors="lockdep") is None
    assert isinstance(found(second, detectors="lockdep"), LockInversion)


def test_one_order_is_no_circle() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        a, b, c = mutex(), mutex(), mutex()
        return [
            lambda: nest(("mutex", a), ("mutex", b), ("mutex", c)),
            lambda: nest(("mutex", a), ("mutex", c)),
            lambda: nest(("mutex", b), ("mutex", c)),
        ]

    assert explored(setup).reports == ()


def test_a_circle_of_three_is_told_from_its_first_class_on() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        a, b, c = mutex(), mutex(), mutex()
        return [
            lambda: nest(("mutex", b), ("mutex", c)),
            lambda: nest(("mutex", c), ("mutex", a)),
            lambda: nest(("mutex", a), ("mutex", b)),
        ]

    report = found(setup, detectors="lockdep")
    assert report is not None
    assert report.summary == (
        "possible circular locking dependency: mutex#1 -> mutex#2 -> mutex#3 -> mutex#1"
    )
    assert [label for label, _ in report.facts if label] == [
        "mutex#1 -> mutex#2",
        "mutex#2 -> mutex#3",
        "mutex#3 -> mutex#1",
    ]
    assert report.facts[0][1] == "t2 holds mutex#1 since step 11  nest"
    assert report.facts[1][1] == "takes mutex#2 at step 12  nest"


# -- several executions -------------------------------------------------------------


def test_parts_of_a_circle_in_different_executions_make_a_report_in_the_end() -> None:
    def program(m: Machine) -> object:
        a, b, flag = Mutex(), Mutex(), Cell(0)

        def work() -> int:
            first, second = (a, b) if flag.get() else (b, a)
            with first, second:
                return flag.peek()

        m.thread("set", lambda: flag.set(1))
        t = m.thread("work", work)
        m.run()
        return t.result

    scenario = Scenario(name="apart", function=program, machine=Machine)
    result = explore(scenario)
    assert len(result.outcomes) >= 1
    (report,) = result.reports
    assert report.kind == "lock-inversion"
    assert report.summary.endswith("in executions that each show a part of it")
    schedules = [text for _, text in report.facts if text.startswith("schedule: ")]
    assert len(schedules) == 2
    for text in schedules:  # neither shows it alone
        again = replay(scenario, text.partition(": ")[2])
        assert again.findings == ()


def test_a_circle_in_one_execution_hides_nothing_and_replays() -> None:
    def program(m: Machine) -> str:
        a, b = Mutex(), Mutex()
        m.thread("x", lambda: nest(("engine", a), ("engine", b)))
        m.thread("y", lambda: nest(("engine", b), ("engine", a)))
        m.run()
        return "fine"

    scenario = Scenario(name="abba", function=program, machine=Machine)
    result = explore(scenario)
    assert result.values == ["fine"]
    assert [report.kind for report in result.reports] == ["deadlock", "lock-inversion"]
    report = result.reports[1]
    assert report.stack[0] == "nest"
    again = replay(scenario, report.schedule, report=report)
    assert again.report is not None
    assert again.report.summary == report.summary
    assert replay(scenario, report.schedule).outcome == "fine"


def test_a_graph_without_circles_has_no_reports() -> None:
    graph = LockGraph()
    with Machine(observers=[graph.execution()]) as m:
        a, b = Mutex(), Mutex()
        for number in range(3):
            m.thread(f"t{number}", lambda: nest(("engine", a), ("engine", b)))
        m.run()
    assert graph.reports() == []


# -- against brute force ------------------------------------------------------------


def straight_line(seed: int) -> Setup:
    """Make two or three threads that nest locks of all kinds at random."""
    dice = random.Random(seed)
    kinds = [dice.choice(["engine", "engine_rw", "rwsem", "mutex"]) for _ in range(3)]
    modes = {
        "engine": ("engine", "engine"),
        "engine_rw": ("engine_read", "engine_write"),
        "rwsem": ("down_read", "down_write"),
        "mutex": ("mutex", "mutex"),
    }
    plans = []
    for _ in range(dice.choice([2, 2, 3])):
        order = dice.sample(range(3), 2)
        plans.append([(modes[kinds[i]][dice.randrange(2)], i) for i in order])

    def setup(_: Machine) -> Sequence[Body]:
        locks = [MAKES[modes[kind][0]]() for kind in kinds]
        return [
            (lambda plan=plan: nest(*((way, locks[i]) for way, i in plan)))
            for plan in plans
        ]

    return setup


@pytest.mark.parametrize("block", range(5))
def test_whatever_can_deadlock_is_reported_even_if_it_did_not(block: int) -> None:
    """Every deadlock that an exploration finds is seen in one quiet execution."""
    deadlocks = 0
    for seed in range(block * 40, block * 40 + 40):
        program = straight_line(seed)
        reports = explored(program, detectors="lockdep").reports
        stuck = any(isinstance(report, Deadlock) for report in reports)
        quiet = quietly(program)
        assert quiet == any(isinstance(report, LockInversion) for report in reports)
        if stuck:
            assert quiet, f"seed {seed}"
        deadlocks += stuck
    assert deadlocks >= 5


def quietly(program: Setup) -> bool:
    """Run the threads one after the other; tell whether an inversion is seen."""
    seen: list[Report] = []
    with Machine(observers=[Lockdep(seen.append)]) as m:
        for number, body in enumerate(program(m)):
            m.thread(f"t{number}", body)
        m.run()
    return bool(seen)


# -- locks in what is freed -----------------------------------------------------------


def test_freeing_a_lock_that_is_held_is_a_use_after_free() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        it, cell = node(), Cell(0)

        def holder() -> None:
            spin_lock(it.lock)
            it._free()
            cell.set(1)
            spin_unlock(it.lock)

        return [holder]

    report = found(setup, detectors="lockdep")
    assert isinstance(report, UseAfterFree)
    assert "freed while t0 holds it" in report.summary


def test_a_lock_that_is_freed_under_one_who_sleeps_is_told_in_every_order() -> None:
    """Whoever holds it need not take another step: at rest it is looked for, too."""

    def setup(_: Machine) -> Sequence[Body]:
        it, never, cell = node(), wait_queue_head_t(), Cell(0)

        def holder() -> None:
            mutex_lock(it.other)
            wait_event_interruptible(never, cell.get)

        return [holder, it._free]

    reports = explored(setup, detectors="lockdep").reports
    assert {report.summary for report in reports} == {
        "node#1.other was freed while t0 holds it",
        "node#1 was touched by mutex_lock (node#1.other) after it had been freed",
    }


# -- locks of others ------------------------------------------------------------------


def test_who_gives_back_what_another_one_holds_is_told_whose_it_is() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        lock = mutex()

        def owner() -> None:
            nest(("mutex", lock))

        return [owner, lambda: mutex_unlock(lock)]

    report = found(setup, "0011")
    assert isinstance(report, ContextError)
    assert report.facts == [
        ("t1", "holds nothing"),
        ("held by", "t0 since step 1  nest < owner"),
    ]
