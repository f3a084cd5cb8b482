# SPDX-License-Identifier: GPL-2.0-only
"""Turning swap off, and on again — part of ``mm/swapfile.c``.

Whoever turns it off brings everything back that is in it. That takes memory, so the
process asks to be the first to go if there is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import Machine, current_machine
from ..engine.step import enter, leave
from ..errno import EBUSY, EINTR, EINVAL, ENOMEM, EPERM, Errno
from ..fs.file import filp_close
from ..fs.open import file_open_name
from ..kernel.capability import capable
from ..kernel.fork import mmput
from ..linux.atomic import atomic_long_add, atomic_long_read
from ..linux.mm import (
    VM_HUGETLB,
    for_each_vma,
    mm_flags_test,
)
from ..linux.mm_types import (
    MM_SWAPENTS,
    MMF_UNSTABLE,
    VMA_ITERATOR,
    file,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mman import vm_unacct_memory
from ..linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from ..linux.oom import clear_current_oom_origin, set_current_oom_origin
from ..linux.pgtable import SharedPages
from ..linux.sched import current, task_struct
from ..linux.sched.mm import mmdrop, mmget_not_zero, mmgrab
from ..linux.sched.signal import signal_pending
from ..linux.security import security_vm_enough_memory_mm
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.uapi import CAP_SYS_ADMIN, O_RDWR
from ._stall import stall
from .memory import _pte_tables
from .memory_swap import do_swap_page
from .rmap_unmap import _part
from .shmem_swap import shmem_unuse
from .swapfile import SWAP_FILE, _swap, nr_swap_pages, swap_put_entries_direct
from .vmscan_lru import file_lru

__all__ = ["swapoff", "swapon"]

_BY_TABLE: Final = (
    "the entries of one page-table page at once; what comes back looks used"
)


# -- bringing back what is in swap -----------------------------------------------------


@mirrors("mm/swapfile.c", checked="v7.2", abridged=_BY_TABLE)
def unuse_pte_range(vma: vm_area_struct, table: pgtable_t) -> int:
    """Map the pages again for which *vma* has swap entries in one table.

    Context: ``mmap_lock`` for reading; takes the table's lock. May sleep.
    Return: 0 or -ENOMEM.
    """
    mask = _part(table, vma.vm_start, vma.vm_end)
    while True:
        t = table.ptl.look("ptep_get_lockless")
        swapped = table.present[MM_SWAPENTS] & mask
        table.ptl.looked(t, swapped.bit_count())
        if not swapped:
            return 0
        fault, done = do_swap_page(vma, table, swapped, write=False)
        if fault:
            return -ENOMEM
        if not done:  # somebody else was faster
            return 0


@mirrors("mm/swapfile.c", checked="v7.2", abridged=_BY_TABLE)
def unuse_mm(mm: mm_struct) -> int:
    """Bring everything back for which *mm* has swap entries, unless it is being reaped.

    Context: Takes ``mmap_lock`` for reading. May sleep.
    Return: 0 or -ENOMEM.
    """
    ret = 0
    mmap_read_lock(mm)
    if not mm_flags_test(MMF_UNSTABLE, mm):
        for vma in for_each_vma(VMA_ITERATOR(mm, 0)):
            if vma.anon_vma is None or vma.vm_flags & VM_HUGETLB:
                continue
            for table in _pte_tables(mm, vma.vm_start, vma.vm_end):
                ret = ret or unuse_pte_range(vma, table)
            if ret:
                break
    mmap_read_unlock(mm)
    return ret


@mirrors("mm/swapfile.c", checked="v7.2", abridged="many pages at once")
def folio_free_swap(folios: SharedPages, bits: int) -> int:
    """Take pages out of the swap cache whose slots no entry names.

    Context: May sleep, as it waits for who has locked some.
    Return: How many slots have become free.
    """
    folios.swap_cache_get_folio(bits)
    t = enter(folios, "folio_free_swap")
    gone = bits & folios.cached & ~(folios.swaps[0] | folios.locked)
    folios.cached ^= gone
    leave(t, folios, Access.WRITE if gone else Access.READ, gone.bit_count())
    return gone.bit_count()


def _cached_only(machine: Machine) -> Iterator[tuple[SharedPages, int]]:
    """Yield the pages in the swap cache whose slots no entry names, without a step."""
    found: dict[SharedPages, int] = {}
    for mm in list(machine.alive):
        if isinstance(mm, mm_struct):
            for table in list(mm.pgd.values()):
                for folios, _, _ in table.shared:
                    found[folios] = folios.cached & ~folios.swaps[0]
    yield from ((folios, bits) for folios, bits in found.items() if bits)


def _in_use() -> int:
    """Return how many slots are in use while the area is being emptied, in a step."""
    return -atomic_long_read(nr_swap_pages())


def _unuse_all() -> int:
    """Go through all address spaces that have had swap entries.

    Return: 0 or -ENOMEM.
    """
    ret, mmlist = 0, _swap().mmlist
    found = mmlist.take("mmlist_lock")
    for mm in found:
        mmgrab(mm)
    mmlist.put(found)
    for mm in found:
        if not ret and _goes_on() and mmget_not_zero(mm):
            ret = unuse_mm(mm)
            mmput(mm)
        mmdrop(mm)
    return ret


def _goes_on() -> bool:
    return _in_use() > 0 and not signal_pending(current())


#: What there is to bring back, to compare.
_Scene: TypeAlias = tuple[object, ...]


def _looker() -> Callable[[], _Scene]:
    """Make what returns, without a step, what there is to bring back."""
    machine, swap, files = current_machine(), _swap(), file_lru()

    def look() -> _Scene:
        entries = tuple(
            (table, swapped)
            for mm in list(swap.mmlist.members)
            for table in list(mm.pgd.values())
            if (swapped := table.present[MM_SWAPENTS])
        )
        shared = tuple((m, dict(m._swapped)) for m in list(files.members))
        cached = tuple(_cached_only(machine))
        return swap.nr_swap_pages.counter, entries, shared, cached

    return look


def _changed(
    look: Callable[[], _Scene], before: _Scene, task: task_struct
) -> Callable[[], bool]:
    """Make a guard: is anything otherwise than *before*, or is there a signal?"""
    return lambda: task._signal_pending() or look() != before


@mirrors(
    "mm/swapfile.c",
    checked="v7.2",
    abridged="address spaces by their makers, not by when they came, and all of them "
    "kept, but not used, meanwhile; who finds nothing to do waits instead of trying "
    "again",
)
def try_to_unuse() -> int:
    """Bring everything back that is in swap.

    Context: No slot can be taken any more. May sleep.
    Return: 0, -ENOMEM, or -EINTR for a signal.
    """
    if not _in_use():
        return 0
    machine, look, me = current_machine(), _looker(), current()
    while True:
        before = look()
        error = shmem_unuse() or _unuse_all()
        if error:
            return error
        for folios, bits in _cached_only(machine):
            if not _goes_on():
                break
            slots = folio_free_swap(folios, bits)
            if slots:
                swap_put_entries_direct(slots)
        if not _in_use():
            return 0
        if signal_pending(me):
            return -EINTR
        # The rest is for those to give back who unmap it, or die.
        stall(nr_swap_pages(), _changed(look, before, me))


# -- the calls -------------------------------------------------------------------------


def _open(path: str) -> file | Errno:
    """Open what is said to be swap; only who is privileged may."""
    if not capable(CAP_SYS_ADMIN):
        return -EPERM
    found = file_open_name(path, O_RDWR)
    if isinstance(found, (Errno, file)):
        return found
    filp_close(found)
    return -EINVAL


def _enable(pages: int) -> None:
    """Give slots to whoever wants some, or take them away if *pages* are less than 0.

    Context: ``swap_lock``.
    """
    swap = _swap()
    swap.writeok = pages > 0
    atomic_long_add(pages, swap.nr_swap_pages)
    atomic_long_add(pages, swap.total_swap_pages)


def _disable(opened: file) -> int:
    """Let nobody take a slot of *opened* any more.

    Context: Takes ``swap_lock``.
    Return: 0; -EINVAL if it is not in use, -ENOMEM if more has been promised than
        there is without it.
    """
    swap, mm = _swap(), current().mm
    assert mm is not None  # a program has one
    error = 0
    spin_lock(swap.swap_lock)
    if opened.f_path != SWAP_FILE or not swap.writeok:
        error = -EINVAL
    elif security_vm_enough_memory_mm(mm, swap.pages):
        error = -ENOMEM
    else:
        vm_unacct_memory(swap.pages)
        _enable(-swap.pages)
    spin_unlock(swap.swap_lock)
    return error


@mirrors(
    "mm/swapfile.c",
    checked="v7.2",
    abridged="one area; nobody has to be waited for who is about to read from it",
)
def swapoff(specialfile: str) -> int:
    """System call: bring back what is in a swap file, and swap to it no more.

    Context: May sleep.
    Return: 0; -EPERM, an error of opening it, -EINVAL if it is not in use, -ENOMEM if
        there is no memory for what is in it, -EINTR for a signal: then it is in use as
        before.
    """
    victim = _open(specialfile)
    if isinstance(victim, Errno):
        return victim
    error = _disable(victim)
    if not error:
        set_current_oom_origin()
        error = try_to_unuse()
        clear_current_oom_origin()
        swap = _swap()
        spin_lock(swap.swap_lock)
        if error:
            _enable(swap.pages)
        else:
            swap.used = False
        spin_unlock(swap.swap_lock)
    filp_close(victim)
    return error


@mirrors(
    "mm/swapfile.c",
    checked="v7.2",
    abridged="the one area; neither priorities nor flags",
)
def swapon(specialfile: str, swap_flags: int = 0) -> int:
    """System call: swap to a file that was turned off.

    Return: 0; -EPERM, an error of opening it, -EINVAL for flags, and for a file that
        was not made for it, -EBUSY if it is in use.
    """
    if swap_flags:
        return -EINVAL
    opened = _open(specialfile)
    if isinstance(opened, Errno):
        return opened
    swap, error = _swap(), 0
    spin_lock(swap.swap_lock)
    if opened.f_path != SWAP_FILE:
        error = -EINVAL
    elif swap.used:
        error = -EBUSY
    else:
        swap.used = True
        _enable(swap.pages)
    spin_unlock(swap.swap_lock)
    filp_close(opened)
    return error
