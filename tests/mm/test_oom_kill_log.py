# SPDX-License-Identifier: GPL-2.0-only
"""What the OOM killer says, to the byte, and what its tracepoints record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.linux.cpuset import cpuset
from pykmm.linux.gfp_types import __GFP_COMP, __GFP_ZERO, GFP_HIGHUSER_MOVABLE
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.oom import oom_control
from pykmm.linux.printk import KERN_ERR, KERN_INFO, KERN_WARNING, Dump, console
from pykmm.linux.trace.events import oom as events
from pykmm.linux.tracepoint import trace_buffer
from pykmm.mm.oom_kill import oom, out_of_memory
from pykmm.mm.slab_common import kmem_cache, slab
from pykmm.patches.kernels import v6_12
from pykmm.patches.patch import apply
from pykmm.workbench import Machine

PAGE = 4096


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Two nodes of 64 and 32 MiB, 4000 KiB of swap, no compaction."""
    config = Config(
        node_pages=(1 << 14, 1 << 13),
        total_swap_pages=1000,
        CONFIG_COMPACTION=False,
        timers=Timers.IDLE,
    )
    with Machine(config) as booted:
        yield booted


def ask(machine: Machine, **facts: object) -> list[str]:
    """Ask the killer on behalf of a protected process; return all that was printed."""
    asked = machine.spawn("caller", oom_score_adj=-1000)
    asked.task._program = None
    machine.boot.task = asked.task
    start = len(console().lines)
    mutex_lock(oom().oom_lock)
    out_of_memory(oom_control(**facts))  # type: ignore[arg-type]  # by name
    mutex_unlock(oom().oom_lock)
    return [text for _, text in console().lines[start:]]


def test_a_global_report(machine: Machine) -> None:
    regions = [
        Region("anon", 1024 * PAGE),
        Region("file", 16 * PAGE),
        Region("shmem", 2 * PAGE, shared=True),
        Region("hugetlb", 2 << 20),
    ]
    machine.spawn("hog", regions=regions, swap="40K", uid=1000)
    machine.spawn("other", shares_mm=machine.processes[-1])
    gfp_mask = GFP_HIGHUSER_MOVABLE | __GFP_COMP
    assert ask(machine, gfp_mask=gfp_mask) == [
        "caller invoked oom-killer: "
        "gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, "
        "oom_score_adj=-1000",
        "CPU: 0 UID: 0 PID: 5 Comm: caller Not tainted 7.2.0 #1 PREEMPT(full)  ",
        "Call Trace:",
        " <TASK>",
        " dump_stack_lvl",
        " dump_stack",
        " dump_header",
        " oom_kill_process",
        " out_of_memory",
        " </TASK>",
        "Mem-Info:",
        "active_anon:0 inactive_anon:1026 isolated_anon:0",
        " active_file:0 inactive_file:16 isolated_file:0",
        " unevictable:0 dirty:0 writeback:0",
        " slab_reclaimable:0 slab_unreclaimable:0",
        " mapped:18 shmem:2 pagetables:7",
        " sec_pagetables:0 bounce:0",
        " kernel_misc_reclaimable:0",
        " free:23015 free_pcp:0 free_cma:0",
        "Node 0 active_anon:0kB inactive_anon:4104kB active_file:0kB "
        "inactive_file:64kB unevictable:0kB isolated(anon):0kB isolated(file):0kB "
        "mapped:72kB dirty:0kB writeback:0kB shmem:8kB kernel_stack:0kB "
        "pagetables:28kB sec_pagetables:0kB all_unreclaimable? no Balloon:0kB "
        "gpu_active:0kB gpu_reclaim:0kB",
        "Node 1 active_anon:0kB inactive_anon:0kB active_file:0kB inactive_file:0kB "
        "unevictable:0kB isolated(anon):0kB isolated(file):0kB mapped:0kB dirty:0kB "
        "writeback:0kB shmem:0kB kernel_stack:0kB pagetables:0kB sec_pagetables:0kB "
        "all_unreclaimable? no Balloon:0kB gpu_active:0kB gpu_reclaim:0kB",
        "Node 0 Normal free:59292kB boost:0kB min:832kB low:1040kB high:1248kB "
        "reserved_highatomic:0KB free_highatomic:0KB active_anon:0kB "
        "inactive_anon:4104kB active_file:0kB inactive_file:64kB unevictable:0kB "
        "writepending:0kB zspages:0kB present:65536kB managed:65536kB mlocked:0kB "
        "bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB",
        "lowmem_reserve[]: 0 0 0 0",
        "Node 1 Normal free:32768kB boost:0kB min:416kB low:520kB high:624kB "
        "reserved_highatomic:0KB free_highatomic:0KB active_anon:0kB "
        "inactive_anon:0kB active_file:0kB inactive_file:0kB unevictable:0kB "
        "writepending:0kB zspages:0kB present:32768kB managed:32768kB mlocked:0kB "
        "bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB",
        "lowmem_reserve[]: 0 0 0 0",
        "Node 0 hugepages_total=1 hugepages_free=0 hugepages_surp=1 "
        "hugepages_size=2048kB",
        "Node 1 hugepages_total=0 hugepages_free=0 hugepages_surp=0 "
        "hugepages_size=2048kB",
        "18 total pagecache pages",
        "0 pages in swap cache",
        "Free swap  = 3960kB",
        "Total swap = 4000kB",
        "24576 pages RAM",
        "0 pages HighMem/MovableOnly",
        "0 pages reserved",
        "0 pages cma reserved",
        "0 pages hwpoisoned",
        "Memory cgroup min protection 0kB -- low protection 0kB",
        "Tasks state (memory values in pages):",
        "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem "
        "pgtables_bytes swapents oom_score_adj name",
        "[      3]  1000     3     1564     1042     1024       16         2    28672"
        "       10             0 hog",
        "[      4]     0     4     1564     1042     1024       16         2    28672"
        "       10             0 other",
        "[      5]     0     5        0        0        0        0         0        0"
        "        0         -1000 caller",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,"
        "mems_allowed=0-1,global_oom,task_memcg=/,task=other,pid=4,uid=0",
        "Out of memory: Killed process 4 (other) total-vm:6256kB, anon-rss:4096kB, "
        "file-rss:64kB, shmem-rss:8kB, UID:0 pgtables:28kB oom_score_adj:0",
    ]


