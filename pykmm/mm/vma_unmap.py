# SPDX-License-Identifier: GPL-2.0-only
"""What is to be unmapped — part of ``mm/vma.h``."""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..linux.maple_tree import ULONG_MAX, ma_state
from ..linux.mm import vma_iter_set
from ..linux.mm_types import vm_area_struct, vma_iterator

__all__ = ["unmap_all_init", "unmap_desc", "unmap_pgtable_init"]


@attrs.define(eq=False)
class unmap_desc:
    """Which mappings go, and how far their page tables may be freed.

    An end of 0 is the very top of the address space.
    """

    mas: ma_state[vm_area_struct]
    first: vm_area_struct
    pg_start: int
    pg_end: int
    vma_start: int
    vma_end: int
    tree_end: int
    #: Where the walk starts again for the second pass.
    tree_reset: int
    mm_wr_locked: bool = False


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def unmap_all_init(vmi: vma_iterator, vma: vm_area_struct) -> unmap_desc:
    """Describe all mappings of an address space, of which *vma* is the first.

    Context: ``mmap_lock``. Returns what C fills in.
    """
    return unmap_desc(vmi.mas, vma, 0, 0, 0, ULONG_MAX, ULONG_MAX, vma.vm_end)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def unmap_pgtable_init(unmap: unmap_desc, vmi: vma_iterator) -> None:
    """Go back to the start, for the page tables.

    Context: ``mmap_lock``.
    """
    vma_iter_set(vmi, unmap.tree_reset)
    unmap.vma_start = 0
    unmap.vma_end = 0
    unmap.tree_end = 0
