# SPDX-License-Identifier: GPL-2.0-only
"""``replay()`` and ``double_run()``: the same again."""

from __future__ import annotations

import pytest

from pykmm.engine import Cell, Machine, Schedule
from pykmm.errors import Nondeterminism, UsageError
from pykmm.runner import double_run, explore, replay
from tests.litmus.harness import litmus, run
from tests.litmus.programs import (
    abba,
    circular_buffer,
    locked_inc,
    lost_update,
    philosophers,
    refcount,
    rwsem,
    trylocks,
)


def test_every_witness_replays() -> None:
    scenario = litmus(refcount(2, 1))
    for outcome in explore(scenario).outcomes:
        execution = replay(scenario, outcome.witness)
        assert execution.outcome == outcome.value
        assert execution.report is None
        assert execution.schedule == outcome.witness
        assert execution.preemptions == outcome.preemptions


def test_every_report_replays_from_its_text() -> None:
    scenario = litmus(philosophers(3))
    (report,) = explore(scenario, detectors=()).reports
    execution = replay(scenario, report.schedule)
    assert execution.outcome is None
    assert execution.report is not None
    assert execution.report.summary == report.summary


def test_a_schedule_may_be_a_beginning() -> None:
    execution = replay(litmus(lost_update(2)), "t1*2 t0")
    assert str(execution.schedule) == "t1*2 t0*3 t1"
    assert execution.outcome == 1


def test_a_schedule_that_is_too_long() -> None:
    with pytest.raises(Nondeterminism, match="'t1' at step 6") as caught:
        replay(litmus(lost_update(2)), "t0*3 t1*4")
    assert (caught.value.step, caught.value.found) == (6, ())


@pytest.mark.parametrize("schedule", ["t0**2", 3, None, ["t0"]])
def test_no_schedule(schedule: object) -> None:
    with pytest.raises(UsageError, match="schedule"):
        replay(litmus(lost_update(2)), schedule)


def test_stacks_are_recorded_unless_not_wanted() -> None:
    scenario = litmus(lost_update(2))
    assert any(event.stack for event in replay(scenario, "").events)
    assert not any(event.stack for event in replay(scenario, "", stacks=False).events)


def test_an_execution_on_paper() -> None:
    text = str(replay(litmus(lost_update(2)), Schedule.parse("t0*2 t1*3 t0")))
    lines = text.splitlines()
    assert len(lines) == 7
    assert "t1: write Counter#1 = 1" in text or "t1: write Cell#1 = 1" in text
    assert lines[-1] == "outcome: 1"


def test_a_bug_on_paper() -> None:
    text = str(replay(litmus(abba(1)), "t0*2 t1*2"))
    assert text.startswith("BUG: deadlock")
    assert "end" in [line.split()[0] for line in text.splitlines() if line], (
        "no drawing"
    )
    assert text.endswith("replay: t0*2 t1*2\n")


@pytest.mark.parametrize(
    "program",
    [
        lost_update(3),
        locked_inc(3, 2),
        abba(2),
        philosophers(4),
        refcount(2, 1),
        rwsem(2, 2),
        trylocks(3),
        circular_buffer(3),
    ],
)
def test_programs_are_deterministic(program: object) -> None:
    assert double_run(litmus(program), executions=10) == 10


def test_a_hidden_counter_is_found() -> None:
    count = iter(range(1000))

    def program(m: Machine) -> object:
        x = Cell(0)
        run(m, lambda: x.set(next(count)))
        return "always the same"

    with pytest.raises(Nondeterminism, match="write Cell#1 = 1"):
        double_run(litmus(program))


def test_a_hidden_choice_is_found() -> None:
    count = iter(range(1000))

    def program(m: Machine) -> object:
        return run(m, *[Cell(0).get] * (1 + next(count) % 2))

    with pytest.raises(Nondeterminism):
        double_run(litmus(program))


def test_a_hidden_outcome_is_found() -> None:
    count = iter(range(1000))

    def program(m: Machine) -> object:
        run(m, Cell(0).get)
        return next(count)

    with pytest.raises(Nondeterminism, match="outcome: 0"):
        double_run(litmus(program))
