# SPDX-License-Identifier: GPL-2.0-only
"""Touching memory — the faults of ``mm/memory.c``.

A fault looks at ``MMF_UNSTABLE`` under the page-table lock, just before it puts a
page where none is. A reaper sets the flag before it visits the table. So either
the page is there when the reaper comes, or the fault has seen the flag: no page
survives a reap, and none that was lost is silently replaced.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..linux._bitmaps import _through_nth
from ..linux.compiler import READ_ONCE
from ..linux.lockdep import lockdep_is_held
from ..linux.memcontrol import (
    mem_cgroup_enter_user_fault,
    mem_cgroup_exit_user_fault,
    task_in_memcg_oom,
)
from ..linux.mm import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SHIFT,
    PMD_SIZE,
    PTRS_PER_PTE,
    VM_FAULT_OOM,
    VM_FAULT_RETRY,
    VM_FAULT_SIGBUS,
    VM_HUGETLB,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SHARED,
)
from ..linux.mm_types import (
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmap_lock import mmap_read_trylock, mmap_read_unlock
from ..linux.sched import current
from .filemap import filemap_fault
from .filemap_cache import _of_window, _offset
from .hugetlb_fault import hugetlb_fault
from .internal import __anon_vma_prepare
from .memcontrol_v1 import mem_cgroup_oom_synchronize
from .memory import _pte_mask
from .memory_entries import _change, _kind
from .memory_fill import _NOTHING, _Fault, _fill, _lowest
from .memory_remap import _present_run, wp_pfn_shared
from .memory_swap import _below, do_swap_page
from .memory_tables import pte_alloc
from .memory_wp import _Folios, do_wp_page, folio_prealloc
from .page_writeback import folio_mark_dirty

__all__ = ["FAULT_FLAG_USER", "FAULT_FLAG_WRITE", "_fault_in_range", "handle_mm_fault"]

FAULT_FLAG_WRITE: Final = 1 << 0
FAULT_FLAG_USER: Final = 1 << 6

_BY_TABLE: Final = (
    "the faults in one page-table page happen at once as far as there is memory for "
    "their pages, under one hold of its lock: nobody comes between two of them"
)


# -- one page-table page ---------------------------------------------------------------


def _fault_in_table(
    vma: vm_area_struct, table: pgtable_t, mask: int, *, write: bool
) -> _Fault:
    """Try until nobody unmaps pages between counting and filling them."""
    ret = None
    while ret is None:
        ret = _try_fault_in_table(vma, table, mask, write=write)
    return ret


def _try_fault_in_table(
    vma: vm_area_struct, table: pgtable_t, mask: int, *, write: bool
) -> _Fault | None:
    member = _kind(vma, write=write)
    private = not vma.vm_flags & VM_SHARED
    t = table.ptl.look("ptep_get")
    change = _change(table, mask, member, write=write, private=private)
    table.ptl.looked(t, change.anon().bit_count())
    # One kind after the other, so that making room for one does not undo the other.
    if change.swapped:
        first = change.swapped & _below(
            change.missing | change.copied | change.protected
        )
        if first:
            return _Fault(*do_swap_page(vma, table, first, write=write))
        mask &= _below(change.swapped)
        change = change.among(mask)
    left = do_wp_page(vma, table, change.protected) if change.protected else 0
    if left:
        mask &= _below(left)
    ret = VM_FAULT_OOM if left else 0
    expected = (change.anon() & mask).bit_count()
    folios = None
    if expected:
        if __vmf_anon_prepare(vma):
            return _Fault(VM_FAULT_RETRY, 0)
        nid = table.origin[0]
        zero = not change.copied
        folios = folio_prealloc(vma.vm_mm, expected, nid, zero=zero)
        if folios is None:
            return _Fault(VM_FAULT_OOM, 0)
        if folios.nr < expected:
            mask &= _through_nth(change.anon(), folios.nr)
    fault, used = _fill(vma, table, mask, folios, write=write)
    if folios is not None:
        if fault == _NOTHING and vma.vm_file is not None:
            fault, used = _read_and_fill(vma, table, mask, folios, write=write)
        folios.put(folios.nr - used)
    if fault is None or fault.ret:
        return fault
    if fault.dirtied:
        fault_dirty_shared_page(vma, table, fault.dirtied)
    return _Fault(ret, fault.done)


@mirrors(
    "mm/memory.c",
    checked="v7.2",
    abridged="the pages are not locked since they were mapped; nobody is throttled",
)
def fault_dirty_shared_page(
    vma: vm_area_struct, table: pgtable_t, entries: int
) -> None:
    """Note that a file's pages are being written through *entries*.

    Context: As :func:`handle_mm_fault`.
    """
    assert vma.vm_file is not None
    written = _of_window(entries, _offset(vma, table))
    folio_mark_dirty(vma.vm_file.f_mapping, written)


def _read_and_fill(
    vma: vm_area_struct, table: pgtable_t, mask: int, folios: _Folios, *, write: bool
) -> tuple[_Fault | None, int]:
    """Fill entries with copies after reading pages of the file that have gone again.

    As do_cow_fault() does, with the copies in hand: else making room for these could
    take away what is to be copied, for ever.
    """
    assert vma.vm_file is not None
    low = _lowest(mask)
    first, nr = _offset(vma, table) + low, mask.bit_length() - low
    cached = filemap_fault(vma.vm_file.f_mapping, first, nr)
    if cached <= 0:
        return _Fault(VM_FAULT_OOM if cached else VM_FAULT_SIGBUS, 0), 0
    mask &= (1 << low + cached) - 1
    return _fill(vma, table, mask, folios, write=write)


@mirrors(
    "mm/memory.c",
    checked="v7.2",
    abridged="what the thread holds says whether only the mapping is locked; there is "
    "always memory for it; the caller gives the mapping's lock back",
)
def __vmf_anon_prepare(vma: vm_area_struct) -> int:
    """See that *vma* has an ``anon_vma``, for which its neighbours must stay, too.

    Context: ``mmap_lock`` or the lock of *vma*, for reading. May sleep.
    Return: 0, or VM_FAULT_RETRY if the fault has to come back with ``mmap_lock``.
    """
    mm = vma.vm_mm
    if READ_ONCE(vma).anon_vma is not None:
        return 0
    alone = not lockdep_is_held(mm.mmap_lock)
    if alone and not mmap_read_trylock(mm):
        return VM_FAULT_RETRY
    __anon_vma_prepare(vma)
    if alone:
        mmap_read_unlock(mm)
    return 0


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def handle_pte_fault(
    vma: vm_area_struct, addr: int, end: int, *, write: bool
) -> tuple[int, int]:
    """Touch the pages of [addr, end), which lies in one page-table page.

    Context: As :func:`handle_mm_fault`.
    Return: As there.
    """
    ret, upto = 0, addr
    while not ret and upto == addr:  # again, if pages of the file went in between
        ret, upto = _try_pte_fault(vma, addr, end, write=write)
    return ret, upto


def _try_pte_fault(
    vma: vm_area_struct, addr: int, end: int, *, write: bool
) -> tuple[int, int]:
    if vma.vm_file is not None:
        offset = vma.vm_pgoff + ((addr - vma.vm_start) >> PAGE_SHIFT)
        nr = (end - addr) >> PAGE_SHIFT
        cached = filemap_fault(vma.vm_file.f_mapping, offset, nr)
        if cached < 0:
            return VM_FAULT_OOM, addr
        if not cached:
            return VM_FAULT_SIGBUS, addr
        end = addr + cached * PAGE_SIZE
    table = pte_alloc(vma.vm_mm, addr >> PMD_SHIFT)
    if not isinstance(table, pgtable_t):
        return VM_FAULT_OOM, addr
    fault = _fault_in_table(vma, table, _pte_mask(addr, end), write=write)
    return fault.ret, _reached(fault, addr)


def _reached(fault: _Fault, addr: int) -> int:
    """Return up to where a fault that began at *addr* has come."""
    pages = fault.done.bit_length() - (addr >> PAGE_SHIFT & PTRS_PER_PTE - 1)
    return addr + max(pages, 0) * PAGE_SIZE


def _fault_on_frames(
    vma: vm_area_struct, addr: int, end: int, *, write: bool
) -> tuple[int, int]:
    """Touch what a driver has mapped; what is not there never comes.

    Context: As :func:`handle_mm_fault`.
    Return: As there.
    """
    found = _present_run(vma, addr, end)
    if found is None:
        return VM_FAULT_SIGBUS, addr
    table, mask = found
    if write and vma.vm_flags & (VM_SHARED | VM_MAYSHARE):
        wp_pfn_shared(table, mask)
        return 0, _reached(_Fault(0, mask), addr)
    fault = _fault_in_table(vma, table, mask, write=write)
    return fault.ret, _reached(fault, addr)


# -- a fault ---------------------------------------------------------------------------


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def handle_mm_fault(
    vma: vm_area_struct, address: int, end: int, flags: int
) -> tuple[int, int]:
    """Touch the pages of [address, end), which lies in *vma*, as far as it goes.

    Context: ``mmap_lock`` or the lock of *vma*, for reading. May sleep.
    Return: 0, VM_FAULT_SIGBUS, VM_FAULT_OOM or, for want of ``mmap_lock``,
        VM_FAULT_RETRY; and up to where all is touched: that is further than *address*
        if there was no error, but no further than the first page-table page.
    """
    end = min((address | PMD_SIZE - 1) + 1, end)
    write = bool(flags & FAULT_FLAG_WRITE)
    if vma.vm_flags & VM_HUGETLB:
        ret = hugetlb_fault(vma, address, write=write)
        return ret, address if ret else end
    if vma.vm_flags & VM_PFNMAP:
        return _fault_on_frames(vma, address, end, write=write)
    if not flags & FAULT_FLAG_USER:
        return handle_pte_fault(vma, address, end, write=write)
    mem_cgroup_enter_user_fault()
    ret, upto = handle_pte_fault(vma, address, end, write=write)
    mem_cgroup_exit_user_fault()
    # Somebody else's pages were there all the same: nothing to settle.
    if task_in_memcg_oom(current()) and not ret & VM_FAULT_OOM:
        mem_cgroup_oom_synchronize(False)
    return ret, upto


def _fault_in_range(
    vma: vm_area_struct, start: int, end: int, *, write: bool = True
) -> int:
    """Touch every page of [start, end), which lies in *vma*, on the kernel's behalf.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: 0; VM_FAULT_SIGBUS or VM_FAULT_OOM from the first page where that
        happened: what lies before it has been touched.
    """
    flags = FAULT_FLAG_WRITE if write else 0
    ret = 0
    while start < end and not ret:
        ret, start = handle_mm_fault(vma, start, end, flags)
    return ret
