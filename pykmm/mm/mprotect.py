# SPDX-License-Identifier: GPL-2.0-only
"""Changing what may be done with memory — ``mm/mprotect.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EACCES, EINTR, EINVAL, ENOMEM, EPERM
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SHIFT,
    PMD_SIZE,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_HUGETLB,
    VM_LOCKED,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
    for_each_vma_range,
    vma_find,
    vma_is_anonymous,
    vma_prev,
)
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    VMA_ITERATOR,
    mm_struct,
    pgtable_t,
    vm_area_struct,
    vma_iterator,
)
from ..linux.mman import arch_validate_prot, calc_vm_prot_bits, vm_unacct_memory
from ..linux.mmap_lock import (
    mmap_write_lock_killable,
    mmap_write_unlock,
    vma_start_write,
)
from ..linux.mmu_notifier import (
    MMU_NOTIFY_PROTECTION_VMA,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.sched import current
from ..linux.security import security_vm_enough_memory_mm
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.uapi_mman import PROT_GROWSDOWN, PROT_GROWSUP
from ..linux.vm_flags import VM_ACCESS_FLAGS
from .gup import populate_vma_page_range
from .memory import _pte_mask, _pte_tables
from .mmap_limits import may_expand_vm, vm_stat_account
from .vma import map_deny_write_exec, vma_is_sealed
from .vma_iter import vma_iter_end
from .vma_modify import vma_modify_flags

__all__ = ["change_protection", "mprotect"]

_LAZY = (
    "what becomes writable again is found out by the next write, which faults, instead "
    "of here: a fault more, and nothing else"
)


@mirrors("mm/mprotect.c", checked="v7.2", abridged=_LAZY)
def change_pte_range(table: pgtable_t, mask: int, flags: int) -> None:
    """Have the entries in *mask* allow no more than *flags* do.

    Context: ``mmap_lock`` for writing; takes the table's lock.
    """
    spin_lock(table.ptl)
    if not flags & VM_WRITE:
        own = table.present[MM_ANONPAGES] | table.present[_PFN_ENTRIES]
        table.readonly |= (own | table.dirty) & mask
    if flags & VM_ACCESS_FLAGS:
        table.protnone &= ~mask
    else:
        table.protnone |= table._mapped() & mask
    spin_unlock(table.ptl)


@mirrors("mm/mprotect.c", checked="v7.2", abridged="no huge pages, no userfaultfd")
def change_protection(vma: vm_area_struct, start: int, end: int) -> None:
    """Have the page tables of [start, end) allow no more than *vma* does.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    mm, flags = vma.vm_mm, vma.vm_flags
    if flags & VM_HUGETLB:
        return
    change = mmu_notifier_range(MMU_NOTIFY_PROTECTION_VMA, mm, start, end)
    started = False
    for table in _pte_tables(mm, start, end):
        if not started:
            mmu_notifier_invalidate_range_start(change)
            started = True
        first = table.index << PMD_SHIFT
        mask = _pte_mask(max(start, first), min(end, first + PMD_SIZE))
        change_pte_range(table, mask, flags)
    if started:
        mmu_notifier_invalidate_range_end(change)


def _account(vma: vm_area_struct, newflags: int, pages: int) -> tuple[int, int, int]:
    """Promise memory to what becomes private and writable, or take that back.

    A promise that was made stays while there may be pages.

    Return: 0 or -ENOMEM; the flags; and how many pages were promised.
    """
    mm, oldflags = vma.vm_mm, vma.vm_flags
    if newflags & VM_WRITE:
        if not may_expand_vm(mm, newflags, pages) and may_expand_vm(
            mm, oldflags, pages
        ):
            return -ENOMEM, 0, 0
        if not oldflags & (
            VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE
        ):
            if security_vm_enough_memory_mm(mm, pages):
                return -ENOMEM, 0, 0
            return 0, newflags | VM_ACCOUNT, pages
    elif oldflags & VM_ACCOUNT and vma_is_anonymous(vma) and vma.anon_vma is None:
        newflags &= ~VM_ACCOUNT
    return 0, newflags, 0


