# SPDX-License-Identifier: GPL-2.0-only
"""Random programs with bugs: what they shrink to is as small as can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import Pool, Schedule
from pykmm.errors import Nondeterminism
from pykmm.runner import replay, shrink
from pykmm.runner.once import Execution, execute
from pykmm.scenario import Scenario
from pykmm.schedulers import Dfs
from tests.litmus.harness import litmus
from tests.schedulers.test_dpor_against_dfs import PROGRAMS, Op, operation, program

Rank = tuple[int, int]
#: What two threads do in the end that can go wrong.
FAULTS: dict[str, tuple[list[Op], list[Op]]] = {
    "bug": ([("write", 0)], [("fail", 0)]),
    "death": ([("put", 0), ("put", 0)], [("use", 0)]),
    "deadlock": (
        [("lock", 0, [("lock", 1, [])])],
        [("lock", 1, [("lock", 0, [])])],
    ),
}


def rank(execution: Execution) -> Rank:
    return execution.preemptions, len(execution.schedule)


def failures(scenario: Scenario) -> dict[str, tuple[Execution, Rank]]:
    """Return the largest execution of each bug, and the smallest one's rank."""
    explorer = Dfs()
    found: dict[str, tuple[Execution, Rank]] = {}
    with Pool() as pool:
        while (scheduler := explorer.begin()) is not None:
            execution = execute(scenario, scheduler, pool=pool)
            explorer.end(execution.machine)
            if execution.report is not None:
                largest, least = found.get(
                    execution.label, (execution, rank(execution))
                )
                found[execution.label] = (
                    max(largest, execution, key=rank),
                    min(least, rank(execution)),
                )
    return found


def fails_without(scenario: Scenario, tame: Execution, index: int) -> bool:
    """Tell whether the bug strikes as soon with a step left out and the rest kept."""
    steps = tame.schedule.steps
    less = Schedule((*steps[:index], *steps[index + 1 :]))
    try:
        again = replay(scenario, less, detectors=())
    except Nondeterminism:
        return False
    return again.label == tame.label and rank(again) < rank(tame)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@settings(max_examples=PROGRAMS // len(FAULTS) or 20)
@given(data=st.data())
def test_a_bug_shrinks_to_the_fewest_preemptions_and_no_step_too_many(
    fault: tuple[list[Op], list[Op]], data: Any
) -> None:
    begin = st.lists(operation(["read", "write", "lock", "raise"]), max_size=2)
    threads = [[*data.draw(begin), *end] for end in fault]
    scenario = litmus(program(threads))
    found = failures(scenario)
    assert found
    for label, (wild, least) in found.items():
        small = shrink(scenario, wild.schedule, detectors=())
        tame = replay(scenario, small, detectors=())
        assert tame.label == label
        assert tame.schedule == small
        assert tame.preemptions == least[0]
        for index in range(len(small)):
            assert not fails_without(scenario, tame, index)
        assert rank(tame) == least
