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
from ..linux.mm import VM_FAULT_OOM, VM_LOCKED, VM_WRITE, add_mm_counter
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_SWAPENTS,
    _Origin,
    pgtable_t,
    vm_area_struct,
)
from ..linux.pgtable import SharedPages, _moved
from ..linux.spinlock import spin_lock, spin_unlock
from .memcontrol import mem_cgroup_swap_full
from .memory import _through_nth
from .memory_wp import _Folios, do_wp_page, folio_prealloc
from .swap import folios_put_refs
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
    #: Those of the entries whose page the caller has just read, and holds locked.
    mine: int = 0

    def bits(self, entries: int) -> int:
        """Return the positions of those of *entries* that are of this group."""
        return _moved(entries & self.entries, -self.shift)

    def ready(self, table: pgtable_t, entries: int) -> int:
        """Return which of *entries* name slots of the group whose page can be mapped.

        Context: The table's lock.
        """
        here = 0
        for folios, shift, part in table.shared:
            if folios is self.folios and shift == self.shift:
                here |= part
        cached = self.folios.cached & ~self.folios.locked
        return here & entries & self.entries & (_moved(cached, self.shift) | self.mine)


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
        used = _read(named, missing, folios)
    spin_lock(table.ptl)
    done, taken = _map(vma, table, mask, own & missing, named, folios, write=write)
    spin_unlock(table.ptl)
    _unlock(named, done)
    if folios is not None:
        folios.put(folios.nr - used - taken)
    left = do_wp_page(vma, table, done) if write and done & table.readonly else 0
    return (VM_FAULT_OOM, done & _below(left)) if left else (0, done)


def _read(named: list[_Slots], missing: int, folios: _Folios) -> int:
    """Put pages into the swap cache for those slots that have none; return how many."""
    nr = 0
    for slots in named:
        if bits := slots.bits(missing):
            new = slots.folios.swap_cache_alloc_folio(bits, folios.origin)
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
    """Map the pages of the entries in *mask*, up to the first that lacks its page.

    Context: The table's lock.
    Return: The entries that are done, and how many pages in hand *own* ones took.
    """
    swapped = table.present[MM_SWAPENTS] & mask
    own &= swapped & ~table._shared_bits()
    ready = own
    for slots in named:
        ready |= slots.ready(table, swapped)
    done = mask & _below(mask & ~ready)
    if not done:
        return 0, 0
    full = mem_cgroup_swap_full() or bool(vma.vm_flags & VM_LOCKED)
    table.present[MM_SWAPENTS] ^= done
    table.present[MM_ANONPAGES] |= done
    unused, writable = 0, own & done
    if folios is not None and writable:
        unused = _map_own(table, writable, folios, keep=not (write or full))
    for slots in named:
        if bits := slots.bits(done):
            got = slots.folios.swap_in(bits, write=write, full=full)
            table._take_home(got.left, slots.shift)
            writable |= _moved(got.exclusive, slots.shift)
            unused += got.slots
    table.readonly |= done & ~writable if vma.vm_flags & VM_WRITE else done
    table.young |= done
    if unused:
        swap_put_entries_direct(unused)
    add_mm_counter(vma.vm_mm, MM_ANONPAGES, done.bit_count())
    add_mm_counter(vma.vm_mm, MM_SWAPENTS, -done.bit_count())
    return done, (own & done).bit_count()


def _map_own(table: pgtable_t, entries: int, folios: _Folios, *, keep: bool) -> int:
    """Map pages in hand for slots that only *entries* name; return how many are free.

    With *keep* the pages go into the swap cache, and none is.
    """
    table._add_pages(folios.origin, entries)
    if not keep:
        return entries.bit_count()
    table._share(entries).cached = entries
    return 0


def _unlock(named: list[_Slots], done: int) -> None:
    """Unlock what was read for entries that somebody has changed meanwhile.

    Context: No spinlock.
    """
    for slots in named:
        if bits := slots.bits(slots.mine & ~done):
            freed: dict[_Origin, int] = {}
            unused = slots.folios.folio_unlock(bits, freed)
            if unused:
                swap_put_entries_direct(unused)
            folios_put_refs(freed)
