# SPDX-License-Identifier: GPL-2.0-only
"""Giving a child its parent's huge pages — part of ``mm/hugetlb.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux._huge_folio import HugePte
from ..linux.atomic import atomic_inc
from ..linux.hugetlb import hugetlb_count_add
from ..linux.mm import PMD_SHIFT, PTRS_PER_PTE, is_cow_mapping
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.refcount import refcount_inc
from ..linux.spinlock import spin_lock, spin_lock_nested, spin_unlock
from .hugetlb_wp import _set_huge_pte
from .memory_tables import _upper_alloc

__all__ = ["copy_hugetlb_page_range"]

_SINGLE_DEPTH_NESTING: Final = 1


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="no sharing of tables; a page that somebody has pinned is shared as well",
)
def copy_hugetlb_page_range(dst_vma: vm_area_struct, src_vma: vm_area_struct) -> int:
    """Map in the child's *dst_vma* what the parent's *src_vma* maps.

    Private memory is write-protected on both sides.

    Context: ``mmap_lock`` of both for writing. May sleep.
    Return: 0, or -ENOMEM with a part of it done.
    """
    src, dst = src_vma.vm_mm, dst_vma.vm_mm
    start, end = src_vma.vm_start, src_vma.vm_end
    cow = is_cow_mapping(src_vma.vm_flags)
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, src, start, end)
    if cow:
        mmu_notifier_invalidate_range_start(change)
    ret: int = 0
    for index in range(start >> PMD_SHIFT, end >> PMD_SHIFT):
        if index not in src._hugetlb:
            continue
        if _upper_alloc(dst, index):
            ret = -ENOMEM
            break
        _copy_one(dst, src, index, cow)
    if cow:
        mmu_notifier_invalidate_range_end(change)
    return ret


def _copy_one(dst: mm_struct, src: mm_struct, index: int, cow: bool) -> None:
    """Map one page, unless somebody has taken it away from the parent meanwhile."""
    spin_lock(dst.page_table_lock)
    spin_lock_nested(src.page_table_lock, _SINGLE_DEPTH_NESTING)
    entry = src._hugetlb.get(index)
    if entry is not None:
        refcount_inc(entry.folio._refcount)
        atomic_inc(entry.folio._mapcount)
        if cow and entry.writable:
            entry = HugePte(entry.folio, False)
            _set_huge_pte(src, index, entry, "huge_ptep_set_wrprotect")
        _set_huge_pte(dst, index, entry)
        hugetlb_count_add(PTRS_PER_PTE, dst)
    spin_unlock(src.page_table_lock)
    spin_unlock(dst.page_table_lock)
