# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own accesses to its program's memory, and the faults they raise.

A fault that cannot be settled sends no signal: the access ends there, and whoever
made it learns how much is missing.
"""

from __future__ import annotations

from ...linux.mm import (
    PAGE_MASK,
    PAGE_SIZE,
    PMD_SIZE,
    VM_EXEC,
    VM_READ,
    VM_WRITE,
)
from ...linux.mm_types import mm_struct
from ...linux.mmap_lock import mmap_read_unlock
from ...linux.sched import current
from ...mm.memory_fault import FAULT_FLAG_WRITE, handle_mm_fault
from ...mm.mmap_lock_find import lock_mm_and_find_vma
from .fault import _access

__all__ = ["access_user"]


def access_user(addr: int, n: int, write: bool) -> int:
    """Access *n* bytes of current's memory from *addr* on.

    Context: May sleep; takes ``mmap_lock`` for reading.
    Return: How many of them could not be accessed; all of them without memory.
    """
    mm = current().mm
    if mm is None:
        return n
    at, end = addr & PAGE_MASK, addr + n + PAGE_SIZE - 1 & PAGE_MASK
    while at < end:
        stop = min((at | PMD_SIZE - 1) + 1, end)
        at = _access(mm, at, stop, write=write)
        if at < stop:
            at, failed = _fault(mm, at, end, write=write)
            if failed:
                return addr + n - max(at, addr)
    return 0


def _fault(mm: mm_struct, addr: int, end: int, *, write: bool) -> tuple[int, bool]:
    """Handle the fault at *addr*, and those behind it as far as *end*.

    Return: How far the access has come, and whether it ends there.
    """
    vma = lock_mm_and_find_vma(mm, addr)
    if vma is None:
        return addr, True
    needed = VM_WRITE if write else VM_READ | VM_EXEC | VM_WRITE
    if not vma.vm_flags & needed:
        mmap_read_unlock(mm)
        return addr, True
    flags = FAULT_FLAG_WRITE if write else 0
    ret, upto = handle_mm_fault(vma, addr, min(end, vma.vm_end), flags)
    mmap_read_unlock(mm)
    return upto, bool(ret)
