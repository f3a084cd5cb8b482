# SPDX-License-Identifier: GPL-2.0-only
"""A victim that is queued twice takes another one off the reaper's queue."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from pykmm.errors import Leak
from pykmm.linux.sched import task_struct
from pykmm.mm.oom_kill_victim import oom
from pykmm.patches.bugs import BUGS
from pykmm.patches.patch import apply
from pykmm.runner import explore, replay
from pykmm.scenarios import SCENARIOS
from pykmm.workbench import Machine

GROUP = SCENARIOS["memcg-oom-group"]
BROKEN = GROUP.but(patches=(BUGS["reaper-queues-twice"],))
HEAD = "write OomStatics#1.oom_reaper_list"
#: The killer is preempted once, after it has queued app for the first time.
LOST = (
    "hog*232 oom_reaper*7 hog*151 app*85 init*103 oom_reaper*18 rcu:delayed_put_pid*3 "
    "rcu:delayed_put_task_struct*3 rcu:delayed_put_pid/2*3 "
    "rcu:delayed_put_task_struct/2*3 rcu:put_task_struct*3 kworker*2 mmdrop"
)


def test_the_report_is_a_task_that_nobody_lets_go_of() -> None:
    result = explore(BROKEN, scheduler="pct", executions=20, stop_on_report=True)
    (report,) = result.reports
    assert isinstance(report, Leak)
    assert report.summary == (
        "task_struct#3.usage is 1 at rest, but 0 can be accounted for"
    )
    assert str(report.schedule) == LOST


def test_the_reaper_takes_one_victim_twice_and_the_other_never() -> None:
    lines = str(replay(BROKEN, LOST).trace).splitlines()
    steps = [line.partition(" (WRITE)")[0] for line in lines if HEAD in line]
    app, hog = "task_struct#4", "task_struct#3"
    assert [(s.split()[1], s.partition(" = ")[2]) for s in steps] == [
        ("hog:", app),
        ("oom_reaper:", ""),
        ("hog:", hog),
        ("hog:", app),
        # Empty, for the reaper has emptied the link of the one that it takes.
        ("oom_reaper:", ""),
    ]


def test_baseline_loses_nobody() -> None:
    result = explore(GROUP, scheduler="pct", executions=60)
    assert result.reports == ()
    assert result.values == [
        "app killed, hog killed, app killed",
        "app killed, hog killed",
    ]


@pytest.mark.parametrize("broken", [False, True])
def test_a_victim_at_the_end_of_the_list_is_taken_for_a_stranger(broken: bool) -> None:
    scenario = BROKEN if broken else GROUP
    with Machine(scenario.config, reaper=False) as m:
        apply(m, scenario.patches)
        with pytest.raises(Leak) if broken else nullcontext():
            scenario.function(m)
        found: list[task_struct] = []
        tsk = oom().oom_reaper_list
        while tsk is not None and tsk not in found:
            found.append(tsk)
            tsk = tsk.oom_reaper_list
        assert [t.comm for t in found] == (["app", "hog"] if broken else [])
        # Where it goes on from the last: a circle.
        assert tsk is (found[0] if broken else None)
