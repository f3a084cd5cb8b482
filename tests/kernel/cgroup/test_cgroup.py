# SPDX-License-Identifier: GPL-2.0-only
"""Which processes a cgroup shows to the OOM killer, and when one disappears."""

from __future__ import annotations

from pykmm.engine import Config, Timers
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.memcontrol import mem_cgroup_scan_tasks
from pykmm.runner import explore
from pykmm.syscalls import exit, kill
from pykmm.workbench import Machine


def _shown(m, memcg):
    found = []
    mem_cgroup_scan_tasks(memcg, lambda p: found.append(p.pid) or 0)
    names = {p.pid: p.name for p in m.processes}
    return [names[pid] for pid in found]


def test_a_dead_process_is_not_shown_and_a_dead_leader_comes_last():
    with Machine(Config(timers=Timers.IDLE)) as m:
        box = m.cgroup("box")
        inner = m.cgroup("inner", parent=box)
        a = m.spawn("a", memcg=box, threads=2)
        b = m.spawn("b", memcg=box)
        m.spawn("c", memcg=inner)
        assert _shown(m, box) == ["a", "b", "c"]
        a.runs(lambda: exit(0))
        m.run()
        assert a.task.__dict__["exit_state"]
        assert _shown(m, box) == ["b", "a", "c"]
        kill(b.pid, SIGKILL)
        m.run()
        assert _shown(m, box) == ["a", "c"]
        kill(a.pid, SIGKILL)
        m.run()
        assert _shown(m, box) == ["c"]
        assert _shown(m, inner) == ["c"]


def test_a_process_is_hidden_before_its_memory_is_free():
    """The window in which a cgroup's killer finds nobody dying, and kills again."""

    def scenario(m):
        box = m.cgroup("box")
        app = m.spawn("app", anon="16K", memcg=box)
        looker = m.spawn("looker")

        @looker.runs
        def _():
            found = []
            mem_cgroup_scan_tasks(box, lambda p: found.append(p.pid) or 0)
            return bool(found), box.memory._read("look")[0]

        kill(app.pid, SIGKILL)
        m.run()
        return looker.result

    result = explore(scenario)
    assert result.complete
    # Seven pages: four, and three tables.
    assert set(result.values) == {(True, 7), (True, 0), (False, 7), (False, 0)}
