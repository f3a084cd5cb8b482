# SPDX-License-Identifier: GPL-2.0-only
"""T91 to T97: marking, and waiting for who was marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pykmm.engine import current_thread
from pykmm.errno import EBUSY
from pykmm.kernel.freezer import __refrigerator
from pykmm.kernel.power.process import freeze_processes, thaw_processes
from pykmm.linux.freezer import freezer, frozen, static_branch_freezer
from pykmm.linux.jiffies import jiffies, schedule_timeout_uninterruptible
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.sched import task_struct
from pykmm.linux.sched.signal import for_each_thread
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.oom_kill import (
    OomStatics,
    exit_oom_victim,
    mark_oom_victim,
    oom,
    oom_killer_disable,
)
from pykmm.patches.kernels import v6_12
from pykmm.syscalls import kill
from pykmm.workbench import Process
from tests.mm.vectors.conftest import hog_of

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World


def mark(task: task_struct) -> OomStatics:
    statics = oom()
    mutex_lock(statics.oom_lock)
    mark_oom_victim(task)
    mutex_unlock(statics.oom_lock)
    return statics


def test_T91_marking_a_thread_twice(world: World) -> None:
    hog = hog_of(world)
    mm = world.mm(hog)
    mark(hog.task)
    assert mark(hog.task).oom_victims.counter == 1
    assert mm.mm_count.counter == 2
    assert len(world.trace("mark_victim")) == 1


def test_T92_marking_two_threads(world: World) -> None:
    hog = hog_of(world)
    second = world.thread(hog)
    mm = world.mm(hog)
    mark(hog.task)
    assert mark(second).oom_victims.counter == 2
    assert mm.mm_count.counter == 2
    assert str(world.trace("mark_victim")[1]).endswith(
        f"mark_victim: pid={second.pid} comm=hog total-vm=2097152kB "
        "anon-rss=1048576kB file-rss:64kB shmem-rss:0kB uid=1000 pgtables=4100kB "
        "oom_score_adj=0"
    )


def test_T93_the_last_exit_wakes_the_waiter(world: World) -> None:
    victims = [hog_of(world), world.process("other")]
    for p in victims:
        mark(p.task)
    suspend, reaper = world.machine.spawn("suspend"), world.machine.spawn("undertaker")
    suspend.runs(lambda: oom_killer_disable(10_000))

    @reaper.runs
    def _() -> None:
        for p in victims:
            current_thread().task = p.task
            exit_oom_victim()
        current_thread().task = reaper.task

    before = jiffies()
    world.machine.run()
    assert suspend.result is True
    assert jiffies() == before
    assert world.lines()[-1] == "OOM killer disabled."


@pytest.mark.parametrize("timeout", [100, 0])
def test_T94_a_victim_that_does_not_die(world: World, timeout: int) -> None:
    mark(hog_of(world).task)
    before = jiffies()
    suspend = world.machine.spawn("suspend")
    suspend.runs(lambda: oom_killer_disable(timeout))
    world.machine.run()
    assert suspend.result is False
    assert jiffies() - before == timeout
    assert world.lines() == ["OOM killer enabled."]
    assert oom().oom_killer_disabled is False


@pytest.mark.parametrize("timeout", [0, 100])
def test_T95_no_victims(world: World, timeout: int) -> None:
    suspend = world.machine.spawn("suspend")
    suspend.runs(lambda: oom_killer_disable(timeout))
    world.machine.run()
    assert suspend.result is True
    assert world.lines() == ["OOM killer disabled."]
    assert oom().oom_killer_disabled is True


def kill_later(world: World, victim: Process) -> None:
    """Have *victim* killed in 5 jiffies."""
    killer = world.machine.spawn("killer")

    @killer.runs
    def _() -> None:
        schedule_timeout_uninterruptible(5)
        kill(victim.pid, SIGKILL)


def test_T96_killed_while_waiting_for_the_lock(world: World) -> None:
    holder, suspend = world.machine.spawn("holder"), world.machine.spawn("suspend")
    results: list[bool] = []

    @holder.runs
    def _() -> None:
        mutex_lock(oom().oom_lock)
        schedule_timeout_uninterruptible(50)
        mutex_unlock(oom().oom_lock)

    suspend.runs(lambda: results.append(oom_killer_disable(100)))
    kill_later(world, suspend)
    world.machine.run()
    assert results == [False]
    assert world.lines() == []


def test_a_signal_ends_the_wait_for_victims(world: World) -> None:
    mark(hog_of(world).task)
    suspend = world.machine.spawn("suspend")
    results: list[bool] = []
    suspend.runs(lambda: results.append(oom_killer_disable(1000)))
    kill_later(world, suspend)
    before = jiffies()
    world.machine.run()
    assert results == [False]
    assert jiffies() - before < 1000
    assert world.lines() == ["OOM killer enabled."]


@pytest.mark.parametrize("old", [False, True])
def test_T97_a_frozen_victim(world: World, old: bool) -> None:
    machine = world.machine
    if old:
        machine.patches.update(v6_12.patch.functions)
    hog = machine.spawn("hog", threads=2)
    tasks = list(for_each_thread(hog.task))
    for task in tasks:
        task._thread = machine.thread(
            task._thread_name, lambda: __refrigerator(False), task=task
        )
    freezer().pm_freezing = True
    static_branch_freezer(True)
    machine.run()
    assert [frozen(t) for t in tasks] == [True, True]
    mark(tasks[0])
    machine.run()
    assert [frozen(t) for t in tasks] == [False, old]


# -- suspend ---------------------------------------------------------------------------


def test_suspend_freezes_everybody_and_switches_the_killer_off(world: World) -> None:
    machine = world.machine
    sleepers = [machine.spawn("app", threads=2), machine.spawn("daemon")]
    suspend, seen = machine.spawn("suspend"), []

    @suspend.runs
    def _() -> object:
        error = freeze_processes()
        seen.extend(frozen(t) for p in sleepers for t in for_each_thread(p.task))
        seen.append(oom().oom_killer_disabled)
        thaw_processes()
        return error

    machine.run()
    assert suspend.result == 0
    assert seen == [True, True, True, True]
    assert not any(frozen(t) for p in sleepers for t in for_each_thread(p.task))
    assert world.lines() == [
        "Freezing user space processes",
        "Freezing user space processes completed (elapsed 0.001 seconds)",
        "OOM killer disabled.",
        "OOM killer enabled.",
        "Restarting tasks: Starting",
        "Restarting tasks: Done",
    ]


def test_suspend_fails_if_a_victim_does_not_die(world: World) -> None:
    machine = world.machine
    freezer().freeze_timeout_msecs = 30
    mark(hog_of(world).task)
    suspend = machine.spawn("suspend")
    suspend.runs(freeze_processes)
    machine.run()
    assert suspend.result == -EBUSY
    assert "OOM killer enabled." in world.lines()
