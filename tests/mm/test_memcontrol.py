# SPDX-License-Identifier: GPL-2.0-only
"""Charging against a limit: who is let through, who is refused, who is killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.boot import Region
from pykmm.engine import Backend
from pykmm.errno import ENOMEM
from pykmm.kernel.signal import kill as send
from pykmm.linux.gfp_types import (
    __GFP_HIGH,
    __GFP_NOFAIL,
    __GFP_NORETRY,
    __GFP_RETRY_MAYFAIL,
    GFP_KERNEL,
    GFP_NOWAIT,
)
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.printk import console
from pykmm.linux.sched import PF_MEMALLOC, current
from pykmm.linux.uapi import (
    MAP_SHARED,
    O_NONBLOCK,
    PROT_READ,
    SIGKILL,
)
from pykmm.linux.uapi_mman import MCL_FUTURE
from pykmm.mm.memcontrol_charge import memory_max_write, try_charge_memcg
from pykmm.mm.oom_kill import mark_oom_victim, oom
from pykmm.mm.page_counter import page_counter_uncharge
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import kill, mlockall, mmap, open, touch
from pykmm.workbench import Machine
from tests.mm.cgroups import PAGE, booted, events, hog, killed

# -- the order of decisions ------------------------------------------------------------


def be_nobody() -> None:
    """Have no rights."""


def be_reclaiming() -> None:
    current().flags |= PF_MEMALLOC


def be_reaped() -> None:
    mutex_lock(oom().oom_lock)
    mark_oom_victim(current())
    mutex_unlock(oom().oom_lock)
    mm = current().mm
    assert mm is not None
    mm_flags_set(MMF_OOM_SKIP, mm)


def be_waiting() -> None:
    current().__dict__["memcg_in_oom"] = current().memcg


@pytest.mark.parametrize(
    ("who", "gfp", "ret", "counts"),
    [
        (be_nobody, GFP_NOWAIT, -ENOMEM, {}),
        (be_nobody, GFP_NOWAIT | __GFP_HIGH, 0, {"max": 1}),
        (be_nobody, GFP_KERNEL | __GFP_NORETRY, -ENOMEM, {"max": 1}),
        (be_nobody, GFP_KERNEL | __GFP_RETRY_MAYFAIL, -ENOMEM, {"max": 1}),
        (be_nobody, GFP_KERNEL | __GFP_NORETRY | __GFP_NOFAIL, 0, {"max": 1}),
        (be_nobody, GFP_KERNEL, -ENOMEM, {"max": 1, "oom": 1}),
        (be_nobody, GFP_KERNEL | __GFP_NOFAIL, 0, {"max": 1, "oom": 1}),
        (be_reclaiming, GFP_KERNEL, 0, {"max": 1}),
        (be_reaped, GFP_KERNEL, -ENOMEM, {}),
        (be_waiting, GFP_KERNEL, -ENOMEM, {}),
    ],
)
def test_who_is_let_through_and_who_is_refused(
    who: Callable[[], None], gfp: int, ret: int, counts: dict[str, int]
) -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="16K")
        p = m.spawn("p", oom_score_adj=-1000, memcg=box)

        def body() -> int:
            who()
            try_charge_memcg(box, GFP_KERNEL, 4)
            got = try_charge_memcg(box, gfp, 1)
            page_counter_uncharge(box.memory, 4 if got else 5)
            current().__dict__["memcg_in_oom"] = None
            return got

        p.runs(body)
        m.run()
        assert (p.result, events(box)) == (ret, counts)
        assert killed() == []


def test_the_cgroup_above_has_hit_its_limit() -> None:
    with booted() as m:
        top = m.cgroup("top", memory_max="64K")
        box = m.cgroup("box", parent=top, memory_max="1M")
        other = m.cgroup("other", parent=top)
        big = m.spawn("big", anon="32K", memcg=other)
        p = hog(m, 12, memcg=box)
        m.run()
        # Its sibling's process is the largest below the cgroup that is full.
        assert (p.result, killed()) == ("done", ["big"])
        assert big.mm is None
        assert events(top) == {"max": events(top)["max"], "oom": 1, "oom_kill": 1}
        assert events(top, local=True) == {"max": events(top)["max"], "oom": 1}
        assert events(other) == events(other, local=True) == {"oom_kill": 1}
        assert events(box) == {}


def test_only_processes_of_the_cgroup_are_candidates() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        outside = m.spawn("outside", anon="1M")
        p = hog(m, 64, memcg=box)
        m.run()
        assert (p.result, killed()) == (None, ["hog"])
        assert outside.mm is not None
        assert box.memory.usage == 0


def test_a_group_dies_together_but_for_its_protected_members() -> None:
    with booted() as m:
        top = m.cgroup("top", memory_max="128K", oom_group=True)
        box = m.cgroup("box", parent=top)
        bystanders = [m.spawn(f"by{n}", anon="4K", memcg=box) for n in range(2)]
        safe = m.spawn("safe", anon="4K", memcg=top, oom_score_adj=-1000)
        p = hog(m, 64, memcg=box)
        m.run()
        assert p.result is None
        assert [q.mm is None for q in bystanders] == [True, True]
        assert safe.mm is not None
        assert {"hog", "by0", "by1"} == set(killed())
        assert events(top)["oom_group_kill"] == 1
        lines = console().verdicts()
        assert (
            "Tasks in /top are going to be killed due to memory.oom.group set" in lines
        )


@pytest.mark.parametrize("backend", list(Backend))
def test_if_nobody_can_be_killed_the_fault_is_retried_but_not_for_nothing(
    backend: Backend,
) -> None:
    with booted(backend=backend) as m:
        box = m.cgroup("box", memory_max="64K")
        p = hog(m, 64, memcg=box, oom_score_adj=-1000)
        m.run()
        # It would go round for ever; it waits until that could make a difference.
        assert (p.result, box.memory.usage) == (None, 16)
        lines = console().verdicts()
        assert lines.count("Out of memory and no killable processes...") == 2
        assert sum("Huh VM_FAULT_OOM" in line for line in lines) == 2
        assert killed() == []
        memory_max_write(box, 1024)
        m.run()
        assert (p.result, box.memory.usage) == ("done", 64 + 3)


def test_any_signal_ends_the_retries() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        p = hog(m, 64, memcg=box, oom_score_adj=-1000)
        m.run()
        kill(p.pid, SIGKILL)
        m.run()
        assert (p.result, box.memory.usage) == (None, 0)


def test_somebody_who_may_be_killed_ends_the_retries() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        p = hog(m, 16, memcg=box, oom_score_adj=-1000)
        big = m.spawn("big", anon="20K", memcg=box, oom_score_adj=-1000)
        m.run()
        assert p.result is None
        big.task.signal.oom_score_adj = 0
        m.run()
        assert (killed(), box.memory.usage) == (["big"], 16)
        assert p.result is None


# -- the limit is lowered --------------------------------------------------------------


def test_lowering_the_limit_kills_until_the_usage_is_below() -> None:
    with booted() as m:
        box = m.cgroup("box")
        for name, size in (("a", "64K"), ("b", "128K"), ("c", "4K")):
            m.spawn(name, anon=size, memcg=box)
        writer = m.spawn("writer")
        writer.runs(lambda: memory_max_write(box, 8))
        m.run()
        assert writer.result == 0
        assert killed() == ["b", "a"]
        assert (box.memory.usage, box.memory.max) == (4, 8)
        assert events(box)["oom_kill"] == 2
        invoked = [line for line in console().verdicts() if "invoked" in line]
        assert all(line.startswith("writer invoked oom-killer") for line in invoked)


@pytest.mark.parametrize("flags", [0, O_NONBLOCK])
def test_lowering_the_limit_may_leave_the_usage_above(flags: int) -> None:
    with booted() as m:
        box = m.cgroup("box")
        m.spawn("safe", anon="64K", memcg=box, oom_score_adj=0 if flags else -1000)
        writer = m.spawn("writer")
        writer.runs(lambda: memory_max_write(box, 8, flags))
        m.run()
        assert (writer.result, box.memory.usage, killed()) == (0, 19, [])


def test_a_signal_stops_the_writer_of_a_limit() -> None:
    for seed in range(20):
        with booted(scheduler=RandomWalk(seed)) as m:
            box = m.cgroup("box")
            victim = m.spawn("victim", anon="64K", memcg=box)
            writer = m.spawn("writer")
            writer.runs(lambda box=box: memory_max_write(box, 8))
            killer = m.spawn("killer")
            killer.runs(lambda writer=writer: kill(writer.pid, SIGKILL))
            m.run()
            assert writer.task.__dict__["mm"] is None
            assert (victim.mm is None) is bool(killed())


# -- corners ---------------------------------------------------------------------------


def test_a_large_charge_fails_rather_than_kill() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        p = m.spawn("p", memcg=box)
        p.runs(lambda: try_charge_memcg(box, GFP_KERNEL, 17))
        m.run()
        assert (p.result, events(box), killed()) == (-ENOMEM, {"max": 1}, [])


def closed_file(m: Machine, box: mem_cgroup, pages: int) -> None:
    """Leave *pages* of a file that nobody has open in memory, charged to *box*."""
    region = Region("file", pages * PAGE, shared=True)
    reader = m.spawn("reader", regions=[region], memcg=box)
    kill(reader.pid, SIGKILL)
    m.run()
    assert box.memory.usage == pages


def test_cached_files_go_before_anybody_is_killed() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        closed_file(m, box, 4)
        closed_file_of_another = m.cgroup("other")
        closed_file(m, closed_file_of_another, 4)
        p = hog(m, 13, memcg=box)
        m.run()
        assert (p.result, box.memory.usage, killed()) == ("done", 16, [])
        assert closed_file_of_another.memory.usage == 4
        # As far as they go.
        q = hog(m, 8, "more", memcg=box)
        m.run()
        assert (q.result, killed()) == ("done", ["hog"])


def test_reclaim_that_is_not_enough_is_worth_another_try() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        closed_file(m, box, 2)
        p = m.spawn("p", memcg=box, oom_score_adj=-1000)

        def body() -> list[int]:
            found = [try_charge_memcg(box, GFP_KERNEL, nr) for nr in (12, 8)]
            page_counter_uncharge(box.memory, 12)
            return found

        p.runs(body)
        m.run()
        assert p.result == [0, -ENOMEM]
        assert events(box) == {"max": 2, "oom": 1}


def test_lowering_the_limit_drops_cached_files_first() -> None:
    with booted() as m:
        box = m.cgroup("box")
        closed_file(m, box, 8)
        m.spawn("p", anon="16K", memcg=box)
        writer = m.spawn("writer")
        writer.runs(lambda: memory_max_write(box, 8))
        m.run()
        assert (box.memory.usage, killed()) == (7, [])


def test_reading_a_file_in_a_full_cgroup_goes_on_in_its_own_pages() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        region = Region("file", 64 * PAGE, shared=True, populated=0)
        p = m.spawn("p", regions=[region], memcg=box, oom_score_adj=-1000)
        p.runs(lambda: touch(p.memory[0].start, 64 * PAGE, False) or "done")
        m.run()
        assert (p.result, killed()) == ("done", [])
        tables = 3
        assert tables < box.memory.usage <= 16


def test_reading_a_file_into_locked_memory_fills_a_cgroup() -> None:
    with booted() as m:
        m.file("/file", 64 * PAGE)
        box = m.cgroup("box", memory_max="64K")
        p = m.spawn("p", memcg=box, oom_score_adj=-1000)

        @p.runs
        def _() -> None:
            fd = open("/file")
            assert isinstance(fd, int)
            assert mlockall(MCL_FUTURE) == 0
            touch(mmap(0, 64 * PAGE, PROT_READ, MAP_SHARED, fd), 64 * PAGE, False)

        m.run()
        assert (p.result, box.memory.usage) == (None, 16)
        kill(p.pid, SIGKILL)
        m.run()
        assert box.memory.usage == 13


def test_who_is_killed_while_it_waits_for_the_killer_has_what_it_needs() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="64K")
        holder = m.spawn("holder")

        def body() -> None:
            mutex_lock(oom().oom_lock)
            schedule_timeout_uninterruptible(5)
            send(p.pid, SIGKILL)
            schedule_timeout_uninterruptible(5)
            mutex_unlock(oom().oom_lock)

        holder.runs(body)
        p = hog(m, 64, memcg=box)
        m.run()
        assert (p.result, killed(), box.memory.usage) == (None, [], 0)
        assert events(box)["oom"] == 1
