# SPDX-License-Identifier: GPL-2.0-only
"""Memory cgroups of version 1: faults that wait for a larger limit."""

from __future__ import annotations

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.errno import EBUSY, EINTR, EINVAL, ENOMEM
from pykmm.kernel.signal import kill as send
from pykmm.linux.gfp_types import (
    GFP_KERNEL,
)
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.printk import console
from pykmm.linux.sched import current
from pykmm.linux.uapi import (
    SIGKILL,
    SIGUSR1,
)
from pykmm.mm._conservation import _books
from pykmm.mm.memcontrol_charge import memory_max_write, try_charge_memcg
from pykmm.mm.memcontrol_v1 import mem_cgroup_oom_control_write
from pykmm.mm.memcontrol_v1_limit import mem_cgroup_resize_max
from pykmm.mm.oom_kill import oom
from pykmm.syscalls import kill, touch
from pykmm.workbench import Machine, Process
from tests.mm.cgroups import PAGE, booted, events, hog, killed


def legacy(m: Machine, pages: int = 64) -> tuple[mem_cgroup, Process]:
    """Make a full cgroup of version 1 whose killer is off; a process wants more."""
    top = m.cgroup("top", legacy=True)
    box = m.cgroup("box", parent=top, memory_max="64K", legacy=True)
    assert mem_cgroup_oom_control_write(box, 1) == 0
    p = hog(m, pages, memcg=box)
    m.run()
    assert (p.result, killed(), box.under_oom) == (None, [], 1)
    assert "Huh" not in str(console().verdicts())
    return box, p


def test_with_the_killer_off_a_fault_waits_for_a_larger_limit() -> None:
    with booted() as m:
        box, p = legacy(m)
        admin = m.spawn("admin")
        admin.runs(lambda: mem_cgroup_resize_max(box, 1024))
        m.run()
        assert (admin.result, p.result, box.under_oom) == (0, "done", 0)


def test_or_for_the_killer_to_be_switched_on() -> None:
    with booted() as m:
        box, p = legacy(m)
        assert mem_cgroup_oom_control_write(box, 0) == 0
        m.run()
        assert (p.result, killed()) == (None, ["hog"])
        # Version 1 counts nothing above.
        assert events(box)["oom_kill"] == 1
        assert box.parent is not None
        assert events(box.parent) == {}


def test_or_for_somebody_to_exit() -> None:
    with booted() as m:
        top = m.cgroup("top", legacy=True)
        box = m.cgroup("box", parent=top, memory_max="64K", legacy=True)
        mem_cgroup_oom_control_write(box, 1)
        other = m.spawn("other", anon="20K", memcg=box)
        p = hog(m, 10, memcg=box)
        m.run()
        assert p.result is None
        kill(other.pid, SIGKILL)
        m.run()
        assert (p.result, killed()) == ("done", [])


def test_or_to_be_killed() -> None:
    with booted() as m:
        box, p = legacy(m)
        kill(p.pid, SIGKILL)
        m.run()
        assert (p.result, p.task.__dict__["mm"], box.under_oom) == (None, None, 0)
        assert box.memory.usage == 0


def test_two_wait_and_are_woken_together() -> None:
    with booted() as m:
        box, p = legacy(m)
        q = hog(m, 64, "other", memcg=box)
        m.run()
        assert box.under_oom == 2
        admin = m.spawn("admin")
        admin.runs(lambda: mem_cgroup_resize_max(box, 1024))
        m.run()
        assert (p.result, q.result, box.under_oom) == ("done", "done", 0)


def test_the_kernel_itself_does_not_wait() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="16K", legacy=True)
        mem_cgroup_oom_control_write(box, 1)
        p = m.spawn("p", memcg=box)
        p.runs(lambda: try_charge_memcg(box, GFP_KERNEL, 5))
        m.run()
        assert p.result == -ENOMEM
        assert p.task.__dict__["memcg_in_oom"] is None


def test_the_files_of_version_1_refuse_nonsense() -> None:
    with booted() as m:
        box = m.cgroup("box", legacy=True)
        m.spawn("p", anon="64K", memcg=box)
        for val in (-1, 2):
            assert mem_cgroup_oom_control_write(box, val) == -EINVAL
        assert mem_cgroup_oom_control_write(None, 1) == -EINVAL
        assert mem_cgroup_oom_control_write(m.cgroup("new"), 1) == -EINVAL
        admin = m.spawn("admin")
        admin.runs(lambda: mem_cgroup_resize_max(box, 3))
        m.run()
        assert admin.result == -EBUSY


def test_a_signal_interrupts_the_writer_of_version_1() -> None:
    with booted() as m:
        box = m.cgroup("box", legacy=True)
        admin = m.spawn("admin")
        admin.task.__dict__["sighand"].action = {SIGUSR1: lambda sig: None}

        def body() -> int:
            send(current().pid, SIGUSR1)
            return mem_cgroup_resize_max(box, 3)

        admin.runs(body)
        m.run()
        assert admin.result == -EINTR


def test_who_works_in_a_full_address_space_of_another_cgroup_waits_as_well() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        region = Region("anon", 64 * PAGE, populated=0)
        owner = m.spawn("owner", regions=[region], memcg=box, oom_score_adj=-1000)
        sharer = m.spawn("sharer", shares_mm=owner, oom_score_adj=-1000)
        sharer.runs(lambda: touch(owner.memory[0].start, 64 * PAGE))
        m.run()
        assert box.memory.usage == 16
        memory_max_write(box, 1024)
        m.run()
        assert box.memory.usage == 64


def test_who_is_bound_to_a_full_node_waits_as_well() -> None:
    config = Config(node_pages=(64, 64), timers=Timers.IDLE)
    with Machine(config) as m:
        oom().oom_killer_disabled = True
        p = hog(m, 64)
        p.task.mempolicy_nodes = frozenset({1})
        m.run()
        assert p.result is None
        kill(p.pid, SIGKILL)
        m.run()
        assert _books() == []
