# SPDX-License-Identifier: GPL-2.0-only
"""Swapping out — part of ``mm/vmscan.c``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.objects import Named
from ..engine.step import enter, leave
from ..linux._bitmaps import _moved, _through_nth
from ..linux._shared_pages import Wanted, _of_origins
from ..linux.mm import PTRS_PER_PTE, VM_LOCKED
from ..linux.mm_types import (
    MM_ANONPAGES,
    MMF_UNSTABLE,
    _Origin,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.pgtable import SharedPages, _ptlock
from ..linux.rmap import anon_vma
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.vm_flags import _read_flags_once
from .internal import anon_vma_lock_read, anon_vma_unlock_read
from .memory import _in_order, _pte_tables
from .rmap_unmap import (
    AnonFolios,
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
    "no page is active: those go first whose mapping was made first, from the lowest "
    "address on, and those that were used as soon as no others are left. "
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
#: What comes before something is looked at: a step, or nothing where a guard looks.
_Look: TypeAlias = Callable[[Named], None]


def _without_a_step(_: Named) -> None:
    """Look at something as guards do."""


def _in_a_step(obj: Named) -> None:
    """Look at *obj* where others may be changing it."""
    kind = "zone_page_state_snapshot"
    if isinstance(obj, _ptlock):
        obj.looked(obj.look(kind))
    else:
        leave(enter(obj, kind), obj, Access.READ)


def _tables(vma: vm_area_struct, look: _Look) -> list[tuple[pgtable_t, int]]:
    """Return the tables of *vma* and its entries in them."""
    state = vma.__dict__
    start, end, mm = state["vm_start"], state["vm_end"], state["vm_mm"]
    look(field_of(mm, "pgd"))
    return [(table, _part(table, start, end)) for table in _in_order(mm, start, end)]


def _is_mlocked(vma: vm_area_struct, look: _Look) -> bool:
    look(field_of(vma, "vm_flags"))
    return bool(vma.__dict__["vm_flags"] & VM_LOCKED)


def _is_going(vma: vm_area_struct, look: _Look) -> bool:
    """Tell whether :func:`folio_referenced_one` would leave *vma* alone."""
    mm: mm_struct = vma.__dict__["vm_mm"]
    look(mm.mm_users)
    if not mm.mm_users.counter:
        return True
    look(mm.flags.bit(MMF_UNSTABLE))
    return mm.flags._has(MMF_UNSTABLE)


def _mlocked(vmas: list[vm_area_struct], look: _Look) -> _Positions:
    """Return the pages that *vmas*, with VM_LOCKED, keep for all who map them."""
    locked: _Positions = {}
    for vma in vmas:
        for table, mask in _tables(vma, look):
            look(table.ptl)
            mask &= table.present[MM_ANONPAGES]
            for folios, shift, part in table.shared:
                bits = _moved(part & mask, -shift)
                locked[folios] = locked.get(folios, 0) | bits
    return locked


def _candidates(
    table: pgtable_t, mask: int, wanted: Wanted, mlocked: _Positions, look: _Look
) -> Iterator[tuple[SharedPages | None, int]]:
    """Yield pages, mapped or not, of entries in *mask* that are *wanted* and can go.

    Those of the table alone come as entries, others as positions.
    """
    look(table.ptl)
    shared = table.shared
    yield None, mask & _of_origins(table.exclusive, wanted)
    for folios, shift, part in shared:
        look(folios)
        here = _moved(part & mask, -shift) & _of_origins(folios.origins, wanted)
        here &= ~(folios.locked | folios.held[0] | folios.pinned)
        yield folios, here & ~mlocked.get(folios, 0)


def _evictable(
    root: anon_vma, wanted: Wanted, look: _Look
) -> Iterator[tuple[SharedPages | None, int]]:
    """Yield the *wanted* pages that can go; those that are shared more than once."""
    mapped = [avc.vma for avc in list(root.__dict__["rb_root"])]
    locked = [vma for vma in mapped if _is_mlocked(vma, look)]
    mlocked = _mlocked(locked, look)
    for vma in mapped:
        if vma in locked or _is_going(vma, look):
            continue
        for table, mask in _tables(vma, look):
            yield from _candidates(table, mask, wanted, mlocked, look)


def _that_may_go(wanted: Wanted) -> Wanted:
    """Narrow *wanted* down to what cgroups let go to swap."""
    return lambda origin: wanted(origin) and _may_swap(origin)


def could_swap_out(wanted: Wanted) -> Callable[[], bool]:
    """Make a guard: is there anything to be swapped out, and room for it?"""
    lru, slots, wanted = _anon_lru(), nr_swap_pages(), _that_may_go(wanted)

    def check() -> bool:
        # A snapshot: whoever evaluates the guard may not be alone with the list.
        return slots.counter > 0 and any(
            bits
            for root in list(lru.members)
            for _, bits in _evictable(root, wanted, _without_a_step)
        )

    return check


def anon_on_node(nid: int) -> int:
    """Count the pages of a node that could be swapped out.

    Linux keeps counters; here the page tables are looked at, in steps.

    Context: May sleep; takes ``anon_vma`` locks for reading.
    """
    if not _free_slots():
        return 0
    wanted = _that_may_go(lambda origin: origin[0] == nid)
    nr = 0
    shared: _Positions = {}
    roots = _anon_lru().take("zone_reclaimable_pages", wanted)
    for root in roots:
        anon_vma_lock_read(root)
        for folios, bits in _evictable(root, wanted, _in_a_step):
            if folios is None:
                nr += bits.bit_count()
            else:
                shared[folios] = shared.get(folios, 0) | bits
        anon_vma_unlock_read(root)
    _anon_lru().put(roots)
    return nr + sum(map(int.bit_count, shared.values()))


# -- taking them in hand ---------------------------------------------------------------


def _isolate_from(
    vma: vm_area_struct,
    table: pgtable_t,
    mask: int,
    wanted: Wanted,
    nr_pages: int = PTRS_PER_PTE,
    *,
    pageout: bool = False,
) -> tuple[list[AnonFolios], int]:
    """Lock up to *nr_pages* of *vma* in one table, and see which were used there.

    Those that were are spared. For *pageout* it does not matter, but pages that others
    map, too, or nobody does, are left alone.

    Context: What keeps the table; takes its lock.
    Return: The pages, and how many were spared.
    """
    isolated = []
    spin_lock(table.ptl)
    anon, spared, left = table.present[MM_ANONPAGES], 0, nr_pages
    young = 0 if pageout else table.young & mask
    for folios, shift, part in table.shared:
        hit = part & mask & (anon if pageout else ~0)
        if not hit or left <= 0:
            continue
        used = _moved(hit & young, -shift)
        got, kept = folios.folio_trylock(
            _moved(hit, -shift), wanted, left, used, alone=pageout
        )
        spared |= _moved(kept, shift)
        if got:
            mapped = got & _moved(hit & anon, -shift)
            isolated.append(AnonFolios(vma, table, folios, shift, got, mapped))
            left -= got.bit_count()
    own = mask & _of_origins(table.exclusive, wanted)
    spared |= own & young
    own &= ~young
    own &= _through_nth(own, left)
    table.young &= ~spared
    if own:
        folios = table._share(own, locked=True)
        isolated.append(AnonFolios(vma, table, folios, 0, own, own))
    spin_unlock(table.ptl)
    return isolated, spared.bit_count()


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
    spared = mlocked = 0
    if not ignore_references:
        spared, mlocked = folio_referenced(pages)
    going = _add_to_swap(folios, pages.bits & ~(spared | mlocked))
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


def _shrink_tree(root: anon_vma, nr_pages: int, wanted: Wanted) -> tuple[int, int]:
    """Swap out up to *nr_pages* of the pages that *root* leads to.

    Context: Takes its lock for reading, which keeps mappings and their page tables.
        May sleep.
    Return: How many pages were freed, and how many spared.
    """
    freed = spared = 0
    anon_vma_lock_read(root)
    for avc in list(root.rb_root):
        if freed >= nr_pages:
            break
        vma = avc.vma
        if _read_flags_once(vma) & VM_LOCKED or folio_referenced_one(vma):
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
    anon_vma_unlock_read(root)
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
    lru, wanted = _anon_lru(), _that_may_go(wanted)
    reclaimed, spared = 0, 1
    while spared and reclaimed < nr_pages and _free_slots():
        spared = 0
        roots = lru.take("isolate_lru_folios", wanted)
        for root in roots:
            if reclaimed >= nr_pages:
                break
            got, kept = _shrink_tree(root, nr_pages - reclaimed, wanted)
            reclaimed, spared = reclaimed + got, spared + kept
        lru.put(roots)
    return reclaimed
