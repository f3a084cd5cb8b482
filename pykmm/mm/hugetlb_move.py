# SPDX-License-Identifier: GPL-2.0-only
"""Moving huge pages to other addresses — part of ``mm/hugetlb.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.fs import i_mmap_lock_write, i_mmap_unlock_write
from ..linux.mm import PMD_SHIFT, PMD_SIZE
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.spinlock import spin_lock, spin_unlock
from .memory_tables import _upper_alloc

__all__ = ["move_hugetlb_page_tables"]


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="no sharing of tables")
def move_hugetlb_page_tables(
    vma: vm_area_struct, old_addr: int, new_addr: int, length: int
) -> int:
    """Move the huge pages of *vma* to *new_addr*, where nothing is.

    Context: ``mmap_lock`` for writing. May sleep; takes ``i_mmap_rwsem``.
    Return: How many bytes were done: fewer if there was no memory for page tables.
    """
    assert vma.vm_file is not None  # every such mapping has one
    mm, mapping = vma.vm_mm, vma.vm_file.f_mapping
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, old_addr, old_addr + length)
    mmu_notifier_invalidate_range_start(change)
    i_mmap_lock_write(mapping)
    done = 0
    while done < length:
        old, new = old_addr + done >> PMD_SHIFT, new_addr + done >> PMD_SHIFT
        if old in mm._hugetlb:
            if _upper_alloc(mm, new):
                break
            _move_huge_pte(mm, old, new)
        done += PMD_SIZE
    i_mmap_unlock_write(mapping)
    mmu_notifier_invalidate_range_end(change)
    return done


def _move_huge_pte(mm: mm_struct, old: int, new: int) -> None:
    field = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    t = enter(field, "move_huge_pte")
    if old in mm._hugetlb:
        mm._hugetlb[new] = mm._hugetlb.pop(old)
    leave(t, field, Access.WRITE, new)
    spin_unlock(mm.page_table_lock)
