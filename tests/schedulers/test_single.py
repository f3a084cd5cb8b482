# SPDX-License-Identifier: GPL-2.0-only
"""Schedulers of single executions: round robin, random walk, replay."""

from __future__ import annotations

import pytest

from pykmm.engine import Cell, Machine, Mutex, Schedule
from pykmm.errors import Nondeterminism, UsageError
from pykmm.runner.once import execute
from pykmm.schedulers import RandomWalk, Replay, RoundRobin
from tests.litmus.harness import litmus, run
from tests.litmus.programs import lost_update


def three_steps(m: Machine) -> object:
    """Three threads that start and write twice."""
    x = Cell(0)
    return run(m, *[lambda: (x.set(1), x.set(2))] * 3)


def schedule(scheduler: object) -> str:
    return str(execute(litmus(three_steps), scheduler).schedule)


def test_round_robin_gives_everybody_a_turn() -> None:
    assert schedule(RoundRobin()) == "t0 t1 t2 " * 2 + "t0 t1 t2"
    assert schedule(RoundRobin(2)) == "t0*2 t1*2 t2*2 t0 t1 t2"
    assert schedule(RoundRobin(100)) == "t0*3 t1*3 t2*3"


def test_round_robin_skips_who_cannot_go_on() -> None:
    def program(m: Machine) -> object:
        lock = Mutex()

        def body() -> None:
            with lock:
                pass

        return run(m, body, body)

    execution = execute(litmus(program), RoundRobin())
    assert str(execution.schedule) == "t0 t1 t0*2 t1*2"


@pytest.mark.parametrize("quantum", [0, -1, 1.5, "2"])
def test_round_robin_refuses_a_quantum(quantum: object) -> None:
    with pytest.raises(UsageError, match="quantum="):
        RoundRobin(quantum)


def test_a_random_walk_is_its_seed() -> None:
    walks = [schedule(RandomWalk(seed)) for seed in range(20)]
    assert walks == [schedule(RandomWalk(seed)) for seed in range(20)]
    assert len(set(walks)) > 10


def test_replay_repeats_a_schedule() -> None:
    walk = execute(litmus(three_steps), RandomWalk(7))
    again = execute(litmus(three_steps), Replay(walk.schedule, exact=True))
    assert again.schedule == walk.schedule


def test_replay_goes_on_behind_the_end_of_a_schedule() -> None:
    assert schedule(Replay(Schedule.parse("t1 t2"))) == "t1 t2*3 t0*3 t1*2"
    assert schedule(Replay(Schedule())) == "t0*3 t1*3 t2*3"


def test_replay_names_the_step_that_does_not_fit() -> None:
    with pytest.raises(Nondeterminism, match="'t1' at step 3") as caught:
        execute(litmus(lost_update(2)), Replay(Schedule.parse("t1*4")))
    assert (caught.value.step, caught.value.expected) == (3, "t1")
    assert caught.value.found == ("t0",)


def test_an_exact_replay_must_end_with_its_schedule() -> None:
    with pytest.raises(Nondeterminism, match="'nobody' at step 3"):
        execute(litmus(lost_update(2)), Replay(Schedule.parse("t0*3"), exact=True))
