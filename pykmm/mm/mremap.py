# SPDX-License-Identifier: GPL-2.0-only
"""Moving pages to other addresses — ``mm/mremap.c``."""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.fs import i_mmap_lock_write, i_mmap_unlock_write
from ..linux.mm import (
    PAGE_SHIFT,
    PMD_MASK,
    PMD_SHIFT,
    PMD_SIZE,
    PTRS_PER_PTE,
    VM_HUGETLB,
)
from ..linux.mm_types import mm_struct, pgtable_t, vm_area_struct
from ..linux.mmap_lock import mmap_assert_write_locked
from ..linux.mmu_notifier import (
    MMU_NOTIFY_UNMAP,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.spinlock import spin_lock, spin_lock_nested, spin_unlock
from .hugetlb_move import move_hugetlb_page_tables
from .internal import anon_vma_lock_write, anon_vma_unlock_write
from .memory import _look_up, _pte_mask
from .memory_tables import _upper_alloc, pte_alloc

__all__ = ["move_page_tables", "pagetable_move_control"]

_SINGLE_DEPTH_NESTING: Final = 1

_BY_TABLE: Final = (
    "tables of the upper levels never move, so a move of whole GiB leaves some behind "
    "until the old mapping is gone; no huge pages but those of hugetlbfs"
)


@attrs.frozen(eq=False)
class pagetable_move_control:
    """What is to be moved, and where to."""

    old: vm_area_struct
    new: vm_area_struct
    old_addr: int
    new_addr: int
    len_in: int
    #: Whether somebody who looks for a page's mappings could miss both places.
    need_rmap_locks: bool = False


@mirrors("mm/mremap.c", checked="v7.2")
def take_rmap_locks(vma: vm_area_struct) -> None:
    """Keep out whoever comes to *vma* from a page, and would look for it twice in vain.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    if vma.vm_file is not None:
        i_mmap_lock_write(vma.vm_file.f_mapping)
    if vma.anon_vma is not None:
        anon_vma_lock_write(vma.anon_vma)


@mirrors("mm/mremap.c", checked="v7.2")
def drop_rmap_locks(vma: vm_area_struct) -> None:
    """Give back what :func:`take_rmap_locks` took."""
    if vma.anon_vma is not None:
        anon_vma_unlock_write(vma.anon_vma)
    if vma.vm_file is not None:
        i_mmap_unlock_write(vma.vm_file.f_mapping)


@mirrors("mm/mremap.c", checked="v7.2", abridged=_BY_TABLE)
def move_page_tables(pmc: pagetable_move_control) -> int:
    """Move what is mapped at the old addresses to the new ones, where nothing is.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: How many bytes were done: fewer if there was no memory for page tables.
    """
    if not pmc.len_in:
        return 0
    mm, start = pmc.old.vm_mm, pmc.old_addr
    end = start + pmc.len_in
    mmap_assert_write_locked(mm)
    if pmc.old.vm_flags & VM_HUGETLB:
        return move_hugetlb_page_tables(pmc.old, start, pmc.new_addr, pmc.len_in)
    change = mmu_notifier_range(MMU_NOTIFY_UNMAP, mm, start, end)
    mmu_notifier_invalidate_range_start(change)
    failed = None
    while start < end and failed is None:
        tables, upto = _look_up(mm, start, end)
        for table in tables:
            first = table.index << PMD_SHIFT
            stop = min(end, first + PMD_SIZE)
            failed = _move_table(pmc, table, max(start, first), stop)
            if failed is not None:
                break
        start = upto
    mmu_notifier_invalidate_range_end(change)
    return (end if failed is None else failed) - pmc.old_addr


def _move_table(
    pmc: pagetable_move_control, old: pgtable_t, start: int, stop: int
) -> int | None:
    """Move the entries for [start, stop) of the table *old*.

    Return: The address that there was no memory for, or None.
    """
    mm, by = pmc.new.vm_mm, pmc.new_addr - pmc.old_addr
    if stop - start == PMD_SIZE and not by & ~PMD_MASK:
        index = start + by >> PMD_SHIFT
        if _upper_alloc(mm, index):
            return start
        take_rmap_locks(pmc.old)
        moved = move_normal_pmd(mm, old, index)
        drop_rmap_locks(pmc.old)
        if moved:
            return None
    while start < stop:
        part = min(stop, (start + by | PMD_SIZE - 1) + 1 - by)
        new = pte_alloc(mm, start + by >> PMD_SHIFT)
        if not isinstance(new, pgtable_t):
            return start
        move_ptes(pmc, old, new, _pte_mask(start, part))
        start = part
    return None


@mirrors("mm/mremap.c", checked="v7.2", abridged=_BY_TABLE)
def move_normal_pmd(mm: mm_struct, table: pgtable_t, index: int) -> bool:
    """Hang a whole page-table page at another place.

    Context: ``mmap_lock`` for writing, and the locks of :func:`take_rmap_locks`; takes
        ``page_table_lock``.
    Return: False if there is a page-table page at *index*.
    """
    upper = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    t = enter(upper, "pmd_populate")
    free = index not in mm.pgd
    if free:
        mm.pgd[index] = mm.pgd.pop(table.index)
        table._renumber(index)
    leave(t, upper, Access.WRITE if free else Access.READ, index)
    spin_unlock(mm.page_table_lock)
    return free


@mirrors(
    "mm/mremap.c",
    checked="v7.2",
    abridged="takes a table's entries at once",
)
def move_ptes(
    pmc: pagetable_move_control, old: pgtable_t, new: pgtable_t, mask: int
) -> None:
    """Move the entries in *mask* of *old* into *new*, one by one.

    Context: As :func:`move_page_tables`; takes the locks of both tables.
    """
    if pmc.need_rmap_locks:
        take_rmap_locks(pmc.old)
    spin_lock(old.ptl)
    if new is not old:
        spin_lock_nested(new.ptl, _SINGLE_DEPTH_NESTING)
    by = pmc.new_addr - pmc.old_addr >> PAGE_SHIFT
    old._move_to(new, mask, by - (new.index - old.index) * PTRS_PER_PTE)
    if new is not old:
        spin_unlock(new.ptl)
    spin_unlock(old.ptl)
    if pmc.need_rmap_locks:
        drop_rmap_locks(pmc.old)
