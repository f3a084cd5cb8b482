# SPDX-License-Identifier: GPL-2.0-only
"""Pages for faults, and writing what others may map, too — part of ``mm/memory.c``.

A write to a page that fork has shared gets the writer a copy of its own. Who finds
that nobody else maps the page any more keeps it, and from then on it is as if there
had been no fork.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux._bitmaps import _moved, _through_nth
from ..linux.gfp_types import __GFP_COMP, __GFP_ZERO, GFP_HIGHUSER_MOVABLE, GFP_KERNEL
from ..linux.memcontrol import mem_cgroup
from ..linux.mm import PAGE_SHIFT, PMD_SHIFT, VM_WRITE
from ..linux.mm_types import (
    MM_ANONPAGES,
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
from ..linux.pgtable import SharedPages
from ..linux.spinlock import spin_lock, spin_unlock
from .internal import anon_vma_prepare
from .memcontrol_charge import __mem_cgroup_charge
from .mempolicy_alloc import alloc_pages
from .page_alloc import Pages, __free_pages
from .swap import folio_add_lru, folios_put_refs
from .swapfile import swap_put_entries_direct

__all__ = [
    "_Copies",
    "_Folios",
    "_copy",
    "_reuse_or_hold",
    "do_wp_page",
    "folio_prealloc",
    "wp_page_copy",
]

_BY_TABLE: Final = (
    "the faults in one page-table page happen at once as far as there is memory for "
    "their pages, under one hold of its lock: nobody comes between two of them"
)
#: Masks of an anonymous fault, as reports show them: zeroed, or to be copied to.
_GFP_COPY: Final = GFP_HIGHUSER_MOVABLE | __GFP_COMP
_GFP_ZERO: Final = _GFP_COPY | __GFP_ZERO


@attrs.frozen
class _Folios:
    """Pages in hand, charged, that hang nowhere yet."""

    nr: int
    origin: _Origin

    def put(self, nr: int) -> None:
        """Give *nr* of them back."""
        if nr:
            folios_put_refs({self.origin: nr})


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def folio_prealloc(mm: mm_struct, want: int, nid: int, *, zero: bool) -> _Folios | None:
    """Allocate up to *want* pages for *mm*, and charge them.

    Context: May sleep.
    Return: At least one page, or None.
    """
    folios = alloc_pages(
        _GFP_ZERO if zero else _GFP_COPY, 0, preferred_nid=nid, want=want
    )
    if folios is None:
        return None
    memcg, charged = __mem_cgroup_charge(mm, GFP_KERNEL, folios.nr)
    return _keep(folios, memcg, charged)


def _keep(folios: Pages, memcg: mem_cgroup | None, charged: int) -> _Folios | None:
    """Give back what could not be charged."""
    kept = max(charged, 0)
    if kept < folios.nr:
        __free_pages(folios.nr - kept, folios.nid)
    return _Folios(kept, (folios.nid, memcg)) if kept else None


# -- copy on write ---------------------------------------------------------------------


def _protected(table: pgtable_t, mask: int) -> int:
    return table.present[MM_ANONPAGES] & table.readonly & mask


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def do_wp_page(vma: vm_area_struct, table: pgtable_t, mask: int) -> int:
    """Make the write-protected pages in *mask* writable, each with one user only.

    Context: ``mmap_lock``. May sleep; takes the table's lock.
    Return: The entries for which there was no memory.
    """
    spin_lock(table.ptl)
    copies = _reuse_or_hold(vma, table, mask)
    spin_unlock(table.ptl)
    return _copy(vma, table, copies)


@attrs.frozen
class _Copies:
    """Entries whose pages have to be copied, and these pages, which are held."""

    entries: int
    held: list[tuple[SharedPages, int]]


def _reuse_or_hold(vma: vm_area_struct, table: pgtable_t, mask: int) -> _Copies:
    """Make the pages in *mask* that nobody else uses writable; keep the others.

    Without swap nobody could take them away while they are copied, and nothing is
    kept.

    Context: The table's lock.
    """
    left = _protected(table, mask)
    mine, slots = table._reuse(left)
    if not vma.vm_flags & VM_WRITE:
        table.readonly |= mine
    if slots:
        swap_put_entries_direct(slots)
    left &= ~mine
    held = []
    for folios, shift, part in table.shared:
        if left & part and current_machine().config.total_swap_pages:
            held.append((folios, _moved(left & part, -shift)))
            folios.folio_get(held[-1][1])
    return _Copies(left, held)


def _copy(vma: vm_area_struct, table: pgtable_t, copies: _Copies) -> int:
    """Copy pages as far as there is memory, and let them go.

    Context: As :func:`do_wp_page`.
    Return: As there.
    """
    left = copies.entries
    while left:
        copied = wp_page_copy(vma, table, left)
        if not copied:
            break
        left &= ~copied
    for folios, bits in copies.held:
        freed: dict[_Origin, int] = {}
        slots = folios.folio_put(bits, freed)
        if slots:
            swap_put_entries_direct(slots)
        folios_put_refs(freed)
    return left


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def wp_page_copy(vma: vm_area_struct, table: pgtable_t, mask: int) -> int:
    """Copy the first of the pages in *mask*, as many as there is memory for.

    Those that are not protected any more need no copy: another thread was faster.

    Context: As :func:`do_wp_page`.
    Return: The entries that are done: none, if there is no memory at all.
    """
    mm = vma.vm_mm
    anon_vma_prepare(vma)
    folios = folio_prealloc(mm, mask.bit_count(), table.origin[0], zero=False)
    if folios is None:
        return 0
    done = mask & _through_nth(mask, folios.nr)
    base = table.index << PMD_SHIFT
    first, last = (done & -done).bit_length() - 1, done.bit_length()
    change = mmu_notifier_range(
        MMU_NOTIFY_CLEAR, mm, base + (first << PAGE_SHIFT), base + (last << PAGE_SHIFT)
    )
    mmu_notifier_invalidate_range_start(change)
    spin_lock(table.ptl)
    copied = _protected(table, done)
    freed, slots = table._forget(copied)
    table._add_pages(folios.origin, copied)
    folio_add_lru(vma, folios.origin)
    if not vma.vm_flags & VM_WRITE:
        table.readonly |= copied
    spin_unlock(table.ptl)
    if slots:
        swap_put_entries_direct(slots)
    mmu_notifier_invalidate_range_end(change)
    folios_put_refs(freed)
    folios.put(folios.nr - copied.bit_count())
    return done
