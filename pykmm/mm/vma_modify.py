# SPDX-License-Identifier: GPL-2.0-only
"""Giving a part of a mapping other properties — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux.mm_types import vm_area_struct, vma_iterator
from .vma_merge import VmaMergeState, vma_merge_struct, vmg_nomem, vmg_vma_state
from .vma_merge_existing import vma_merge_existing_range
from .vma_split import split_vma

__all__ = ["vma_modify_flags"]


@mirrors("mm/vma.c", checked="v7.2")
def vma_modify(vmg: vma_merge_struct) -> vm_area_struct | int:
    """Have a mapping of just the range, or one that it merges into.

    Where it is split on both sides and the second time fails, the first cut stays.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: That mapping, which is still as it was; or an error.
    """
    vma, start, end = vmg.middle, vmg.start, vmg.end
    assert vma is not None
    merged = vma_merge_existing_range(vmg)
    if merged is not None:
        return merged
    if vmg_nomem(vmg):
        return -ENOMEM
    if vma.vm_start < start:
        err = split_vma(vmg.vmi, vma, start, True)
        if err:
            return err
    if vma.vm_end > end:
        err = split_vma(vmg.vmi, vma, end, False)
        if err:
            return err
    return vma


@mirrors("mm/vma.c", checked="v7.2", abridged="returns the flags, too")
def vma_modify_flags(
    vmi: vma_iterator,
    prev: vm_area_struct | None,
    vma: vm_area_struct,
    start: int,
    end: int,
    vm_flags: int,
) -> tuple[vm_area_struct, int] | int:
    """Have a mapping for [start, end) of *vma*, which will get *vm_flags*.

    Context: As :func:`vma_modify`.
    Return: The mapping, and what flags to set: sticky ones stay. Or an error.
    """
    vmg = vmg_vma_state(vmi, prev, vma, start, end)
    vmg.vm_flags = vm_flags
    ret = vma_modify(vmg)
    if isinstance(ret, int):
        return ret
    if vmg.state is VmaMergeState.VMA_MERGE_SUCCESS:
        vm_flags = ret.vm_flags
    return ret, vm_flags
