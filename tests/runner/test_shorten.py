# SPDX-License-Identifier: GPL-2.0-only
"""Witnesses get as few preemptions as brute force can find."""

from __future__ import annotations

import pytest

from pykmm.engine import Pool
from pykmm.runner import explore
from pykmm.runner.once import execute
from pykmm.runner.shorten import shorten
from pykmm.schedulers import Dfs, RandomWalk
from tests.litmus import programs as p
from tests.litmus.harness import Program, explore_bare, litmus
from tests.runner.programs import bug_beside_noise


def fewest(program: Program) -> dict[str, int]:
    """Return the fewest preemptions for each outcome and bug, by brute force."""
    explorer = Dfs()
    found: dict[str, int] = {}
    with Pool() as pool:
        while (scheduler := explorer.begin()) is not None:
            execution = execute(litmus(program), scheduler, pool=pool)
            explorer.end(execution.machine)
            label, many = execution.label, execution.preemptions
            found[label] = min(many, found.get(label, many))
    return found


@pytest.mark.parametrize(
    "program",
    [
        p.lost_update(2),
        p.lost_update(3),
        p.store_buffering,
        p.message_passing,
        p.casrot(3),
        p.refcount(1, 1),
        p.refcount(1, 1, checked=False),
        p.abba(1),
        p.abba(2),
        p.lastzero(2),
        p.lock_order(2),
        p.n_writes_and_a_read(2),
    ],
)
def test_no_schedule_has_fewer_preemptions(program: Program) -> None:
    result = explore_bare(litmus(program))
    found = {repr(o.value): o.preemptions for o in result.outcomes}
    for report in result.reports:
        execution = execute_text(program, report.schedule)
        found[execution.label] = execution.preemptions
    assert found == fewest(program)


def execute_text(program: Program, text: str) -> object:
    from pykmm.runner import replay

    return replay(litmus(program), text)


@pytest.mark.parametrize("seed", range(20))
def test_a_wild_schedule_is_tamed(seed: int) -> None:
    scenario = litmus(p.locked_inc(3, 3))
    with Pool() as pool:
        wild = execute(scenario, RandomWalk(seed), pool=pool)
        rank = (wild.preemptions, len(wild.machine.steps), wild.schedule)
        tame = shorten(scenario, [rank], pool)
    # Each critical section can run without a break, in whatever order they come;
    # giving way between two of them is all that can be left.
    assert tame.outcome == wild.outcome
    assert tame.preemptions <= wild.preemptions
    assert tame.preemptions <= 6


def test_steps_that_did_not_lead_to_the_bug_are_left_out() -> None:
    result = explore(litmus(bug_beside_noise))
    assert [report.schedule for report in result.reports] == ["t1*2 t2*2"]
