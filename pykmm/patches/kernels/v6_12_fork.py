# SPDX-License-Identifier: GPL-2.0-only
"""What 6.12 made of a copy of an address space that failed.

It left the broken tree to ``exit_mmap()``: a marker stood where the first mapping is
that is still the parent's, and what stood behind it must not be touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...errno import EINTR
from ...lib.maple_tree import __mt_destroy, __mt_dup, mas_find, mas_store
from ...linux.bug import BUG_ON
from ...linux.gfp_types import GFP_KERNEL
from ...linux.maple_tree import (
    MA_STATE,
    ULONG_MAX,
    XA_ZERO_ENTRY,
    ZeroEntry,
    mt_clear_in_rcu,
    mt_set_in_rcu,
    xa_is_zero,
)
from ...linux.mm import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    mm_flags_set,
    vma_iter_set,
    vma_next,
    vma_pages,
)
from ...linux.mm_types import (
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    VMA_ITERATOR,
    _tree_of,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ...linux.mman import vm_unacct_memory
from ...linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_lock_killable,
    mmap_write_lock_nested,
    mmap_write_unlock,
    vma_start_write,
)
from ...linux.mmu_notifier import mmu_notifier_release
from ...linux.sched import current
from ...linux.sched.mm import might_alloc
from ...linux.sched.signal import fatal_signal_pending
from ...mm import mmap, mmap_dup
from ...mm.memory import unmap_vmas
from ...mm.memory_tables import free_pgtables
from ...mm.mmap_dup import _dup_vma
from ...mm.mmap_limits import vm_stat_account
from ...mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu_fullmm
from ...mm.vma import remove_vma
from ...mm.vma_unmap import unmap_desc

__all__ = ["replaced"]


def _store(mm: mm_struct, at: vm_area_struct, entry: ZeroEntry | None) -> None:
    mas_store(MA_STATE(mm.mm_mt, at.vm_start, at.vm_end - 1), entry)


def _dup_vmas(mm: mm_struct, vmi: vma_iterator) -> tuple[int, vm_area_struct | None]:
    """Replace the parent's mappings by copies, unless current is killed meanwhile."""
    while (mpnt := vma_next(vmi)) is not None:
        vma_start_write(mpnt)
        if mpnt.vm_flags & VM_DONTCOPY:
            _store(mm, mpnt, None)
            vm_stat_account(mm, mpnt.vm_flags, -vma_pages(mpnt))
            continue
        if fatal_signal_pending(current()):
            return -EINTR, mpnt
        count = mm.map_count
        error = _dup_vma(mm, mpnt)
        if error:
            return error, mpnt if mm.map_count == count else vma_next(vmi)
    return 0, None


def dup_mmap(mm: mm_struct, oldmm: mm_struct) -> int:
    """Copy all mappings of *oldmm* into the empty *mm*.

    A failure leaves a marker over the first mapping that was not copied.

    Context: May sleep; takes ``mmap_lock`` of both for writing.
    Return: 0, -EINTR or -ENOMEM.
    """
    if mmap_write_lock_killable(oldmm):
        return -EINTR
    mmap_write_lock_nested(mm, 1)
    mm.total_vm = oldmm.total_vm
    mm.data_vm = oldmm.data_vm
    mm.exec_vm = oldmm.exec_vm
    mm.stack_vm = oldmm.stack_vm
    might_alloc(GFP_KERNEL)
    error = __mt_dup(oldmm.mm_mt, mm.mm_mt, GFP_KERNEL)
    if not error:
        mt_clear_in_rcu(mm.mm_mt)
        error, first_left = _dup_vmas(mm, VMA_ITERATOR(mm, 0))
        if not error:
            mt_set_in_rcu(mm.mm_mt)
        else:
            if first_left is not None:
                _store(mm, first_left, XA_ZERO_ENTRY)
                mm_flags_set(MMF_OOM_SKIP, mm)
            mm_flags_set(MMF_UNSTABLE, mm)
    mmap_write_unlock(mm)
    mmap_write_unlock(oldmm)
    return error


def _first_marker(mm: mm_struct) -> int:
    """Return where the marker begins; without one, the end of everything."""
    mas = MA_STATE(_tree_of(mm), 0, 0)
    while (entry := mas_find(mas, ULONG_MAX)) is not None:
        if xa_is_zero(entry):
            return mas.index
    return ULONG_MAX


def exit_mmap(mm: mm_struct) -> None:
    """Take everything out of an address space that has no users any more.

    What stands at a marker and behind it belongs to somebody else.

    Context: May sleep; no lock held. ``mm_count`` keeps the structure.
    """
    nr_accounted = 0
    vmi = VMA_ITERATOR(mm, 0)
    mmu_notifier_release(mm)
    mmap_read_lock(mm)
    vma = vma_next(vmi)
    if vma is None or xa_is_zero(vma):
        mmap_read_unlock(mm)
        mmap_write_lock(mm)
    else:
        nr_accounted = _unmap_up_to(mm, vmi, vma, _first_marker(mm))
    __mt_destroy(mm.mm_mt)
    mmap_write_unlock(mm)
    vm_unacct_memory(nr_accounted)


def _unmap_up_to(
    mm: mm_struct, vmi: vma_iterator, vma: vm_area_struct, end: int
) -> int:
    unmap = unmap_desc(vmi.mas, vma, 0, 0, 0, ULONG_MAX, end, vma.vm_end)
    tlb = tlb_gather_mmu_fullmm(mm)
    unmap_vmas(tlb, unmap)
    mmap_read_unlock(mm)
    mm_flags_set(MMF_OOM_SKIP, mm)
    mmap_write_lock(mm)
    unmap.mm_wr_locked = True
    mt_clear_in_rcu(mm.mm_mt)
    vma_iter_set(vmi, unmap.tree_reset)
    free_pgtables(tlb, unmap)
    tlb_finish_mmu(tlb)
    nr_accounted = count = 0
    vma_iter_set(vmi, vma.vm_end)
    found: vm_area_struct | None = vma
    while found is not None and not xa_is_zero(found):
        if found.vm_flags & VM_ACCOUNT:
            nr_accounted += vma_pages(found)
        remove_vma(found)
        count += 1
        found = vma_next(vmi)
    BUG_ON(count != mm.map_count, f"{mm.name}: {count} mappings were counted wrong")
    return nr_accounted


def replaced() -> Iterator[tuple[Callable[..., object], Callable[..., object]]]:
    """Yield each function of the baseline with what 6.12 had instead."""
    yield mmap_dup.dup_mmap, dup_mmap
    yield mmap.exit_mmap, exit_mmap
