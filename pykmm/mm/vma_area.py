# SPDX-License-Identifier: GPL-2.0-only
"""Finding room for a mapping — part of ``mm/vma.c``."""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux.mm import VM_GROWSDOWN, vma_next
from ..linux.mm_types import VMA_ITERATOR, mm_struct, vm_area_struct
from ..linux.security import mmap_min_addr
from ..linux.vm_flags import VM_STARTGAP_FLAGS
from .vma_iter import (
    vma_iter_addr,
    vma_iter_area_highest,
    vma_iter_area_lowest,
    vma_iter_end,
    vma_iter_reset,
)

__all__ = [
    "stack_guard_gap",
    "unmapped_area",
    "unmapped_area_topdown",
    "vm_start_gap",
    "vm_unmapped_area_info",
]

#: What stays free below a stack that may grow.
stack_guard_gap = 256 << 12


@attrs.frozen
class vm_unmapped_area_info:
    """What room is looked for: how much, within which limits, how aligned."""

    length: int
    low_limit: int
    high_limit: int
    align_mask: int = 0


def vm_start_gap(vma: vm_area_struct) -> int:
    """Return up to where others may map below *vma*."""
    gap = stack_guard_gap if vma.vm_flags & VM_GROWSDOWN else 0
    return max(vma.vm_start - gap, 0)


@mirrors("mm/vma.c", checked="v7.2", abridged="nothing grows up, no shadow stacks")
def unmapped_area(mm: mm_struct, info: vm_unmapped_area_info) -> int:
    """Find the lowest room.

    Context: ``mmap_lock``.
    Return: Its address, or -ENOMEM.
    """
    vmi = VMA_ITERATOR(mm, 0)
    length = info.length + info.align_mask
    low_limit = max(info.low_limit, mmap_min_addr)
    while True:
        if vma_iter_area_lowest(vmi, low_limit, info.high_limit, length):
            return -ENOMEM
        gap = vma_iter_addr(vmi)
        gap += -gap & info.align_mask
        above = vma_next(vmi)
        if above is None or not above.vm_flags & VM_STARTGAP_FLAGS:
            return gap
        if vm_start_gap(above) >= gap + length - 1:
            return gap
        low_limit = above.vm_end
        vma_iter_reset(vmi)


@mirrors("mm/vma.c", checked="v7.2", abridged="nothing grows up, no shadow stacks")
def unmapped_area_topdown(mm: mm_struct, info: vm_unmapped_area_info) -> int:
    """Find the highest room.

    Context: ``mmap_lock``.
    Return: Its address, or -ENOMEM.
    """
    vmi = VMA_ITERATOR(mm, 0)
    length = info.length + info.align_mask
    low_limit, high_limit = max(info.low_limit, mmap_min_addr), info.high_limit
    while True:
        if vma_iter_area_highest(vmi, low_limit, high_limit, length):
            return -ENOMEM
        gap_end = vma_iter_end(vmi)
        gap = gap_end - info.length
        gap -= gap & info.align_mask
        above = vma_next(vmi)
        if above is None or not above.vm_flags & VM_STARTGAP_FLAGS:
            return gap
        if vm_start_gap(above) >= gap_end:
            return gap
        high_limit = vm_start_gap(above)
        vma_iter_reset(vmi)
