# SPDX-License-Identifier: GPL-2.0-only
"""Taking pages away from whoever maps them — part of ``mm/rmap.c``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..engine.annotate import mirrors
from ..linux.atomic import atomic_read
from ..linux.mm import (
    PMD_SHIFT,
    PMD_SIZE,
    VM_LOCKED,
    add_mm_counter,
    mm_flags_test,
)
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_SWAPENTS,
    MMF_UNSTABLE,
    _Origin,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.rmap import anon_vma
from ..linux.spinlock import spin_lock, spin_unlock
from .memory import _pte_mask, _pte_tables, _through_nth
from .swap import folios_put_refs
from .swapfile import folio_alloc_swap, swap_put_entries_direct

__all__ = ["Wanted", "_evictable", "folio_referenced_one", "try_to_unmap"]

#: Tells whether pages of an origin are what is looked for.
Wanted = Callable[[_Origin], bool]

_OWN_ONLY: Final = (
    "pages that fork shares stay, and so does what is pinned: the OOM killer is called "
    "a little early. The pages of one table go at once, to slots that are never full "
    "of what is in memory as well: there is no swap cache, and writing takes no time"
)


def _evictable(found: anon_vma, wanted: Wanted) -> Iterator[tuple[vm_area_struct, int]]:
    """Yield mappings that have pages of their own, and how many; nothing is a step."""
    for avc in list(found.__dict__["rb_root"]):
        state = avc.vma.__dict__
        mm: mm_struct = state["vm_mm"]
        if state["anon_vma"] is not found or state["vm_flags"] & VM_LOCKED:
            continue
        if not mm.mm_users.counter or mm.flags._has(MMF_UNSTABLE):
            continue
        start, end = state["vm_start"], state["vm_end"]
        nr = 0
        for index in range(start >> PMD_SHIFT, (end - 1 >> PMD_SHIFT) + 1):
            table = mm.pgd.get(index)
            if table is not None:
                nr += _candidates(table, _part(table, start, end), wanted).bit_count()
        if nr:
            yield avc.vma, nr


def _part(table: pgtable_t, start: int, end: int) -> int:
    first = table.index << PMD_SHIFT
    return _pte_mask(max(start, first), min(end, first + PMD_SIZE))


def _candidates(table: pgtable_t, mask: int, wanted: Wanted) -> int:
    found = 0
    for origin, bits in list(table.exclusive.items()):
        if wanted(origin):
            found |= bits & mask
    return found


@mirrors("mm/rmap.c", checked="v7.2", abridged="pages' use is looked at later")
def folio_referenced_one(vma: vm_area_struct) -> bool:
    """Tell whether reclaim should leave *vma* alone: it is about to go anyway.

    Context: The lock of its ``anon_vma``.
    """
    mm = vma.vm_mm
    return not atomic_read(mm.mm_users) or mm_flags_test(MMF_UNSTABLE, mm)


@mirrors("mm/rmap.c", checked="v7.2", abridged=_OWN_ONLY)
def try_to_unmap(found: anon_vma, nr_pages: int, wanted: Wanted) -> tuple[int, int]:
    """Swap out up to *nr_pages* of the pages that were born in *found*.

    Those that were used since they were looked at last get a second chance.

    Context: The lock of *found* for reading, which keeps its mappings and their page
        tables. May sleep.
    Return: How many pages were freed, and how many spared.
    """
    freed = spared = 0
    for vma, _ in list(_evictable(found, wanted)):
        if folio_referenced_one(vma):
            continue
        start, end = vma.__dict__["vm_start"], vma.__dict__["vm_end"]
        for table in _pte_tables(vma.vm_mm, start, end):
            if freed < nr_pages:
                mask = _part(table, start, end)
                left = nr_pages - freed
                gone, kept = try_to_unmap_one(vma, table, mask, left, wanted)
                freed, spared = freed + gone, spared + kept
    return freed, spared


@mirrors("mm/rmap.c", checked="v7.2", abridged=_OWN_ONLY)
def try_to_unmap_one(
    vma: vm_area_struct, table: pgtable_t, mask: int, nr_pages: int, wanted: Wanted
) -> tuple[int, int]:
    """Swap out up to *nr_pages* of the pages in *mask* of one table.

    Context: As :func:`try_to_unmap`; takes the table's lock.
    Return: As there.
    """
    slots = folio_alloc_swap(min(nr_pages, mask.bit_count()))
    if not slots:
        return 0, 0
    mm, first = vma.vm_mm, table.index << PMD_SHIFT
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, first, first + PMD_SIZE)
    mmu_notifier_invalidate_range_start(change)
    spin_lock(table.ptl)
    bits = _candidates(table, mask, wanted)
    young = bits & table.young
    table.young &= ~young
    bits &= ~young
    bits &= _through_nth(bits, slots)
    freed = table._swap_out(bits)
    pages = bits.bit_count()
    if pages:
        add_mm_counter(mm, MM_ANONPAGES, -pages)
        add_mm_counter(mm, MM_SWAPENTS, pages)
    spin_unlock(table.ptl)
    mmu_notifier_invalidate_range_end(change)
    if slots > pages:
        swap_put_entries_direct(slots - pages)
    folios_put_refs(freed)
    return pages, young.bit_count()
