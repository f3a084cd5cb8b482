# SPDX-License-Identifier: GPL-2.0-only
"""Touching huge pages — the faults of ``mm/hugetlb.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import enter, leave
from ..linux.hugetlb import hugetlb_count_add
from ..linux.mm import (
    PMD_SHIFT,
    PTRS_PER_PTE,
    VM_FAULT_OOM,
    VM_FAULT_SIGBUS,
    VM_MAYSHARE,
)
from ..linux.mm_types import address_space, vm_area_struct
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.spinlock import spin_lock, spin_unlock
from .hugetlb_pool import _hugetlb_offset, alloc_hugetlb_folio, the_hstate
from .memory_tables import _upper_alloc

__all__ = ["hugetlb_fault"]


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="one fault at a time; a private mapping has a page of its own from the "
    "first fault on, be it a read, and none of its file's; fork shares no pages",
)
def hugetlb_fault(vma: vm_area_struct, address: int) -> int:
    """Have the huge page at *address* in memory.

    Context: ``mmap_lock`` or the lock of *vma*, for reading. May sleep.
    Return: 0; VM_FAULT_SIGBUS behind the end of the file, and if the pool is empty;
        VM_FAULT_OOM if there is no memory for page tables.
    """
    mm, index = vma.vm_mm, address >> PMD_SHIFT
    if _upper_alloc(mm, index):
        return VM_FAULT_OOM
    h = the_hstate()
    mutex_lock(h.hugetlb_fault_mutex_table)
    field = field_of(mm, "pgd")
    t = enter(field, "huge_ptep_get")
    there = index in mm._huge or index in mm._hugetlb
    leave(t, field, Access.READ, there)
    ret = 0 if there else hugetlb_no_page(vma, index)
    mutex_unlock(h.hugetlb_fault_mutex_table)
    return ret


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="see hugetlb_fault()")
def hugetlb_no_page(vma: vm_area_struct, index: int) -> int:
    """Map a page of the file, or one of its own, where none is.

    Context: The fault mutex.
    Return: 0 or VM_FAULT_SIGBUS.
    """
    assert vma.vm_file is not None  # every such mapping has one
    mm, mapping = vma.vm_mm, vma.vm_file.f_mapping
    offset = _hugetlb_offset(vma, index << PMD_SHIFT)
    if _is_behind_end(mapping, offset):
        return VM_FAULT_SIGBUS
    nid = None
    if not vma.vm_flags & VM_MAYSHARE or offset not in mapping._huge:
        nid = alloc_hugetlb_folio(vma, offset)
        if nid is None:
            return VM_FAULT_SIGBUS
    if vma.vm_flags & VM_MAYSHARE and nid is not None:
        mapping._huge[offset] = nid
        nid = None
    field = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    t = enter(field, "set_huge_pte_at")
    mm._hugetlb[index] = nid
    leave(t, field, Access.WRITE, index)
    hugetlb_count_add(PTRS_PER_PTE, mm)
    spin_unlock(mm.page_table_lock)
    return 0


def _is_behind_end(mapping: address_space, offset: int) -> bool:
    size = mapping._i_size
    return size is not None and offset >= size >> PMD_SHIFT
