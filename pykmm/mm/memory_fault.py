# SPDX-License-Identifier: GPL-2.0-only
"""Touching memory — the faults of ``mm/memory.c``.

A fault looks at ``MMF_UNSTABLE`` under the page-table lock, just before it puts a
page where none is. A reaper sets the flag before it visits the table. So either
the page is there when the reaper comes, or the fault has seen the flag: no page
survives a reap, and none that was lost is silently replaced.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import enter, leave
from ..linux.mm import (
    PAGE_SHIFT,
    PMD_SHIFT,
    PMD_SIZE,
    VM_FAULT_OOM,
    VM_FAULT_SIGBUS,
    VM_HUGETLB,
    VM_PFNMAP,
    VM_SHARED,
    add_mm_counter,
    mm_flags_test,
    vma_is_anonymous,
)
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    MMF_UNSTABLE,
    NR_MM_COUNTERS,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmzone import NODE_DATA
from ..linux.spinlock import spin_lock, spin_unlock
from .filemap import filemap_fault_range
from .memory import _pte_mask
from .memory_tables import pte_alloc
from .page_alloc import __free_pages, _alloc_bulk
from .swapfile import swap_put_entries_direct

__all__ = ["_fault_in_range"]

_BY_TABLE: Final = (
    "all faults in one page-table page happen at once, under one hold of its lock, and "
    "find their pages at once: nobody comes between two of them"
)


@attrs.frozen
class _Change:
    """What a fault will do to the entries of one page-table page."""

    #: Entries that map nothing yet, and how they will count.
    missing: int
    member: int
    #: Entries whose page becomes a private copy: of a file's page or of zeroes.
    copied: int
    #: Entries whose page comes back from swap.
    swapped: int

    def pages(self) -> int:
        """Count the pages of anonymous memory that it takes."""
        own = self.missing if self.member == MM_ANONPAGES else 0
        return (own | self.copied | self.swapped).bit_count()


def _kind(vma: vm_area_struct, *, write: bool) -> int:
    """Say how a page counts that a fault puts where none is."""
    if vma_is_anonymous(vma):
        return MM_ANONPAGES if write else _PFN_ENTRIES
    if write and not vma.vm_flags & VM_SHARED:
        return MM_ANONPAGES
    assert vma.vm_file is not None  # frame numbers are turned away before
    return MM_SHMEMPAGES if vma.vm_file.is_shmem else MM_FILEPAGES


def _change(
    table: pgtable_t, mask: int, member: int, *, write: bool, private: bool
) -> _Change:
    """See what has to be done about the entries in *mask*."""
    present = table.present
    there = 0
    for bits in present:
        there |= bits
    copied = 0
    if write and private:
        copied = present[MM_FILEPAGES] | present[MM_SHMEMPAGES] | present[_PFN_ENTRIES]
    return _Change(mask & ~there, member, copied & mask, present[MM_SWAPENTS] & mask)


def _fault_in_range(
    vma: vm_area_struct, start: int, end: int, *, write: bool = True
) -> int:
    """Touch every page of [start, end), which lies in *vma*.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: 0; VM_FAULT_SIGBUS or VM_FAULT_OOM from the first page-table page where
        that happened: what lies before it has been touched.
    """
    if vma.vm_flags & (VM_PFNMAP | VM_HUGETLB):
        return VM_FAULT_SIGBUS
    while start < end:
        stop = min((start | PMD_SIZE - 1) + 1, end)
        ret = handle_pte_fault(vma, start, stop, write=write)
        if ret:
            return ret
        start = stop
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def handle_pte_fault(vma: vm_area_struct, addr: int, end: int, *, write: bool) -> int:
    """Touch the pages of [addr, end), which lies in one page-table page.

    Context: As :func:`_fault_in_range`.
    Return: 0, VM_FAULT_SIGBUS or VM_FAULT_OOM.
    """
    nr = (end - addr) >> PAGE_SHIFT
    if vma.vm_file is not None:
        offset = vma.vm_pgoff + ((addr - vma.vm_start) >> PAGE_SHIFT)
        if filemap_fault_range(vma.vm_file.f_mapping, offset, nr):
            return VM_FAULT_OOM
    table = pte_alloc(vma.vm_mm, addr >> PMD_SHIFT)
    if not isinstance(table, pgtable_t):
        return VM_FAULT_OOM
    return _fault_in_table(vma, table, _pte_mask(addr, end), write=write)


def _fault_in_table(
    vma: vm_area_struct, table: pgtable_t, mask: int, *, write: bool
) -> int:
    """Try until nobody unmaps pages between counting and filling them."""
    ret = None
    while ret is None:
        ret = _try_fault_in_table(vma, table, mask, write=write)
    return ret


def _try_fault_in_table(
    vma: vm_area_struct, table: pgtable_t, mask: int, *, write: bool
) -> int | None:
    member = _kind(vma, write=write)
    private = not vma.vm_flags & VM_SHARED
    t = enter(table.ptl, "ptep_get")
    expected = _change(table, mask, member, write=write, private=private).pages()
    leave(t, table.ptl, Access.READ, expected)
    nid = _alloc_for(table, expected)
    if nid < 0:
        return VM_FAULT_OOM
    spin_lock(table.ptl)
    change = _change(table, mask, member, write=write, private=private)
    ret: int | None = 0
    # check_stable_address_space(): a page that is missing may have been reaped.
    if change.missing and private and mm_flags_test(MMF_UNSTABLE, vma.vm_mm):
        ret = VM_FAULT_SIGBUS
    used = 0
    if not ret:
        used = change.pages()
        moved_on = used and table.present[MM_ANONPAGES] and table.page_nid != nid
        if used > expected or moved_on:
            ret, used = None, 0
        else:
            _install_pages(vma.vm_mm, table, change, nid)
    spin_unlock(table.ptl)
    if used < expected:
        __free_pages(expected - used, nid)
    return ret


def _alloc_for(table: pgtable_t, pages: int) -> int:
    """Take *pages* for *table*, all of whose pages are of one node.

    Return: The node, or below 0 if it has not as many.
    """
    if not pages:
        return table.page_nid
    if not table.present[MM_ANONPAGES]:
        return _alloc_bulk(pages, table.page_nid)
    return table.page_nid if NODE_DATA(table.page_nid).nr_free_pages.take(pages) else -1


def _install_pages(mm: mm_struct, table: pgtable_t, change: _Change, nid: int) -> None:
    """Fill the entries with pages, those that are new from *nid*.

    Context: The table's lock.
    """
    present = table.present
    rss = [0] * len(present)
    moved = change.copied | change.swapped
    for member, bits in enumerate(present):
        gone = bits & moved
        present[member] ^= gone
        rss[member] -= gone.bit_count()
    for member, bits in ((MM_ANONPAGES, moved), (change.member, change.missing)):
        present[member] |= bits
        rss[member] += bits.bit_count()
    if change.pages():
        table.page_nid = nid
    if change.swapped:
        swap_put_entries_direct(change.swapped.bit_count())
    for member in range(NR_MM_COUNTERS):
        if rss[member]:
            add_mm_counter(mm, member, rss[member])
