# SPDX-License-Identifier: GPL-2.0-only
"""Design F: a task that gave its address space up still says which it was.

``exit_mm()`` leaves a reference on the structure with the task before it clears
``task->mm``, until the task is freed. ``process_mrelease()`` falls back on it, so
that a kill and a release stay two calls. Whether others share the memory has to be
asked of the address space: the task does not show it any more.

Where Linux would get a new field, this is a shadow variable, as livepatches have.
"""

from __future__ import annotations

from ...engine.fields import const, guarded, kernel_struct
from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...kernel import exit as kernel_exit
from ...kernel import fork_task
from ...kernel.exit import mm_update_next_owner
from ...kernel.fork import mmput
from ...kernel.fork_task import exit_mm_release, mmdrop_async, put_signal_struct
from ...kernel.pid_pidfd import pidfd_get_task
from ...linux.bitops import test_bit
from ...linux.bug import WARN_ON
from ...linux.irqflags import local_irq_disable, local_irq_enable
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_lock_killable,
    mmap_read_unlock,
)
from ...linux.rcupdate import rcu
from ...linux.sched import TIF_MEMDIE, current, task_struct
from ...linux.sched.mm import mmdrop, mmgrab, mmgrab_lazy_tlb
from ...linux.sched.signal import for_each_process
from ...linux.sched.task import put_task_struct, task_lock, task_unlock
from ...mm import oom_kill
from ...mm.oom_kill import (
    __oom_reap_task_mm,
    __task_will_free_mem,
    exit_oom_victim,
    find_lock_task_mm,
    process_shares_mm,
)
from ..patch import Patch
from ..shadow import Shadow, Shadows

patch = Patch(
    "F",
    kind="design",
    summary="a task keeps mm_count of what it gave up; mrelease falls back on that",
    origin="the posting of 2026-05-16 and the review of it; an idea of 2020",
    scenario="mrelease-pinned",
)


@kernel_struct
class _Exited(Shadow):
    """What a task gave up: ``task->exit_mm``."""

    task: task_struct = const()
    exit_mm: mm_struct | None = guarded(by="task.alloc_lock", default=None)

    def _pins(self) -> mm_struct | None:
        found: mm_struct | None = self.__dict__["exit_mm"]
        return found


_exited = Shadows(_Exited)


@patch.replaces(kernel_exit.exit_mm)
def exit_mm() -> None:
    """Give current's address space up, but go on saying which it was."""
    tsk = current()
    mm = tsk.mm
    exit_mm_release(tsk, mm)
    if mm is None:
        return
    mmap_read_lock(mm)
    mmgrab_lazy_tlb(mm)
    task_lock(tsk)
    mmgrab(mm)
    _exited.of(tsk).exit_mm = mm
    local_irq_disable()
    tsk.mm = None
    local_irq_enable()
    task_unlock(tsk)
    mmap_read_unlock(mm)
    mm_update_next_owner(mm)
    mmput(mm)
    if test_bit(TIF_MEMDIE, tsk.thread_flags):
        exit_oom_victim()


@patch.replaces(fork_task.__put_task_struct)
def __put_task_struct(tsk: task_struct) -> None:
    """Free a task that nobody knows any more, and what it gave up."""
    WARN_ON(not tsk.__dict__["exit_state"], f"{tsk.name} freed before it exited")
    WARN_ON(tsk is current(), f"{tsk.name} frees itself")
    put_signal_struct(tsk.signal)
    exited = _exited.pop(tsk)
    if exited is not None:
        mm = exited.__dict__["exit_mm"]
        exited._free()
        if mm is not None:
            mmdrop_async(mm)  # this may be softirq, where the last drop may not run
    tsk._free()


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a process that dies or died."""
    if flags:
        return -EINVAL
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    mm = _mm_of(task)
    if mm is None:
        put_task_struct(task)
        return -ESRCH
    ret = 0
    if _all_dying(mm):
        ret = _reap(mm)
    elif not mm_flags_test(MMF_OOM_SKIP, mm):
        ret = -EINVAL
    mmdrop(mm)
    put_task_struct(task)
    return ret


def _mm_of(task: task_struct) -> mm_struct | None:
    """Return what *task* uses, or used last, with a reference on the structure."""
    p = find_lock_task_mm(task)
    if p is not None:
        mm = p.mm
    else:
        p = task
        task_lock(p)
        mm = _exited.of(p).exit_mm
    if mm is not None:
        mmgrab(mm)
    task_unlock(p)
    return mm


def _all_dying(mm: mm_struct) -> bool:
    """Tell whether nobody who lives on uses *mm*."""
    with rcu():
        return all(
            __task_will_free_mem(p)
            for p in for_each_process()
            if process_shares_mm(p, mm)
        )


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    mmap_read_unlock(mm)
    return ret
