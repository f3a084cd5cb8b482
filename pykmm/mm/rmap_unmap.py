# SPDX-License-Identifier: GPL-2.0-only
"""From anonymous pages to those who map them — part of ``mm/rmap.c``.

A walk is for some pages of one page-table page, which whoever walks has locked. Where
else they are mapped is known from the mapping that they were found through: all that
descend from one by forks know each other, and a page keeps its offset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..linux._bitmaps import _moved
from ..linux.atomic import atomic_read
from ..linux.mm import (
    PAGE_SHIFT,
    PMD_SHIFT,
    PMD_SIZE,
    VM_LOCKED,
    add_mm_counter,
    mm_flags_test,
)
from ..linux.mm_inline import vma_has_recency
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_SWAPENTS,
    MMF_UNSTABLE,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.pgtable import SharedPages
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.vm_flags import _read_flags_once
from .memory import _pte_mask, _pte_tables
from .swapfile import _note_swapped

__all__ = [
    "AnonFolios",
    "_part",
    "folio_referenced",
    "folio_referenced_one",
    "try_to_unmap",
]

_TREE: Final = (
    "for some pages of one table at once. From the root of the forks on, not from "
    "where a page was born: a few tables more are locked, in which it cannot be"
)


@attrs.frozen
class AnonFolios:
    """Some anonymous pages, where one mapping has them, or swap entries for them."""

    vma: vm_area_struct
    table: pgtable_t
    folios: SharedPages
    #: Position n stands in entry n + shift.
    shift: int
    #: Their positions; and of those that the mapping did map.
    bits: int
    mapped: int

    @property
    def pgoff(self) -> int:
        """The offset of what the first entry of the table maps."""
        vma = self.vma.__dict__
        first: int = (self.table.index << PMD_SHIFT) - vma["vm_start"] >> PAGE_SHIFT
        pgoff: int = vma["vm_pgoff"]
        return first + pgoff

    @property
    def are_elsewhere(self) -> bool:
        """Whether other mappings map some of them, too; a step."""
        return self.folios.mapped_elsewhere(self.bits, self.mapped)


#: What a walk does with a table in which some pages may be.
_One = Callable[[vm_area_struct, pgtable_t, int, AnonFolios], None]


def _part(table: pgtable_t, start: int, end: int) -> int:
    """Select the entries of a table for those of [start, end) that lie in it."""
    first = table.index << PMD_SHIFT
    return _pte_mask(max(start, first), min(end, first + PMD_SIZE))


def _mappings(pages: AnonFolios) -> Iterator[tuple[vm_area_struct, int, int]]:
    """Yield the mappings in which *pages* can be, and from where to where."""
    own = pages.vma.__dict__
    for avc in list(own["anon_vma"].root.rb_root):
        vma = avc.vma.__dict__
        start: int = vma["vm_start"] + (pages.pgoff - vma["vm_pgoff"] << PAGE_SHIFT)
        first, last = max(start, vma["vm_start"]), min(start + PMD_SIZE, vma["vm_end"])
        if first < last:
            yield avc.vma, first, last


@mirrors("mm/rmap.c", checked="v7.2", abridged=_TREE)
def rmap_walk_anon(pages: AnonFolios, rmap_one: _One) -> None:
    """Visit the page tables in which *pages* may be mapped.

    Context: The pages are locked; a lock of the tree's ``anon_vma`` for reading, which
        keeps mappings and their page tables. May sleep.
    """
    for vma, start, end in _mappings(pages):
        for table in _pte_tables(vma.vm_mm, start, end):
            rmap_one(vma, table, _part(table, start, end), pages)


def _mapped_by(table: pgtable_t, mask: int, pages: AnonFolios) -> tuple[int, int]:
    """Return the entries in *mask* that map some of *pages*, and which of these."""
    entries = found = 0
    for folios, shift, part in table.shared:
        if folios is pages.folios:
            hit = part & mask & table.present[MM_ANONPAGES] & _moved(pages.bits, shift)
            entries |= hit
            found |= _moved(hit, -shift)
    return entries, found


@mirrors("mm/rmap.c", checked="v7.2", abridged="a mapping at a time, not a page")
def folio_referenced_one(vma: vm_area_struct) -> bool:
    """Tell whether reclaim should leave *vma* alone: it is about to go anyway.

    Context: The lock of its ``anon_vma``.
    """
    mm = vma.vm_mm
    return not atomic_read(mm.mm_users) or mm_flags_test(MMF_UNSTABLE, mm)


@mirrors("mm/rmap.c", checked="v7.2", abridged=_TREE)
def folio_referenced(pages: AnonFolios) -> tuple[int, int]:
    """Find out which of *pages* are used, and which locked, if several map some.

    The use through the one where they were found has been looked at there.

    Context: As :func:`rmap_walk_anon`; takes the tables' locks.
    """
    if not pages.are_elsewhere:
        return 0, 0
    referenced = mlocked = 0

    def visit(
        vma: vm_area_struct, table: pgtable_t, mask: int, pages: AnonFolios
    ) -> None:
        nonlocal referenced, mlocked
        spin_lock(table.ptl)
        entries, found = _mapped_by(table, mask, pages)
        if entries and _read_flags_once(vma) & VM_LOCKED:
            mlocked |= found
        elif used := entries & table.young:
            if vma_has_recency(vma):
                referenced |= _mapped_by(table, used, pages)[1]
            table.young &= ~used
        spin_unlock(table.ptl)

    rmap_walk_anon(pages, visit)
    return referenced & ~mlocked, mlocked


@mirrors("mm/rmap.c", checked="v7.2", abridged=_TREE)
def try_to_unmap(pages: AnonFolios) -> None:
    """Let swap entries take the place of all that map *pages*, but locked mappings.

    What only one entry maps is where it was found.

    Context: As :func:`rmap_walk_anon`; takes the tables' locks.
    """
    if not pages.are_elsewhere:
        start, end = pages.vma.__dict__["vm_start"], pages.vma.__dict__["vm_end"]
        mask = _part(pages.table, start, end)
        try_to_unmap_one(pages.vma, pages.table, mask, pages)
        # Fork may have come in between.
        if not pages.folios.mapped_elsewhere(pages.bits, 0):
            return
    rmap_walk_anon(pages, try_to_unmap_one)


@mirrors("mm/rmap.c", checked="v7.2", abridged="pages that are pinned stay")
def try_to_unmap_one(
    vma: vm_area_struct, table: pgtable_t, mask: int, pages: AnonFolios
) -> None:
    """Unmap *pages* in one table.

    Context: As :func:`try_to_unmap`.
    """
    mm, first = vma.vm_mm, table.index << PMD_SHIFT
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, first, first + PMD_SIZE)
    mmu_notifier_invalidate_range_start(change)
    spin_lock(table.ptl)
    entries, _ = _mapped_by(table, mask, pages)
    nr = 0
    if entries and not _read_flags_once(vma) & VM_LOCKED:
        nr = table._swap_out(pages.folios, entries)
    if nr:
        _note_swapped(mm)
        add_mm_counter(mm, MM_ANONPAGES, -nr)
        add_mm_counter(mm, MM_SWAPENTS, nr)
    spin_unlock(table.ptl)
    mmu_notifier_invalidate_range_end(change)
