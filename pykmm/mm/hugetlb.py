# SPDX-License-Identifier: GPL-2.0-only
"""Pages of 2 MiB that are never swapped, reaped or counted in rss — ``mm/hugetlb.c``.

They hang in the middle level of the page tables. Those that a process is spawned with
come from free memory and go back there, as surplus pages do; all others are the pool's.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import enter, leave
from ..linux.hugetlb import hugetlb_count_sub
from ..linux.mm import PMD_SHIFT, PTRS_PER_PTE
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.spinlock import spin_lock, spin_unlock
from .hugetlb_pool import _hugetlb_offset, free_huge_folio, restore_reserve
from .mmu_gather import __tlb_remove_folio_pages, mmu_gather, tlb_flush_mmu

__all__ = ["__unmap_hugepage_range"]

_HPAGE: Final = PTRS_PER_PTE


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="one page size, no sharing of tables; pages of the pool are there at once",
)
def __unmap_hugepage_range(
    tlb: mmu_gather, vma: vm_area_struct, start: int, end: int
) -> None:
    """Unmap the huge pages in [start, end), one lock section each.

    Context: ``mmap_lock``; takes ``page_table_lock``.
    """
    mm = vma.vm_mm
    for index in range(start >> PMD_SHIFT, end >> PMD_SHIFT):
        if index in mm._huge:
            _unmap_one(tlb, mm, index)
        elif index in mm._hugetlb:
            _unmap_pooled(vma, index)


def _unmap_pooled(vma: vm_area_struct, index: int) -> None:
    """Unmap a page of the pool: a file keeps it, or it goes back."""
    mm = vma.vm_mm
    field = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    t = enter(field, "huge_ptep_get_and_clear")
    there = index in mm._hugetlb
    nid = mm._hugetlb.pop(index, None)
    leave(t, field, Access.WRITE if there else Access.READ, index)
    if there:
        hugetlb_count_sub(_HPAGE, mm)
    restore = nid is not None and restore_reserve(
        vma, _hugetlb_offset(vma, index << PMD_SHIFT)
    )
    spin_unlock(mm.page_table_lock)
    if nid is not None:
        free_huge_folio(nid, restore)


def _unmap_one(tlb: mmu_gather, mm: mm_struct, index: int) -> None:
    spin_lock(mm.page_table_lock)
    nid = mm._huge.pop(index, None)
    full = False
    if nid is not None:
        hugetlb_count_sub(_HPAGE, mm)
        full = __tlb_remove_folio_pages(tlb, 1, {(nid, None): _HPAGE})
    spin_unlock(mm.page_table_lock)
    if full:
        tlb_flush_mmu(tlb)
