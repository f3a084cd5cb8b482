# SPDX-License-Identifier: GPL-2.0-only
"""T98 to T108: taking a victim's memory without its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.errno import EAGAIN
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.mm import (
    VM_FAULT_SIGBUS,
    VM_LOCKED,
    for_each_vma,
    mm_flags_set,
    mm_flags_test,
)
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    VMA_ITERATOR,
    mm_struct,
)
from pykmm.linux.mmap_lock import (
    mmap_read_trylock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from pykmm.linux.mmu_notifier import mmu_notifier, mmu_notifier_ops
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.oom import oom_control
from pykmm.linux.printk import console
from pykmm.linux.timer import _fire_now
from pykmm.linux.tracepoint import trace_buffer
from pykmm.mm.memory_fault import FAULT_FLAG_USER, FAULT_FLAG_WRITE, handle_mm_fault
from pykmm.mm.mmu_notifier import mmu_notifier_register
from pykmm.mm.oom_kill import (
    __oom_reap_task_mm,
    mark_oom_victim,
    oom,
    out_of_memory,
    queue_oom_reaper,
)
from pykmm.patches.kernels import v6_12
from pykmm.workbench import Machine, Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

PAGE = 4096
ANON = Region("anon", 4 * PAGE)


def victim(world: World, *regions: Region, name: str = "hog") -> Process:
    """Make a process with real pages that does not react to its death."""
    made = world.machine.spawn(name, regions=regions or (ANON,))
    made.task._program = None
    return made


def mark(world: World, process: Process) -> None:
    """Make *process* a victim, and give it its time to exit."""
    world.dying(process)
    mutex_lock(oom().oom_lock)
    mark_oom_victim(process.task)
    mutex_unlock(oom().oom_lock)
    queue_oom_reaper(process.task)


def reaped(world: World) -> list[str]:
    """Return what the reaper did and said, in order."""
    found = []
    for entry in trace_buffer():
        if "reap" in entry.event.name:
            found.append(f"{entry.event.name} {entry.values['pid']}")
    return found


def said(world: World, what: str) -> list[str]:
    return [line for line in world.lines() if what in line]


def test_T98_two_seconds(make_world: Callable[..., World]) -> None:
    world = make_world(hz=250)
    world.machine.clock.now = 1000
    hog = victim(world)
    mark(world, hog)
    assert hog.task.oom_reaper_timer.expires == 1500


def test_T99_once_in_the_life_of_an_mm(world: World) -> None:
    hog = victim(world)
    mark(world, hog)
    usage = hog.task.usage.refs
    expires = hog.task.oom_reaper_timer.expires
    world.machine.clock.now += 10
    queue_oom_reaper(hog.task)
    assert (hog.task.usage.refs, hog.task.oom_reaper_timer.expires) == (usage, expires)


def test_T100_the_victim_made_it_by_itself(world: World) -> None:
    hog = victim(world)
    mark(world, hog)
    mm_flags_set(MMF_OOM_SKIP, world.mm(hog))
    world.machine.run()
    assert hog.task.usage.refs == 1
    assert reaped(world) == []


def test_T101_last_in_first_out(world: World) -> None:
    first, second = victim(world, name="A"), victim(world, name="B")
    for each in (first, second):
        mark(world, each)
        _fire_now(each.task.oom_reaper_timer)
    world.machine.run()
    starts = world.trace("start_task_reaping")
    assert [entry.values["pid"] for entry in starts] == [second.pid, first.pid]


def holder(world: World, mm: mm_struct, until: Callable[[int], bool]) -> None:
    """Hold ``mmap_lock`` for writing until *until* of the attempts that failed."""
    blocker = world.machine.spawn("blocker")

    @blocker.runs
    def _() -> None:
        mmap_write_lock(mm)
        while not until(len(world.trace("skip_task_reaping"))):
            schedule_timeout_uninterruptible(10)
        mmap_write_unlock(mm)


def test_T102_the_lock_is_never_free(world: World) -> None:
    hog = victim(world)
    mm = world.mm(hog)
    holder(world, mm, lambda skips: bool(said(world, "unable to reap")))
    mark(world, hog)
    world.machine.run()
    effects = console().effects
    assert len(world.trace("skip_task_reaping")) == 10
    assert effects.count(("sleep", 100)) == 10
    assert said(world, "unable to reap") == [
        f"oom_reaper: unable to reap pid:{hog.pid} (hog)"
    ]
    assert mm_flags_test(MMF_OOM_SKIP, mm)
    dump = [text for _, text in console().lines]
    assert f"task:hog             state:S stack:0     pid:{hog.pid:<5d}" in "\n".join(
        dump
    )
    assert " #0: mm_struct#" in "\n".join(dump)


def test_T103_the_tenth_attempt_works(world: World) -> None:
    hog = victim(world)
    holder(world, world.mm(hog), lambda skips: skips == 9)
    mark(world, hog)
    world.machine.run()
    assert reaped(world)[-2:] == [
        f"start_task_reaping {hog.pid}",
        f"finish_task_reaping {hog.pid}",
    ]
    assert len(world.trace("skip_task_reaping")) == 9
    assert said(world, "unable") == []


def test_T104_exit_mmap_comes_before_the_third_attempt(world: World) -> None:
    hog = victim(world)
    mm = world.mm(hog)

    def skip_now(skips: int) -> bool:
        if skips == 2:
            mm_flags_set(MMF_OOM_SKIP, mm)
        return skips == 2

    holder(world, mm, skip_now)
    mark(world, hog)
    world.machine.run()
    assert len(world.trace("skip_task_reaping")) == 3
    assert world.trace("start_task_reaping") == []
    assert said(world, "unable") == []


def test_T105_exit_mmap_comes_after_the_last_attempt(world: World) -> None:
    hog = victim(world)
    mm = world.mm(hog)

    def skip_late(skips: int) -> bool:
        if skips == 10:
            mm_flags_set(MMF_OOM_SKIP, mm)
        return skips == 10

    holder(world, mm, skip_late)
    mark(world, hog)
    world.machine.run()
    assert len(world.trace("skip_task_reaping")) == 10
    assert said(world, "unable") == []


# -- what is reaped, in which order ----------------------------------------------------

KINDS = (
    Region("anon", 4 * PAGE),
    Region("file", 4 * PAGE),
    Region("file", 4 * PAGE, shared=True),
    Region("shmem", 4 * PAGE, shared=True),
    Region("hugetlb", 2 << 20),
    Region("pfnmap", 4 * PAGE),
    Region("anon", 4 * PAGE),
)
LETTERS = "abcdefg"


def letters(world: World, hog: Process) -> dict[int, str]:
    """Return the letter of each mapping by its start; g is locked in memory."""
    vmas = list(for_each_vma(VMA_ITERATOR(world.mm(hog), 0)))
    vmas[-1].__dict__["vm_flags"] |= VM_LOCKED
    return {vma.vm_start: letter for vma, letter in zip(vmas, LETTERS, strict=True)}


def zapped(names: dict[int, str]) -> str:
    effects = [effect for effect in console().effects if effect[0] == "zap"]
    return "".join(names[int(str(effect[1]))] for effect in effects)


@pytest.mark.parametrize(
    ("old", "order"),
    [pytest.param(True, "abg", id="6.12"), pytest.param(False, "gba", id="7.2")],
)
def test_T106_private_mappings(world: World, old: bool, order: str) -> None:
    if old:
        world.machine.patches.update(v6_12.patch.functions)
    hog = victim(world, *KINDS)
    names = letters(world, hog)
    mark(world, hog)
    world.machine.run()
    assert zapped(names) == order


def test_T107_a_notifier_refuses(world: World) -> None:
    hog = victim(world, *KINDS)
    names = letters(world, hog)
    lowest = min(names)
    refusals: list[int] = []

    def refuse(subscription: mmu_notifier, change: object) -> int:
        start = int(change.start)  # type: ignore[attr-defined]  # mmu_notifier_range
        if start == lowest and len(refusals) < 1:
            refusals.append(start)
            return -EAGAIN
        return 0

    subscription = mmu_notifier(ops=mmu_notifier_ops(invalidate_range_start=refuse))
    mmu_notifier_register(subscription, world.mm(hog))
    mark(world, hog)
    world.machine.run()
    pid = hog.pid
    assert refusals == [lowest]
    assert zapped(names) == "gb" + "gba"
    assert mm_flags_test(MMF_UNSTABLE, world.mm(hog))
    passes = [f"start_task_reaping {pid}", f"finish_task_reaping {pid}"]
    assert reaped(world)[-4:] == passes * 2
    assert len(said(world, "oom_reaper: reaped process")) == 1
    assert console().effects.count(("sleep", 100)) == 1


def test_T108_faults_after_a_reap(world: World) -> None:
    machine = world.machine
    hog = machine.spawn("hog", regions=[ANON, Region("file", 4 * PAGE, shared=True)])
    mm = world.mm(hog)
    seen: list[int] = []

    @hog.runs
    def _() -> None:
        assert mmap_read_trylock(mm)
        __oom_reap_task_mm(mm)
        for vma in for_each_vma(VMA_ITERATOR(mm, 0)):
            start, flags = vma.vm_start, FAULT_FLAG_WRITE | FAULT_FLAG_USER
            seen.append(handle_mm_fault(vma, start, start + PAGE, flags)[0])
        mmap_read_unlock(mm)

    machine.run()
    assert [bool(ret & VM_FAULT_SIGBUS) for ret in seen] == [True, False]


def test_a_victim_of_a_real_kill_is_reaped() -> None:
    with Machine(Config(hz=1000, timers=Timers.IDLE)) as machine:
        hog = machine.spawn("hog", anon="1M")
        hog.task._program = None
        machine.boot.task = machine.spawn("caller", oom_score_adj=-1000).task
        mutex_lock(oom().oom_lock)
        out_of_memory(oom_control())
        mutex_unlock(oom().oom_lock)
        machine.run()
        assert hog.mm is not None
        assert hog.mm.rss_stat[MM_ANONPAGES].counter == 0
        names = [entry.event.name for entry in trace_buffer()]
        assert names == [
            "mark_victim",
            "wake_reaper",
            "start_task_reaping",
            "finish_task_reaping",
        ]
        assert [entry.jiffies for entry in trace_buffer()] == [1000] + [3000] * 3
