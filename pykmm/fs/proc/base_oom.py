# SPDX-License-Identifier: GPL-2.0-only
"""Telling the OOM killer what a process is worth — part of ``fs/proc/base.c``."""

from __future__ import annotations

from typing import Final

from ...engine.annotate import mirrors
from ...errno import EACCES, EFAULT, EINVAL, ESRCH, Errno
from ...kernel.capability import capable, has_capability_noaudit
from ...kernel.pid import get_pid_task
from ...lib.kstrtox import kstrtoint
from ...lib.string_helpers import strim
from ...linux.compiler import READ_ONCE, WRITE_ONCE
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_MULTIPROCESS, mm_struct
from ...linux.mutex import mutex_lock, mutex_unlock
from ...linux.pid import PIDTYPE_PID, is_global_init
from ...linux.printk import pr_warn_once
from ...linux.proc_fs import ProcFile
from ...linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ...linux.sched import PF_KTHREAD, current, task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.signal import for_each_process, same_thread_group, signal_struct
from ...linux.sched.task import put_task_struct, task_lock, task_unlock
from ...linux.trace.events.oom import trace_oom_score_adj_update
from ...linux.uapi import (
    CAP_SYS_RESOURCE,
    OOM_ADJUST_MAX,
    OOM_ADJUST_MIN,
    OOM_DISABLE,
    OOM_SCORE_ADJ_MAX,
    OOM_SCORE_ADJ_MIN,
)
from ...mm.oom_kill import find_lock_task_mm, oom, process_shares_mm

__all__ = ["__set_oom_adj", "get_proc_task", "oom_adj_write", "oom_score_adj_write"]

#: Room for a number and the NUL behind it.
PROC_NUMBUF: Final = 13


def get_proc_task(file: ProcFile) -> task_struct | None:
    """Return the task that *file* is about with a reference; None once it is gone.

    Context: Enters an RCU read section.
    """
    assert file.pid is not None  # it is a task's
    return get_pid_task(file.pid, PIDTYPE_PID)


# -- what is written -------------------------------------------------------------------


def _number(text: bytes | None) -> tuple[int, int] | Errno:
    """Read the number that a program wrote, and how much of the text that took."""
    if text is None:
        return -EFAULT
    text = text[: PROC_NUMBUF - 1]
    found = kstrtoint(strim(text), 0)
    return found if isinstance(found, Errno) else (found, len(text))


@mirrors("fs/proc/base.c", checked="v7.2")
def oom_adj_write(file: ProcFile, text: bytes | None, pos: int) -> int | Errno:
    """Set the adjustment on the old scale.

    Context: May be called by programs. The position does not matter.
    Return: How many bytes were taken, 12 at most; -EFAULT, -EINVAL, -ERANGE, or what
        :func:`__set_oom_adj` says.
    """
    del pos
    found = _number(text)
    if isinstance(found, Errno):
        return found
    oom_adj, count = found
    if not OOM_ADJUST_MIN <= oom_adj <= OOM_ADJUST_MAX and oom_adj != OOM_DISABLE:
        return -EINVAL
    if oom_adj == OOM_ADJUST_MAX:
        scaled = OOM_SCORE_ADJ_MAX
    else:
        scaled = abs(oom_adj) * OOM_SCORE_ADJ_MAX // -OOM_DISABLE
        scaled = scaled if oom_adj > 0 else -scaled
    return __set_oom_adj(file, scaled, True) or count


@mirrors("fs/proc/base.c", checked="v7.2")
def oom_score_adj_write(file: ProcFile, text: bytes | None, pos: int) -> int | Errno:
    """Set the adjustment.

    Context: May be called by programs. The position does not matter.
    Return: As :func:`oom_adj_write`.
    """
    del pos
    found = _number(text)
    if isinstance(found, Errno):
        return found
    oom_score_adj, count = found
    if not OOM_SCORE_ADJ_MIN <= oom_score_adj <= OOM_SCORE_ADJ_MAX:
        return -EINVAL
    return __set_oom_adj(file, oom_score_adj, False) or count


# -- who may, and whom it concerns -----------------------------------------------------


def _may_set(task: task_struct, oom_adj: int, legacy: bool) -> bool:
    """Tell whether current may set *oom_adj*; the old file minds the value itself."""
    signal = READ_ONCE(task.signal)
    if not legacy:
        return oom_adj >= signal.oom_score_adj_min or capable(CAP_SYS_RESOURCE)
    if oom_adj < signal.oom_score_adj and not capable(CAP_SYS_RESOURCE):
        return False
    comm = current().comm
    pr_warn_once(
        "oom_adj",
        f"{comm} ({current().pid}): /proc/{task.pid}/oom_adj is deprecated, please use "
        f"/proc/{task.pid}/oom_score_adj instead.",
    )
    return True


def _shared_mm(task: task_struct) -> mm_struct | None:
    """Return the address space of *task*, with a reference, if others may use it.

    A child in vfork wants a value of its own.
    """
    if READ_ONCE(task).vfork_done is not None:
        return None
    p = find_lock_task_mm(task)
    if p is None:
        return None
    mm = p.mm
    assert mm is not None  # that is what was found
    shared = mm_flags_test(MMF_MULTIPROCESS, mm)
    if shared:
        mmgrab(mm)
    task_unlock(p)
    return mm if shared else None


def _store(signal: signal_struct, oom_adj: int, legacy: bool) -> None:
    WRITE_ONCE(signal).oom_score_adj = oom_adj
    if not legacy and has_capability_noaudit(current(), CAP_SYS_RESOURCE):
        WRITE_ONCE(signal).oom_score_adj_min = oom_adj


def _set_sharers(task: task_struct, mm: mm_struct, oom_adj: int, legacy: bool) -> None:
    """Give the other processes that use *mm* the same value, whatever they wanted."""
    rcu_read_lock()
    for p in for_each_process():
        if same_thread_group(task, p):
            continue
        if p.__dict__["flags"] & PF_KTHREAD or is_global_init(p):
            continue
        task_lock(p)
        if p.vfork_done is None and process_shares_mm(p, mm):
            _store(p.signal, oom_adj, legacy)
        task_unlock(p)
    rcu_read_unlock()


@mirrors("fs/proc/base.c", checked="v7.2")
def __set_oom_adj(file: ProcFile, oom_adj: int, legacy: bool) -> int:
    """Set the adjustment of the process that *file* is about, and of its sharers.

    Who has CAP_SYS_RESOURCE also sets how low others may go afterwards, except
    through the *legacy* file.

    Context: May sleep; takes oom_adj_mutex.
    Return: 0; -ESRCH once the task was reaped, -EACCES if current may not.
    """
    task = get_proc_task(file)
    if task is None:
        return -ESRCH
    err = 0
    mutex_lock(oom().oom_adj_mutex)
    if _may_set(task, oom_adj, legacy):
        mm = _shared_mm(task)
        _store(task.signal, oom_adj, legacy)
        trace_oom_score_adj_update(task)
        if mm is not None:
            _set_sharers(task, mm, oom_adj, legacy)
            mmdrop(mm)
    else:
        err = -EACCES
    mutex_unlock(oom().oom_adj_mutex)
    put_task_struct(task)
    return err
