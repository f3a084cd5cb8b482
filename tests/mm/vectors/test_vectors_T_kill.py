# SPDX-License-Identifier: GPL-2.0-only
"""T75 to T90: killing, and saying so.

The victim is process 4242, "hog", of user 1000: 262144 anonymous pages, 16 of files,
4198400 bytes of page tables, 50 in swap, 524288 mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import mm_flags_set, mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.oom import oom_control
from pykmm.linux.printk import console
from pykmm.linux.sched import PF_KTHREAD, task_struct
from pykmm.linux.sched.signal import SIGNAL_UNKILLABLE
from pykmm.mm.memcontrol import mem_cgroup_get_oom_group, mem_cgroup_scan_tasks
from pykmm.mm.oom_kill import (
    __oom_kill_process,
    oom,
    oom_kill_memcg_member,
    oom_kill_process,
    select_bad_process,
)
from pykmm.report import parse
from pykmm.report.judge import judge_text
from pykmm.report.verdict import Outcome
from pykmm.workbench import Process
from tests.mm.vectors.conftest import PID, hog_of

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

ROW = (
    "[   4242]  1000  4242   524288   262160   262144       16         0  4198400"
    "       50             0 hog"
)
KILLED = (
    "Out of memory: Killed process 4242 (hog) total-vm:2097152kB, "
    "anon-rss:1048576kB, file-rss:64kB, shmem-rss:0kB, UID:1000 pgtables:4100kB "
    "oom_score_adj:0"
)


def test_T75_the_row_and_the_kill_line(world: World) -> None:
    hog_of(world)
    assert world.oom()[0] is True
    assert ROW in world.lines()
    assert world.lines()[-1] == KILLED


def test_T76_the_row_of_4_19() -> None:
    table = (
        "hog invoked oom-killer: gfp_mask=0x6200ca(GFP_HIGHUSER_MOVABLE), "
        "nodemask=(null), order=0, oom_score_adj=0\n"
        "Tasks state (memory values in pages):\n"
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents "
        "oom_score_adj name\n"
        "[   4242]  1000  4242   524288   262160  4198400       50             0 hog\n"
    )
    (row,) = parse(table).reports[0].rows
    figures = (row.pid, row.uid, row.total_vm, row.rss, row.swapents, row.comm)
    assert figures == (PID, 1000, 524288, 262160, 50, "hog")
    assert row.pgtables_bytes == 4198400


def test_T77_the_summary(world: World) -> None:
    hog_of(world)
    world.oom()
    assert world.lines()[-2] == (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,"
        "global_oom,task_memcg=/,task=hog,pid=4242,uid=1000"
    )


def test_a_report_of_the_model_convinces_the_reader_of_reports(
    make_world: Callable[..., World],
) -> None:
    world = make_world(managed_pages=990_000, total_swap_pages=5_000)
    hog_of(world)
    world.process("small", anon=10)
    _, oc = world.oom()
    (verdict,) = judge_text("\n".join(line for _, line in console().lines), "own")
    assert verdict.outcome is Outcome.AGREES
    assert verdict.model_pid == verdict.kernel_pid == PID
    assert verdict.totalpages == oc.totalpages == 995_000


def test_T78_the_leader_has_left(world: World) -> None:
    hog = hog_of(world)
    second = build_late(world, hog, 4250)
    world.drop_mm(hog.task)
    world.oom()
    assert ",task=hog,pid=4242,uid=1000" in world.lines()[-2]
    assert "Killed process 4250 (hog)" in world.lines()[-1]
    assert [entry.values["pid"] for entry in world.trace("mark_victim")] == [4250]
    assert (world.memdie(hog.task), world.memdie(second)) == (False, True)


def build_late(world: World, process: Process, pid: int) -> task_struct:
    """Add the thread *pid* to *process*."""
    thread = world.thread(process)
    thread.pid = pid
    return thread


def test_T79_everybody_leaves_before_the_kill(world: World) -> None:
    hog = hog_of(world)
    oc = oom_control()
    select_bad_process(oc)
    world.drop_mm(hog.task)
    mutex_lock(oom().oom_lock)
    oom_kill_process(oc, "Out of memory")
    mutex_unlock(oom().oom_lock)
    assert world.lines()[-1] == (
        "Out of memory: OOM victim 4242 (hog) is already exiting. Skip killing the task"
    )
    assert (world.counted(), world.killed(hog)) == (0, False)
    assert hog.task.usage.refs == 1


def test_T80_the_chosen_is_dying_already(world: World) -> None:
    hog = world.dying(hog_of(world))
    assert world.oom()[0] is True
    assert (world.lines(), world.counted()) == ([], 0)
    assert oom().oom_victims.counter == 1
    assert hog.task.oom_reaper_timer.expires is not None


def test_T81_a_protected_sharer_elsewhere_dies_too(world: World) -> None:
    hog = hog_of(world)
    box = world.machine.cgroup("box")
    q = world.process("Q", adj=-1000, shares=hog, memcg=box)
    world.oom()
    assert world.killed(q)
    assert not world.memdie(q.task)
    assert q.task.signal.oom_mm is None
    assert (world.counted(), box.memory_events["OOM_KILL"]) == (1, 0)
    assert world.kills() == ["kill hog"]


def test_T82_global_init_shares(world: World) -> None:
    hog = hog_of(world)
    init = world.machine.init.task
    own = init.__dict__["mm"]
    own.mm_users.counter -= 1
    init.__dict__["comm"] = "systemd"
    init.__dict__["mm"] = hog.mm
    q = world.process("Q", adj=-1000, shares=hog)
    world.oom()
    assert "oom killer 4242 (hog) has mm pinned by 1 (systemd)" in world.lines()
    assert mm_flags_test(MMF_OOM_SKIP, world.mm(hog))
    assert hog.task.oom_reaper_timer.expires is None
    assert (world.killed(q), world.killed(init)) == (True, False)


def test_T83_a_kernel_thread_shares(world: World) -> None:
    hog = hog_of(world)
    vhost = world.process("vhost", shares=hog)
    vhost.task.__dict__["flags"] = PF_KTHREAD
    world.oom()
    assert not world.killed(vhost)
    assert hog.task.oom_reaper_timer.expires is not None


def give_up_victims(world: World) -> None:
    """Have the reaper be done with all that were killed, so that others can be."""
    for p in world.machine.processes:
        if world.killed(p):
            mm_flags_set(MMF_OOM_SKIP, world.mm(p))


def headers(world: World) -> int:
    return sum("invoked oom-killer" in line for line in world.lines())


def test_T84_ten_reports_in_five_seconds(world: World) -> None:
    for number in range(12):
        world.process(f"hog{number}", anon=1000)
    world.be(world.process("caller", adj=-1000))
    for _ in range(11):
        world.oom()
        give_up_victims(world)
    assert (headers(world), len(world.kills())) == (10, 11)
    world.machine.clock.now += 5 * 1000 + 1
    world.oom()
    assert "oom_kill_process: 1 callbacks suppressed" in world.lines()
    assert headers(world) == 11


def test_T85_the_init_of_a_container(world: World) -> None:
    hog = hog_of(world)
    hog.task.signal.flags = SIGNAL_UNKILLABLE
    world.oom()
    assert world.killed(hog)


# -- groups ----------------------------------------------------------------------------


class Groups:
    """/a and /a/b, both of which die as a whole; A and B in /a/b, C in /a."""

    def __init__(self, world: World, *, legacy: bool = False) -> None:
        machine = world.machine
        self.a = machine.cgroup("a", oom_group=True, legacy=legacy)
        self.b = machine.cgroup("b", parent=self.a, oom_group=True, legacy=legacy)
        self.C = world.process("C", adj=-1000, memcg=self.a)
        self.A = world.process("A", anon=100, memcg=self.b)
        self.B = world.process("B", anon=10, memcg=self.b)
        world.be(world.process("caller", adj=-1000))


def test_T86_the_highest_marked_cgroup_dies(world: World) -> None:
    group = Groups(world)
    world.oom(oom_control(memcg=group.a, zonelist=False))
    assert "Tasks in /a are going to be killed due to memory.oom.group set" in (
        world.lines()
    )
    assert world.kills() == ["kill A", "kill A", "kill B"]
    assert group.b.memory_events_local["OOM_KILL"] == 3
    assert group.a.memory_events_local["OOM_GROUP_KILL"] == 1
    assert not world.killed(group.C)
    assert oom().oom_victims.counter == 2
    assert len(world.trace("mark_victim")) == 2


def test_T87_the_victim_is_gone_when_its_group_dies(world: World) -> None:
    group, message = Groups(world), "Memory cgroup out of memory"
    oc = oom_control(memcg=group.a, zonelist=False)
    select_bad_process(oc)
    assert oc.chosen is group.A.task
    mutex_lock(oom().oom_lock)
    __oom_kill_process(group.A.task, message)
    world.drop_mm(group.A.task)
    mem_cgroup_scan_tasks(group.a, lambda p: oom_kill_memcg_member(p, message))
    mutex_unlock(oom().oom_lock)
    assert world.kills() == ["kill A", "skip A", "kill B"]
    assert group.b.memory_events_local["OOM_KILL"] == 2


def group_of(
    world: World, domain: Callable[[Groups], mem_cgroup | None], *, legacy: bool = False
) -> str | None:
    group = Groups(world, legacy=legacy)
    found = mem_cgroup_get_oom_group(group.A.task, domain(group))
    return None if found is None else found.path()


def test_T88_a_global_oom_kills_the_same_group(world: World) -> None:
    assert group_of(world, lambda group: None) == "/a"
    world.oom()
    assert world.kills()[:2] == ["kill A", "kill A"]


def test_T88_the_domain_itself_is_the_highest(world: World) -> None:
    assert group_of(world, lambda group: group.b) == "/a/b"


def test_T89_the_victim_was_moved_elsewhere(world: World) -> None:
    elsewhere = world.machine.cgroup("elsewhere")
    assert group_of(world, lambda group: elsewhere) is None


def test_T90_version_1_has_no_groups(world: World) -> None:
    assert group_of(world, lambda group: group.a, legacy=True) is None
