# SPDX-License-Identifier: GPL-2.0-only
"""Getting hold of a program's pages — part of ``mm/gup.c``.

Whoever works on somebody's memory by its pages keeps them with a reference: they stay
in use although the last mapping of them goes, as in a reap, and become free when they
are put. A page that is pinned is never shared by fork.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..errno import EFAULT, EINTR, EMLINK, ENOMEM, Errno
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SHIFT,
    PTRS_PER_PTE,
    VM_FAULT_OOM,
    VM_HUGETLB,
    VM_IO,
    VM_MAYREAD,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
    is_cow_mapping,
    vma_lookup,
)
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SWAPENTS,
    _Origin,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmap_lock import mmap_assert_locked
from ..linux.pgtable import SharedPages
from ..linux.sched import current
from ..linux.sched.signal import fatal_signal_pending
from ..linux.spinlock import spin_lock, spin_unlock
from ._stall import no_task
from .memory_fault import FAULT_FLAG_WRITE, handle_mm_fault
from .memory_wp import do_wp_page
from .swap import folios_put_refs

__all__ = [
    "FOLL_FORCE",
    "FOLL_GET",
    "FOLL_PIN",
    "FOLL_WRITE",
    "Page",
    "check_vma_flags",
    "get_user_pages_remote",
    "pin_user_pages",
    "pin_user_pages_remote",
    "pinned",
    "unpin_user_pages",
]

FOLL_WRITE: Final = 1 << 0
FOLL_GET: Final = 1 << 1
FOLL_FORCE: Final = 1 << 3
FOLL_PIN: Final = 1 << 19

_ONE_BY_ONE: Final = (
    "only anonymous pages are kept by a reference: the cache of a file is dropped in "
    "spite of one; a fault never drops the lock; one page at a time"
)


@attrs.frozen
class Page:
    """A page that somebody holds: an anonymous one by name, or one of a file."""

    folios: SharedPages | None = None
    position: int = 0


class _Pinned:
    """The anonymous pages that are held, so that memory adds up without mappings."""

    def __init__(self) -> None:
        self.folios: dict[SharedPages, None] = {}


pinned = MachineLocal(_Pinned)


@mirrors("mm/gup.c", checked="v7.2", abridged="no devices, secret memory or keys")
def check_vma_flags(vma: vm_area_struct, gup_flags: int) -> int:
    """Tell whether pages of *vma* may be had for what *gup_flags* say.

    Context: ``mmap_lock``.
    Return: 0 or -EFAULT.
    """
    flags, force = vma.vm_flags, gup_flags & FOLL_FORCE
    if flags & (VM_IO | VM_PFNMAP):
        return -EFAULT
    if gup_flags & FOLL_WRITE:
        forced = force and is_cow_mapping(flags) and not flags & VM_HUGETLB
        allowed = flags & VM_WRITE or forced
    else:
        allowed = flags & VM_READ or (force and flags & VM_MAYREAD)
    return 0 if allowed else -EFAULT


def _is_exclusive(table: pgtable_t, bit: int) -> bool:
    """Tell whether no other address space maps the anonymous page of an entry.

    One that may be written is; so is one that has a place of its own among pages that
    others may map, because it was pinned before, or in swap.
    """
    shared = table._shared_bits() & table.readonly & bit & ~table._anon_exclusive(bit)
    return not shared or bool(table._pinned(bit))


def _written(table: pgtable_t) -> int:
    """Return the entries of files' pages that may be written without a fault."""
    return table.dirty & ~table.readonly


def _usable(table: pgtable_t, bit: int, vma: vm_area_struct, flags: int) -> bool:
    """Tell whether an entry maps a page that can be taken without a fault."""
    present = table.present
    if present[MM_ANONPAGES] & bit:
        if not flags & FOLL_WRITE or not table.readonly & bit:
            return True
        return bool(flags & FOLL_FORCE) and _is_exclusive(table, bit)
    if flags & FOLL_WRITE and (
        present[_PFN_ENTRIES] & bit or not vma.vm_flags & VM_SHARED
    ):
        return False
    if flags & FOLL_WRITE and present[MM_FILEPAGES] & ~_written(table) & bit:
        return False
    return any(
        bits & bit for member, bits in enumerate(present) if member != MM_SWAPENTS
    )


@mirrors("mm/gup.c", checked="v7.2", abridged=_ONE_BY_ONE)
def follow_page_pte(
    vma: vm_area_struct, address: int, table: pgtable_t, flags: int
) -> Page | Errno | None:
    """Take hold of the page that is mapped at *address*.

    Context: ``mmap_lock``; takes the table's lock.
    Return: None if a fault has to come first; -EMLINK if the page must become the
        mapping's own before.
    """
    at = address >> PAGE_SHIFT & PTRS_PER_PTE - 1
    found: Page | Errno | None = None
    spin_lock(table.ptl)
    if _usable(table, 1 << at, vma, flags):
        found = Page()
        if table.present[MM_ANONPAGES] >> at & 1:
            found = _grab(table, at, flags)
    spin_unlock(table.ptl)
    return found


