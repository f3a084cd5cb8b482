# SPDX-License-Identifier: GPL-2.0-only
"""Unmapping pages — ``mm/memory.c``.

Everybody who unmaps goes through the page-table pages of a range, one page-table
lock at a time, and takes out what is present. Two who do so at once meet on these
locks only, and whoever comes second to a page-table page finds nothing in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..errno import EBUSY
from ..lib.maple_tree import mas_find
from ..linux._bitmaps import _through_nth
from ..linux.bug import WARN_ON_ONCE
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import (
    PAGE_SHIFT,
    PMD_SHIFT,
    PMD_SIZE,
    PTRS_PER_PTE,
    PUD_SHIFT,
    VM_HUGETLB,
    add_mm_counter,
    zap_details,
)
from ..linux.mm_inline import vma_has_recency
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    NR_MM_COUNTERS,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    MMU_NOTIFY_UNMAP,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_invalidate_range_start_nonblock,
    mmu_notifier_range,
)
from ..linux.printk import trace
from ..linux.spinlock import spin_lock, spin_unlock
from .filemap_cache import _of_window, _offset
from .hugetlb import __unmap_hugepage_range
from .mmu_gather import (
    _GATHER_CAPACITY,
    __tlb_remove_folio_pages,
    mmu_gather,
    tlb_finish_mmu,
    tlb_flush_mmu,
    tlb_gather_mmu,
)
from .page_writeback import folio_mark_dirty
from .swap import folio_mark_accessed
from .swapfile import swap_put_entries_direct
from .vma_unmap import unmap_desc

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "unmap_vmas",
    "zap_vma_for_reaping",
    "zap_vma_range",
    "zap_vma_range_batched",
]

P4D_SHIFT: Final = 39
_NOTHING_SPECIAL: Final = zap_details()
_ALL_ENTRIES: Final = (1 << PTRS_PER_PTE) - 1

_ENTRIES = (
    "the entries of one page-table page are cleared at once, because its lock is held "
    "all the time; that need_resched() may drop it half-way is left out, and so is "
    "the early flush for dirty pages of files: memory becomes free a little later"
)
_FILES = (
    "files' pages only, of one page-table page at once: the others need no marks, and "
    "are cleared together with these"
)


# -- finding page-table pages ----------------------------------------------------------


def _pte_mask(addr: int, end: int) -> int:
    """Select the entries for [addr, end), which lie in one page-table page."""
    if end - addr == PMD_SIZE:
        return _ALL_ENTRIES
    nr = (end - addr) >> PAGE_SHIFT
    return ((1 << nr) - 1) << (addr >> PAGE_SHIFT & PTRS_PER_PTE - 1)


def _pte_tables(mm: mm_struct, start: int, end: int) -> Iterator[pgtable_t]:
    """Walk the page-table pages that exist for [start, end), in order of address.

    Looking for them is one read of the upper tables for each part of 1 GiB that has
    any; what does not exist costs nothing more. A fault that adds one conflicts.

    Context: ``mmap_lock``, so that none goes away; or a lock under which mappings
        are found by their pages, because they are hidden before their tables go.
    """
    while start < end:
        tables, start = _look_up(mm, start, end)
        yield from tables


def _look_up(mm: mm_struct, start: int, end: int) -> tuple[list[pgtable_t], int]:
    """Find the page-table pages of the first part of 1 GiB that has any.

    Return: These, and the address to go on from.
    """
    upper = field_of(mm, "pgd")
    tables: list[pgtable_t] = []
    t = enter(upper, "pmd_none")
    while start < end and not tables:
        shift = PUD_SHIFT if start >> P4D_SHIFT in mm._puds else P4D_SHIFT
        stop = min(((start >> shift) + 1) << shift, end)
        if start >> PUD_SHIFT in mm._pmds:
            tables = _in_order(mm, start, stop)
        start = stop
    leave(t, upper, Access.READ, len(tables))
    return tables, start


def _in_order(mm: mm_struct, start: int, end: int) -> list[pgtable_t]:
    pgd = mm.pgd
    indices = range(start >> PMD_SHIFT, (end - 1 >> PMD_SHIFT) + 1)
    return [pgd[index] for index in indices if index in pgd]


# -- zapping ---------------------------------------------------------------------------


@mirrors("mm/memory.c", checked="v7.2", abridged=_FILES)
def zap_present_folio_ptes(
    tlb: mmu_gather, vma: vm_area_struct, table: pgtable_t, mask: int
) -> None:
    """Mark the file's pages that were written or used through *mask*; queue them.

    That they were is known from the entries alone, which are about to go.

    Context: The table's lock.
    """
    file, present = vma.vm_file, table.present
    mapped = (present[MM_FILEPAGES] | present[MM_SHMEMPAGES]) & mask
    if file is None or not mapped:
        return
    offset = _offset(vma, table)
    dirty, used = mapped & table.dirty, mapped & table.young
    if dirty:
        folio_mark_dirty(file.f_mapping, _of_window(dirty, offset))
    if used and vma_has_recency(vma):
        folio_mark_accessed(file.f_mapping, _of_window(used, offset))
    tlb._cached.append((file.f_mapping, _of_window(mapped, offset)))


def _zap_entries(
    tlb: mmu_gather,
    vma: vm_area_struct,
    table: pgtable_t,
    mask: int,
    details: zap_details,
) -> tuple[int, bool]:
    """Clear what is present among the entries in *mask*, and count it.

    Context: The table's lock.
    Return: The entries that are still to be done, because the gather is full, and
        whether it is.
    """
    present = table.present
    if not any(present):
        return 0, False
    if details.skip_cows:
        mask &= ~(present[MM_ANONPAGES] | present[MM_SWAPENTS])
    pages = (
        present[MM_ANONPAGES] | present[MM_FILEPAGES] | present[MM_SHMEMPAGES]
    ) & mask
    nr = pages.bit_count()
    rest = 0
    if nr >= (room := _GATHER_CAPACITY - tlb.nr):
        now = _through_nth(pages, room)
        mask, rest, nr = mask & now, mask & ~now, room
    zap_present_folio_ptes(tlb, vma, table, mask)
    freed, slots = table._forget(mask)
    full = __tlb_remove_folio_pages(tlb, nr, freed)
    if slots:
        swap_put_entries_direct(slots)
    _clear_and_count(tlb.mm, present, mask)
    return rest, full


def _clear_and_count(mm: mm_struct, present: list[int], mask: int) -> None:
    present[_PFN_ENTRIES] &= ~mask
    for member in range(NR_MM_COUNTERS):
        hit = present[member] & mask
        if hit:
            present[member] ^= hit
            add_mm_counter(mm, member, -hit.bit_count())


@mirrors("mm/memory.c", checked="v7.2", abridged=_ENTRIES)
def zap_pte_range(
    tlb: mmu_gather,
    vma: vm_area_struct,
    table: pgtable_t,
    addr: int,
    end: int,
    details: zap_details,
) -> None:
    """Unmap [addr, end), which lies in one page-table page.

    The counters fall here, under the lock. The pages become free with a flush; one
    that is due interrupts the work, and the lock is taken again for the rest.

    Context: The table stays, see :func:`_pte_tables`; takes its lock.
    """
    mask = _pte_mask(addr, end)
    while mask:
        ptl = table.ptl
        spin_lock(ptl)
        mask, full = _zap_entries(tlb, vma, table, mask, details)
        spin_unlock(ptl)
        if full:
            tlb_flush_mmu(tlb)


@mirrors("mm/memory.c", checked="v7.2", abridged="no huge entries, no uprobes")
def __zap_vma_range(
    tlb: mmu_gather, vma: vm_area_struct, start: int, end: int, details: zap_details
) -> None:
    """Unmap [start, end) of *vma*, from the lowest address up.

    Context: ``mmap_lock``.
    """
    trace("zap", start, end)
    if vma.vm_flags & VM_HUGETLB:
        WARN_ON_ONCE(details.reaping, "a hugetlb mapping is being reaped")
        __unmap_hugepage_range(vma, start, end)
        return
    for table in _pte_tables(vma.vm_mm, start, end):
        first = table.index << PMD_SHIFT
        upto = min(end, first + PMD_SIZE)
        zap_pte_range(tlb, vma, table, max(start, first), upto, details)


@mirrors("mm/memory.c", checked="v7.2")
def zap_vma_for_reaping(vma: vm_area_struct) -> int:
    """Unmap all of *vma* without waiting for anybody.

    Context: ``mmap_lock`` for reading. Not for hugetlb mappings.
    Return: 0, or -EBUSY with nothing done: a notifier would have to wait.
    """
    mm = vma.vm_mm
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, vma.vm_start, vma.vm_end)
    tlb = tlb_gather_mmu(mm)
    if mmu_notifier_invalidate_range_start_nonblock(change):
        tlb_finish_mmu(tlb)
        return -EBUSY
    __zap_vma_range(tlb, vma, change.start, change.end, zap_details(reaping=True))
    mmu_notifier_invalidate_range_end(change)
    tlb_finish_mmu(tlb)
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged="no hugetlb locks around it")
def zap_vma_range_batched(
    tlb: mmu_gather,
    vma: vm_area_struct,
    address: int,
    size: int,
    details: zap_details = _NOTHING_SPECIAL,
) -> None:
    """Unmap *size* bytes of *vma* from *address* on, into the caller's collection.

    Context: ``mmap_lock``, or ``i_mmap_rwsem`` of the file. May sleep.
    """
    if not size:
        return
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, vma.vm_mm, address, address + size)
    mmu_notifier_invalidate_range_start(change)
    __zap_vma_range(tlb, vma, address, address + size, details)
    mmu_notifier_invalidate_range_end(change)


@mirrors("mm/memory.c", checked="v7.2")
def zap_vma_range(vma: vm_area_struct, address: int, size: int) -> None:
    """Unmap *size* bytes of *vma* from *address* on; the mapping stays.

    Context: ``mmap_lock``. May sleep.
    """
    tlb = tlb_gather_mmu(vma.vm_mm)
    zap_vma_range_batched(tlb, vma, address, size)
    tlb_finish_mmu(tlb)


@mirrors("mm/memory.c", checked="v7.2", abridged="no hugetlb locks around each mapping")
def unmap_vmas(tlb: mmu_gather, unmap: unmap_desc) -> None:
    """Unmap the mappings that *unmap* describes, from the lowest address up.

    Context: ``mmap_lock``. May sleep. Takes all kinds, hugetlb and frame numbers, too.
    """
    vma: vm_area_struct | None = unmap.first
    mm = unmap.first.vm_mm
    change = mmu_notifier_range(MMU_NOTIFY_UNMAP, mm, unmap.vma_start, unmap.vma_end)
    mmu_notifier_invalidate_range_start(change)
    details = zap_details()
    while vma is not None:
        start = max(vma.vm_start, unmap.vma_start)
        end = min(vma.vm_end, unmap.vma_end)
        __zap_vma_range(tlb, vma, start, end, details)
        vma = mas_find(unmap.mas, unmap.tree_end - 1 & ULONG_MAX)
    mmu_notifier_invalidate_range_end(change)
