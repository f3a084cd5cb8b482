# SPDX-License-Identifier: GPL-2.0-only
"""Touching huge pages — the faults of ``mm/hugetlb.c``."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..lib.ratelimit import ___ratelimit
from ..linux._huge_folio import HugeFolio, HugePte
from ..linux.atomic import atomic_inc
from ..linux.compiler import READ_ONCE
from ..linux.hugetlb import hugetlb_count_add
from ..linux.mm import (
    PMD_SHIFT,
    PTRS_PER_PTE,
    VM_FAULT_OOM,
    VM_FAULT_SIGBUS,
    VM_MAYSHARE,
    VM_SHARED,
    VM_WRITE,
)
from ..linux.mm_types import address_space, vm_area_struct
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.printk import pr_warn
from ..linux.refcount import refcount_inc
from ..linux.sched import current
from ..linux.spinlock import spin_lock, spin_unlock
from .hugetlb_pool import the_hstate
from .hugetlb_resv import HPAGE_RESV_UNMAPPED, _hugetlb_offset, alloc_hugetlb_folio
from .hugetlb_wp import _AGAIN, _set_huge_pte, hugetlb_wp
from .memory_tables import _upper_alloc

__all__ = ["hugetlb_fault"]

_vmf_anon_prepare: Callable[[vm_area_struct], int] = extern(
    "pykmm.mm.memory_fault", "__vmf_anon_prepare"
)


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="one fault at a time, whatever it is for; no migration",
)
def hugetlb_fault(vma: vm_area_struct, address: int, *, write: bool) -> int:
    """Have the huge page at *address* in memory, and to be written if *write*.

    Context: ``mmap_lock`` or the lock of *vma*, for reading. May sleep.
    Return: 0; VM_FAULT_SIGBUS behind the end of the file, if the pool is empty, and for
        what was taken away; VM_FAULT_OOM if there is no memory for page tables;
        VM_FAULT_RETRY for want of ``mmap_lock``.
    """
    index, faults = address >> PMD_SHIFT, the_hstate().hugetlb_fault_mutex_table
    ret = _AGAIN
    while ret == _AGAIN:
        mutex_lock(faults)
        failed = _upper_alloc(vma.vm_mm, index)
        ret = VM_FAULT_OOM if failed else _fault(vma, index, write)
        mutex_unlock(faults)
    return ret


def _fault(vma: vm_area_struct, index: int, write: bool) -> int:
    mm = vma.vm_mm
    field = field_of(mm, "pgd")
    t = enter(field, "huge_ptep_get")
    entry = mm._hugetlb.get(index)
    leave(t, field, Access.READ, entry is not None)
    if entry is None:
        return hugetlb_no_page(vma, index, write)
    if not write or entry.writable:
        return 0
    spin_lock(mm.page_table_lock)
    there = mm._hugetlb.get(index) is entry
    ret = hugetlb_wp(vma, index) if there else _AGAIN
    spin_unlock(mm.page_table_lock)
    return ret


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="see hugetlb_fault()")
def hugetlb_no_page(vma: vm_area_struct, index: int, write: bool) -> int:
    """Map a page of the file, or one of its own, where none is.

    A private mapping has the file's page as long as it only reads.

    Context: The fault mutex.
    Return: As :func:`hugetlb_fault`, or _AGAIN.
    """
    assert vma.vm_file is not None  # every such mapping has one
    mm, mapping = vma.vm_mm, vma.vm_file.f_mapping
    if READ_ONCE(vma).vm_private_data is HPAGE_RESV_UNMAPPED:
        if ___ratelimit(the_hstate().warnings, "hugetlb_no_page"):
            pr_warn(f"PID {current().pid} killed due to inadequate hugepage pool")
        return VM_FAULT_SIGBUS
    offset = _hugetlb_offset(vma, index << PMD_SHIFT)
    folio = mapping._huge.get(offset)
    if folio is not None:
        refcount_inc(folio._refcount)
    elif _is_behind_end(mapping, offset):
        return VM_FAULT_SIGBUS
    else:
        found = _new_page(vma, mapping, offset)
        if not isinstance(found, HugeFolio):
            return found
        folio = found
    spin_lock(mm.page_table_lock)
    atomic_inc(folio._mapcount)
    shared = VM_SHARED | VM_WRITE
    _set_huge_pte(mm, index, HugePte(folio, vma.vm_flags & shared == shared))
    hugetlb_count_add(PTRS_PER_PTE, mm)
    private_write = write and not vma.vm_flags & VM_SHARED
    ret = hugetlb_wp(vma, index) if private_write else 0
    spin_unlock(mm.page_table_lock)
    return ret


def _new_page(
    vma: vm_area_struct, mapping: address_space, offset: int
) -> HugeFolio | int:
    """Take a page for the file, or for a private mapping alone.

    Return: The page, with a reference for the entry; or the fault's error.
    """
    private = not vma.vm_flags & VM_MAYSHARE
    if private:
        ret = _vmf_anon_prepare(vma)
        if ret:
            return ret
    folio = alloc_hugetlb_folio(vma, offset, cow_from_owner=False)
    if folio is None:
        return VM_FAULT_SIGBUS
    folio.is_anon, folio.restore_reserve = private, False
    if not private:
        refcount_inc(folio._refcount)
        mapping._huge[offset] = folio
    return folio


def _is_behind_end(mapping: address_space, offset: int) -> bool:
    return offset >= mapping._i_size >> PMD_SHIFT
