# SPDX-License-Identifier: GPL-2.0-only
"""``exit_mmap()`` that takes ``mmap_lock`` for writing after the page tables are gone.

So they go while whoever has the lock for reading walks them. In Linux the exit held
nothing at all then, unless the kernel's own killer had chosen the victim. Here it
keeps the lock for reading: without it, the locking rules of today's mappings report
the exit by itself, and the race is never reached.
"""

from __future__ import annotations

from ...errors import UseAfterFree
from ...lib.maple_tree import __mt_destroy
from ...linux.maple_tree import ULONG_MAX, mt_clear_in_rcu
from ...linux.mm import for_each_vma, mm_flags_set, vma_next
from ...linux.mm_types import (
    MMF_OOM_SKIP,
    VMA_ITERATOR,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ...linux.mman import vm_unacct_memory
from ...linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
    vma_start_write,
)
from ...linux.mmu_notifier import mmu_notifier_release
from ...mm import mmap
from ...mm.memory import unmap_vmas
from ...mm.memory_tables import free_pgtables
from ...mm.mmap import tear_down_vmas
from ...mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu_fullmm
from ...mm.vma_unmap import unmap_all_init, unmap_pgtable_init
from ..patch import Patch

patch = Patch(
    "exit-tables-unlocked",
    kind="bug",
    summary="exit_mmap() frees page tables without mmap_lock for writing",
    origin='what 337546e83fc7 ("mm/oom_kill.c: prevent a race between '
    "process_mrelease and exit_mmap\") mended, in today's structure",
    reports=(UseAfterFree,),
    scenario="mrelease-vs-exit",
)


@patch.replaces(mmap.exit_mmap)
def exit_mmap(mm: mm_struct) -> None:
    """Take everything out, the page tables beside those who walk them."""
    nr_accounted = 0
    vmi = VMA_ITERATOR(mm, 0)
    mmu_notifier_release(mm)
    mmap_read_lock(mm)
    vma = vma_next(vmi)
    if vma is None:
        mmap_read_unlock(mm)
        mmap_write_lock(mm)
    else:
        nr_accounted = _unmap_and_tear_down(mm, vmi, vma)
    __mt_destroy(mm.mm_mt)
    mmap_write_unlock(mm)
    vm_unacct_memory(nr_accounted)


def _unmap_and_tear_down(mm: mm_struct, vmi: vma_iterator, vma: vm_area_struct) -> int:
    unmap = unmap_all_init(vmi, vma)
    tlb = tlb_gather_mmu_fullmm(mm)
    unmap_vmas(tlb, unmap)
    unmap_pgtable_init(unmap, vmi)
    free_pgtables(tlb, unmap)
    tlb_finish_mmu(tlb)
    mmap_read_unlock(mm)
    mm_flags_set(MMF_OOM_SKIP, mm)
    mmap_write_lock(mm)
    mt_clear_in_rcu(mm.mm_mt)
    # free_pgtables() locks each mapping, but only if it has the lock for writing.
    for each in for_each_vma(VMA_ITERATOR(mm, 0)):
        vma_start_write(each)
    return tear_down_vmas(mm, vmi, vma, ULONG_MAX)
