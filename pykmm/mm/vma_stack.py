# SPDX-License-Identifier: GPL-2.0-only
"""Letting a stack grow — part of ``mm/vma.c``.

What is accessed below a mapping with ``VM_GROWSDOWN`` becomes part of it, as long as
enough stays free between it and the mapping below.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EFAULT, ENOMEM, EPERM
from ..linux.mm import PAGE_MASK, PAGE_SHIFT, VM_GROWSDOWN, VM_LOCKED, vma_prev
from ..linux.mm_types import VMA_ITERATOR, vm_area_struct, vma_iterator
from ..linux.mmap_lock import mmap_assert_write_locked, vma_start_write
from ..linux.resource import RLIMIT_STACK
from ..linux.sched.signal import rlimit
from ..linux.security import mmap_min_addr, security_vm_enough_memory_mm
from ..linux.vm_flags import VM_ACCESS_FLAGS
from .internal import anon_vma_lock_write, anon_vma_prepare, anon_vma_unlock_write
from .mmap_limits import may_expand_vm, mlock_future_ok, vm_stat_account
from .vma_area import stack_guard_gap
from .vma_iter import (
    vma_iter_config,
    vma_iter_free,
    vma_iter_next_range_limit,
    vma_iter_prealloc,
    vma_iter_store_overwrite,
)

__all__ = ["acct_stack_growth", "expand_downwards"]


@mirrors("mm/vma.c", checked="v7.2", abridged="no range is for huge pages only")
def acct_stack_growth(vma: vm_area_struct, size: int, grow: int) -> int:
    """Tell whether a stack may grow by *grow* pages to *size* bytes; promise them.

    Context: ``mmap_lock`` for writing.
    Return: 0 or -ENOMEM.
    """
    mm = vma.vm_mm
    if not may_expand_vm(mm, vma.vm_flags, grow):
        return -ENOMEM
    if size > rlimit(RLIMIT_STACK):
        return -ENOMEM
    if not mlock_future_ok(mm, bool(vma.vm_flags & VM_LOCKED), grow << PAGE_SHIFT):
        return -ENOMEM
    return -ENOMEM if security_vm_enough_memory_mm(mm, grow) else 0


def _is_too_close(vma: vm_area_struct, address: int) -> bool:
    """Tell whether *vma* is such that a stack must not come down to *address*."""
    keeps_off = not vma.vm_flags & VM_GROWSDOWN and vma.vm_flags & VM_ACCESS_FLAGS
    return bool(keeps_off) and address - vma.vm_end < stack_guard_gap


def _grow(vmi: vma_iterator, vma: vm_area_struct, address: int) -> int:
    """Let *vma* begin at *address*, if it still begins above it."""
    if address >= vma.vm_start:
        return 0
    mm = vma.vm_mm
    grow = vma.vm_start - address >> PAGE_SHIFT
    if grow > vma.vm_pgoff:
        return -ENOMEM
    error = acct_stack_growth(vma, vma.vm_end - address, grow)
    if error:
        return error
    if vma.vm_flags & VM_LOCKED:
        mm.locked_vm += grow
    vm_stat_account(mm, vma.vm_flags, grow)
    vma.vm_start = address
    vma.vm_pgoff -= grow
    vma_iter_store_overwrite(vmi, vma)
    return 0


@mirrors("mm/vma.c", checked="v7.2")
def expand_downwards(vma: vm_area_struct, address: int) -> int:
    """Let *vma*, the first mapping above *address*, grow down to it.

    Context: ``mmap_lock`` for writing; takes the lock of its ``anon_vma``. May sleep.
    Return: 0; -EFAULT for what does not grow, -EPERM too close to 0, -ENOMEM too
        close to the mapping below, or beyond a limit.
    """
    if not vma.vm_flags & VM_GROWSDOWN:
        return -EFAULT
    mm = vma.vm_mm
    mmap_assert_write_locked(mm)
    vmi = VMA_ITERATOR(mm, vma.vm_start)
    address &= PAGE_MASK
    if address < mmap_min_addr:
        return -EPERM
    prev = vma_prev(vmi)
    if prev is not None:
        if _is_too_close(prev, address):
            return -ENOMEM
        vma_iter_next_range_limit(vmi, vma.vm_start)
    vma_iter_config(vmi, address, vma.vm_end)
    if vma_iter_prealloc(vmi, vma):
        return -ENOMEM
    if anon_vma_prepare(vma):
        vma_iter_free(vmi)
        return -ENOMEM
    # Faults that hold the mapping alone must not see its bounds change.
    vma_start_write(vma)
    anon_vma = vma.anon_vma
    assert anon_vma is not None  # it has just been prepared
    anon_vma_lock_write(anon_vma)
    error = _grow(vmi, vma, address)
    anon_vma_unlock_write(anon_vma)
    vma_iter_free(vmi)
    return error
