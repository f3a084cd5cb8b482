# SPDX-License-Identifier: GPL-2.0-only
"""Asking for memory — part of ``mm/mmap.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINTR, EINVAL, ENOMEM
from ..lib.maple_tree import mas_empty_area_rev, mas_store
from ..linux.maple_tree import MA_STATE
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    TASK_SIZE,
    VM_ACCOUNT,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    VM_WRITE,
)
from ..linux.mm_types import _tree_of, mm_struct
from ..linux.mman import vm_acct_memory
from ..linux.mmap_lock import mmap_write_lock_killable, mmap_write_unlock
from ..linux.sched import current
from .mmap_region import vm_stat_account
from .vma_init import vm_area_alloc

__all__ = ["do_mmap", "vm_mmap"]

#: vm.max_map_count.
_MAX_MAP_COUNT: Final = 65530
_MMAP_MIN_ADDR: Final = 65536
_FLAGS: Final = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT

_ANONYMOUS = (
    "private anonymous memory to read and write only, anywhere; never merged with a "
    "neighbour; no limits of the process, and no limit to what is promised"
)


@mirrors("mm/mmap.c", checked="v7.2", abridged=_ANONYMOUS)
def do_mmap(mm: mm_struct, length: int) -> int:
    """Map *length* bytes at the highest free addresses; no page is there yet.

    Context: ``mmap_lock`` for writing.
    Return: The address; -EINVAL for a length of 0; -ENOMEM for one that does not fit,
        and for too many mappings.
    """
    if length <= 0:
        return -EINVAL
    length = length + PAGE_SIZE - 1 & PAGE_MASK
    if length > TASK_SIZE or mm.map_count > _MAX_MAP_COUNT:
        return -ENOMEM
    mas = MA_STATE(_tree_of(mm), 0, 0)
    if mas_empty_area_rev(mas, _MMAP_MIN_ADDR, TASK_SIZE - 1, length):
        return -ENOMEM
    start = mas.index
    vma = vm_area_alloc(mm, start, start + length, _FLAGS)
    vma.vm_pgoff = start >> PAGE_SHIFT
    mas_store(MA_STATE(_tree_of(mm), start, start + length - 1), vma)
    mm.map_count += 1
    vm_stat_account(mm, _FLAGS, length >> PAGE_SHIFT)
    vm_acct_memory(length >> PAGE_SHIFT)
    return start


def vm_mmap(length: int) -> int:
    """Map *length* bytes for current, as ``mmap()`` does without an address.

    Context: May sleep; takes ``mmap_lock`` for writing.
    Return: As :func:`do_mmap`, or -EINTR.
    """
    mm = current().mm
    assert mm is not None  # a program has one
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret = do_mmap(mm, length)
    mmap_write_unlock(mm)
    return ret
