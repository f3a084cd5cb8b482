# SPDX-License-Identifier: GPL-2.0-only
"""Faulting pages in before anybody touches them — ``mm/gup.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EFAULT, EINTR, EINVAL, ENOMEM
from ..linux.mm import (
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_FAULT_OOM,
    VM_IO,
    VM_LOCKONFAULT,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
    vma_lookup,
)
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.mmap_lock import mmap_assert_locked, mmap_read_lock, mmap_read_unlock
from ..linux.sched import current
from ..linux.sched.signal import fatal_signal_pending
from ..linux.vm_flags import VM_ACCESS_FLAGS
from .memory_fault import FAULT_FLAG_WRITE, handle_mm_fault
from .mmap_find import find_vma_intersection

__all__ = ["__mm_populate", "faultin_page_range", "populate_vma_page_range"]

_UNLOCKED = (
    "a fault never drops the lock; a signal is looked for once for each page-table "
    "page, because its faults happen at once"
)


def _populate(vma: vm_area_struct, start: int, end: int, *, write: bool) -> int:
    """Fault [start, end) of *vma* in: the number of pages, or the first one's error."""
    flags = FAULT_FLAG_WRITE if write else 0
    at = start
    ret: int = 0
    while at < end and not ret:
        if fatal_signal_pending(current()):
            ret = -EINTR
            break
        fault, at = handle_mm_fault(vma, at, end, flags)
        if fault:
            ret = -ENOMEM if fault & VM_FAULT_OOM else -EFAULT
    done = at - start >> PAGE_SHIFT
    return done or ret


@mirrors("mm/gup.c", checked="v7.2", abridged=_UNLOCKED)
def populate_vma_page_range(vma: vm_area_struct, start: int, end: int) -> int:
    """Have all pages of [start, end) in memory; private ones as the process's own.

    Context: ``mmap_lock``. May sleep.
    Return: How many pages from *start* on are done, which may be fewer; or -EFAULT,
        -ENOMEM or -EINTR for the first one.
    """
    mmap_assert_locked(vma.vm_mm)
    flags = vma.vm_flags
    if flags & VM_LOCKONFAULT:
        return end - start >> PAGE_SHIFT
    if not flags & VM_ACCESS_FLAGS:
        return -EFAULT
    return _populate(vma, start, end, write=flags & (VM_WRITE | VM_SHARED) == VM_WRITE)


@mirrors("mm/gup.c", checked="v7.2", abridged=_UNLOCKED)
def faultin_page_range(mm: mm_struct, start: int, end: int, write: bool) -> int:
    """Fault pages in as if they were read or written, for ``madvise()``.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: How many pages from *start* on are done; -ENOMEM also where nothing is
        mapped, -EINVAL where the mapping does not allow it.
    """
    vma = vma_lookup(mm, start)
    if vma is None:
        return -ENOMEM
    flags = vma.vm_flags
    if flags & (VM_IO | VM_PFNMAP) or not flags & (VM_WRITE if write else VM_READ):
        return -EINVAL
    return _populate(vma, start, min(end, vma.vm_end), write=write)


@mirrors("mm/gup.c", checked="v7.2", abridged=_UNLOCKED)
def __mm_populate(start: int, length: int, ignore_errors: bool) -> int:
    """Have the pages of all current's mappings in a range in memory.

    Context: Takes ``mmap_lock`` for reading. May sleep.
    Return: 0, or the first error unless *ignore_errors*.
    """
    mm = current().mm
    assert mm is not None  # whoever maps has one
    end, ret = start + length, 0
    mmap_read_lock(mm)
    while start < end:
        vma = find_vma_intersection(mm, start, end)
        if vma is None:
            break
        stop = min(end, vma.vm_end)
        if not vma.vm_flags & (VM_IO | VM_PFNMAP):
            start = max(start, vma.vm_start)
            ret = populate_vma_page_range(vma, start, stop)
            if ret >= 0:
                stop = start + ret * PAGE_SIZE
            elif not ignore_errors:
                break
            ret = 0
        start = stop
    mmap_read_unlock(mm)
    return ret
