# SPDX-License-Identifier: GPL-2.0-only
"""Looking for a mapping that may have to grow — part of ``mm/mmap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.mmap_lock import (
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock_killable,
    mmap_write_unlock,
)
from .mmap_find import find_vma
from .vma_stack import expand_downwards

__all__ = ["expand_stack", "expand_stack_locked"]


@mirrors("mm/mmap.c", checked="v7.2", inline=True)
def expand_stack_locked(vma: vm_area_struct, address: int) -> int:
    """Let a stack grow as stacks do here: down to *address*.

    Context: As :func:`expand_downwards`.
    """
    return expand_downwards(vma, address)


@mirrors("mm/mmap.c", checked="v7.2", abridged="nothing grows up")
def expand_stack(mm: mm_struct, addr: int) -> vm_area_struct | None:
    """Let the stack above *addr* grow down to it, if nobody has done so meanwhile.

    Context: ``mmap_lock`` for reading, which is given back for a while; nobody may
        rely on what was found with it. May sleep, killably.
    Return: The mapping, with the lock for reading; None without the lock.
    """
    mmap_read_unlock(mm)
    if mmap_write_lock_killable(mm):
        return None
    vma = find_vma(mm, addr)
    if vma is not None and (vma.vm_start <= addr or not expand_stack_locked(vma, addr)):
        mmap_write_downgrade(mm)
        return vma
    mmap_write_unlock(mm)
    return None
