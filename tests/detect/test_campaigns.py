# SPDX-License-Identifier: GPL-2.0-only
"""Detectors by name, in explorations and on machines that run free."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import DETECTORS, Kcsan, Lockdep, LockGraph, Serialized, campaigns
from pykmm.engine import Backend, Machine, Mutex, PlainCell
from pykmm.errors import DataRace, LockInversion, UsageError
from pykmm.linux.rcupdate import call_rcu
from pykmm.linux.spinlock import spinlock_t
from pykmm.runner import explore, replay
from pykmm.scenario import Scenario
from tests.detect.programs import Body, explored
from tests.free_threaded import races


def racy(_: Machine) -> Sequence[Body]:
    x = PlainCell(0)
    return [lambda: x.set(1), lambda: x.set(2)]


def test_all_are_on_unless_told_otherwise() -> None:
    assert [r.kind for r in explored(racy).reports] == ["data-race"]
    assert len(campaigns()) == len(DETECTORS)
    assert campaigns(()) == []
    scenario = Scenario(name="none", function=lambda m: 0, machine=Machine)
    assert explore(scenario, detectors=()).values == [0]


def test_only_those_named_are_on() -> None:
    assert explored(racy, detectors="lockdep leak").reports == ()
    assert len(explored(racy, detectors="lockdep kcsan kcsan").reports) == 1


def test_each_has_a_name_and_a_line() -> None:
    assert all(name == detector.name for name, detector in DETECTORS.items())
    assert all(detector.summary for detector in DETECTORS.values())


def test_mistakes_are_explained() -> None:
    with pytest.raises(UsageError, match=r"detectors has 'kscan' in it: known are "):
        campaigns(["kscan"])
    with pytest.raises(UsageError, match=r"write \['kcsan'\]"):
        campaigns("kcsan")


def test_a_finding_ends_the_search_if_that_is_wished() -> None:
    result = explored(racy, stop_on_report=True)
    assert result.reason == "stopped at the first bug"
    assert result.executions == 1


def test_replay_has_detectors_and_can_do_without() -> None:
    def program(m: Machine) -> str:
        for number, body in enumerate(racy(m)):
            m.thread(f"t{number}", body)
        m.run()
        return "done"

    scenario = Scenario(name="racy", function=program, machine=Machine)
    (report,) = explore(scenario).reports
    assert len(replay(scenario, report.schedule).findings) == 1
    assert "nothing orders the two" in str(replay(scenario, report.schedule))
    assert replay(scenario, report.schedule, detectors=()).findings == ()


@pytest.mark.parametrize("locked", [True, False])
def test_races_are_found_on_free_running_threads(locked: bool) -> None:
    """By order, not by luck: whatever the operating system does."""
    for seed in range(20):
        assert bool(races(seed, locked=locked)) is not locked


def test_a_finding_stops_free_running_threads() -> None:
    with Machine(backend=Backend.FREE, observers=[Serialized(Kcsan())]) as m:
        for number, body in enumerate(racy(m)):
            m.thread(f"t{number}", body)
        with pytest.raises(DataRace):
            m.run()


def test_interrupts_are_known_in_what_others_have_seen() -> None:
    """One has seen who lets softirqs in, another one what they take."""

    def seen_by(program: Callable[[spinlock_t], None]) -> object:
        graph = LockGraph()
        with Machine(observers=[graph.execution()]) as m:
            lock = spinlock_t()
            m.thread("t", lambda: program(lock))
            m.run()
        return json.loads(json.dumps(graph.state()))

    def take(lock: spinlock_t) -> None:
        with lock:
            pass

    graph = LockGraph()
    graph.add(seen_by(take))
    assert graph.reports() == []
    graph.add(seen_by(lambda lock: call_rcu(lambda: take(lock))))
    (report,) = graph.reports()
    assert report.summary.startswith("inconsistent lock state: spinlock_t#1 ")


def test_inversions_are_found_on_free_running_threads() -> None:
    seen: list[str] = []
    watch = Serialized(Lockdep(lambda report: seen.append(report.kind)))
    with Machine(backend=Backend.FREE, observers=[watch]) as m:
        a, b = Mutex(), Mutex()

        def both() -> None:
            for first, second in ((a, b), (b, a)):
                with first, second:
                    pass

        m.thread("t", both)
        m.run()
    assert seen == [LockInversion.kind]
