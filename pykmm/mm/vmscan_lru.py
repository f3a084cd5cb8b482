# SPDX-License-Identifier: GPL-2.0-only
"""Which files have pages that could be reclaimed — part of ``mm/vmscan.c``."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..linux._shared_pages import Wanted
from ..linux.fs import i_mmap_lock_read, i_mmap_unlock_read
from ..linux.mm_types import _Folios, _Origin, address_space
from ..linux.page_flags import PG_locked
from ._lru import Lru
from .filemap_cache import _add_folios, _of_window, _offset, _without
from .rmap_file import _entries
from .swapfile import _free_slots, nr_swap_pages
from .vmscan_anon import (
    _in_a_step,
    _is_mlocked,
    _Look,
    _tables,
    _that_may_go,
    _without_a_step,
)

__all__ = ["_evictable", "could_drop", "file_lru", "file_pages"]


class _FileLru(Lru[address_space]):
    """The files that have had pages in memory: those of page cache first."""

    def _may_go(self, member: address_space) -> bool:
        return member.is_shmem

    def add(self, member: address_space, *origins: _Origin) -> None:
        if _is_reclaimed(member):
            super().add(member, *origins)

    def take(self, kind: str, wanted: Wanted | None = None) -> list[address_space]:
        found = super().take(kind, wanted)
        return sorted(found, key=lambda mapping: mapping.is_shmem)

    def forget(self, member: address_space) -> None:
        if _is_reclaimed(member):
            super().forget(member)


file_lru = MachineLocal(_FileLru)


def _is_reclaimed(mapping: address_space) -> bool:
    """Tell whether pages of a file can ever be reclaimed: huge ones never can."""
    if mapping.is_shmem:
        return bool(current_machine().config.total_swap_pages)
    return mapping.is_linked


def _evictable(mapping: address_space, wanted: Wanted) -> _Folios:
    """Return the *wanted* pages that nobody has locked: in a step, or in a guard."""
    found: _Folios = {}
    if mapping.is_shmem:
        wanted = _that_may_go(wanted)
    for origin, pages in list(mapping.__dict__["_i_origins"].items()):
        if wanted(origin):
            _add_folios(found, dict(pages))
    return _without(found, dict(mapping._flags[PG_locked])) if found else found


def _mlocked(mapping: address_space, pages: _Folios, look: _Look) -> _Folios:
    """Return which of *pages* somebody maps with VM_LOCKED."""
    found: _Folios = {}
    for vma in list(mapping.__dict__["i_mmap"]):
        if not _is_mlocked(vma, look):
            continue
        for table, _ in _tables(vma, look):
            look(table.ptl)
            here = _entries(vma, table, pages)
            _add_folios(found, _of_window(here, _offset(vma, table)))
    return found


def file_pages(mapping: address_space, wanted: Wanted) -> int:
    """Count the pages of a file that can be reclaimed.

    Context: May sleep; takes ``i_mmap_rwsem`` for reading. Linux keeps counters: here
        all who map the file are looked at, in steps.
    """
    if mapping.is_shmem and not _free_slots():
        return 0
    field = field_of(mapping, "i_pages")
    t = enter(field, "zone_page_state_snapshot")
    found = _evictable(mapping, wanted)
    leave(t, field, Access.READ, len(found))
    if found:
        i_mmap_lock_read(mapping)
        found = _without(found, _mlocked(mapping, found, _in_a_step))
        i_mmap_unlock_read(mapping)
    return sum(map(int.bit_count, found.values()))


def could_drop(wanted: Wanted) -> Callable[[], bool]:
    """Make a guard: are there *wanted* pages of files that can be reclaimed?"""
    lru, slots = file_lru(), nr_swap_pages()

    def there_are_some(mapping: address_space) -> bool:
        if mapping.is_shmem and slots.counter <= 0:
            return False
        found = _evictable(mapping, wanted)
        return bool(
            found and _without(found, _mlocked(mapping, found, _without_a_step))
        )

    # A snapshot: whoever evaluates the guard may not be alone with the list.
    return lambda: any(map(there_are_some, list(lru.members)))
