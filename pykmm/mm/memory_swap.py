# SPDX-License-Identifier: GPL-2.0-only
"""Bringing pages back from swap — part of ``mm/memory.c``.

Whoever reads a slot puts the page into the swap cache first, locked, so that the next
one finds it there instead of reading it again. It stays there, and the slot with it,
until somebody writes the page and has it alone, or swap is getting full.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..linux._bitmaps import _moved, _through_nth
from ..linux.mm import VM_FAULT_OOM, VM_LOCKED, VM_WRITE, add_mm_counter
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_SWAPENTS,
    _Origin,
    pgtable_t,
    vm_area_struct,
)
from ..linux.pgtable import SharedPages
from ..linux.spinlock import spin_lock, spin_unlock
from .memcontrol import mem_cgroup_swap_full
from .memory_wp import _copy, _Folios, _reuse_or_hold, folio_prealloc
from .swap import folio_add_lru, folios_put_refs
from .swapfile import swap_put_entries_direct

__all__ = ["_below", "do_swap_page"]

_BY_TABLE: Final = (
    "the entries of one page-table page at once, as far as there is memory for their "
    "pages. Reading takes no time, never fails, and brings no neighbours; what one "
    "entry alone names is read into the caller's hands. Charged is who reads"
)


@attrs.define
class _Slots:
    """Slots of one group that entries of a table name."""

    folios: SharedPages
    shift: int
    entries: int
    #: Those of the entries whose page the caller has read, and holds locked.
    mine: int = 0

    def bits(self, entries: int) -> int:
        """Return the positions of those of *entries* that are of this group."""
        return _moved(entries & self.entries, -self.shift)

    def still(self, table: pgtable_t, entries: int) -> int:
        """Return which of *entries* name slots of the group now.

        Context: The table's lock.
        """
        found = 0
        for folios, shift, part in table.shared:
            if folios is self.folios and shift == self.shift:
                found |= part
        return found & entries & self.entries


def _below(bits: int) -> int:
    """Return all entries below the lowest one in *bits*."""
    return (bits & -bits) - 1


@mirrors("mm/memory.c", checked="v7.2", abridged=_BY_TABLE)
def do_swap_page(
    vma: vm_area_struct, table: pgtable_t, mask: int, *, write: bool
) -> tuple[int, int]:
    """Map the pages again that the swap entries in *mask* stand for.

    Context: ``mmap_lock`` or the lock of *vma*, for reading. May sleep; takes the
        table's lock.
    Return: 0 or VM_FAULT_OOM, and which entries are done: all, or those up to where
        memory was short, or somebody else was faster.
    """
    named = [_Slots(f, shift, part & mask) for f, shift, part in table.shared]
    named = [slots for slots in named if slots.entries]
    own = missing = mask & ~table._shared_bits()
    for slots in named:
        cached = slots.folios.swap_cache_get_folio(slots.bits(mask))
        missing |= slots.entries & ~_moved(cached, slots.shift)
    folios, used = None, 0
    if missing:
        nid = table.origin[0]
        folios = folio_prealloc(vma.vm_mm, missing.bit_count(), nid, zero=False)
        if folios is None:
            return VM_FAULT_OOM, 0
        missing &= _through_nth(missing, folios.nr)
        used = _read(vma, named, missing, folios)
    spin_lock(table.ptl)
    done, taken = _map(vma, table, mask, own & missing, named, folios, write=write)
    copies = _reuse_or_hold(vma, table, done if write else 0)
    spin_unlock(table.ptl)
    _unlock(named)
    if folios is not None:
        folios.put(folios.nr - used - taken)
    if not copies.entries:
        return 0, done
    left = _copy(vma, table, copies)
    if left:
        return VM_FAULT_OOM, done & _below(left)
    return 0, done & _below(done & ~_mapped_now(table))


def _mapped_now(table: pgtable_t) -> int:
    """Return, in a step, the entries whose pages are there: what was not copied is not.

    Reclaim may have had a page in its hands before it was held.
    """
    t = table.ptl.look("ptep_get")
    found = table.present[MM_ANONPAGES]
    table.ptl.looked(t)
    return found


def _read(
    vma: vm_area_struct, named: list[_Slots], missing: int, folios: _Folios
) -> int:
    """Put pages into the swap cache for those slots that have none; return how many."""
    nr = 0
    for slots in named:
        if bits := slots.bits(missing):
            new = slots.folios.swap_cache_alloc_folio(bits, folios.origin)
            folio_add_lru(vma, folios.origin)
            slots.mine = _moved(new, slots.shift)
            nr += new.bit_count()
    return nr


def _map(
    vma: vm_area_struct,
    table: pgtable_t,
    mask: int,
    own: int,
    named: list[_Slots],
    folios: _Folios | None,
    *,
    write: bool,
) -> tuple[int, int]:
    """Map what is there for the entries in *mask*.

    Context: The table's lock.
    Return: The entries that are done, up to the first that lacks its page, and how
        many pages in hand *own* ones took.
    """
    swapped = table.present[MM_SWAPENTS] & mask
    mapped = own & swapped & ~table._shared_bits()
    taken, writable, unused = mapped.bit_count(), mapped, 0
    full = mem_cgroup_swap_full() or bool(vma.vm_flags & VM_LOCKED)
    if folios is not None and mapped:
        folio_add_lru(vma, folios.origin)
        unused = _map_own(table, mapped, folios, keep=not (write or full))
    for slots in named:
        if bits := slots.bits(slots.still(table, swapped)):
            mine = slots.bits(slots.mine)
            got = slots.folios.swap_in(bits, mine, write=write, full=full)
            mapped |= _moved(got.mapped, slots.shift)
            writable |= _moved(got.exclusive, slots.shift)
            table._take_home(got.left, slots.shift)
            slots.mine &= ~_moved(got.mapped, slots.shift)
            unused += got.slots
    table.present[MM_SWAPENTS] ^= mapped
    table.present[MM_ANONPAGES] |= mapped
    table.readonly |= mapped & ~writable if vma.vm_flags & VM_WRITE else mapped
    table.young |= mapped
    if unused:
        swap_put_entries_direct(unused)
    add_mm_counter(vma.vm_mm, MM_ANONPAGES, mapped.bit_count())
    add_mm_counter(vma.vm_mm, MM_SWAPENTS, -mapped.bit_count())
    return mask & _below(mask & ~mapped), taken


def _map_own(table: pgtable_t, entries: int, folios: _Folios, *, keep: bool) -> int:
    """Map pages in hand for slots that only *entries* name; return how many are free.

    With *keep* the pages go into the swap cache, and none is.
    """
    table._add_pages(folios.origin, entries)
    if not keep:
        return entries.bit_count()
    table._share(entries).cached = entries
    return 0


def _unlock(named: list[_Slots]) -> None:
    """Unlock what was read for entries that somebody has changed meanwhile.

    Context: No spinlock.
    """
    for slots in named:
        if bits := slots.bits(slots.mine):
            freed: dict[_Origin, int] = {}
            unused = slots.folios.folio_unlock(bits, freed)
            if unused:
                swap_put_entries_direct(unused)
            folios_put_refs(freed)
