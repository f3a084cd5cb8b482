# SPDX-License-Identifier: GPL-2.0-only
"""Mappings of an address space, and the end of them all — ``mm/mmap.c``.

``exit_mmap()`` takes ``mmap_lock`` twice. Pages go under the read lock, beside a
reaper that may be at it, too. Page tables and mappings go under the write lock,
when every reader has left; and between the two ``MMF_OOM_SKIP`` tells readers to
come that there is nothing left for them.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..lib.maple_tree import __mt_destroy
from ..linux.bug import WARN_ON_ONCE
from ..linux.maple_tree import ULONG_MAX, mt_clear_in_rcu
from ..linux.mm import (
    VM_ACCOUNT,
    mm_flags_set,
    vma_iter_set,
    vma_next,
    vma_pages,
)
from ..linux.mm_types import (
    MMF_OOM_SKIP,
    VMA_ITERATOR,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ..linux.mman import vm_unacct_memory
from ..linux.mmap_lock import (
    mmap_assert_write_locked,
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
    vma_mark_detached,
)
from ..linux.mmu_notifier import mmu_notifier_release
from .memory import unmap_vmas
from .memory_tables import free_pgtables
from .mmap_find import find_vma, find_vma_intersection, find_vma_prev
from .mmap_limits import vm_stat_account
from .mmap_region import _map_region
from .mmu_gather import tlb_finish_mmu, tlb_gather_mmu_fullmm
from .vma import remove_vma
from .vma_unmap import unmap_all_init, unmap_pgtable_init

__all__ = [
    "_map_region",
    "exit_mmap",
    "find_vma",
    "find_vma_intersection",
    "find_vma_prev",
    "tear_down_vmas",
    "vm_stat_account",
]


@mirrors("mm/mmap.c", checked="v7.2")
def tear_down_vmas(
    mm: mm_struct, vmi: vma_iterator, vma: vm_area_struct, end: int
) -> int:
    """Free the mappings from *vma* on that end at or below *end*.

    They stay in the tree, which the caller destroys.

    Context: ``mmap_lock`` for writing; nobody can reach it any more.
    Return: How many pages they had been promised.
    """
    nr_accounted = count = 0
    mmap_assert_write_locked(mm)
    vma_iter_set(vmi, vma.vm_end)
    found: vm_area_struct | None = vma
    while found is not None and found.vm_end <= end:
        if found.vm_flags & VM_ACCOUNT:
            nr_accounted += vma_pages(found)
        vma_mark_detached(found)
        remove_vma(found)
        count += 1
        found = vma_next(vmi)
    WARN_ON_ONCE(
        count != mm.map_count, f"{mm.name}: {count} mappings, counted {mm.map_count}"
    )
    return nr_accounted


@mirrors("mm/mmap.c", checked="v7.2")
def exit_mmap(mm: mm_struct) -> None:
    """Take everything out of an address space that has no users any more.

    Context: May sleep; no lock held. ``mm_count`` keeps the structure.
    """
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
    """Do the part of :func:`exit_mmap` that needs a mapping.

    Context: Called with ``mmap_lock`` held for reading, returns with it held for
        writing.
    """
    unmap = unmap_all_init(vmi, vma)
    tlb = tlb_gather_mmu_fullmm(mm)
    unmap_vmas(tlb, unmap)
    mmap_read_unlock(mm)
    # Who gets the lock for reading from here on sees the flag, and leaves.
    mm_flags_set(MMF_OOM_SKIP, mm)
    mmap_write_lock(mm)
    unmap.mm_wr_locked = True
    mt_clear_in_rcu(mm.mm_mt)
    unmap_pgtable_init(unmap, vmi)
    free_pgtables(tlb, unmap)
    tlb_finish_mmu(tlb)
    return tear_down_vmas(mm, vmi, vma, ULONG_MAX)
