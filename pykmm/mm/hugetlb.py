# SPDX-License-Identifier: GPL-2.0-only
"""Pages of 2 MiB that are never swapped, reaped or counted in rss — ``mm/hugetlb.c``.

They hang in the middle level of the page tables. Those that a process is spawned with
come from free memory and go back there; all others are the pool's.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of, step_write
from ..engine.step import enter, leave
from ..linux._huge_folio import HugeFolio
from ..linux.atomic import atomic_dec_and_test
from ..linux.hugetlb import hugetlb_count_sub
from ..linux.mm import PMD_SHIFT, PTRS_PER_PTE
from ..linux.mm_types import vm_area_struct
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.spinlock import spin_lock, spin_lock_irq, spin_unlock, spin_unlock_irq
from .hugetlb_pool import _has_surplus, huge_folio_put, the_hstate
from .hugetlb_resv import HPAGE_RESV_UNMAPPED, _hugetlb_offset, resv_map

__all__ = ["__unmap_hugepage_range", "unmap_hugepage_range"]

_HPAGE: Final = PTRS_PER_PTE


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="pages are there again at once")
def unmap_hugepage_range(
    vma: vm_area_struct, start: int, end: int, folio: HugeFolio
) -> None:
    """Unmap *folio* from [start, end) of somebody else's mapping, for good.

    Context: ``i_mmap_rwsem`` of the file for writing, and no lock of *vma*.
    """
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, vma.vm_mm, start, end)
    mmu_notifier_invalidate_range_start(change)
    __unmap_hugepage_range(vma, start, end, folio)
    mmu_notifier_invalidate_range_end(change)


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="one page size, no sharing of tables; pages are there again at once; it "
    "takes no lock to know whose mapping was the last",
)
def __unmap_hugepage_range(
    vma: vm_area_struct, start: int, end: int, folio: HugeFolio | None = None
) -> None:
    """Unmap the huge pages in [start, end), or only *folio*, one lock section each.

    Context: ``mmap_lock``, or ``i_mmap_rwsem`` of the file for writing; takes
        ``page_table_lock``.
    """
    mm = vma.vm_mm
    for index in range(start >> PMD_SHIFT, end >> PMD_SHIFT):
        # Who wants one page away has to wait for whoever is just unmapping it.
        if folio is not None or index in mm._hugetlb:
            _unmap_one(vma, index, folio)


def _unmap_one(vma: vm_area_struct, index: int, wanted: HugeFolio | None) -> None:
    mm = vma.vm_mm
    field = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    entry = mm._hugetlb.get(index)
    if entry is None or wanted not in (None, entry.folio):
        spin_unlock(mm.page_table_lock)
        return
    if wanted is not None:
        # First: who finds the entry gone has to know that its page was taken away.
        step_write(vma, "vm_private_data", HPAGE_RESV_UNMAPPED)
    t = enter(field, "huge_ptep_get_and_clear")
    del mm._hugetlb[index]
    leave(t, field, Access.WRITE, index)
    hugetlb_count_sub(_HPAGE, mm)
    folio = entry.folio
    last = atomic_dec_and_test(folio._mapcount)
    spin_unlock(mm.page_table_lock)
    if last and folio.is_anon:
        _restore(vma, index, folio)
    huge_folio_put(folio)


def _restore(vma: vm_area_struct, index: int, folio: HugeFolio) -> None:
    """Let a mapping have its reservation again for a page that nobody maps any more.

    Or somebody else could have the page that was promised to it. Of the surplus, which
    the page may go back to, nobody was promised any.
    """
    own = vma.__dict__["vm_private_data"]
    if not isinstance(own, resv_map):
        return
    h = the_hstate()
    spin_lock_irq(h.hugetlb_lock)
    folio.restore_reserve = not _has_surplus(h)
    spin_unlock_irq(h.hugetlb_lock)
    if folio.restore_reserve:
        own.consumed.discard(_hugetlb_offset(vma, index << PMD_SHIFT))
