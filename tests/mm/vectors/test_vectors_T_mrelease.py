# SPDX-License-Identifier: GPL-2.0-only
"""T109 to T124: ``process_mrelease()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.boot import Region
from pykmm.errno import EAGAIN, EBADF, EINTR, EINVAL, ENOSYS, ESRCH
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.mm import mm_flags_set, mm_flags_test
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MMF_OOM_REAP_QUEUED,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
)
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.linux.mmu_notifier import mmu_notifier, mmu_notifier_ops
from pykmm.linux.printk import console
from pykmm.linux.sched import EXIT_ZOMBIE
from pykmm.linux.sched.signal import core_state
from pykmm.linux.tracepoint import trace_buffer
from pykmm.linux.uapi import PIDFD_THREAD, SIGKILL
from pykmm.mm.mmu_notifier import mmu_notifier_register
from pykmm.mm.oom_kill import process_mrelease as sys_process_mrelease
from pykmm.syscalls import exit_group, kill, pidfd_open, process_mrelease, wait4
from pykmm.syscalls import open as open_file
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

PAGE = 4096


def app(world: World, *regions: Region, threads: int = 1) -> Process:
    """Make a process of 16 pages that does not react to its death."""
    wanted = regions or (Region("anon", 16 * PAGE),)
    made = world.machine.spawn("app", regions=wanted, threads=threads)
    made.task._program = None
    return made


def call(world: World, body: Callable[[], object]) -> object:
    """Run *body* as a process's program and return what it returned."""
    caller = world.machine.spawn("caller")
    caller.runs(body)
    world.machine.run()
    return caller.result


def release(world: World, process: Process, flags: int = 0) -> object:
    return call(world, lambda: process_mrelease(pidfd_open(process.pid, 0), flags))


def anon(world: World, process: Process) -> int:
    return world.mm(process).rss_stat[MM_ANONPAGES].counter


@pytest.mark.parametrize(
    ("flags", "ret"),
    [pytest.param(1, -EINVAL, id="T109"), pytest.param(0, -EBADF, id="T110")],
)
def test_no_descriptor(world: World, flags: int, ret: int) -> None:
    assert call(world, lambda: process_mrelease(-1, flags)) == ret


def test_T111_another_file(world: World) -> None:
    def body() -> object:
        return process_mrelease(int(open_file("/proc/self/oom_score")), 0)

    assert call(world, body) == -EBADF


def test_T112_a_process_that_was_reaped(world: World) -> None:
    machine = world.machine
    parent, results = machine.spawn("parent"), []
    child = machine.spawn("child", parent=parent)
    child.runs(lambda: exit_group(0))

    @parent.runs
    def _() -> None:
        fd = pidfd_open(child.pid, 0)
        wait4(child.pid)
        results.append(process_mrelease(fd, 0))

    machine.run()
    assert results == [-ESRCH]


def test_T113_a_zombie(world: World) -> None:
    machine = world.machine
    parent = machine.spawn("parent")
    child = machine.spawn("child", parent=parent)
    child.runs(lambda: exit_group(0))
    machine.run()
    assert child.task.__dict__["exit_state"] == EXIT_ZOMBIE
    assert release(world, child) == -ESRCH


def test_T114_a_thread_that_leads_nobody(world: World) -> None:
    p = world.dying(app(world, threads=2))
    fd = lambda: pidfd_open(p.pid + 1, PIDFD_THREAD)  # noqa: E731
    assert call(world, lambda: process_mrelease(fd(), 0)) == -ESRCH


def test_T115_a_living_process(world: World) -> None:
    p = app(world)
    assert release(world, p) == -EINVAL
    assert anon(world, p) == 16


def killed_and_released(world: World, times: int) -> tuple[Process, object]:
    p = app(world)

    def body() -> object:
        fd = pidfd_open(p.pid, 0)
        kill(p.pid, SIGKILL)
        return [process_mrelease(fd, 0) for _ in range(times)]

    return p, call(world, body)


def test_T116_killed_and_alone(world: World) -> None:
    p, results = killed_and_released(world, 1)
    mm = world.mm(p)
    assert results == [0]
    assert anon(world, p) == 0
    assert mm_flags_test(MMF_UNSTABLE, mm)
    assert not mm_flags_test(MMF_OOM_SKIP, mm)
    assert not mm_flags_test(MMF_OOM_REAP_QUEUED, mm)
    assert (console().lines, trace_buffer()) == ([], [])
    assert console().vm_events == {}


def test_T117_once_more(world: World) -> None:
    assert killed_and_released(world, 2)[1] == [0, 0]


def test_T118_nothing_is_left_to_do(world: World) -> None:
    p = world.dying(app(world))
    mm_flags_set(MMF_OOM_SKIP, world.mm(p))
    assert release(world, p) == 0
    assert anon(world, p) == 16


def test_T119_a_sharer_lives(world: World) -> None:
    p = world.dying(app(world))
    world.machine.spawn("friend", shares_mm=p)
    assert release(world, p) == -EINVAL


def test_T120_it_dumps_core(world: World) -> None:
    p = world.dying(app(world))
    p.task.signal.core_state = core_state(dumper=p.task)
    assert release(world, p) == -EINVAL


def hold(
    world: World, process: Process, jiffies: int, then: Callable[[], None]
) -> None:
    """Hold ``mmap_lock`` of *process* for writing for some time."""
    blocker, mm = world.machine.spawn("blocker"), world.mm(process)

    @blocker.runs
    def _() -> None:
        mmap_write_lock(mm)
        schedule_timeout_uninterruptible(jiffies)
        then()
        mmap_write_unlock(mm)


def test_T121_the_caller_is_killed_while_it_waits(world: World) -> None:
    p = world.dying(app(world))
    results: list[int] = []
    caller = world.machine.spawn("caller")

    @caller.runs
    def _() -> None:
        fd = pidfd_open(p.pid, 0)
        schedule_timeout_uninterruptible(5)
        results.append(sys_process_mrelease(fd, 0))

    killer = world.machine.spawn("killer")

    @killer.runs
    def _() -> None:
        schedule_timeout_uninterruptible(10)
        kill(caller.pid, SIGKILL)

    hold(world, p, 100, lambda: None)
    world.machine.run()
    assert results == [-EINTR]
    assert anon(world, p) == 16


def test_T122_a_notifier_refuses_one_mapping(world: World) -> None:
    p = app(world, Region("anon", 4 * PAGE), Region("anon", 4 * PAGE))
    lowest = p.memory[0].start

    def refuse(subscription: mmu_notifier, change: object) -> int:
        start = int(change.start)  # type: ignore[attr-defined]  # mmu_notifier_range
        return -EAGAIN if start == lowest else 0

    subscription = mmu_notifier(ops=mmu_notifier_ops(invalidate_range_start=refuse))
    mmu_notifier_register(subscription, world.mm(p))
    world.dying(p)
    assert release(world, p) == -EAGAIN
    assert anon(world, p) == 4


def test_T123_somebody_else_finishes_meanwhile(world: World) -> None:
    p = world.dying(app(world))
    mm = world.mm(p)

    def body() -> object:
        fd = pidfd_open(p.pid, 0)
        schedule_timeout_uninterruptible(5)
        return process_mrelease(fd, 0)

    hold(world, p, 100, lambda: mm_flags_set(MMF_OOM_SKIP, mm))
    assert call(world, body) == 0
    assert anon(world, p) == 16


def test_T124_without_an_mmu(make_world: Callable[..., World]) -> None:
    world = make_world(CONFIG_MMU=False)
    assert call(world, lambda: process_mrelease(-1, 7)) == -ENOSYS
