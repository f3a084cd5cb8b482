# SPDX-License-Identifier: GPL-2.0-only
"""Filling entries that a fault found empty — part of ``mm/memory.c``."""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.mm import (
    VM_FAULT_SIGBUS,
    VM_SHARED,
    VM_WRITE,
    add_mm_counter,
    mm_flags_test,
)
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MMF_UNSTABLE,
    NR_MM_COUNTERS,
    pgtable_t,
    vm_area_struct,
)
from ..linux.spinlock import spin_lock, spin_unlock
from .filemap_cache import _any_locked, _cache_missing, _offset
from .memory_entries import _Change, _change, _kind
from .memory_wp import _Folios
from .swap import folio_add_lru

__all__ = ["_NOTHING", "_Fault", "_fill", "_lowest"]


@attrs.frozen
class _Fault:
    """What one fault came to: 0 or an error, and the entries that are done."""

    ret: int
    done: int
    #: Of these, those that may be written since, each with a page that others see.
    dirtied: int = 0


#: Pages of the file went, or somebody is about to take them.
_NOTHING: Final = _Fault(0, 0)


def _lowest(entries: int) -> int:
    """Return the number of the first of *entries*."""
    return (entries & -entries).bit_length() - 1


def _fill(
    vma: vm_area_struct,
    table: pgtable_t,
    mask: int,
    folios: _Folios | None,
    *,
    write: bool,
) -> tuple[_Fault | None, int]:
    """Fill the entries in *mask*, if the pages in hand are enough.

    Context: Takes the table's lock.
    Return: None if they are not; and how many pages have been used. Nothing is done,
        without an error, if its pages went since they were found, or are going to.
    """
    spin_lock(table.ptl)
    fault, used = _fill_locked(vma, table, mask, folios, write=write)
    spin_unlock(table.ptl)
    return fault, used


def _fill_locked(
    vma: vm_area_struct,
    table: pgtable_t,
    mask: int,
    folios: _Folios | None,
    *,
    write: bool,
) -> tuple[_Fault | None, int]:
    private = not vma.vm_flags & VM_SHARED
    member = _kind(vma, write=write)
    change = _change(table, mask, member, write=write, private=private)
    # check_stable_address_space(): a page that is missing may have been reaped.
    if change.missing and private and mm_flags_test(MMF_UNSTABLE, vma.vm_mm):
        return _Fault(VM_FAULT_SIGBUS, 0), 0
    if change.missing and _truncated(vma, table, change.missing):
        return _NOTHING, 0
    needed = change.anon().bit_count()
    if change.swapped or needed > (0 if folios is None else folios.nr):
        return None, 0
    _install_pages(vma, table, change, folios)
    table.young |= mask
    dirtied = 0
    if write and not private:
        dirtied = mask & table.present[MM_FILEPAGES]
        dirtied &= ~table.dirty | table.readonly
        table.dirty |= dirtied
        table.readonly &= ~dirtied
    return _Fault(0, mask, dirtied), needed


def _truncated(vma: vm_area_struct, table: pgtable_t, entries: int) -> bool:
    """Tell whether one of the file's pages is there no more, or about to go.

    Context: The table's lock.
    """
    if vma.vm_file is None:
        return False
    low = _lowest(entries)
    first, nr = _offset(vma, table) + low, entries.bit_length() - low
    mapping = vma.vm_file.f_mapping
    field = field_of(mapping, "i_pages")
    t = enter(field, "folio_mapping")
    gone = _cache_missing(mapping, first, nr)
    locked = _any_locked(mapping, first, nr)
    leave(t, field, Access.READ, gone)
    return bool(gone) or locked


def _install_pages(
    vma: vm_area_struct, table: pgtable_t, change: _Change, folios: _Folios | None
) -> None:
    """Fill the entries with pages, those that are new from *folios*.

    Context: The table's lock.
    """
    mm, present = vma.vm_mm, table.present
    rss = [0] * len(present)
    for member, bits in enumerate(present):
        gone = bits & change.copied
        present[member] ^= gone
        rss[member] -= gone.bit_count()
    filled = ((MM_ANONPAGES, change.copied), (change.member, change.missing))
    for member, bits in filled:
        present[member] |= bits
        rss[member] += bits.bit_count()
    table.readonly &= ~change.copied
    if change.member == _PFN_ENTRIES:
        table.readonly |= change.missing
    if folios is not None and change.anon():
        table._add_pages(folios.origin, change.anon())
        folio_add_lru(vma, folios.origin)
        if not vma.vm_flags & VM_WRITE:
            table.readonly |= change.anon()
    for member in range(NR_MM_COUNTERS):
        if rss[member]:
            add_mm_counter(mm, member, rss[member])
