# SPDX-License-Identifier: GPL-2.0-only
"""The bug of 2021: the reap walks page tables that the exit frees."""

from __future__ import annotations

from pykmm.errors import UseAfterFree
from pykmm.patches.bugs import BUGS
from pykmm.patches.designs import DESIGNS
from pykmm.runner import explore, replay
from pykmm.scenarios import SCENARIOS

RACE = SCENARIOS["mrelease-vs-exit"]
BUG = BUGS["exit-tables-unlocked"]


def test_the_walk_locks_a_table_that_is_gone_after_one_preemption() -> None:
    broken = RACE.but(patches=(BUG,))
    found = explore(broken, stop_on_report=True).reports[0]
    assert isinstance(found, UseAfterFree)
    facts = dict(found.facts)
    assert facts["touched"].startswith("by lmkd")
    assert ".ptl)" in facts["touched"]
    assert facts["freed"].startswith("by app")
    assert "mmap_lock" in facts["protected"]
    again = replay(broken, found.schedule)
    assert again.preemptions == 1
    stack = again.report.stack if again.report else ()
    assert "__oom_reap_task_mm" in stack


def test_only_page_tables_and_their_locks_are_ever_used_after_they_went() -> None:
    result = explore(RACE.but(patches=(BUG,)))
    assert result.complete
    assert (len(result.reports), result.blocked) == (6, 0)
    for report in result.reports:
        assert isinstance(report, UseAfterFree)
        assert "mm_struct#2.pte" in report.summary


def test_a_user_held_by_the_caller_keeps_the_exit_away() -> None:
    cured = explore(RACE.but(patches=(BUG, DESIGNS["A'"])))
    assert cured.complete
    assert cured.reports == ()
