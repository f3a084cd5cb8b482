# SPDX-License-Identifier: GPL-2.0-only
"""Faults in copies of kernel code: each is small, and each was one keystroke away."""

from __future__ import annotations

from pykmm.errno import EAGAIN, EINVAL, ESRCH, Errno
from pykmm.errors import (
    ContextError,
    InvariantViolation,
    KernelBug,
    Leak,
    RefcountError,
    UseAfterFree,
)
from pykmm.kernel import exit as kernel_exit
from pykmm.kernel import fork as kernel_fork
from pykmm.kernel import fork_copy, pid_pidfd
from pykmm.kernel.fork import mmput
from pykmm.kernel.fork_mm import dup_mm
from pykmm.kernel.fork_task import exit_mm_release
from pykmm.kernel.pid import find_get_pid
from pykmm.linux.atomic import atomic_dec_and_test, atomic_inc, atomic_read
from pykmm.linux.bitops import test_and_set_bit, test_bit
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP, mm_struct, vm_area_struct
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_lock_killable,
    mmap_read_unlock,
)
from pykmm.linux.sched import TIF_MEMDIE, current, task_struct
from pykmm.linux.sched.mm import mmdrop, mmgrab, mmgrab_lazy_tlb
from pykmm.linux.sched.task import put_task_struct, task_lock, task_unlock
from pykmm.linux.timer import timer_list
from pykmm.linux.uapi_sched import CLONE_VM
from pykmm.mm import (
    memcontrol_charge,
    memory_copy,
    oom_kill_mrelease,
    oom_kill_reaper,
    oom_kill_victim,
)
from pykmm.mm.oom_kill import oom
from pykmm.patches.bugs import BUGS
from pykmm.patches.patch import Patch
from pykmm.stateful import Unexplained

__all__ = ["FAULTS"]


def fault(name: str, summary: str, *reports: type) -> Patch:
    return Patch(name, "bug", summary, "seeded for the fuzzer", reports)


wrong_lock = fault(
    "exit-locks-leader", "exit_mm() takes the leader's task_lock", ContextError
)


@wrong_lock.replaces(kernel_exit.exit_mm)
def _exit_locks_leader() -> None:
    tsk = current()
    mm = tsk.mm
    exit_mm_release(tsk, mm)
    if mm is None:
        return
    mmap_read_lock(mm)
    mmgrab_lazy_tlb(mm)
    task_lock(tsk.group_leader)
    tsk.mm = None
    task_unlock(tsk.group_leader)
    mmap_read_unlock(mm)
    kernel_exit.mm_update_next_owner(mm)
    mmput(mm)
    if test_bit(TIF_MEMDIE, tsk.thread_flags):
        oom_kill_victim.exit_oom_victim()


no_grab = fault(
    "victim-no-mmgrab",
    "mark_oom_victim() takes no reference for the group's oom_mm",
    InvariantViolation,
    RefcountError,
    UseAfterFree,
)


@no_grab.replaces(oom_kill_victim.mark_oom_victim)
def _victim_no_mmgrab(tsk: task_struct) -> None:
    mm = tsk.mm
    if test_and_set_bit(TIF_MEMDIE, tsk.thread_flags):
        return
    assert mm is not None
    oom_kill_victim._cmpxchg_oom_mm(tsk, mm)
    atomic_inc(oom().oom_victims)


no_put = fault(
    "reaper-keeps-victim",
    "wake_oom_reaper() keeps the task of a victim that was faster",
    Leak,
)


@no_put.replaces(oom_kill_reaper.wake_oom_reaper)
def _reaper_keeps_victim(timer: timer_list) -> None:
    tsk = timer.owner
    assert isinstance(tsk, task_struct)
    if mm_flags_test(MMF_OOM_SKIP, oom_kill_reaper.victim_mm(tsk)):
        return
    statics = oom()
    oom_kill_reaper.spin_lock_irqsave(statics.oom_reaper_lock)
    tsk.oom_reaper_list = statics.oom_reaper_list
    statics.oom_reaper_list = tsk
    oom_kill_reaper.spin_unlock_irqrestore(statics.oom_reaper_lock)
    oom_kill_reaper.wake_up(statics.oom_reaper_wait)


no_get = fault(
    "clone-no-mmget",
    "copy_mm() shares the address space without becoming a user",
    InvariantViolation,
)


@no_get.replaces(fork_copy.copy_mm)
def _clone_no_mmget(clone_flags: int, tsk: task_struct) -> int:
    mm = current().mm
    assert mm is not None
    if not clone_flags & CLONE_VM:
        made = dup_mm(tsk, mm)
        assert made is not None
        mm = made
    tsk.__dict__["mm"] = tsk.__dict__["active_mm"] = mm
    return 0


