# SPDX-License-Identifier: GPL-2.0-only
"""Finding mappings by address — part of ``mm/mmap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..lib.maple_tree import mas_walk, mt_find
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import vma_next, vma_prev
from ..linux.mm_types import VMA_ITERATOR, mm_struct, vm_area_struct

__all__ = ["find_vma", "find_vma_intersection", "find_vma_prev"]


@mirrors("mm/mmap.c", checked="v7.2", inline=True)
def find_vma_intersection(
    mm: mm_struct, start_addr: int, end_addr: int
) -> vm_area_struct | None:
    """Return the first mapping that has an address in [start_addr, end_addr).

    Context: ``mmap_lock``.
    """
    return mt_find(mm.mm_mt, start_addr, end_addr - 1)[0]


@mirrors("mm/mmap.c", checked="v7.2", inline=True)
def find_vma(mm: mm_struct, addr: int) -> vm_area_struct | None:
    """Return the first mapping that ends above *addr*; it may start above it.

    Context: ``mmap_lock``.
    """
    return mt_find(mm.mm_mt, addr, ULONG_MAX)[0]


@mirrors("mm/mmap.c", checked="v7.2", inline=True)
def find_vma_prev(
    mm: mm_struct, addr: int
) -> tuple[vm_area_struct | None, vm_area_struct | None]:
    """Return what :func:`find_vma` does, and the mapping before it.

    Context: ``mmap_lock``. Returns what C stores through ``pprev``, too.
    """
    vmi = VMA_ITERATOR(mm, addr)
    vma = mas_walk(vmi.mas)
    prev = vma_prev(vmi)
    return (vma_next(vmi) if vma is None else vma), prev
