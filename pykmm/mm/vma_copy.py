# SPDX-License-Identifier: GPL-2.0-only
"""A mapping for what moves to other addresses — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..fs.file_table import fput
from ..linux.fs import get_file
from ..linux.mm import PAGE_SHIFT, vma_is_anonymous
from ..linux.mm_types import VMA_ITERATOR, mm_struct, vm_area_struct
from ..linux.mmap_lock import vma_start_write
from .internal import VMA_OP_REMAP, vma_close
from .mmap_find import find_vma_prev
from .rmap import anon_vma_clone, unlink_anon_vmas
from .vma_file import vma_link_file
from .vma_init import vm_area_dup, vm_area_free
from .vma_iter import (
    vma_iter_config,
    vma_iter_next_rewind,
    vma_iter_prealloc,
    vma_iter_store_new,
)
from .vma_merge import vmg_vma_state
from .vma_merge_new import vma_merge_copied_range
from .vma_prepare import vma_set_range

__all__ = ["copy_vma"]


@mirrors("mm/vma.c", checked="v7.2")
def vma_link(mm: mm_struct, vma: vm_area_struct) -> int:
    """Put a mapping into the tree.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or -ENOMEM.
    """
    vmi = VMA_ITERATOR(mm, 0)
    vma_iter_config(vmi, vma.vm_start, vma.vm_end)
    if vma_iter_prealloc(vmi, vma):
        return -ENOMEM
    vma_start_write(vma)
    vma_iter_store_new(vmi, vma)
    vma_link_file(vma)
    mm.map_count += 1
    return 0


@mirrors("mm/vma.c", checked="v7.2", abridged="returns what C stores through pointers")
def copy_vma(
    vma: vm_area_struct, addr: int, length: int, pgoff: int, keep_source: bool
) -> tuple[vm_area_struct, vm_area_struct, bool] | None:
    """Have a mapping like *vma* at *addr*, where nothing is; maybe a neighbour's part.

    While nothing was faulted in, the copy may even be one with *vma* itself.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The mapping, what *vma* is now, and whether who looks for pages has to be
        kept out while they move; or None if there is no memory.
    """
    mm, vma_start = vma.vm_mm, vma.vm_start
    faulted = True
    if vma_is_anonymous(vma) and vma.anon_vma is None:
        pgoff = addr >> PAGE_SHIFT
        faulted = False
    vmi = VMA_ITERATOR(mm, addr)
    vmg = vmg_vma_state(vmi, None, vma, addr, addr + length)
    _, vmg.prev = find_vma_prev(mm, addr)
    vmg.pgoff = pgoff
    vmg.next, _ = vma_iter_next_rewind(vmi)
    if not faulted and keep_source:
        vmg.prev = None if vmg.prev is vma else vmg.prev
        vmg.next = None if vmg.next is vma else vmg.next
    merged = vma_merge_copied_range(vmg)
    if merged is not None:
        if merged.vm_start <= vma_start < merged.vm_end:
            vma = merged
        return merged, vma, merged.vm_pgoff <= vma.vm_pgoff
    new = _copy(mm, vma, addr, length, pgoff)
    return None if new is None else (new, vma, False)


def _copy(
    mm: mm_struct, vma: vm_area_struct, addr: int, length: int, pgoff: int
) -> vm_area_struct | None:
    """Make a mapping of its own, and put it into the tree."""
    new = vm_area_dup(vma)
    vma_set_range(new, addr, addr + length, pgoff)
    if anon_vma_clone(new, vma, VMA_OP_REMAP):
        vm_area_free(new)
        return None
    if new.vm_file is not None:
        get_file(new.vm_file)
    if new.vm_ops is not None and new.vm_ops.open is not None:
        new.vm_ops.open(new)
    if not vma_link(mm, new):
        return new
    vma_close(new)
    if new.vm_file is not None:
        fput(new.vm_file)
    unlink_anon_vmas(new)
    vm_area_free(new)
    return None
