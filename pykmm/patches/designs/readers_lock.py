# SPDX-License-Identifier: GPL-2.0-only
"""Design G: whoever reads a foreign address space holds no user of it.

Readers keep ``mm_count`` and rely on ``mmap_lock``; ``exit_mmap()`` holds that for
writing from start to end, and waits for a reader's section, not for the reader. What
readers do is theirs to do: this is the half that the exit does.
"""

from __future__ import annotations

from ...lib.maple_tree import __mt_destroy
from ...linux.maple_tree import ULONG_MAX, mt_clear_in_rcu
from ...linux.mm import mm_flags_set, vma_next
from ...linux.mm_types import (
    MMF_OOM_SKIP,
    VMA_ITERATOR,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ...linux.mman import vm_unacct_memory
from ...linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from ...linux.mmu_notifier import mmu_notifier_release
from ...mm import mmap
from ...mm.memory import unmap_vmas
from ...mm.memory_tables import free_pgtables
from ...mm.mmap import tear_down_vmas
from ...mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu_fullmm
from ...mm.vma_unmap import unmap_all_init, unmap_pgtable_init
from ..patch import Patch

patch = Patch(
    "G",
    kind="design",
    summary="readers hold mm_count only; exit_mmap() writes all the way",
    origin="the discussion of 2026-05-15 to 05-22; not posted as a patch",
    scenario="mrelease-vs-exit",
)


@patch.replaces(mmap.exit_mmap)
def exit_mmap(mm: mm_struct) -> None:
    """Take everything out of an address space that has no users any more.

    Context: May sleep; no lock held. ``mm_count`` keeps the structure.
    """
    nr_accounted = 0
    vmi = VMA_ITERATOR(mm, 0)
    mmu_notifier_release(mm)
    mmap_write_lock(mm)
    vma = vma_next(vmi)
    if vma is not None:
        nr_accounted = _unmap_and_tear_down(mm, vmi, vma)
    __mt_destroy(mm.mm_mt)
    mmap_write_unlock(mm)
    vm_unacct_memory(nr_accounted)


def _unmap_and_tear_down(mm: mm_struct, vmi: vma_iterator, vma: vm_area_struct) -> int:
    unmap = unmap_all_init(vmi, vma)
    unmap.mm_wr_locked = True
    tlb = tlb_gather_mmu_fullmm(mm)
    unmap_vmas(tlb, unmap)
    mm_flags_set(MMF_OOM_SKIP, mm)
    mt_clear_in_rcu(mm.mm_mt)
    unmap_pgtable_init(unmap, vmi)
    free_pgtables(tlb, unmap)
    tlb_finish_mmu(tlb)
    return tear_down_vmas(mm, vmi, vma, ULONG_MAX)
