# SPDX-License-Identifier: GPL-2.0-only
"""Freezing user space for suspend — ``kernel/power/process.c``.

With everybody frozen the OOM killer has nobody who could die, so it is switched
off; victims that are still dying are waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...engine.annotate import mirrors
from ...errno import EBUSY
from ...linux.bug import WARN_ON
from ...linux.compiler import WRITE_ONCE
from ...linux.freezer import freezer, static_branch_freezer
from ...linux.jiffies import (
    HZ,
    jiffies,
    msecs_to_jiffies,
    schedule_timeout_uninterruptible,
    time_after,
)
from ...linux.printk import pr_err, pr_info
from ...linux.sched import PF_SUSPEND_TASK, current, task_struct, tasklist_lock
from ...linux.sched.signal import for_each_process, for_each_thread
from ...linux.spinlock import read_lock, read_unlock
from ...mm.oom_kill_disable import oom_killer_disable, oom_killer_enable
from ..freezer import __thaw_task, freeze_task

__all__ = ["freeze_processes", "thaw_processes", "try_to_freeze_tasks"]

_WHAT: Final = "user space processes"
_FIRST_SLEEP_MSECS: Final = 1
_LONGEST_SLEEP_MSECS: Final = 8


def _for_each_process_thread() -> Iterator[task_struct]:
    for process in for_each_process():
        yield from for_each_thread(process)


def _ask_all() -> int:
    """Ask everybody but current; return how many have to be waited for."""
    read_lock(tasklist_lock())
    todo = sum(
        p is not current() and freeze_task(p) for p in _for_each_process_thread()
    )
    read_unlock(tasklist_lock())
    return todo


@mirrors(
    "kernel/power/process.c",
    checked="v7.2",
    abridged="user space only; no work queues, and nothing wakes the system up",
)
def try_to_freeze_tasks(user_only: bool) -> int:
    """Ask everybody to stand still, again and again, until all do or time is up.

    Context: May sleep; takes tasklist_lock for reading.
    Return: 0 or -EBUSY.
    """
    del user_only
    pr_info(f"Freezing {_WHAT}")
    start = jiffies()
    end_time = start + msecs_to_jiffies(freezer().freeze_timeout_msecs)
    msecs = _FIRST_SLEEP_MSECS
    while todo := _ask_all():
        if time_after(jiffies(), end_time):
            break
        schedule_timeout_uninterruptible(msecs_to_jiffies(msecs))
        msecs = min(2 * msecs, _LONGEST_SLEEP_MSECS)
    elapsed = (jiffies() - start) * 1000 // HZ()
    took = f"{elapsed // 1000}.{elapsed % 1000:03d} seconds"
    if todo:
        pr_err(
            f"Freezing {_WHAT} failed after {took} "
            f"({todo} tasks refusing to freeze, wq_busy=0):"
        )
        return -EBUSY
    pr_info(f"Freezing {_WHAT} completed (elapsed {took})")
    return 0


@mirrors("kernel/power/process.c", checked="v7.2", abridged="no user mode helpers")
def freeze_processes() -> int:
    """Freeze all processes but current's thread, and switch the OOM killer off.

    Context: May sleep. The same thread calls :func:`thaw_processes` afterwards.
    Return: 0, or -EBUSY with everybody thawed.
    """
    current().flags |= PF_SUSPEND_TASK
    statics = freezer()
    static_branch_freezer(True)
    WRITE_ONCE(statics).pm_freezing = True
    error = try_to_freeze_tasks(True)
    timeout = msecs_to_jiffies(statics.freeze_timeout_msecs)
    if not error and not oom_killer_disable(timeout):
        error = -EBUSY
    if error:
        thaw_processes()
    return error


@mirrors(
    "kernel/power/process.c",
    checked="v7.2",
    abridged="no work queues, no user mode helpers; the last schedule() is left out",
)
def thaw_processes() -> None:
    """Switch the OOM killer on again, and let everybody run.

    Context: Takes tasklist_lock for reading.
    """
    statics = freezer()
    static_branch_freezer(False)
    WRITE_ONCE(statics).pm_freezing = False
    WRITE_ONCE(statics).pm_nosig_freezing = False
    oom_killer_enable()
    pr_info("Restarting tasks: Starting")
    read_lock(tasklist_lock())
    for p in _for_each_process_thread():
        odd = p is not current() and p.__dict__["flags"] & PF_SUSPEND_TASK
        WARN_ON(odd, f"{p.name} suspends the system, too")
        __thaw_task(p)
    read_unlock(tasklist_lock())
    WARN_ON(
        not current().flags & PF_SUSPEND_TASK,
        f"{current().name} thaws what it did not freeze",
    )
    current().flags &= ~PF_SUSPEND_TASK
    pr_info("Restarting tasks: Done")