@mirrors("mm/mprotect.c", checked="v7.2", abridged="no check of frame numbers")
def mprotect_fixup(
    vmi: vma_iterator,
    vma: vm_area_struct,
    prev: vm_area_struct | None,
    start: int,
    end: int,
    newflags: int,
) -> tuple[int, vm_area_struct | None]:
    """Give [start, end) of *vma* new flags, and its pages what these allow.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, -EPERM for a sealed mapping, or -ENOMEM; and the mapping that the range
        belongs to now.
    """
    if vma_is_sealed(vma):
        return -EPERM, prev
    mm, oldflags, pages = vma.vm_mm, vma.vm_flags, end - start >> PAGE_SHIFT
    if newflags == oldflags:
        return 0, vma
    error, newflags, charged = _account(vma, newflags, pages)
    if error:
        return error, prev
    modified = vma_modify_flags(vmi, prev, vma, start, end, newflags)
    if isinstance(modified, int):
        vm_unacct_memory(charged)
        return modified, prev
    vma, newflags = modified
    vma_start_write(vma)
    vma.vm_flags = newflags
    change_protection(vma, start, end)
    if oldflags & VM_ACCOUNT and not newflags & VM_ACCOUNT:
        vm_unacct_memory(pages)
    if (
        newflags & VM_WRITE
        and oldflags & VM_LOCKED
        and not oldflags & (VM_WRITE | VM_SHARED)
    ):
        populate_vma_page_range(vma, start, end)
    vm_stat_account(mm, oldflags, -pages)
    vm_stat_account(mm, newflags, pages)
    return 0, vma


def _first(
    vmi: vma_iterator, start: int, end: int, grows: int
) -> tuple[int, vm_area_struct | None, int, int]:
    """Find where to begin: an error or 0, the mapping, and the range to change."""
    vma = vma_find(vmi, end)
    if vma is None:
        return -ENOMEM, None, start, end
    if grows & PROT_GROWSDOWN:
        if vma.vm_start >= end:
            return -ENOMEM, None, start, end
        start = vma.vm_start
        return (0 if vma.vm_flags & VM_GROWSDOWN else -EINVAL), vma, start, end
    if vma.vm_start > start:
        return -ENOMEM, None, start, end
    if grows & PROT_GROWSUP:  # nothing grows up here
        return -EINVAL, None, start, end
    return 0, vma, start, end


def _change_all(
    vmi: vma_iterator, first: vm_area_struct, start: int, end: int, prot: int
) -> int:
    """Change one mapping after the other, up to the first that cannot be."""
    prev = vma_prev(vmi)
    if start > first.vm_start:
        prev = first
    nstart, reached = start, first.vm_start
    for vma in for_each_vma_range(vmi, end):
        if vma.vm_start != reached:
            return -ENOMEM
        newflags = calc_vm_prot_bits(prot) | vma.vm_flags & ~VM_ACCESS_FLAGS
        # Each VM_MAY* flag stands four bits above the one that it allows.
        if newflags & ~(newflags >> 4) & VM_ACCESS_FLAGS:
            return -EACCES
        if map_deny_write_exec(vma.vm_flags, newflags):
            return -EACCES
        reached = min(vma.vm_end, end)
        error, prev = mprotect_fixup(vmi, vma, prev, nstart, reached, newflags)
        if error:
            return error
        nstart = reached = vma_iter_end(vmi)
    return -ENOMEM if reached < end else 0


@mirrors("mm/mprotect.c", checked="v7.2", abridged="no protection keys")
def do_mprotect_pkey(mm: mm_struct, start: int, length: int, prot: int) -> int:
    """Change what may be done with [start, start + length) of current's memory.

    Context: Takes ``mmap_lock`` for writing. May sleep.
    Return: 0; -EINVAL for an argument that cannot be, -EINTR, -EACCES where the
        mapping forbids it for good, -EPERM where it is sealed, -ENOMEM for a hole, for
        too many mappings, and beyond a limit: what comes before is changed.
    """
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    prot &= ~grows
    if grows == PROT_GROWSDOWN | PROT_GROWSUP or start & ~PAGE_MASK:
        return -EINVAL
    if not length:
        return 0
    end = start + (length + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK) & ULONG_MAX
    if end <= start:
        return -ENOMEM
    if not arch_validate_prot(prot, start):
        return -EINVAL
    if mmap_write_lock_killable(mm):
        return -EINTR
    vmi = VMA_ITERATOR(mm, start)
    error, vma, start, end = _first(vmi, start, end, grows)
    if vma is not None and not error:
        error = _change_all(vmi, vma, start, end, prot)
    mmap_write_unlock(mm)
    return error


def mprotect(start: int, length: int, prot: int) -> int:
    """System call: see :func:`do_mprotect_pkey`."""
    mm = current().mm
    assert mm is not None  # a program has one
    return do_mprotect_pkey(mm, start, length, prot)
