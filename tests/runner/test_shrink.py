# SPDX-License-Identifier: GPL-2.0-only
"""Any schedule shrinks to the smallest one that brute force can find."""

from __future__ import annotations

import pytest

from pykmm.engine import Cell, Machine, PlainCell, Pool, Scheduler
from pykmm.errors import Nondeterminism, UsageError
from pykmm.patches.bugs import BUGS
from pykmm.runner import explore, replay, shrink
from pykmm.runner.once import Execution, execute
from pykmm.runner.shrink import Shrinker
from pykmm.scenarios import SCENARIOS
from pykmm.schedulers import Dfs, RandomWalk
from tests.litmus import programs as p
from tests.litmus.harness import Program, litmus, run
from tests.runner.programs import bug_beside_noise

Rank = tuple[int, int]


def smallest(program: Program) -> dict[str, Rank]:
    """Return the fewest preemptions, and then steps, of each outcome and bug."""
    explorer = Dfs()
    found: dict[str, Rank] = {}
    with Pool() as pool:
        while (scheduler := explorer.begin()) is not None:
            execution = execute(litmus(program), scheduler, pool=pool)
            explorer.end(execution.machine)
            rank = (execution.preemptions, len(execution.schedule))
            found[execution.label] = min(rank, found.get(execution.label, rank))
    return found


@pytest.mark.parametrize(
    "program",
    [
        p.lost_update(2),
        p.lost_update(3),
        p.store_buffering,
        p.message_passing,
        p.refcount(1, 1, checked=False),
        p.abba(1),
        p.abba(2),
        p.lastzero(2),
        p.lock_order(2),
    ],
)
def test_walks_shrink_to_what_brute_force_finds(program: Program) -> None:
    least = smallest(program)
    scenario = litmus(program)
    for seed in range(5):
        wild = execute(scenario, RandomWalk(seed))
        tame = replay(scenario, shrink(scenario, wild.schedule, detectors=()))
        assert tame.label == wild.label
        assert (tame.preemptions, len(tame.schedule)) == least[wild.label]


def test_who_changes_nothing_does_not_use_up_the_search() -> None:
    # One preemption is needed. That none will not do takes a look at all orders without
    # one; the executions are 40,320, and most differ in when idle threads run.
    def lost_twice(m: Machine) -> object:
        x = Cell(0)
        idle = [lambda: Cell(0).set(1)] * 5
        run(m, *[lambda: x.set(x.get() + 1)] * 3, *idle)
        return x.peek()

    scenario = litmus(lost_twice)
    with Pool() as pool:

        def once(scheduler: Scheduler) -> Execution:
            return execute(scenario, scheduler, pool=pool)

        walks = (once(RandomWalk(seed)) for seed in range(1000))
        wild = next(walk for walk in walks if walk.outcome == 1)
        shrinker = Shrinker(once, lambda execution: execution.outcome == 1, wild)
        assert shrinker.shrink().preemptions == 1
        assert shrinker.tries > 0


def test_a_long_walk_into_a_deadlock() -> None:
    scenario = litmus(p.philosophers(4))
    walks = (execute(scenario, RandomWalk(seed)) for seed in range(1000))
    wild = next(w for w in walks if w.report is not None)
    # Each of four takes its start and its first fork. Who then waits for its second
    # one does not give way unforced, so only the first one has to be stopped.
    small = shrink(scenario, wild.schedule, detectors=())
    assert len(small) == 8
    assert replay(scenario, small).preemptions == 1


def test_a_choice_of_one_s_own_is_kept() -> None:
    scenario = litmus(p.lost_update(3))
    wild = "t0*2 t1*2 t2*2 t1 t2 t0"
    small = shrink(scenario, wild, keep=lambda e: e.schedule.steps[-1] == "t0")
    assert small.steps[-1] == "t0"
    assert replay(scenario, small).preemptions == 0
    assert str(shrink(scenario, wild, keep=lambda e: False)) == wild


def test_a_report_is_kept() -> None:
    scenario = litmus(bug_beside_noise)
    assert str(shrink(scenario, "t0*2 t1 t0*2 t1 t0 t2*2")) == "t1*2 t2*2"


def test_a_finding_of_a_detector_is_kept() -> None:
    def program(m: Machine) -> None:
        x, ready = PlainCell(0), Cell(0)

        def late() -> None:
            if ready.get():
                x.set(2)

        run(m, late, lambda: x.set(1), lambda: ready.set(1))

    scenario = litmus(program)
    # It comes to the same in every order, but only in some there are two to race.
    assert not replay(scenario, shrink(scenario, "t0*2 t1*2 t2*2")).findings
    small = shrink(scenario, "t1 t2 t0 t2 t0 t1 t0")
    assert str(small) == "t1*2 t2*2 t0*3"
    assert len(replay(scenario, small).findings) == 1


def test_what_ran_is_what_is_returned() -> None:
    scenario = litmus(p.lost_update(2))
    small = shrink(scenario, "t1 t0")
    assert str(replay(scenario, small).schedule) == str(small)
    assert len(small) == 6


def test_no_schedule() -> None:
    with pytest.raises(UsageError, match="schedule"):
        shrink(litmus(p.lost_update(2)), "t0**2")
    with pytest.raises(UsageError, match="schedule=3 must be"):
        shrink(litmus(p.lost_update(2)), 3)
    with pytest.raises(Nondeterminism):
        shrink(litmus(p.lost_update(2)), "t2")
    with pytest.raises(Nondeterminism):
        shrink(litmus(p.lost_update(2)), "t0*3 t1*4")


@pytest.mark.slow
def test_a_kernel_bug_shrinks() -> None:
    bug = BUGS["mrelease-no-mmgrab"]
    scenario = SCENARIOS[bug.scenario].but(patches=(bug,))
    with Pool() as pool:
        walks = (execute(scenario, RandomWalk(n), pool=pool) for n in range(500))
        wild = next(walk for walk in walks if walk.report is not None)
    small = shrink(
        scenario, wild.schedule, keep=lambda e: e.label == wild.label, detectors=()
    )
    tame = replay(scenario, small)
    assert tame.label == wild.label
    assert tame.preemptions < wild.preemptions
    result = explore(scenario, bound=tame.preemptions - 1, detectors=())
    assert wild.label not in [f"{r.kind}: {r.summary}" for r in result.reports]
