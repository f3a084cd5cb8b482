# SPDX-License-Identifier: GPL-2.0-only
"""Giving a child its parent's pages — part of ``mm/memory.c``.

Nothing is copied. The child's tables map the parent's pages, and whoever writes one
first gets a copy: anonymous pages are write-protected on both sides. What a fault
would find again anyway, such as the pages of a file, is left to faults.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.collector import uncollected
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..errno import ENOMEM
from ..linux._bitmaps import _through_nth
from ..linux.atomic import atomic_long_add
from ..linux.mm import (
    PAGE_SIZE,
    PMD_SHIFT,
    PMD_SIZE,
    VM_HUGETLB,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_WRITE,
    add_mm_counter,
    is_cow_mapping,
)
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_SWAPENTS,
    NR_MM_COUNTERS,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmap_lock import mmap_assert_write_locked
from ..linux.mmu_notifier import (
    MMU_NOTIFY_PROTECTION_PAGE,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.spinlock import spin_lock, spin_lock_nested, spin_unlock
from .hugetlb_copy import copy_hugetlb_page_range
from .memory import _ALL_ENTRIES, _look_up, _pte_mask
from .memory_tables import _alloc_tables, _install_upper, _missing_upper
from .memory_wp import folio_prealloc
from .swap import folio_add_lru
from .swapfile import _note_swapped

__all__ = ["copy_page_range", "vma_needs_copy"]

_SINGLE_DEPTH_NESTING: Final = 1

_PARTS: Final = (
    "the child's page-table pages come together for each part of 1 GiB: a failure for "
    "want of memory leaves a little less behind. Locks are held for a whole page-table "
    "page at once"
)


@mirrors("mm/memory.c", checked="v7.2", abridged="no userfaultfd, no guard markers")
def vma_needs_copy(dst_vma: vm_area_struct, src_vma: vm_area_struct) -> bool:
    """Tell whether there is anything that faults of the child could not bring back.

    Context: ``mmap_lock`` of both for writing.
    """
    if dst_vma.vm_flags & (VM_PFNMAP | VM_MIXEDMAP):
        return True
    return src_vma.anon_vma is not None


@mirrors("mm/memory.c", checked="v7.2", abridged=_PARTS)
def copy_page_range(dst_vma: vm_area_struct, src_vma: vm_area_struct) -> int:
    """Map in the child's *dst_vma* what the parent's *src_vma* maps.

    Context: ``mmap_lock`` of both for writing. May sleep.
    Return: 0, or -ENOMEM with a part of it done.
    """
    if not vma_needs_copy(dst_vma, src_vma):
        return 0
    if src_vma.vm_flags & VM_HUGETLB:
        return copy_hugetlb_page_range(dst_vma, src_vma)
    mm, start, end = src_vma.vm_mm, src_vma.vm_start, src_vma.vm_end
    mmap_assert_write_locked(mm)
    is_cow = is_cow_mapping(src_vma.vm_flags)
    change = mmu_notifier_range(MMU_NOTIFY_PROTECTION_PAGE, mm, start, end)
    if is_cow:
        mmu_notifier_invalidate_range_start(change)
    ret = 0
    with uncollected(stays=True):
        while start < end and not ret:
            tables, upto = _look_up(mm, start, end)
            ret = _copy_tables(dst_vma, src_vma, tables, start, upto)
            start = upto
    if is_cow:
        mmu_notifier_invalidate_range_end(change)
    return ret


def _copy_tables(
    dst_vma: vm_area_struct,
    src_vma: vm_area_struct,
    tables: list[pgtable_t],
    start: int,
    end: int,
) -> int:
    if tables and _make_tables(dst_vma.vm_mm, tables):
        return -ENOMEM
    is_cow = is_cow_mapping(src_vma.vm_flags)
    for src in tables:
        first = src.index << PMD_SHIFT
        last = first + PMD_SIZE
        mask = _ALL_ENTRIES
        if first < start or end < last:
            mask = _pte_mask(max(start, first), min(end, last))
        if copy_pte_range(dst_vma, src_vma, src, mask, is_cow):
            return -ENOMEM
    return 0


def _make_tables(mm: mm_struct, tables: list[pgtable_t]) -> int:
    """Make the child's tables for those of its parent, in one part of 1 GiB.

    Return: 0 or -ENOMEM.
    """
    missing = [src.index for src in tables if src.index not in mm.pgd]
    if not missing:
        return 0
    pages = _alloc_tables(len(missing) + _missing_upper(mm, missing[0]))
    if pages is None:
        return -ENOMEM
    upper = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    t = enter(upper, "pmd_populate")
    made = len(missing) + _install_upper(mm, missing[0], pages)
    for index in missing:
        mm.pgd[index] = pgtable_t(mm, index, pages.pop())
    leave(t, upper, Access.WRITE, made)
    atomic_long_add(made * PAGE_SIZE, mm.pgtables_bytes)
    spin_unlock(mm.page_table_lock)
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged=_PARTS)
def copy_pte_range(
    dst_vma: vm_area_struct,
    src_vma: vm_area_struct,
    src: pgtable_t,
    mask: int,
    is_cow: bool,
) -> int:
    """Map in the child's table what the entries in *mask* of its parent's *src* map.

    A page that somebody has pinned stays the parent's alone: the child gets a copy.

    Context: As :func:`copy_page_range`; takes the locks of both tables.
    Return: 0 or -ENOMEM.
    """
    mm = dst_vma.vm_mm
    dst = mm.pgd[src.index]
    spin_lock(dst.ptl)
    spin_lock_nested(src.ptl, _SINGLE_DEPTH_NESTING)
    pinned = src._pinned(mask) if src.shared else 0
    mask &= ~pinned
    src._share_with(dst, mask)
    rss = []
    for member, bits in enumerate(src.present):
        if bits and (hit := bits & mask):
            dst.present[member] |= hit
            if member < NR_MM_COUNTERS:
                rss.append((member, hit.bit_count()))
    if is_cow:
        src.readonly |= src.present[MM_ANONPAGES] & mask
    dst.readonly |= src.readonly & mask
    dst.protnone |= src.protnone & mask
    spin_unlock(src.ptl)
    for member, pages in rss:
        if member == MM_SWAPENTS:
            _note_swapped(mm)
        add_mm_counter(mm, member, pages)
    spin_unlock(dst.ptl)
    while pinned:
        copied = copy_present_page(dst_vma, src_vma, dst, pinned)
        if not copied:
            return -ENOMEM
        pinned &= ~copied
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged="several pages at once")
def copy_present_page(
    dst_vma: vm_area_struct, src_vma: vm_area_struct, dst: pgtable_t, pinned: int
) -> int:
    """Give the child copies of the first of the pages in *pinned*.

    The parent cannot unmap them meanwhile, and nobody can unpin what it still maps
    away from it, so the copies are installed without another look.

    Context: As :func:`copy_pte_range`, without locks.
    Return: The entries that are done: none, if there is no memory.
    """
    nid = dst.origin[0]
    folios = folio_prealloc(src_vma.vm_mm, pinned.bit_count(), nid, zero=False)
    if folios is None:
        return 0
    done = pinned & _through_nth(pinned, folios.nr)
    spin_lock(dst.ptl)
    dst.present[MM_ANONPAGES] |= done
    dst._add_pages(folios.origin, done)
    folio_add_lru(dst_vma, folios.origin)
    if not dst_vma.vm_flags & VM_WRITE:
        dst.readonly |= done
    add_mm_counter(dst_vma.vm_mm, MM_ANONPAGES, folios.nr)
    spin_unlock(dst.ptl)
    return done
