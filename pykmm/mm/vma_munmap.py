# SPDX-License-Identifier: GPL-2.0-only
"""Giving mappings back — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINTR, EINVAL
from ..lib.maple_tree import mas_find, mas_store, mt_next, mt_prev
from ..linux.maple_tree import MA_STATE, ULONG_MAX, maple_tree
from ..linux.mm import PAGE_MASK, PAGE_SIZE, TASK_SIZE, VM_ACCOUNT, vma_pages
from ..linux.mm_types import MM_MT_FLAGS, _tree_of, mm_struct, vm_area_struct
from ..linux.mman import vm_unacct_memory
from ..linux.mmap_lock import mmap_write_lock_killable, mmap_write_unlock
from ..linux.sched import current
from .mmap_region import vm_stat_account
from .vma import remove_vma, unmap_region
from .vma_unmap import unmap_desc

__all__ = ["__vm_munmap", "do_vmi_munmap"]

_WHOLE = (
    "whole mappings only: one that would have to be split is refused; mmap_lock is "
    "held for writing to the end"
)


@mirrors("mm/vma.c", checked="v7.2", abridged=_WHOLE)
def do_vmi_munmap(mm: mm_struct, start: int, length: int) -> int:
    """Unmap [start, start + length); what is free there already does not matter.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, or -EINVAL.
    """
    if start & ~PAGE_MASK or start > TASK_SIZE or length > TASK_SIZE - start:
        return -EINVAL
    end = start + (length + PAGE_SIZE - 1 & PAGE_MASK)
    if end == start:
        return -EINVAL
    vmas = _within(mm, start, end)
    if vmas and (vmas[0].vm_start < start or vmas[-1].vm_end > end):
        return -EINVAL
    if vmas:
        _take_out(mm, vmas)
    return 0


def _within(mm: mm_struct, start: int, end: int) -> list[vm_area_struct]:
    mas = MA_STATE(_tree_of(mm), start, start)
    vmas = []
    while (vma := mas_find(mas, end - 1)) is not None:
        vmas.append(vma)
    return vmas


def _take_out(mm: mm_struct, vmas: list[vm_area_struct]) -> None:
    """Unmap whole mappings, which are neighbours, and free them."""
    start, end = vmas[0].vm_start, vmas[-1].vm_end
    tree = _tree_of(mm)
    above = mt_next(tree, end - 1, ULONG_MAX)
    below = mt_prev(tree, start, 0)
    gone: maple_tree[vm_area_struct] = maple_tree(MM_MT_FLAGS)
    for vma in vmas:
        mas_store(MA_STATE(gone, vma.vm_start, vma.vm_end - 1), vma)
    mas_store(MA_STATE(tree, start, end - 1), None)
    mas = MA_STATE(gone, start, start)
    mas_find(mas, ULONG_MAX)
    floor = 0 if below is None else below.vm_end
    ceiling = 0 if above is None else above.vm_start
    unmap_region(
        unmap_desc(mas, vmas[0], floor, ceiling, start, end, end, vmas[0].vm_end)
    )
    mm.map_count -= len(vmas)
    for vma in vmas:
        vm_stat_account(mm, vma.vm_flags, -vma_pages(vma))
        if vma.vm_flags & VM_ACCOUNT:
            vm_unacct_memory(vma_pages(vma))
        remove_vma(vma)


@mirrors("mm/vma.c", checked="v7.2", abridged=_WHOLE)
def __vm_munmap(start: int, length: int) -> int:
    """Unmap a part of current's address space, as ``munmap()`` does.

    Context: May sleep; takes ``mmap_lock`` for writing.
    Return: As :func:`do_vmi_munmap`, or -EINTR.
    """
    mm = current().mm
    assert mm is not None  # a program has one
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret = do_vmi_munmap(mm, start, length)
    mmap_write_unlock(mm)
    return ret
