# SPDX-License-Identifier: GPL-2.0-only
"""Mappings that nobody may change any more — ``mm/mseal.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINTR, EINVAL, ENOMEM
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SIZE,
    VM_SEALED,
    for_each_vma_range,
    vma_prev,
)
from ..linux.mm_types import VMA_ITERATOR, mm_struct
from ..linux.mmap_lock import (
    mmap_write_lock_killable,
    mmap_write_unlock,
    vma_start_write,
)
from ..linux.sched import current
from .vma_iter import vma_iter_load
from .vma_modify import vma_modify_flags

__all__ = ["do_mseal"]


@mirrors("mm/mseal.c", checked="v7.2")
def range_contains_unmapped(mm: mm_struct, start: int, end: int) -> bool:
    """Tell whether a part of [start, end) is not mapped.

    Context: ``mmap_lock``.
    """
    prev_end = start
    for vma in for_each_vma_range(VMA_ITERATOR(mm, start), end):
        if vma.vm_start > prev_end:
            return True
        prev_end = vma.vm_end
    return prev_end < end


@mirrors("mm/mseal.c", checked="v7.2")
def mseal_apply(mm: mm_struct, start: int, end: int) -> int:
    """Seal all of [start, end), which is mapped.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or -ENOMEM.
    """
    vmi = VMA_ITERATOR(mm, start)
    first = vma_iter_load(vmi)
    assert first is not None  # there is no hole
    prev = vma_prev(vmi)
    if start > first.vm_start:
        prev = first
    for vma in for_each_vma_range(vmi, end):
        own = vma
        if not vma.vm_flags & VM_SEALED:
            modified = vma_modify_flags(
                vmi,
                prev,
                vma,
                max(vma.vm_start, start),
                min(vma.vm_end, end),
                vma.vm_flags | VM_SEALED,
            )
            if isinstance(modified, int):
                return modified
            own, _ = modified
            vma_start_write(own)
            own.vm_flags |= VM_SEALED
        prev = own
    return 0


@mirrors("mm/mseal.c", checked="v7.2")
def do_mseal(start: int, len_in: int, flags: int) -> int:
    """Forbid for good to unmap, move, or change a range.

    Context: Takes ``mmap_lock`` for writing. May sleep.
    Return: 0; -EINVAL for a flag or a range that cannot be, -EINTR, -ENOMEM for a hole
        (nothing is sealed then) or too many mappings.
    """
    if flags or start & ~PAGE_MASK:
        return -EINVAL
    length = len_in + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    if len_in and not length:
        return -EINVAL
    end = start + length
    if end > ULONG_MAX:
        return -EINVAL
    if end == start:
        return 0
    mm = current().mm
    assert mm is not None  # a program has one
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret: int = -ENOMEM
    if not range_contains_unmapped(mm, start, end):
        ret = mseal_apply(mm, start, end)
    mmap_write_unlock(mm)
    return ret