def test_a_report_of_a_memcg(machine: Machine) -> None:
    box = machine.cgroup("box", memory_max="8M")
    below = machine.cgroup("below", parent=box)
    machine.spawn("outside", anon="1M")
    machine.spawn("inside", anon="4M", file="64K", shmem="8K", memcg=below)
    machine.processes[-1].task.cpuset = cpuset(cs_name="n0")
    box.memory_events["MAX"] = 3
    lines = ask(machine, memcg=box, zonelist=False, order=2)
    assert lines[0].endswith("order=2, oom_score_adj=-1000")
    assert lines[1] == "COMPACTION is disabled!!!"
    start = lines.index(" </TASK>") + 1
    assert lines[start:] == [
        "memory: usage 4192kB, limit 8192kB, failcnt 3",
        "swap: usage 0kB, limit 9007199254740988kB, failcnt 0",
        "Memory cgroup stats for /box:",
        "anon 4194304",
        "file 73728",
        "pagetables 24576",
        "shmem 8192",
        "file_mapped 73728",
        "file_dirty 0",
        "file_writeback 0",
        "swapcached 0",
        "inactive_anon 4202496",
        "active_anon 0",
        "inactive_file 65536",
        "active_file 0",
        "unevictable 0",
        "Memory cgroup min protection 0kB -- low protection 0kB",
        "Tasks state (memory values in pages):",
        "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem "
        "pgtables_bytes swapents oom_score_adj name",
        "[      4]     0     4     1042     1042     1024       16         2    24576"
        "        0             0 inside",
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,"
        "mems_allowed=0-1,oom_memcg=/box,task_memcg=/box/below,task=inside,pid=4,uid=0",
        "Memory cgroup out of memory: Killed process 4 (inside) total-vm:4168kB, "
        "anon-rss:4096kB, file-rss:64kB, shmem-rss:8kB, UID:0 pgtables:24kB "
        "oom_score_adj:0",
    ]


def test_levels_and_dumps(machine: Machine) -> None:
    machine.spawn("hog", anon="1M")
    ask(machine)
    levels = {
        text.split(":")[0].split(" (")[0]: level for level, text in console().lines
    }
    assert levels["Mem-Info"] == levels["caller invoked oom-killer"] == KERN_WARNING
    assert levels["Tasks state"] == levels["oom-kill"] == KERN_INFO
    assert levels["Out of memory"] == KERN_ERR
    dumped = [text for _, text in console().lines if isinstance(text, Dump)]
    assert dumped[0].startswith("CPU: 0 ")
    assert dumped[-1].startswith("Memory cgroup min protection")
    assert len(console().verdicts()) + len(dumped) == len(console().lines)


def test_the_name_of_the_cpuset_and_the_nodes(machine: Machine) -> None:
    machine.spawn("hog", anon="1M")
    caller = machine.spawn("bound", oom_score_adj=-1000)
    caller.task._program = None
    caller.task.mems_allowed = frozenset({1})
    caller.task.cpuset = cpuset(cs_name="n1", mems_allowed=frozenset({1}))
    machine.boot.task = caller.task
    mutex_lock(oom().oom_lock)
    out_of_memory(oom_control())
    mutex_unlock(oom().oom_lock)
    assert ",cpuset=n1,mems_allowed=1,global_oom," in console().verdicts()[-2]