open_leak = fault("pidfd-open-no-put", "pidfd_open() keeps the pid", Leak)


@open_leak.replaces(pid_pidfd.pidfd_open)
def _pidfd_open_no_put(nr: int, flags: int) -> int:
    p = find_get_pid(nr)
    return -ESRCH if p is None else pid_pidfd.pidfd_create(p, flags)


swapped = fault(
    "mmput-unmaps-first",
    "mmput() takes everything down before it has given up its use",
    KernelBug,
    UseAfterFree,
)


@swapped.replaces(kernel_fork.mmput)
def _mmput_unmaps_first(mm: mm_struct) -> None:
    if atomic_read(mm.mm_users) == 1:
        kernel_fork.__mmput(mm)
    atomic_dec_and_test(mm.mm_users)


lost_negation = fault(
    "mrelease-lost-negation",
    "process_mrelease() reaps the living, and refuses the dying",
    Unexplained,
)


@lost_negation.replaces(oom_kill_mrelease.process_mrelease)
def _mrelease_lost_negation(pidfd: int, flags: int) -> int:
    if flags:
        return -EINVAL
    task = pid_pidfd.pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    p = oom_kill_victim.find_lock_task_mm(task)
    if p is None:
        put_task_struct(task)
        return -ESRCH
    mm = p.mm
    assert mm is not None
    mmgrab(mm)
    reap = not oom_kill_victim.task_will_free_mem(p)
    ret = 0 if reap or mm_flags_test(MMF_OOM_SKIP, mm) else -EINVAL
    task_unlock(p)
    if reap and not mmap_read_lock_killable(mm):
        if not mm_flags_test(MMF_OOM_SKIP, mm):
            ret = 0 if oom_kill_reaper.__oom_reap_task_mm(mm) else -EAGAIN
        mmap_read_unlock(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


no_pages = fault("fork-copies-nothing", "copy_page_range() copies no page", Unexplained)


@no_pages.replaces(memory_copy.copy_page_range)
def _fork_copies_nothing(dst: vm_area_struct, src: vm_area_struct) -> int:
    return 0


late_grab = fault(
    "mrelease-late-mmgrab",
    "process_mrelease() takes its reference after task_unlock()",
    UseAfterFree,
    RefcountError,
)


@late_grab.replaces(oom_kill_mrelease.process_mrelease)
def _mrelease_late_mmgrab(pidfd: int, flags: int) -> int:
    if flags:
        return -EINVAL
    task = pid_pidfd.pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    p = oom_kill_victim.find_lock_task_mm(task)
    if p is None:
        put_task_struct(task)
        return -ESRCH
    mm = p.mm
    assert mm is not None
    reap = oom_kill_victim.task_will_free_mem(p)
    ret = 0 if reap or mm_flags_test(MMF_OOM_SKIP, mm) else -EINVAL
    task_unlock(p)
    mmgrab(mm)
    if reap:
        ret = oom_kill_mrelease._mrelease_reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


puts_first = fault(
    "exit-puts-first",
    "exit_mm() gives the address space up before it stops showing it",
    RefcountError,
    UseAfterFree,
    InvariantViolation,
    KernelBug,
)


@puts_first.replaces(kernel_exit.exit_mm)
def _exit_puts_first() -> None:
    tsk = current()
    mm = tsk.mm
    exit_mm_release(tsk, mm)
    if mm is None:
        return
    mmap_read_lock(mm)
    mmgrab_lazy_tlb(mm)
    mmap_read_unlock(mm)
    kernel_exit.mm_update_next_owner(mm)
    mmput(mm)
    task_lock(tsk)
    tsk.mm = None
    task_unlock(tsk)
    if test_bit(TIF_MEMDIE, tsk.thread_flags):
        oom_kill_victim.exit_oom_victim()


kills_nobody = fault(
    "limit-kills-nobody", "a limit below the usage is set, and that is it", Unexplained
)


@kills_nobody.replaces(memcontrol_charge.memory_max_write)
def _limit_kills_nobody(memcg: mem_cgroup, max: int, f_flags: int = 0) -> int:
    del f_flags
    memcg.memory._set_max(max)
    return 0


#: What the state machine finds within its default budget.
FAULTS = (
    BUGS["exit-keeps-mm"],
    BUGS["mrelease-no-mmgrab"],
    wrong_lock,
    swapped,
    lost_negation,
    no_grab,
    no_put,
    no_get,
    open_leak,
    no_pages,
    BUGS["mrelease-keeps-lock"],
    BUGS["mrelease-skips-skip"],
    late_grab,
    puts_first,
    kills_nobody,
)
