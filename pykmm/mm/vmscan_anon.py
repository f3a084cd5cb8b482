# SPDX-License-Identifier: GPL-2.0-only
"""Swapping out — part of ``mm/vmscan.c``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import Machine, current_machine
from ..engine.step import enter, leave
from ..linux.mm import PMD_SHIFT, PTRS_PER_PTE, VM_LOCKED
from ..linux.mm_types import (
    MM_ANONPAGES,
    MMF_UNSTABLE,
    _Origin,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.pgtable import SharedPages, _moved
from ..linux.rmap import anon_vma
from ..linux.spinlock import spin_lock, spin_unlock
from .internal import anon_vma_lock_read, anon_vma_unlock_read, put_anon_vma
from .memory import _pte_tables, _through_nth
from .rmap_unmap import (
    AnonFolios,
    Wanted,
    _part,
    folio_referenced,
    folio_referenced_one,
    try_to_unmap,
)
from .swap import _anon_lru, folios_put_refs
from .swapfile import (
    _free_slots,
    folio_alloc_swap,
    nr_swap_pages,
    swap_put_entries_direct,
)

__all__ = [
    "_isolate_from",
    "_may_swap",
    "anon_on_node",
    "could_swap_out",
    "reclaim_pages",
    "shrink_anon",
    "shrink_folio_list",
]

_NO_AGES: Final = (
    "no page is active: those go first whose mapping was the first to have any, from "
    "the lowest address on, and those that were used as soon as no others are left. "
    "Writing takes no time; what is pinned stays"
)


def _may_swap(origin: _Origin) -> bool:
    """Tell whether the cgroup that a page is charged to lets it be swapped out."""
    memcg = origin[1]
    while memcg is not None:
        if not memcg.swappiness or not memcg.swap_max_pages:
            return False
        memcg = memcg.parent
    return True


# -- what there is ---------------------------------------------------------------------

#: Positions of pages that several may map.
_Positions: TypeAlias = dict[SharedPages, int]


def _tables(vma: vm_area_struct) -> Iterator[tuple[pgtable_t, int]]:
    """Yield the tables of *vma* and its entries in them, without a step."""
    state = vma.__dict__
    start, end, pgd = state["vm_start"], state["vm_end"], state["vm_mm"].pgd
    for index in range(start >> PMD_SHIFT, (end - 1 >> PMD_SHIFT) + 1):
        table = pgd.get(index)
        if table is not None:
            yield table, _part(table, start, end)


def _mlocked(found: anon_vma) -> _Positions:
    """Return the pages that a mapping with VM_LOCKED keeps for all who map them."""
    locked: _Positions = {}
    for avc in list(found.root.__dict__["rb_root"]):
        if avc.vma.__dict__["vm_flags"] & VM_LOCKED:
            for table, mask in _tables(avc.vma):
                mask &= table.present[MM_ANONPAGES]
                for folios, shift, part in table.shared:
                    bits = _moved(part & mask, -shift)
                    locked[folios] = locked.get(folios, 0) | bits
    return locked


def _candidates(
    table: pgtable_t, mask: int, wanted: Wanted, mlocked: _Positions
) -> int:
    """Return the entries in *mask* whose pages, mapped or not, are *wanted* and can go.

    Nothing of it is a step.
    """
    found = 0
    for origin, bits in list(table.exclusive.items()):
        if wanted(origin):
            found |= bits & mask
    for folios, shift, part in table.shared:
        here = 0
        for origin, bits in list(folios.origins.items()):
            if wanted(origin):
                here |= bits
        here &= ~(folios.locked | folios.held[0] | folios.pinned)
        here &= ~mlocked.get(folios, 0)
        found |= part & mask & _moved(here, shift)
    return found


def _is_home(vma: vm_area_struct, found: anon_vma) -> bool:
    """Tell, without a step, whether *vma* has its new pages in *found*, unlocked."""
    state = vma.__dict__
    return state["anon_vma"] is found and not state["vm_flags"] & VM_LOCKED


def _evictable(
    found: anon_vma, wanted: Wanted
) -> Iterator[tuple[vm_area_struct, pgtable_t, int]]:
    """Yield where there are pages that can go, without a step."""
    mlocked = _mlocked(found)
    for avc in list(found.__dict__["rb_root"]):
        mm: mm_struct = avc.vma.__dict__["vm_mm"]
        if not _is_home(avc.vma, found):
            continue
        if not mm.mm_users.counter or mm.flags._has(MMF_UNSTABLE):
            continue
        for table, mask in _tables(avc.vma):
            if bits := _candidates(table, mask, wanted, mlocked):
                yield avc.vma, table, bits


def _first(machine: Machine, wanted: Wanted) -> anon_vma | None:
    """Find one with pages that can go, without a step."""
    for found in list(machine.alive):
        if isinstance(found, anon_vma) and any(True for _ in _evictable(found, wanted)):
            return found
    return None


def could_swap_out(wanted: Wanted) -> Callable[[], bool]:
    """Make a guard: is there anything to be swapped out, and room for it?"""
    machine, slots = current_machine(), nr_swap_pages()

    def check(origin: _Origin) -> bool:
        return wanted(origin) and _may_swap(origin)

    return lambda: bool(slots.counter) and _first(machine, check) is not None


def anon_on_node(nid: int) -> int:
    """Count the pages of a node that could be swapped out, without a step."""
    if not nr_swap_pages().counter:
        return 0

    def wanted(origin: _Origin) -> bool:
        return origin[0] == nid and _may_swap(origin)

    nr = 0
    shared: _Positions = {}
    for found in list(current_machine().alive):
        if isinstance(found, anon_vma):
            for _, table, bits in _evictable(found, wanted):
                for folios, shift, part in table.shared:
                    here = shared.get(folios, 0) | _moved(part & bits, -shift)
                    shared[folios] = here
                    bits &= ~part
                nr += bits.bit_count()
    return nr + sum(map(int.bit_count, shared.values()))


# -- taking them in hand ---------------------------------------------------------------


def _isolate(wanted: Wanted) -> anon_vma | None:
    """Choose where pages shall go, in a step, and keep it.

    Whoever takes the mappings down meanwhile does so under its lock, which comes next.
    """
    lru = _anon_lru()
    t = enter(lru, "isolate_lru_folios")
    found = _first(t.machine, wanted)
    if found is not None:
        found.refcount.counter += 1
    leave(t, lru, Access.READ, "nothing" if found is None else found.name)
    return found


def _isolate_from(
    vma: vm_area_struct,
    table: pgtable_t,
    mask: int,
    wanted: Wanted,
    nr_pages: int = PTRS_PER_PTE,
    *,
    pageout: bool = False,
) -> tuple[list[AnonFolios], int]:
    """Lock the first pages of *vma* in one table, and see which were used there.

    Those that were are spared. For *pageout* it does not matter, but pages that others
    map, too, or nobody does, are left alone.

    Context: What keeps the table; takes its lock.
    Return: The pages, and how many were spared.
    """
    own: anon_vma | None = vma.__dict__["anon_vma"]
    mlocked = {} if own is None else _mlocked(own)
    spin_lock(table.ptl)
    found = _candidates(table, mask, wanted, mlocked)
    young = 0 if pageout else found & table.young
    table.young &= ~young
    found &= table.present[MM_ANONPAGES] if pageout else ~young
    found &= _through_nth(found, nr_pages)
    isolated, anon = [], table.present[MM_ANONPAGES]
    for folios, shift, part in table.shared:
        if hit := part & found:
            found &= ~hit
            got = folios.folio_trylock(_moved(hit, -shift), alone=pageout)
            mapped = got & _moved(hit & anon, -shift)
            if got:
                isolated.append(AnonFolios(vma, table, folios, shift, got, mapped))
    if found:
        folios = table._share(found, locked=True)
        isolated.append(AnonFolios(vma, table, folios, 0, found, found))
    spin_unlock(table.ptl)
    return isolated, young.bit_count()


# -- swapping out ----------------------------------------------------------------------


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_NO_AGES)
def shrink_folio_list(
    pages: AnonFolios, *, ignore_references: bool = False
) -> tuple[int, int]:
    """Swap *pages* out, as far as nobody uses them and there is room, and unlock them.

    Context: As :func:`rmap_walk_anon`.
    Return: How many have become free, and how many were spared.
    """
    folios = pages.folios
    spared = 0 if ignore_references else folio_referenced(pages)
    going = _add_to_swap(folios, pages.bits & ~spared)
    if going:
        try_to_unmap(attrs.evolve(pages, bits=going))
    freed: dict[_Origin, int] = {}
    slots = folios.remove_mapping(pages.bits, freed)
    if slots:
        swap_put_entries_direct(slots)
    folios_put_refs(freed)
    return sum(freed.values()), spared.bit_count()


def _add_to_swap(folios: SharedPages, bits: int) -> int:
    """Put pages that are locked into the swap cache, as far as there are slots.

    Return: Those that are in it now.
    """
    new = bits & ~folios.cached  # who has locked a page has it alone
    if not new:
        return bits
    slots = folio_alloc_swap(new.bit_count())
    added = new & _through_nth(new, slots) if slots else 0
    if added:
        folios.swap_cache_add_folio(added)
    return bits & ~new | added


def _shrink_anon_vma(found: anon_vma, nr_pages: int, wanted: Wanted) -> tuple[int, int]:
    """Swap out up to *nr_pages* of the pages that *found* leads to.

    Context: Takes its lock for reading, which keeps its mappings and their page tables.
        May sleep.
    Return: How many pages were freed, and how many spared.
    """
    freed = spared = 0
    anon_vma_lock_read(found)
    for avc in list(found.rb_root):
        vma = avc.vma
        if not _is_home(vma, found) or folio_referenced_one(vma):
            continue
        start, end = vma.__dict__["vm_start"], vma.__dict__["vm_end"]
        for table in _pte_tables(vma.vm_mm, start, end):
            if freed >= nr_pages:
                break
            mask, left = _part(table, start, end), nr_pages - freed
            isolated, kept = _isolate_from(vma, table, mask, wanted, left)
            spared += kept
            for pages in isolated:
                gone, kept = shrink_folio_list(pages)
                freed, spared = freed + gone, spared + kept
    anon_vma_unlock_read(found)
    return freed, spared


@mirrors("mm/vmscan.c", checked="v7.2", abridged="pages of one table after the other")
def reclaim_pages(isolated: list[AnonFolios]) -> None:
    """Swap pages out that somebody has isolated, whoever has used them.

    Context: ``mmap_lock`` for reading; takes ``anon_vma`` locks for reading.
    """
    for pages in isolated:
        found: anon_vma = pages.vma.__dict__["anon_vma"]
        anon_vma_lock_read(found)
        shrink_folio_list(pages, ignore_references=True)
        anon_vma_unlock_read(found)


def shrink_anon(nr_pages: int, wanted: Wanted) -> int:
    """Swap out *nr_pages* of the *wanted* origins, if there is room for them.

    Context: May sleep; takes ``anon_vma`` locks for reading.
    Return: How many pages were freed.
    """
    reclaimed = 0

    def check(origin: _Origin) -> bool:
        return wanted(origin) and _may_swap(origin)

    while reclaimed < nr_pages and _free_slots():
        found = _isolate(check)
        if found is None:
            break
        got, spared = _shrink_anon_vma(found, nr_pages - reclaimed, check)
        put_anon_vma(found)
        if not got and not spared:
            break
        reclaimed += got
    return reclaimed
