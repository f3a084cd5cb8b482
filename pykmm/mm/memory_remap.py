# SPDX-License-Identifier: GPL-2.0-only
"""Mapping page frames that are no memory of the kernel's — part of ``mm/memory.c``.

The entries are there from the beginning, nobody counts them, and there is no page
behind them: whoever unmaps them frees nothing, and nobody can take hold of one. Only
a private mapping raises faults: its program gets copies of what it writes.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..errno import EFAULT, EINVAL, ENOMEM
from ..linux._vma_desc import mmap_action, vm_area_desc
from ..linux.bug import BUG_ON
from ..linux.mm import (
    PMD_SHIFT,
    PMD_SIZE,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_IO,
    VM_PFNMAP,
    VM_SHARED,
    VM_WRITE,
    is_cow_mapping,
)
from ..linux.mm_types import _PFN_ENTRIES, mm_struct, pgtable_t, vm_area_struct
from ..linux.spinlock import spin_lock, spin_unlock
from .memory import _pte_mask, zap_vma_range
from .memory_tables import pte_alloc

__all__ = [
    "VM_REMAP_FLAGS",
    "_present_run",
    "remap_pfn_range_complete",
    "remap_pfn_range_prepare",
    "wp_pfn_shared",
]

VM_REMAP_FLAGS: Final = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP


@mirrors("mm/memory.c", checked="v7.2", abridged="all of them may be mapped writable")
def remap_pte_range(mm: mm_struct, addr: int, end: int, writable: bool) -> int:
    """Fill the entries of [addr, end), which lie in one page-table page.

    Context: ``mmap_lock`` for writing. May sleep; takes the table's lock.
    Return: 0 or -ENOMEM.
    """
    table = pte_alloc(mm, addr >> PMD_SHIFT)
    if not isinstance(table, pgtable_t):
        return -ENOMEM
    mask = _pte_mask(addr, end)
    spin_lock(table.ptl)
    BUG_ON(bool(table._mapped() & mask), "page frames are mapped over something")
    table.present[_PFN_ENTRIES] |= mask
    if not writable:
        table.readonly |= mask
    spin_unlock(table.ptl)
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged="tables hang in one level")
def remap_pfn_range_internal(vma: vm_area_struct, addr: int, size: int) -> int:
    """Map page frames in [addr, addr + size).

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, or -ENOMEM with a part of it done.
    """
    writes = VM_SHARED | VM_WRITE
    writable = vma.vm_flags & writes == writes
    end = addr + size
    while addr < end:
        following = min((addr | PMD_SIZE - 1) + 1, end)
        error = remap_pte_range(vma.vm_mm, addr, following, writable)
        if error:
            return error
        addr = following
    return 0


@mirrors("mm/memory.c", checked="v7.2")
def remap_pfn_range_notrack(vma: vm_area_struct, addr: int, size: int) -> int:
    """Map page frames in [addr, addr + size), all or none.

    Context: As :func:`remap_pfn_range_internal`.
    Return: 0 or -ENOMEM.
    """
    error = remap_pfn_range_internal(vma, addr, size)
    if error:
        zap_vma_range(vma, addr, size)
    return error


@mirrors("mm/memory.c", checked="v7.2")
def get_remap_pgoff(is_cow: bool, action: mmap_action, desc: vm_area_desc) -> int:
    """Note the first frame where copies have to be told from frames.

    Return: 0, or -EINVAL for a part of a private mapping.
    """
    if is_cow:
        if action.start != desc.start or action.start + action.size != desc.end:
            return -EINVAL
        desc.pgoff = action.start_pfn
    return 0


@mirrors("mm/memory.c", checked="v7.2")
def remap_pfn_range_prepare(desc: vm_area_desc, action: mmap_action) -> int:
    """Have a mapping be made for page frames.

    Context: ``mmap_lock`` for writing.
    Return: 0; -EFAULT for a range that is not the mapping's, -EINVAL.
    """
    if not desc.start <= action.start <= action.start + action.size <= desc.end:
        return -EFAULT
    error = get_remap_pgoff(is_cow_mapping(desc.vm_flags), action, desc)
    if error:
        return error
    desc.vm_flags |= VM_REMAP_FLAGS
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged="nobody keeps track of caching")
def remap_pfn_range_complete(vma: vm_area_struct, action: mmap_action) -> int:
    """Map the page frames, now that the mapping is there.

    Context: As :func:`remap_pfn_range_internal`.
    Return: 0 or -ENOMEM.
    """
    return remap_pfn_range_notrack(vma, action.start, action.size)


# -- faults ----------------------------------------------------------------------------


def _present_run(
    vma: vm_area_struct, addr: int, end: int
) -> tuple[pgtable_t, int] | None:
    """Find what is mapped from *addr* on, in one page-table page.

    Context: ``mmap_lock``, or the lock of *vma*: so it stays, but for reclaim, which
        leaves swap entries.
    Return: The table, and which entries; None if nothing is mapped at *addr*.
    """
    upper = field_of(vma.vm_mm, "pgd")
    t = enter(upper, "pmd_none")
    table = vma.vm_mm.pgd.get(addr >> PMD_SHIFT)
    leave(t, upper, Access.READ, "no table" if table is None else "a table")
    if table is None:
        return None
    t = table.ptl.look("ptep_get")
    wanted = _pte_mask(addr, end)
    missing = wanted & ~table._mapped()
    run = wanted & (missing & -missing) - 1 if missing else wanted
    table.ptl.looked(t, run.bit_count())
    return (table, run) if run else None


@mirrors("mm/memory.c", checked="v7.2", abridged="no driver wants to be told")
def wp_pfn_shared(table: pgtable_t, mask: int) -> None:
    """Let shared page frames be written again, which they could not be for a while.

    Context: ``mmap_lock`` or the lock of the mapping; takes the table's lock.
    """
    spin_lock(table.ptl)
    table.readonly &= ~(table.present[_PFN_ENTRIES] & mask)
    spin_unlock(table.ptl)
