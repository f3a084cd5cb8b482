# SPDX-License-Identifier: GPL-2.0-only
"""Design J: a reap pass gives ``mmap_lock`` up every GiB, if somebody waits for it.

Whoever reaps takes the lock again and starts from the top. A refusal of a notifier
and a lock that was handed over are two things: only the first is an error.

Linux lets nobody overtake a writer that has waited for 4 ms. Here a pass that would
overtake is not made (:mod:`pykmm.mm._stall`): as far as it came, all is empty.
"""

from __future__ import annotations

from typing import Final

from ...errno import EAGAIN, EBUSY, EINTR, EINVAL, ESRCH, Errno
from ...kernel.pid_pidfd import pidfd_get_task
from ...linux.maple_tree import MA_STATE, mas_for_each_rev
from ...linux.mm import (
    VM_HUGETLB,
    VM_PFNMAP,
    VM_SHARED,
    mm_flags_set,
    mm_flags_test,
    vma_is_anonymous,
    zap_details,
)
from ...linux.mm_types import (
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    mm_struct,
    vm_area_struct,
)
from ...linux.mmap_lock import (
    mmap_lock_is_contended,
    mmap_read_lock_killable,
    mmap_read_trylock,
    mmap_read_unlock,
)
from ...linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start_nonblock,
    mmu_notifier_range,
)
from ...linux.sched import task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.task import put_task_struct, task_unlock
from ...mm import oom_kill
from ...mm._stall import stall
from ...mm.memory import __zap_vma_range
from ...mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from ...mm.oom_kill import find_lock_task_mm, task_will_free_mem
from ..patch import Patch

_CHUNK: Final = 1 << 30
_ULONG_MAX: Final = 2**64 - 1
#: What a pass answers when somebody else got the lock.
_HANDED_OVER: Final = 1

patch = Patch(
    "J",
    kind="design",
    summary="a reap pass hands mmap_lock over every GiB to whoever waits for it",
    origin="a copy of the mm tree of 2026, after v7.1; mainline status unknown",
    scenario="mrelease-vs-exit",
)


def _zap_chunk(vma: vm_area_struct, start: int, end: int) -> int:
    """Unmap [start, end) of *vma* without waiting; -EBUSY with nothing done."""
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, vma.vm_mm, start, end)
    tlb = tlb_gather_mmu(vma.vm_mm)
    if mmu_notifier_invalidate_range_start_nonblock(change):
        tlb_finish_mmu(tlb)
        return -EBUSY
    __zap_vma_range(tlb, vma, change.start, change.end, zap_details(reaping=True))
    mmu_notifier_invalidate_range_end(change)
    tlb_finish_mmu(tlb)
    return 0


def _reap_pass(mm: mm_struct) -> int:
    """Zap every private mapping of *mm* from the top, a GiB at a time.

    Context: ``mmap_lock`` held for reading; dropped if the lock is handed over.
    Return: 0, -EBUSY or ``_HANDED_OVER``.
    """
    mm_flags_set(MMF_UNSTABLE, mm)
    ret = 0
    for vma in mas_for_each_rev(MA_STATE(mm.mm_mt, _ULONG_MAX, _ULONG_MAX), 0):
        if vma.vm_flags & (VM_HUGETLB | VM_PFNMAP):
            continue
        if not vma_is_anonymous(vma) and vma.vm_flags & VM_SHARED:
            continue
        end = vma.vm_end
        while end > vma.vm_start:
            start = max(vma.vm_start, end - _CHUNK)
            ret = _zap_chunk(vma, start, end) or ret
            end = start
            if mmap_lock_is_contended(mm):
                _hand_over(mm)
                return _HANDED_OVER
    return ret


def _hand_over(mm: mm_struct) -> None:
    """Drop ``mmap_lock``, and do not overtake whoever is first to have it.

    Somebody who holds it is to be waited for as ever, and not here.
    """
    lock = mm.mmap_lock
    first = lock.queue[0]
    mmap_read_unlock(mm)
    stall(lock, lambda: not lock._may_be_stolen() or lock.queue[:1] != [first])


@patch.replaces(oom_kill.oom_reap_task_mm)
def oom_reap_task_mm(tsk: task_struct, mm: mm_struct) -> bool:
    """Try to reap *mm*; a lock that was handed over is taken again."""
    del tsk
    while mmap_read_trylock(mm):
        if mm_flags_test(MMF_OOM_SKIP, mm):
            mmap_read_unlock(mm)
            return True
        ret = _reap_pass(mm)
        if ret != _HANDED_OVER:
            mmap_read_unlock(mm)
            return ret == 0
    return False


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process, in as many passes as it takes."""
    if flags:
        return -EINVAL
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    p = find_lock_task_mm(task)
    if p is None:
        put_task_struct(task)
        return -ESRCH
    mm = p.mm
    assert mm is not None  # that is what was found
    mmgrab(mm)
    ret = 0
    reap = task_will_free_mem(p)
    if not reap and not mm_flags_test(MMF_OOM_SKIP, mm):
        ret = -EINVAL
    task_unlock(p)
    if reap:
        ret = _reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


def _reap(mm: mm_struct) -> int:
    while True:
        if mmap_read_lock_killable(mm):
            return -EINTR
        if mm_flags_test(MMF_OOM_SKIP, mm):
            mmap_read_unlock(mm)
            return 0
        ret = _reap_pass(mm)
        if ret != _HANDED_OVER:
            mmap_read_unlock(mm)
            return -EAGAIN if ret else 0
