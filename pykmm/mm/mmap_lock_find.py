# SPDX-License-Identifier: GPL-2.0-only
"""Locking an address space for a fault — part of ``mm/mmap_lock.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm import VM_GROWSDOWN
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.mmap_lock import (
    mmap_read_lock_killable,
    mmap_read_trylock,
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock_killable,
    mmap_write_unlock,
)
from .mmap_find import find_vma
from .mmap_stack import expand_stack_locked

__all__ = ["lock_mm_and_find_vma"]


@mirrors(
    "mm/mmap_lock.c",
    checked="v7.2",
    abridged="no fault is a bug of the kernel, so every one may wait for the lock",
)
def lock_mm_and_find_vma(mm: mm_struct, addr: int) -> vm_area_struct | None:
    """Find the mapping that contains *addr*, or is a stack that grows down to it.

    Between looking with the lock for reading and growing with it for writing nobody
    has it, so a second look decides.

    Context: Takes ``mmap_lock``, killably. May sleep.
    Return: The mapping, with the lock for reading; None without the lock.
    """
    if not mmap_read_trylock(mm) and mmap_read_lock_killable(mm):
        return None
    vma = find_vma(mm, addr)
    if vma is not None and vma.vm_start <= addr:
        return vma
    may_grow = vma is not None and vma.vm_flags & VM_GROWSDOWN
    mmap_read_unlock(mm)
    if not may_grow or mmap_write_lock_killable(mm):
        return None
    vma = find_vma(mm, addr)
    if vma is None or (vma.vm_start > addr and expand_stack_locked(vma, addr)):
        mmap_write_unlock(mm)
        return None
    mmap_write_downgrade(mm)
    return vma
