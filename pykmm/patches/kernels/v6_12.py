# SPDX-License-Identifier: GPL-2.0-only
"""Linux 6.12, as what has to be put back into the baseline.

The reaper walked up, as ``exit_mmap()`` does, and announced unmappings; a victim's
other threads stayed frozen. 6.12 read the cheap counters, which here are exact, too.
What its report said differently is in ``v6_12_report``, what a failed fork left
behind in ``v6_12_fork``, what pidfds could do in ``v6_12_pidfd``.
"""

from __future__ import annotations

from ...kernel import freezer
from ...kernel.fork_task import __put_task_struct
from ...kernel.freezer import __thaw_task
from ...linux.atomic import atomic_inc
from ...linux.bitops import test_and_set_bit, test_bit
from ...linux.bug import WARN_ON
from ...linux.compiler import READ_ONCE
from ...linux.freezer import freezer as freezer_statics
from ...linux.mm import (
    VM_HUGETLB,
    VM_PFNMAP,
    VM_SHARED,
    for_each_vma,
    mm_flags_set,
    vma_is_anonymous,
    zap_details,
)
from ...linux.mm_types import MMF_UNSTABLE, VMA_ITERATOR, mm_struct
from ...linux.mmu_notifier import (
    MMU_NOTIFY_UNMAP,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start_nonblock,
    mmu_notifier_range,
)
from ...linux.refcount import refcount_dec_and_test
from ...linux.sched import (
    PF_KTHREAD,
    PF_NOFREEZE,
    PF_SUSPEND_TASK,
    TIF_MEMDIE,
    task_struct,
)
from ...linux.sched import task as sched_task
from ...linux.sched.mm import mmgrab
from ...linux.trace.events.oom import trace_mark_victim
from ...mm import oom_kill
from ...mm.memory import __zap_vma_range
from ...mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from ...mm.oom_kill_victim import _cmpxchg_oom_mm, oom
from ..patch import Patch
from .v6_12_exec import replaced as replaced_in_exec
from .v6_12_exit import replaced as replaced_in_exit
from .v6_12_fork import replaced as replaced_in_fork
from .v6_12_madvise import replaced as replaced_in_madvise
from .v6_12_pidfd import replaced as replaced_in_pidfd
from .v6_12_report import replaced

__all__ = ["patch"]

patch = Patch(
    "v6.12",
    kind="kernel",
    summary="Linux 6.12: the reaper walks up, and thaws one thread only",
    origin="before v6.18 (5e1953dc71af and its neighbours) and v7.1",
)


@patch.replaces(sched_task.put_task_struct)
def put_task_struct(t: task_struct) -> None:
    """Give a reference back; who gives the last one frees the structure.

    Context: Any; never sleeps.
    """
    if refcount_dec_and_test(t.usage):
        __put_task_struct(t)


@patch.replaces(oom_kill.__oom_reap_task_mm)
def __oom_reap_task_mm(mm: mm_struct) -> bool:
    """Zap every private mapping of *mm*, from the lowest address up.

    Context: ``mmap_lock`` held for reading; must not sleep for anybody.
    Return: False if a notifier refused one of the mappings; the others are done.
    """
    ret = True
    mm_flags_set(MMF_UNSTABLE, mm)
    for vma in for_each_vma(VMA_ITERATOR(mm, 0)):
        if vma.vm_flags & (VM_HUGETLB | VM_PFNMAP):
            continue
        if not vma_is_anonymous(vma) and vma.vm_flags & VM_SHARED:
            continue
        change = mmu_notifier_range(MMU_NOTIFY_UNMAP, mm, vma.vm_start, vma.vm_end)
        tlb = tlb_gather_mmu(mm)
        if mmu_notifier_invalidate_range_start_nonblock(change):
            tlb_finish_mmu(tlb)
            ret = False
            continue
        __zap_vma_range(tlb, vma, change.start, change.end, zap_details())
        mmu_notifier_invalidate_range_end(change)
        tlb_finish_mmu(tlb)
    return ret


@patch.replaces(oom_kill.mark_oom_victim)
def mark_oom_victim(tsk: task_struct) -> None:
    """Give *tsk* access to memory reserves, and thaw it, but no other thread.

    Context: oom_lock held and the killer not disabled; ``tsk.mm`` is there and
        stable (task_lock, or *tsk* is current).
    """
    mm = tsk.mm
    WARN_ON(oom().oom_killer_disabled, "victim marked while the OOM killer is disabled")
    if test_and_set_bit(TIF_MEMDIE, tsk.thread_flags):
        return
    assert mm is not None  # the caller's promise
    if _cmpxchg_oom_mm(tsk, mm):
        mmgrab(mm)
    __thaw_task(tsk)
    atomic_inc(oom().oom_victims)
    trace_mark_victim(tsk, tsk.__dict__["cred"].uid)


@patch.replaces(freezer.freezing_slow_path)
def freezing_slow_path(p: task_struct) -> bool:
    """Tell whether *p* has to stand still: a marked thread has not, its others have.

    Context: Any.
    """
    flags = p.__dict__["flags"]
    if flags & (PF_NOFREEZE | PF_SUSPEND_TASK):
        return False
    if test_bit(TIF_MEMDIE, p.thread_flags):
        return False
    if READ_ONCE(freezer_statics()).pm_nosig_freezing:
        return True
    return READ_ONCE(freezer_statics()).pm_freezing and not flags & PF_KTHREAD


for _function, _replacement in (
    *replaced(),
    *replaced_in_madvise(),
    *replaced_in_fork(),
    *replaced_in_exec(),
    *replaced_in_exit(),
    *replaced_in_pidfd(),
):
    patch.replaces(_function)(_replacement)
