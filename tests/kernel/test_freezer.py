# SPDX-License-Identifier: GPL-2.0-only
"""Standing still, and going on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import explore
from pykmm.engine import Config, Timers
from pykmm.errno import EBUSY
from pykmm.kernel.freezer import freeze_task, set_freezable, thaw_process
from pykmm.kernel.power.process import freeze_processes, thaw_processes
from pykmm.linux.freezer import (
    freezer,
    freezing,
    frozen,
    static_branch_freezer,
    try_to_freeze,
)
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.printk import console
from pykmm.linux.sched import EXIT_ZOMBIE, PF_KTHREAD, PF_NOFREEZE, PF_SUSPEND_TASK
from pykmm.linux.sched.signal import for_each_thread
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import exit_group, kill
from pykmm.workbench import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine whose timers go off when nobody can do anything."""
    with Machine(Config(timers=Timers.IDLE, hz=1000)) as booted:
        yield booted


def freeze_user_space() -> None:
    freezer().pm_freezing = True
    static_branch_freezer(True)


def test_nothing_is_looked_at_while_nothing_freezes(machine: Machine) -> None:
    task = machine.spawn("app").task
    freezer().pm_freezing = True  # without the static branch
    assert not freezing(task)
    before = len(machine.events)
    machine.boot.task = task
    assert not try_to_freeze()
    assert len(machine.events) == before


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [(0, True), (PF_KTHREAD, False), (PF_NOFREEZE, False), (PF_SUSPEND_TASK, False)],
)
def test_who_has_to_stand_still(machine: Machine, flags: int, wanted: bool) -> None:
    task = machine.spawn("app").task
    task.__dict__["flags"] = flags
    freeze_user_space()
    assert freezing(task) is wanted
    freezer().pm_nosig_freezing = True
    assert freezing(task) is not flags & (PF_NOFREEZE | PF_SUSPEND_TASK) or not wanted


def test_a_victim_does_not_have_to(machine: Machine) -> None:
    app = machine.spawn("app", threads=2)
    freeze_user_space()
    app.task.signal.oom_mm = app.mm
    assert [freezing(t) for t in for_each_thread(app.task)] == [False, False]
    app.task.signal.oom_mm = None


def test_a_sleeping_process_is_frozen_and_thawed(machine: Machine) -> None:
    app = machine.spawn("app", threads=2)
    tasks = list(for_each_thread(app.task))
    freeze_user_space()
    assert [freeze_task(t) for t in tasks] == [True, True]
    machine.run()
    assert [frozen(t) for t in tasks] == [True, True]
    assert [freeze_task(t) for t in tasks] == [False, False]
    # Thawed while it is still wanted, a task freezes again.
    thaw_process(app.task)
    machine.run()
    assert [frozen(t) for t in tasks] == [True, True]
    freezer().pm_freezing = False
    static_branch_freezer(False)
    thaw_process(app.task)
    machine.run()
    assert [frozen(t) for t in tasks] == [False, False]


def test_a_frozen_process_dies_when_it_is_thawed(machine: Machine) -> None:
    app = machine.spawn("app")
    freeze_user_space()
    freeze_task(app.task)
    machine.run()
    kill(app.pid, SIGKILL)
    machine.run()
    assert frozen(app.task)
    freezer().pm_freezing = False
    thaw_process(app.task)
    machine.run()
    assert app.task._death is not None


def test_somebody_who_does_not_come_to_user_mode(machine: Machine) -> None:
    freezer().freeze_timeout_msecs = 50
    busy, suspend = machine.spawn("busy"), machine.spawn("suspend")
    busy.runs(lambda: schedule_timeout_uninterruptible(1000))
    suspend.runs(freeze_processes)
    machine.run()
    assert suspend.result == -EBUSY
    lines = console().verdicts()
    assert lines[0] == "Freezing user space processes"
    assert lines[1].startswith("Freezing user space processes failed after 0.0")
    assert lines[1].endswith(" (1 tasks refusing to freeze, wq_busy=0):")
    assert lines[2:] == [
        "OOM killer enabled.",
        "Restarting tasks: Starting",
        "Restarting tasks: Done",
    ]


def test_nobody_waits_for_the_dead(machine: Machine) -> None:
    parent, suspend = machine.spawn("parent"), machine.spawn("suspend")
    child = machine.spawn("child", parent=parent)
    child.runs(lambda: exit_group(0))
    machine.run()
    assert child.task.__dict__["exit_state"] == EXIT_ZOMBIE
    suspend.runs(freeze_processes)
    machine.run()
    assert suspend.result == 0


def test_a_kernel_thread_makes_itself_freezable(machine: Machine) -> None:
    task = machine.spawn("kthread").task
    task.__dict__["flags"] = PF_KTHREAD | PF_NOFREEZE
    machine.boot.task = task
    assert not set_freezable()
    assert not task.flags & PF_NOFREEZE


def suspend_vs_kill(m: Machine) -> object:
    app, suspend, killer = m.spawn("app"), m.spawn("suspend"), m.spawn("killer")

    @suspend.runs
    def _() -> int:
        freezer().freeze_timeout_msecs = 1
        error = freeze_processes()
        if not error:
            thaw_processes()
        return error

    killer.runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    return suspend.result, app.task._death is not None


def test_suspend_and_a_kill_in_many_orders() -> None:
    result = explore(suspend_vs_kill, scheduler="random", executions=20)
    assert not result.reports
    assert {repr(value) for value in result.values} <= {"(0, True)", "(-EBUSY, True)"}
