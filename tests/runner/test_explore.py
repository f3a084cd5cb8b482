# SPDX-License-Identifier: GPL-2.0-only
"""``explore()``: what it takes, when it stops, what it makes of exceptions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pykmm.engine import Cell, Event, Machine, Thread
from pykmm.errors import Nondeterminism, Report, UsageError
from pykmm.runner import Progress, Scenario, explore
from pykmm.schedulers import Dfs
from tests.litmus.harness import litmus, run
from tests.litmus.programs import abba, locked_inc, lost_update, refcount, writers

LOST = litmus(lost_update(2))


# -- what it answers --------------------------------------------------------------


def test_outcomes_have_counts_and_witnesses() -> None:
    result = explore(LOST)
    assert [(o.value, o.count, o.preemptions) for o in result.outcomes] == [
        (2, 2, 0),
        (1, 2, 1),
    ]
    assert str(result.outcome(1).witness) == "t0*2 t1*3 t0"
    assert (result.complete, result.reason) == (True, "complete")
    assert (result.executions, result.blocked, result.events) == (4, 0, 24)
    assert result.seconds > 0


def test_no_such_outcome_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        explore(LOST).outcome(3)


def test_outcomes_that_look_the_same_are_the_same() -> None:
    class Same:
        def __repr__(self) -> str:
            return "same"

    def program(m: Machine) -> object:
        run(m, *[Cell(0).get] * 2)
        return Same()

    assert len(explore(litmus(program), scheduler="dfs").outcomes) == 1


def test_a_bare_function_is_a_scenario() -> None:
    def two_writers(m: Machine) -> object:
        """Two threads write.

        This says more.
        """
        return writers(2)(m)

    result = explore(two_writers)
    assert (result.scenario.name, result.scenario.summary) == (
        "two_writers",
        "Two threads write.",
    )
    assert sorted(map(repr, result.values)) == ["0", "1"]


def test_exploring_twice_gives_the_same() -> None:
    first, again = (explore(litmus(refcount(2, 1))).as_dict() for _ in range(2))
    del first["seconds"], again["seconds"]
    assert first == again


# -- how far it goes ------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["dpor", "dfs"])
def test_a_number_of_executions_sets_an_end(scheduler: str) -> None:
    result = explore(LOST, scheduler=scheduler, executions=3)
    assert result.executions == 3
    assert (result.complete, result.reason) == (
        False,
        "budget spent after 3 executions",
    )


def test_an_end_that_is_not_reached_does_not_matter() -> None:
    assert explore(LOST, executions=4).complete
    assert explore(LOST, seconds=60).complete


def test_time_sets_an_end() -> None:
    result = explore(litmus(locked_inc(3, 3)), seconds=1e-6)
    assert result.executions < 10
    assert (result.complete, result.reason) == (False, "budget spent after 1e-06 s")


def test_the_first_bug_can_be_the_end() -> None:
    result = explore(litmus(abba(3)), stop_on_report=True)
    assert len(result.reports) == 1
    assert result.executions < 39
    assert (result.complete, result.reason) == (False, "stopped at the first bug")


def test_a_bound_means_brute_force_within_it() -> None:
    result = explore(LOST, bound=0)
    assert result.values == [2]
    assert (result.complete, result.reason) == (False, "complete within bound 0")


def test_a_scenario_brings_its_own_bounds() -> None:
    assert explore(LOST.but(bound=0)).reason == "complete within bound 0"
    assert explore(LOST.but(executions=2)).executions == 2
    assert explore(LOST.but(executions=2), executions=3).executions == 3


def test_random_walks_are_their_seed() -> None:
    def counts(seed: int) -> list[tuple[object, int]]:
        result = explore(LOST, scheduler="random", executions=50, seed=seed)
        assert (result.executions, result.complete) == (50, False)
        return [(outcome.value, outcome.count) for outcome in result.outcomes]

    assert counts(1) == counts(1)
    assert counts(1) != counts(2)


def test_random_walks_end_without_being_told() -> None:
    result = explore(litmus(writers(1)), scheduler="random")
    assert result.reason == f"budget spent after {result.executions} executions"


def test_round_robin_is_one_execution() -> None:
    result = explore(LOST, scheduler="round_robin")
    assert (result.executions, result.complete) == (1, False)
    assert result.reason == "one execution only"


def test_an_explorer_of_ones_own() -> None:
    assert explore(LOST, scheduler=Dfs(bound=1)).executions == 6


def test_progress_is_told() -> None:
    told: list[Progress] = []
    explore(LOST, progress=told.append)
    assert told
    assert all(isinstance(progress, Progress) for progress in told)
    assert told[0].executions == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"scheduler": "dpro"},
            "scheduler='dpro' must be dpor, dfs, random, pct, pos, urw or round_robin",
        ),
        ({"scheduler": 3}, "scheduler=3 must be a name or an Explorer"),
        ({"executions": 0}, "executions=0 must be a whole number, 1 or more"),
        ({"executions": 1.5}, "executions=1.5 must be"),
        ({"executions": True}, "executions=True must be"),
        ({"seconds": -1}, "seconds=-1 must be a number above 0"),
        ({"seconds": "1"}, "seconds='1' must be"),
        ({"bound": -1}, "bound=-1 must be a whole number, 0 or more"),
        ({"bound": 1, "scheduler": "random"}, "bound=1 does not go with"),
        ({"seed": 0}, "seed=0 does not go with scheduler='dpor': drop it"),
        ({"seed": 1, "scheduler": "round_robin"}, "seed=1 does not go with"),
        ({"seed": 1, "scheduler": Dfs(None)}, "seed=1 does not go with"),
        ({"bound": 1, "scheduler": Dfs(None)}, "bound=1 does not go with"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        explore(LOST, **arguments)


@pytest.mark.parametrize("scenario", [None, 3, "lost"])
def test_no_scenario(scenario: object) -> None:
    with pytest.raises(UsageError, match="must be a function that takes a machine"):
        explore(scenario)


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_bad_bounds_of_a_scenario(value: object) -> None:
    with pytest.raises(UsageError, match="Scenario: max_steps="):
        LOST.but(max_steps=value)


# -- what it makes of exceptions ------------------------------------------------------


def test_an_exception_of_a_thread_is_a_finding() -> None:
    def program(m: Machine) -> object:
        x = Cell(0)

        def check() -> None:
            assert x.get() == 0, "x was set\nand more"

        return run(m, lambda: x.set(1), check)

    result = explore(litmus(program))
    (report,) = result.reports
    assert (report.kind, report.summary) == ("kernel-bug", "AssertionError: x was set")
    assert (report.thread, report.schedule) == ("t1", "t0*2 t1*2")
    assert isinstance(report.__cause__, AssertionError)
    assert len(result.outcomes) == 1


def test_an_exception_of_the_scenario_is_a_finding() -> None:
    def program(m: Machine) -> object:
        final = lost_update(2)(m)
        if final != 2:
            raise ValueError
        return final

    result = explore(litmus(program))
    (report,) = result.reports
    assert (report.kind, report.summary, report.thread) == (
        "kernel-bug",
        "ValueError",
        "",
    )
    assert report.schedule == "t0*2 t1*3 t0"
    assert result.values == [2]


def test_bugs_that_look_the_same_are_one() -> None:
    result = explore(litmus(abba(3)), detectors=())
    assert len(result.reports) == 1
    assert result.reports[0].schedule == "t0*2 t1*2"


def test_the_users_mistake_is_raised() -> None:
    def program(m: Machine) -> object:
        m.thread("two words", lambda: None)

    with pytest.raises(UsageError, match="two words"):
        explore(litmus(program))


def test_a_mistake_on_a_thread_is_raised_even_if_the_scenario_catches_all() -> None:
    def mistake() -> None:
        raise UsageError("no good")

    def program(m: Machine) -> object:
        try:
            run(m, mistake)
        except Exception:
            return "caught"

    with pytest.raises(UsageError, match="no good"):
        explore(litmus(program))


def test_a_report_that_the_scenario_catches_is_an_outcome() -> None:
    def program(m: Machine) -> object:
        try:
            return abba(1)(m)
        except Report as report:
            return report.kind

    result = explore(litmus(program), detectors=())
    assert result.reports == ()
    assert sorted(map(repr, result.values)) == ["'deadlock'", "(None, None)"]
    assert result.complete


def test_a_scenario_that_depends_on_the_world_is_found_out() -> None:
    count = iter(range(1000))

    def program(m: Machine) -> object:
        x, y = Cell(0), Cell(0)
        if next(count):
            return run(m, y.get, y.get)
        return run(m, lambda: x.set(1), x.get)

    with pytest.raises(Nondeterminism):
        explore(litmus(program))


def test_a_livelock_is_a_finding_and_leaves_things_open() -> None:
    def program(m: Machine) -> object:
        x = Cell(0)

        def spin() -> None:
            while x.get() == 0:
                pass

        return run(m, spin, lambda: x.set(1))

    result = explore(litmus(program, max_steps=50), detectors=())
    assert {report.kind for report in result.reports} == {"step-limit"}
    assert result.values == [(None, None)]
    assert not result.complete
    assert "did not come to rest" in result.reason


# -- observers --------------------------------------------------------------------


class NoSecondWrite:
    """Complains at an object's second write, and at rest if there was none."""

    def __init__(self) -> None:
        self.writes = 0

    def event(self, event: Event) -> None:
        self.writes += event.kind == "write"
        if self.writes == 2:
            raise Report(f"{event.thread.name} is the second writer")

    def at_rest(self, machine: Machine) -> None:
        if not self.writes:
            raise Report("nobody wrote")


