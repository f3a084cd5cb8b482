# SPDX-License-Identifier: GPL-2.0-only
"""The ends of a task's structures — part of ``kernel/fork.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux.atomic import atomic_read
from ..linux.bug import WARN_ON
from ..linux.compiler import READ_ONCE
from ..linux.completion import complete
from ..linux.mm_types import mm_struct
from ..linux.pid import PIDTYPE_PID, pid
from ..linux.refcount import refcount_dec_and_test
from ..linux.sched import current, task_struct
from ..linux.sched.mm import mmdrop
from ..linux.sched.signal import signal_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.uaccess import put_user
from ..linux.uapi_futex import FUTEX_WAKE
from .futex.core_robust import futex_exec_release, futex_exit_release
from .futex.syscalls import do_futex

__all__ = [
    "__put_task_struct",
    "complete_vfork_done",
    "exec_mm_release",
    "exit_mm_release",
    "free_signal_struct",
    "init_task_pid",
    "mmdrop_async",
    "put_signal_struct",
]


@mirrors("kernel/fork.c", checked="v7.2")
def mmdrop_async(mm: mm_struct) -> None:
    """Drop a reference on the structure from a work item.

    Context: Any: the last drop may not run where a task is freed, in softirq.
    """
    current_machine().thread("kworker", lambda: mmdrop(mm))


@mirrors("kernel/fork.c", checked="v7.2", abridged="no autogroup, no taskstats")
def free_signal_struct(sig: signal_struct) -> None:
    """Free what the threads of a group shared, and let go of the victim's mm."""
    oom_mm = sig.__dict__["oom_mm"]
    if oom_mm is not None:
        mmdrop_async(oom_mm)
    sig._free()


@mirrors("kernel/fork.c", checked="v7.2")
def put_signal_struct(sig: signal_struct) -> None:
    """Give one task's reference on its group back."""
    if refcount_dec_and_test(sig.sigcnt):
        free_signal_struct(sig)


@mirrors("kernel/fork.c", checked="v7.2", abridged="no stack, no credentials to free")
def __put_task_struct(tsk: task_struct) -> None:
    """Free a task that nobody knows any more.

    Context: Any; never sleeps.
    """
    WARN_ON(not tsk.__dict__["exit_state"], f"{tsk.name} freed before it exited")
    WARN_ON(tsk is current(), f"{tsk.name} frees itself")
    if tsk._stale_sighand is not None:
        tsk._stale_sighand._free()
    put_signal_struct(tsk.signal)
    tsk._free()


@mirrors("kernel/fork.c", checked="v7.2")
def complete_vfork_done(tsk: task_struct) -> None:
    """Let a parent that waits for its vfork child go on.

    Context: Takes task_lock.
    """
    task_lock(tsk)
    vfork_done = tsk.vfork_done
    if vfork_done is not None:
        tsk.vfork_done = None
        complete(vfork_done)
    task_unlock(tsk)


@mirrors("kernel/fork.c", checked="v7.2", abridged="no uprobes, no registers to drop")
def mm_release(tsk: task_struct, mm: mm_struct | None) -> None:
    """Tell those who wait for current to leave its memory.

    Context: May sleep; takes task_lock. *mm* is current's.
    """
    if tsk.clear_child_tid is not None:
        if mm is not None and atomic_read(mm.mm_users) > 1:
            # A bad address is its program's mistake.
            put_user(0, tsk.clear_child_tid)
            do_futex(tsk.clear_child_tid, FUTEX_WAKE, 1)
        tsk.clear_child_tid = None
    if READ_ONCE(tsk).vfork_done is not None:
        complete_vfork_done(tsk)


@mirrors("kernel/fork.c", checked="v7.2")
def exit_mm_release(tsk: task_struct, mm: mm_struct | None) -> None:
    """Tell of the end of current's life in *mm*.

    Context: As :func:`mm_release`.
    """
    futex_exit_release(tsk)
    mm_release(tsk, mm)


@mirrors("kernel/fork.c", checked="v7.2")
def exec_mm_release(tsk: task_struct, mm: mm_struct | None) -> None:
    """Tell that current is about to leave *mm* for another one.

    Context: As :func:`mm_release`.
    """
    futex_exec_release(tsk)
    mm_release(tsk, mm)


@mirrors("kernel/fork.c", checked="v7.2", inline=True)
def init_task_pid(task: task_struct, kind: int, p: pid) -> None:
    """Write down what *task* is going to bear; nobody can find it yet."""
    if kind == PIDTYPE_PID:
        task.__dict__["thread_pid"] = p
    else:
        borne = task.signal.__dict__["pids"]
        task.signal.__dict__["pids"] = (*borne[:kind], p, *borne[kind + 1 :])
