# SPDX-License-Identifier: GPL-2.0-only
"""How much a process may map, and the counts of what it has — part of ``mm/mmap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..kernel.capability import capable
from ..linux.mm import PAGE_SHIFT
from ..linux.mm_types import mm_struct
from ..linux.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from ..linux.sched.signal import rlimit
from ..linux.uapi import CAP_IPC_LOCK
from .vma import is_data_mapping, is_exec_mapping, is_stack_mapping

__all__ = ["may_expand_vm", "mlock_future_ok", "vm_stat_account"]


@mirrors("mm/mmap.c", checked="v7.2")
def mlock_future_ok(mm: mm_struct, is_vma_locked: bool, bytes: int) -> bool:
    """Tell whether *bytes* more may be mapped; only locked ones count.

    Context: ``mmap_lock``.
    """
    if not is_vma_locked or capable(CAP_IPC_LOCK):
        return True
    locked_pages = (bytes >> PAGE_SHIFT) + mm.locked_vm
    return locked_pages <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT


@mirrors("mm/mmap.c", checked="v7.2", abridged="RLIMIT_DATA is always heeded")
def may_expand_vm(mm: mm_struct, flags: int, npages: int) -> bool:
    """Tell whether current may have *npages* more of a mapping with *flags*.

    Context: ``mmap_lock``.
    """
    if mm.total_vm + npages > rlimit(RLIMIT_AS) >> PAGE_SHIFT:
        return False
    return (
        not is_data_mapping(flags)
        or mm.data_vm + npages <= rlimit(RLIMIT_DATA) >> PAGE_SHIFT
    )


@mirrors("mm/mmap.c", checked="v7.2")
def vm_stat_account(mm: mm_struct, flags: int, npages: int) -> None:
    """Count *npages* of address space of the class that *flags* say.

    Context: ``mmap_lock`` for writing.
    """
    mm.total_vm += npages
    if is_exec_mapping(flags):
        mm.exec_vm += npages
    elif is_stack_mapping(flags):
        mm.stack_vm += npages
    elif is_data_mapping(flags):
        mm.data_vm += npages
