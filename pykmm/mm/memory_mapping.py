# SPDX-License-Identifier: GPL-2.0-only
"""Unmapping a file wherever it is mapped — part of ``mm/memory.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.fs import i_mmap_lock_read, i_mmap_unlock_read
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import PAGE_SHIFT, PAGE_SIZE, zap_details
from ..linux.mm_types import address_space, vm_area_struct
from .memory import zap_vma_range_batched
from .mmu_gather import tlb_finish_mmu, tlb_gather_mmu

__all__ = ["unmap_mapping_pages", "unmap_mapping_range"]


def _by_offset(mapping: address_space) -> list[vm_area_struct]:
    return sorted(mapping.i_mmap, key=lambda vma: vma.vm_pgoff)


@mirrors("mm/memory.c", checked="v7.2")
def unmap_mapping_range_tree(
    mapping: address_space, first_index: int, last_index: int, details: zap_details
) -> None:
    """Unmap these pages of a file in one mapping after the other.

    Context: ``i_mmap_rwsem``. May sleep.
    """
    for vma in _by_offset(mapping):
        nr = vma.vm_end - vma.vm_start >> PAGE_SHIFT
        start_idx = max(first_index, vma.vm_pgoff)
        end_idx = min(last_index + 1, vma.vm_pgoff + nr)
        if start_idx >= end_idx:
            continue
        start = vma.vm_start + (start_idx - vma.vm_pgoff << PAGE_SHIFT)
        tlb = tlb_gather_mmu(vma.vm_mm)
        size = end_idx - start_idx << PAGE_SHIFT
        zap_vma_range_batched(tlb, vma, start, size, details)
        tlb_finish_mmu(tlb)


@mirrors("mm/memory.c", checked="v7.2")
def unmap_mapping_pages(
    mapping: address_space, start: int, nr: int, even_cows: bool
) -> None:
    """Unmap *nr* pages of a file from *start* on; 0 means all that follow.

    With *even_cows*, private copies of them go, too.

    Context: Takes ``i_mmap_rwsem`` for reading. May sleep.
    """
    last_index = start + nr - 1 if nr else ULONG_MAX
    details = zap_details(skip_cows=not even_cows)
    i_mmap_lock_read(mapping)
    if mapping.i_mmap:
        unmap_mapping_range_tree(mapping, start, last_index, details)
    i_mmap_unlock_read(mapping)


@mirrors("mm/memory.c", checked="v7.2", abridged="no offset is too large")
def unmap_mapping_range(
    mapping: address_space, holebegin: int, holelen: int, even_cows: bool
) -> None:
    """Unmap the pages of a range of bytes; a length of 0 means all that follows.

    Context: As :func:`unmap_mapping_pages`.
    """
    nr = holelen + PAGE_SIZE - 1 >> PAGE_SHIFT
    unmap_mapping_pages(mapping, holebegin >> PAGE_SHIFT, nr, even_cows)