@pytest.mark.parametrize(("objects", "shown"), [(128, False), (130, True)])
def test_slab_that_outgrows_the_users(
    machine: Machine, objects: int, shown: bool
) -> None:
    machine.spawn("hog", anon=256 * PAGE)
    slab().slab_caches += [
        kmem_cache("dentry", 192, active_objs=10**6, num_objs=10**6, reclaimable=True),
        kmem_cache("kmalloc-8k", 8192, active_objs=100, num_objs=objects),
        kmem_cache("empty", 64),
    ]
    lines = ask(machine)
    assert ("Unreclaimable slab info:" in lines) is shown
    if shown:
        start = lines.index("Unreclaimable slab info:")
        assert lines[start + 1 : start + 3] == [
            "Name                      Used          Total",
            "kmalloc-8k               800KB       1040KB",
        ]
        assert lines[start + 3].startswith("Memory cgroup min")


def test_slab_that_somebody_is_changing(machine: Machine) -> None:
    machine.spawn("hog", anon="4K")
    slab().slab_caches.append(kmem_cache("kmalloc-8k", 8192, 100, 100))
    mutex_lock(slab().slab_mutex)
    lines = ask(machine)
    mutex_unlock(slab().slab_mutex)
    assert "excessive unreclaimable slab but cannot dump stats" in lines


def test_without_memcg_and_numa() -> None:
    config = Config(CONFIG_MEMCG=False, CONFIG_NUMA=False, timers=Timers.IDLE)
    with Machine(config) as machine:
        machine.spawn("hog", anon="1M")
        lines = ask(machine)
        assert not any("protection" in line for line in lines)
        assert lines[-2].endswith(",mems_allowed=0,task=hog,pid=3,uid=0")


# -- tracepoints -----------------------------------------------------------------------


def test_each_event_prints_as_its_format_says(machine: Machine) -> None:
    task = machine.spawn("app", anon="64K", uid=7, oom_score_adj=-5).task
    machine.boot.task = task
    events.trace_oom_score_adj_update(task)
    events.trace_reclaim_retry_zone(0, 2, 3, 100, 90, 80, 1, False)
    events.trace_mark_victim(task, 7)
    events.trace_wake_reaper(3)
    events.trace_start_task_reaping(3)
    events.trace_finish_task_reaping(3)
    events.trace_skip_task_reaping(3)
    events.trace_compact_retry(3, 1, 2, 5, 16, True)
    pid, head = task.pid, f"{'app':>16}-{task.pid:<7d} [000] .....     4.000000: "
    assert [str(entry) for entry in trace_buffer()] == [
        head + text
        for text in (
            f"oom_score_adj_update: pid={pid} comm=app oom_score_adj=-5",
            "reclaim_retry_zone: node=0 zone=Normal   order=3 reclaimable=100 "
            "available=90 min_wmark=80 no_progress_loops=1 wmark_check=0",
            f"mark_victim: pid={pid} comm=app total-vm=64kB anon-rss=64kB "
            "file-rss:0kB shmem-rss:0kB uid=7 pgtables=12kB oom_score_adj=-5",
            "wake_reaper: pid=3",
            "start_task_reaping: pid=3",
            "finish_task_reaping: pid=3",
            "skip_task_reaping: pid=3",
            "compact_retry: order=3 priority=COMPACT_PRIO_SYNC_LIGHT "
            "compaction_result=withdrawn retries=5 max_retries=16 should_retry=1",
        )
    ]
    assert [entry.event for entry in trace_buffer()] == list(events.EVENTS)


def test_a_timer_is_nobodys(machine: Machine) -> None:
    hog = machine.spawn("hog", anon="64K")
    hog.task._program = None
    ask(machine)
    machine.run()
    wake = next(e for e in trace_buffer() if e.event.name == "wake_reaper")
    assert str(wake).startswith(f"{'<idle>':>16}-0       [000] ..s")
    assert wake.jiffies == trace_buffer()[0].jiffies + 2 * machine.config.hz
    start = next(e for e in trace_buffer() if e.event.name == "start_task_reaping")
    assert start.comm == "oom_reaper"


def test_a_second_shortage_finds_the_next(machine: Machine) -> None:
    first = machine.spawn("first", anon="2M")
    machine.spawn("second", anon="1M")
    ask(machine)
    assert ask(machine) == []  # a victim is dying
    assert first.mm is not None
    mm_flags_set(MMF_OOM_SKIP, first.mm)
    assert "(second)" in ask(machine)[-1]


# -- 6.12 ------------------------------------------------------------------------------


def test_the_report_of_6_12(machine: Machine) -> None:
    apply(machine, [v6_12.patch])
    machine.spawn("hog", anon="1M", file="64K")
    lines = ask(machine, gfp_mask=GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_ZERO)
    assert "gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO)" in lines[0]
    assert lines[1] == "CPU: 0 UID: 0 PID: 4 Comm: caller Not tainted 6.12.0 #1 "
    assert not any("protection" in line for line in lines)
    (node,) = (line for line in lines if line.startswith("Node 0 active_anon"))
    assert node.endswith(
        " shmem:0kB writeback_tmp:0kB kernel_stack:0kB pagetables:16kB "
        "sec_pagetables:0kB all_unreclaimable? no"
    )
    (zone,) = (line for line in lines if line.startswith("Node 0 Normal"))
    assert " reserved_highatomic:0KB active_anon:0kB inactive_anon:1024kB " in zone
    assert " writepending:0kB present:65536kB " in zone
