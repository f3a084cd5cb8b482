# SPDX-License-Identifier: GPL-2.0-only
"""Advice that is carried out on pages — part of ``mm/madvise.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EACCES, EINTR, EINVAL
from ..fs.file_table import fput
from ..fs.open_size import vfs_fallocate
from ..linux.fs import get_file
from ..linux.mm import (
    PAGE_SHIFT,
    PMD_SHIFT,
    PMD_SIZE,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MAYWRITE,
    VM_PFNMAP,
    VM_SHARED,
    add_mm_counter,
    vma_is_anonymous,
)
from ..linux.mm_types import (
    MM_SWAPENTS,
    _Origin,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.sched import current
from ..linux.sched.signal import fatal_signal_pending
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.uapi_falloc import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
from ..linux.uapi_mman import MADV_DONTNEED, MADV_DONTNEED_LOCKED
from .filemap import filemap_fault
from .madvise_state import madvise_behavior
from .memory import (
    _pte_mask,
    _pte_tables,
    zap_vma_range_batched,
)
from .swap import folios_put_refs
from .swapfile import swap_put_entries_direct
from .vmscan_anon import _isolate_from, reclaim_pages

__all__ = [
    "madvise_cold",
    "madvise_dontneed_free",
    "madvise_pageout",
    "madvise_remove",
    "madvise_willneed",
]


@mirrors("mm/madvise.c", checked="v7.2", abridged="what is in swap stays there")
def madvise_willneed(madv: madvise_behavior) -> int:
    """Read the file's pages that will be needed; nothing is mapped.

    Context: ``mmap_lock`` for reading, which is let go of while reading.
    Return: 0: a page that there is no memory for is read when it is needed.
    """
    vma = madv.target
    f = vma.vm_file
    if f is None or f.is_shmem:
        return 0
    madv.lock_dropped = True
    get_file(f)
    first = vma.vm_pgoff + (madv.start - vma.vm_start >> PAGE_SHIFT)
    last = first + (madv.end - madv.start >> PAGE_SHIFT)
    mmap_read_unlock(madv.mm)
    while first < last:
        done = filemap_fault(f.f_mapping, first, last - first)
        if done <= 0:
            break
        first += done
    fput(f)
    mmap_read_lock(madv.mm)
    return 0


@mirrors("mm/madvise.c", checked="v7.2", inline=True)
def can_madv_lru_vma(vma: vm_area_struct) -> bool:
    """Tell whether reclaim may look at the mapping's pages."""
    return not vma.vm_flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB)


@mirrors("mm/madvise.c", checked="v7.2", abridged="pages have no age")
def madvise_cold(madv: madvise_behavior) -> int:
    """Let the pages be the next to be reclaimed.

    Context: ``mmap_lock`` for reading.
    Return: 0, or -EINVAL for a kind of mapping that is never reclaimed.
    """
    return 0 if can_madv_lru_vma(madv.target) else -EINVAL


def _masks(mm: mm_struct, start: int, end: int) -> list[tuple[pgtable_t, int]]:
    found = []
    for table in _pte_tables(mm, start, end):
        first = table.index << PMD_SHIFT
        mask = _pte_mask(max(start, first), min(end, first + PMD_SIZE))
        found.append((table, mask))
    return found


@mirrors(
    "mm/madvise.c",
    checked="v7.2",
    abridged="files' pages stay: Linux would write them back and drop them",
)
def madvise_pageout(madv: madvise_behavior) -> int:
    """Move private pages to swap, as far as there is room.

    Context: ``mmap_lock`` for reading. May sleep; takes the tables' locks.
    Return: 0; -EINVAL for a kind of mapping that is never reclaimed, -EINTR when
        killed meanwhile.
    """
    vma = madv.target
    if not can_madv_lru_vma(vma):
        return -EINVAL
    for table, mask in _masks(madv.mm, madv.start, madv.end):
        if fatal_signal_pending(current()):
            return -EINTR
        madvise_cold_or_pageout_pte_range(vma, table, mask)
    return 0