@pytest.mark.parametrize("own", [True, False])
def test_each_execution_has_observers_of_its_own(own: bool) -> None:
    scenario = litmus(writers(2))
    if own:
        scenario = scenario.but(observers=(NoSecondWrite,))
    result = explore(scenario, observers=() if own else [NoSecondWrite])
    assert sorted(report.summary for report in result.reports) == [
        "t0 is the second writer",
        "t1 is the second writer",
    ]
    assert result.outcomes == ()


def test_observers_see_the_machine_at_rest() -> None:
    def program(m: Machine) -> object:
        return run(m, Cell(0).get)

    result = explore(litmus(program), observers=[NoSecondWrite])
    assert [report.summary for report in result.reports] == ["nobody wrote"]
    assert result.complete


def test_a_scheduler_may_not_choose_badly() -> None:
    class Greedy:
        claim = ""

        def begin(self) -> Greedy:
            return self

        def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
            return enabled[len(enabled)]

        def end(self, machine: Machine) -> None: ...

    result = explore(LOST, scheduler=Greedy(), executions=1)
    assert result.reports[0].summary.startswith("IndexError")


def test_scenarios_can_be_compared_and_changed() -> None:
    assert LOST.but(name="x") == Scenario(
        name="x", function=LOST.function, machine=Machine
    )
