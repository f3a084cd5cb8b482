# SPDX-License-Identifier: GPL-2.0-only
"""Writing huge pages that others may map, too — part of ``mm/hugetlb.c``.

The pool may be empty when a page is to be copied. Who reserved its pages was promised
that it can write them; so its children, who were promised nothing, lose theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux._huge_folio import HugeFolio, HugePte
from ..linux.atomic import atomic_dec, atomic_inc, atomic_read
from ..linux.compiler import READ_ONCE
from ..linux.fs import i_mmap_lock_write, i_mmap_unlock_write
from ..linux.mm import (
    PAGE_SHIFT,
    PMD_SHIFT,
    PMD_SIZE,
    VM_FAULT_SIGBUS,
    VM_MAYSHARE,
    VM_WRITE,
)
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.refcount import refcount_inc
from ..linux.spinlock import spin_lock, spin_unlock
from .hugetlb import unmap_hugepage_range
from .hugetlb_pool import huge_folio_put, the_hstate
from .hugetlb_resv import (
    _hugetlb_offset,
    alloc_hugetlb_folio,
    restore_reserve_on_error,
    resv_map,
)

__all__ = ["_AGAIN", "_set_huge_pte", "hugetlb_wp"]

#: What a fault comes to that did nothing, because the entry has become another one.
#: Linux says that all is done, and the access raises the next fault.
_AGAIN: Final = -1

_vmf_anon_prepare: Callable[[vm_area_struct], int] = extern(
    "pykmm.mm.memory_fault", "__vmf_anon_prepare"
)

_NO_FOLIO_LOCK = "the mutex of faults is the only lock of a page"


def _set_huge_pte(
    mm: mm_struct, index: int, entry: HugePte, kind: str = "set_huge_pte_at"
) -> None:
    """Change an entry, in a step.

    Context: ``page_table_lock``.
    """
    field = field_of(mm, "pgd")
    t = enter(field, kind)
    mm._hugetlb[index] = entry
    leave(t, field, Access.WRITE, index)


@mirrors("mm/hugetlb.c", checked="v7.2")
def unmap_ref_private(vma: vm_area_struct, folio: HugeFolio, offset: int) -> None:
    """Take a page away from all private mappings that have no reservation.

    Context: No lock but that of *vma*. May sleep; takes ``i_mmap_rwsem``.
    """
    assert vma.vm_file is not None  # every such mapping has one
    mapping = vma.vm_file.f_mapping
    i_mmap_lock_write(mapping)
    for other in list(mapping.i_mmap):
        state = other.__dict__
        address = state["vm_start"] + (offset << PMD_SHIFT)
        address -= state["vm_pgoff"] << PAGE_SHIFT
        if other is vma or not state["vm_start"] <= address < state["vm_end"]:
            continue
        if state["vm_flags"] & VM_MAYSHARE:
            continue
        if not isinstance(state["vm_private_data"], resv_map):
            unmap_hugepage_range(other, address, address + PMD_SIZE, folio)
    i_mmap_unlock_write(mapping)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_NO_FOLIO_LOCK)
def hugetlb_wp(vma: vm_area_struct, index: int) -> int:
    """Let the page at *index* be written: it, or a copy of its own.

    Context: The fault mutex and ``page_table_lock``; both may be given back for a
        while.
    Return: 0, VM_FAULT_SIGBUS without a page for the copy, VM_FAULT_RETRY, or _AGAIN.
    """
    mm = vma.vm_mm
    entry = mm._hugetlb[index]
    if vma.vm_flags & VM_MAYSHARE:
        _set_huge_pte(mm, index, HugePte(entry.folio, True))
        return 0
    old = entry.folio
    offset = _hugetlb_offset(vma, index << PMD_SHIFT)
    while True:
        if old.is_anon and atomic_read(old._mapcount) == 1:
            writable = bool(vma.vm_flags & VM_WRITE)
            _set_huge_pte(mm, index, HugePte(old, writable))
            return 0
        own: object = READ_ONCE(vma).vm_private_data
        cow_from_owner = isinstance(own, resv_map) and old.is_anon
        refcount_inc(old._refcount)
        spin_unlock(mm.page_table_lock)
        new = alloc_hugetlb_folio(vma, offset, cow_from_owner)
        if new is not None:
            return _copy(vma, index, entry, new)
        if cow_from_owner:
            _take_away(vma, old, offset)
        else:
            huge_folio_put(old)
        spin_lock(mm.page_table_lock)
        if not cow_from_owner:
            return VM_FAULT_SIGBUS
        if mm._hugetlb.get(index) is not entry:
            return _AGAIN


def _take_away(vma: vm_area_struct, old: HugeFolio, offset: int) -> None:
    """Leave *old* to *vma* alone; without the mutex, which others' faults need."""
    faults = the_hstate().hugetlb_fault_mutex_table
    huge_folio_put(old)
    mutex_unlock(faults)
    unmap_ref_private(vma, old, offset)
    mutex_lock(faults)


def _copy(vma: vm_area_struct, index: int, entry: HugePte, new: HugeFolio) -> int:
    """Map a copy in the place of *entry*, if that is still there.

    Context: The fault mutex; a reference on the old page and on *new* goes with the
        call. Comes back with ``page_table_lock``.
    Return: 0, VM_FAULT_RETRY, or _AGAIN.
    """
    mm, start, old = vma.vm_mm, index << PMD_SHIFT, entry.folio
    ret = _vmf_anon_prepare(vma)
    spare = new
    if not ret:
        ret = _AGAIN
        change = mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, start, start + PMD_SIZE)
        mmu_notifier_invalidate_range_start(change)
        spin_lock(mm.page_table_lock)
        if mm._hugetlb.get(index) is entry:
            atomic_dec(old._mapcount)
            new.is_anon, new.restore_reserve = True, False
            atomic_inc(new._mapcount)
            writable = bool(vma.vm_flags & VM_WRITE)
            _set_huge_pte(mm, index, HugePte(new, writable))
            ret, spare = 0, old
        spin_unlock(mm.page_table_lock)
        mmu_notifier_invalidate_range_end(change)
    if spare is new:
        restore_reserve_on_error(vma, _hugetlb_offset(vma, start), new)
    huge_folio_put(spare)
    huge_folio_put(old)
    spin_lock(mm.page_table_lock)
    return ret
