# SPDX-License-Identifier: GPL-2.0-only
"""Pages of 2 MiB that are never swapped, reaped or counted in rss — ``mm/hugetlb.c``.

They hang in the middle level of the page tables. All come from free memory when
they are needed and go back there, as surplus pages do: there is no reserved pool.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..linux.hugetlb import hugetlb_count_sub
from ..linux.mm import PMD_SHIFT, PTRS_PER_PTE
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.spinlock import spin_lock, spin_unlock
from .mmu_gather import __tlb_remove_folio_pages, mmu_gather, tlb_flush_mmu

__all__ = ["__unmap_hugepage_range"]

_HPAGE: Final = PTRS_PER_PTE


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="one page size, no pool, no sharing of tables",
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