def _grab(table: pgtable_t, at: int, flags: int) -> Page | Errno:
    if flags & (FOLL_WRITE | FOLL_PIN) == FOLL_PIN:
        if not _is_exclusive(table, 1 << at):
            return -EMLINK
    folios, position = table._pin(at)
    pinned().folios[folios] = None
    return Page(folios, position)


@mirrors("mm/gup.c", checked="v7.2", abridged=_ONE_BY_ONE)
def follow_page_mask(
    vma: vm_area_struct, address: int, flags: int
) -> Page | Errno | None:
    """Look for the table of *address*, and take hold of the page there.

    Context: ``mmap_lock``.
    Return: As :func:`follow_page_pte`.
    """
    upper = field_of(vma.vm_mm, "pgd")
    t = enter(upper, "pmd_none")
    index = address >> PMD_SHIFT
    huge = vma.vm_mm._hugetlb.get(index)
    table = vma.vm_mm.pgd.get(index)
    leave(t, upper, Access.READ, "no table" if table is None else "a table")
    if huge is not None:
        return Page() if huge.writable or not flags & FOLL_WRITE else None
    return None if table is None else follow_page_pte(vma, address, table, flags)


@mirrors("mm/gup.c", checked="v7.2", abridged=_ONE_BY_ONE)
def faultin_page(vma: vm_area_struct, address: int, flags: int, unshare: bool) -> int:
    """Have the page at *address* in memory, and for the mapping alone if *unshare*.

    Context: ``mmap_lock``. May sleep.
    Return: 0, -ENOMEM, or -EFAULT.
    """
    if unshare:
        bit = 1 << (address >> PAGE_SHIFT & PTRS_PER_PTE - 1)
        left = do_wp_page(vma, vma.vm_mm.pgd[address >> PMD_SHIFT], bit)
        return -ENOMEM if left else 0
    fault_flags = FAULT_FLAG_WRITE if flags & FOLL_WRITE else 0
    ret, _ = handle_mm_fault(vma, address, address + PAGE_SIZE, fault_flags)
    if not ret:
        return 0
    return -ENOMEM if ret & VM_FAULT_OOM else -EFAULT


@mirrors("mm/gup.c", checked="v7.2", abridged=_ONE_BY_ONE)
def __get_user_pages(
    mm: mm_struct, start: int, nr_pages: int, gup_flags: int
) -> list[Page] | Errno:
    """Take hold of *nr_pages* pages from *start* on, with faults where they need be.

    Context: ``mmap_lock``. May sleep.
    Return: The pages, fewer if an error came behind the first; or the first one's
        error: -EFAULT, -ENOMEM, or -EINTR if current is being killed.
    """
    mmap_assert_locked(mm)
    pages: list[Page] = []
    vma: vm_area_struct | None = None
    address = start & PAGE_MASK
    while len(pages) < nr_pages:
        if vma is None or address >= vma.vm_end:
            vma = vma_lookup(mm, address)
            if vma is None or check_vma_flags(vma, gup_flags):
                return pages or -EFAULT
        if not no_task() and fatal_signal_pending(current()):
            return pages or -EINTR
        page = follow_page_mask(vma, address, gup_flags)
        if isinstance(page, Page):
            pages.append(page)
            address += PAGE_SIZE
            continue
        ret = faultin_page(vma, address, gup_flags, unshare=page == -EMLINK)
        if ret:
            return pages or (-ENOMEM if ret == -ENOMEM else -EFAULT)
    return pages


@mirrors("mm/gup.c", checked="v7.2", abridged="never waits in the middle")
def get_user_pages_remote(
    mm: mm_struct, start: int, nr_pages: int, gup_flags: int
) -> list[Page] | Errno:
    """Take hold of pages of anybody's, for as long as the lock is held.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: As :func:`__get_user_pages`.
    """
    return __get_user_pages(mm, start, nr_pages, gup_flags | FOLL_GET)


@mirrors("mm/gup.c", checked="v7.2", abridged="never waits in the middle")
def pin_user_pages_remote(
    mm: mm_struct, start: int, nr_pages: int, gup_flags: int
) -> list[Page] | Errno:
    """Pin pages of anybody's: fork does not share them until they are unpinned.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: As :func:`__get_user_pages`.
    """
    return __get_user_pages(mm, start, nr_pages, gup_flags | FOLL_PIN)


@mirrors("mm/gup.c", checked="v7.2", abridged="never waits in the middle")
def pin_user_pages(start: int, nr_pages: int, gup_flags: int) -> list[Page] | Errno:
    """Pin pages of current's own.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: As :func:`__get_user_pages`.
    """
    mm = current().mm
    assert mm is not None  # whoever has pages to pin has one
    return pin_user_pages_remote(mm, start, nr_pages, gup_flags)


@mirrors("mm/gup.c", checked="v7.2", abridged=_ONE_BY_ONE)
def unpin_user_pages(pages: list[Page]) -> None:
    """Let pages go; those that nobody maps any more become free.

    Context: Any.
    """
    for page in pages:
        folios = page.folios
        if folios is None:
            continue
        freed: dict[_Origin, int] = {}
        folios.unpin(page.position, freed)
        if not folios.pins:
            pinned().folios.pop(folios, None)
        folios_put_refs(freed)
