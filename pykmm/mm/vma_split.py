# SPDX-License-Identifier: GPL-2.0-only
"""Cutting a mapping in two — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..lib.maple_tree import mas_destroy
from ..linux.bug import WARN_ON
from ..linux.fs import get_file
from ..linux.mm import PAGE_SHIFT, vma_next, vma_prev
from ..linux.mm_types import vm_area_struct, vma_iterator
from ..linux.mman import mmap_sysctls
from ..linux.mmap_lock import vma_start_write
from .internal import VMA_OP_SPLIT
from .rmap import anon_vma_clone
from .vma_init import vm_area_dup, vm_area_free
from .vma_iter import vma_iter_config, vma_iter_prealloc
from .vma_prepare import init_vma_prep, vma_complete, vma_prepare

__all__ = ["__split_vma", "split_vma"]


@mirrors("mm/vma.c", checked="v7.2", abridged="no huge pages but those of hugetlbfs")
def __split_vma(
    vmi: vma_iterator, vma: vm_area_struct, addr: int, new_below: bool
) -> int:
    """Cut *vma* at *addr*; a new mapping takes the part below or above.

    The number of mappings is not limited here.

    Context: ``mmap_lock`` for writing. May sleep. *vmi* stands at *vma* again.
    Return: 0, or an error with nothing done.
    """
    WARN_ON(not vma.vm_start < addr < vma.vm_end, f"{vma.name} is cut at {addr:#x}")
    if vma.vm_ops is not None and vma.vm_ops.may_split is not None:
        err = vma.vm_ops.may_split(vma, addr)
        if err:
            return err
    new = vm_area_dup(vma)
    if new_below:
        new.vm_end = addr
    else:
        new.vm_start = addr
        new.vm_pgoff += addr - vma.vm_start >> PAGE_SHIFT
    vma_iter_config(vmi, new.vm_start, new.vm_end)
    if vma_iter_prealloc(vmi, new):
        vm_area_free(new)
        return -ENOMEM
    err = anon_vma_clone(new, vma, VMA_OP_SPLIT)
    if err:
        mas_destroy(vmi.mas)
        vm_area_free(new)
        return err
    if new.vm_file is not None:
        get_file(new.vm_file)
    if new.vm_ops is not None and new.vm_ops.open is not None:
        new.vm_ops.open(new)
    vma_start_write(vma)
    vma_start_write(new)
    vp = init_vma_prep(vma)
    vp.insert = new
    vma_prepare(vp)
    if new_below:
        vma.vm_start = addr
        vma.vm_pgoff += addr - new.vm_start >> PAGE_SHIFT
    else:
        vma.vm_end = addr
    vma_complete(vp, vmi, vma.vm_mm)
    if new_below:
        vma_next(vmi)
    else:
        vma_prev(vmi)
    return 0


@mirrors("mm/vma.c", checked="v7.2")
def split_vma(
    vmi: vma_iterator, vma: vm_area_struct, addr: int, new_below: bool
) -> int:
    """Cut *vma* at *addr*, unless there are too many mappings.

    Context: As :func:`__split_vma`.
    Return: As there; -ENOMEM at the limit.
    """
    if vma.vm_mm.map_count >= mmap_sysctls().max_map_count:
        return -ENOMEM
    return __split_vma(vmi, vma, addr, new_below)
