# SPDX-License-Identifier: GPL-2.0-only
"""Every bug is found within its budget, names both sides, and replays."""

from __future__ import annotations

import pytest

from pykmm.patches.bugs import BUGS
from pykmm.runner import Result, explore, replay
from pykmm.scenario import Scenario
from pykmm.scenarios import SCENARIOS
from tests.equivalence import what_equivalents_show

#: How many executions may pass before a bug is found.
BUDGET = {
    "exit-keeps-mm": 1,
    "exit-tables-unlocked": 4,
    "mrelease-keeps-lock": 3,
    "mrelease-no-mmgrab": 3,
    "mrelease-skips-skip": 300,
    "reaper-queues-twice": 20,
}
#: Who is looked for in the report, and how the bug is, where it is not as for most.
BOTH_SIDES = {"reaper-queues-twice": ("hog", "oom_reaper")}
SCHEDULER = {"reaper-queues-twice": "pct"}


def buggy(name: str) -> Scenario:
    bug = BUGS[name]
    return SCENARIOS[bug.scenario].but(patches=(bug,))


def found(name: str) -> Result:
    scheduler = SCHEDULER.get(name, "dpor")
    return explore(
        buggy(name),
        scheduler=scheduler,
        executions=BUDGET[name],
        stop_on_report=True,
    )


def test_every_bug_has_a_budget() -> None:
    assert sorted(BUDGET) == sorted(BUGS)


@pytest.mark.parametrize("name", BUGS)
def test_bug_is_found_in_budget(name: str) -> None:
    result = found(name)
    assert [type(report) for report in result.reports] == [
        kind for kind in BUGS[name].reports if isinstance(result.reports[0], kind)
    ]


@pytest.mark.parametrize("name", BUGS)
def test_report_names_both_sides_and_replays(name: str) -> None:
    report = found(name).reports[0]
    text = report.render()
    assert all(who in text for who in BOTH_SIDES.get(name, ("lmkd", "app")))
    again = replay(buggy(name), report.schedule).report
    assert again is not None
    assert (again.kind, again.summary) == (report.kind, report.summary)


@pytest.mark.parametrize("name", sorted({bug.scenario for bug in BUGS.values()}))
def test_the_baseline_is_clean_under_the_same_budget(name: str) -> None:
    result = explore(SCENARIOS[name], executions=max(BUDGET.values()))
    assert result.reports == ()


@pytest.mark.parametrize("where", ["mrelease-vs-exit", "mrelease-pinned", "oom-kill"])
@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_the_same_in_every_order_of_steps_that_commute(
    name: str, where: str
) -> None:
    scenario = SCENARIOS[where].but(patches=(BUGS[name],))
    for seed in range(8):
        assert what_equivalents_show(scenario, seed, tries=2) == []


def test_whether_a_kill_or_a_reap_is_printed_first_is_no_outcome() -> None:
    queued_twice = BUGS["reaper-queues-twice"]
    scenario = SCENARIOS["memcg-oom-group"].but(patches=(queued_twice,))
    for seed in (35, 42):  # two that show it if outcomes say so
        assert what_equivalents_show(scenario, seed, tries=3) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_ends_the_same_in_every_order_of_steps_that_commute(
    name: str,
) -> None:
    for seed in range(8):
        assert what_equivalents_show(SCENARIOS[name], seed, tries=2) == []