@mirrors("mm/madvise.c", checked="v7.2", abridged="private pages, to page them out")
def madvise_cold_or_pageout_pte_range(
    vma: vm_area_struct, table: pgtable_t, mask: int
) -> None:
    """Swap out what only the entries in *mask* map.

    Context: ``mmap_lock`` for reading; takes the table's lock. May sleep.
    """
    isolated, _ = _isolate_from(vma, table, mask, lambda _: True, pageout=True)
    reclaim_pages(isolated)


@mirrors(
    "mm/madvise.c",
    checked="v7.2",
    abridged="pages stay until they are unmapped: reclaim does not take them",
)
def madvise_free_pte_range(mm: mm_struct, table: pgtable_t, mask: int) -> None:
    """Give up what the entries in *mask* hold: swap slots now, pages some day.

    Context: ``mmap_lock`` for reading; takes the table's lock.
    """
    freed: dict[_Origin, int] = {}
    spin_lock(table.ptl)
    swapped = table.present[MM_SWAPENTS] & mask
    if swapped:
        freed, slots = table._forget(swapped)
        if slots:
            swap_put_entries_direct(slots)
        table.present[MM_SWAPENTS] &= ~swapped
        add_mm_counter(mm, MM_SWAPENTS, -swapped.bit_count())
    spin_unlock(table.ptl)
    folios_put_refs(freed)


@mirrors("mm/madvise.c", checked="v7.2")
def madvise_free_single_vma(madv: madvise_behavior) -> int:
    """Give the range's contents up, without unmapping pages.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: 0, or -EINVAL unless the memory is private and anonymous.
    """
    if not vma_is_anonymous(madv.target):
        return -EINVAL
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, madv.mm, madv.start, madv.end)
    mmu_notifier_invalidate_range_start(change)
    for table, mask in _masks(madv.mm, madv.start, madv.end):
        madvise_free_pte_range(madv.mm, table, mask)
    mmu_notifier_invalidate_range_end(change)
    return 0


@mirrors("mm/madvise.c", checked="v7.2")
def madvise_dontneed_free_valid_vma(madv: madvise_behavior) -> bool:
    """Tell whether the mapping's pages may be given up; huge ones as a whole."""
    vma, behavior = madv.target, madv.behavior
    if not vma.vm_flags & VM_HUGETLB:
        locked = 0 if behavior == MADV_DONTNEED_LOCKED else VM_LOCKED
        return not vma.vm_flags & (VM_PFNMAP | locked)
    if behavior not in (MADV_DONTNEED, MADV_DONTNEED_LOCKED):
        return False
    if madv.start % PMD_SIZE:
        return False
    madv.end &= -PMD_SIZE
    return True


@mirrors("mm/madvise.c", checked="v7.2", abridged="no userfaultfd")
def madvise_dontneed_free(madv: madvise_behavior) -> int:
    """Give the range's contents up: unmap the pages, or let reclaim have them.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: 0, or -EINVAL for the wrong kind of mapping.
    """
    if not madvise_dontneed_free_valid_vma(madv):
        return -EINVAL
    if madv.start == madv.end:
        return 0
    if madv.behavior in (MADV_DONTNEED, MADV_DONTNEED_LOCKED):
        size = madv.end - madv.start
        zap_vma_range_batched(madv.tlb, madv.target, madv.start, size)
        return 0
    return madvise_free_single_vma(madv)


@mirrors("mm/madvise.c", checked="v7.2", abridged="no userfaultfd")
def madvise_remove(madv: madvise_behavior) -> int:
    """Free the file's pages behind a shared mapping: punch a hole there.

    Context: ``mmap_lock`` for reading, which is let go of meanwhile. May sleep.
    Return: 0; -EINVAL for the wrong kind of mapping, -EACCES if it cannot be written
        for all to see, or what the file says.
    """
    vma = madv.target
    madv.lock_dropped = True
    if vma.vm_flags & VM_LOCKED:
        return -EINVAL
    f = vma.vm_file
    if f is None:
        return -EINVAL
    if not vma.vm_flags & VM_SHARED or not vma.vm_flags & VM_MAYWRITE:
        return -EACCES
    offset = madv.start - vma.vm_start + (vma.vm_pgoff << PAGE_SHIFT)
    get_file(f)
    mmap_read_unlock(madv.mm)
    mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    error = vfs_fallocate(f, mode, offset, madv.end - madv.start)
    fput(f)
    mmap_read_lock(madv.mm)
    return error
