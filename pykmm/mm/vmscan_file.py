# SPDX-License-Identifier: GPL-2.0-only
"""Taking pages of files out of memory — part of ``mm/vmscan.c``.

A page that was used since reclaim looked last gets a second chance; one that has been
used twice, or runs, is active, and goes when nothing inactive is left. What is mapped
is unmapped first. Reclaim locks what it has in its hands, and a fault waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..fs.fs_writeback import wakeup_flusher_threads
from ..linux._bitmaps import _through_nth
from ..linux._shared_pages import Wanted
from ..linux.memcontrol import mem_cgroup
from ..linux.mm import VM_LOCKED
from ..linux.mm_types import _Folios, _Origin, address_space
from ..linux.page_flags import (
    PG_active,
    PG_dirty,
    PG_locked,
    PG_reclaim,
    PG_referenced,
    PG_writeback,
)
from ..linux.spinlock import spin_lock, spin_unlock
from ._lru import Lru
from .filemap_cache import _add_folios, _both, _cache_drop, _within, _without
from .rmap_file import (
    _mapped_by,
    _unmap_from,
    folio_referenced,
    folio_referenced_arg,
    rmap_walk_file,
)
from .swap import folios_put_refs
from .swapfile import folio_alloc_swap, nr_swap_pages, swap_put_entries_direct
from .vmscan_anon import _may_swap

__all__ = [
    "could_drop",
    "file_lru",
    "file_pages",
    "scan_control",
    "shrink_active_list",
    "shrink_inactive_list",
]

_BY_OFFSET: Final = (
    "files one after the other, each from its beginning; active pages are looked at "
    "when nothing inactive is left. Shared memory is written in no time, and gets its "
    "slots before it is unmapped. Who is pinned is not known, and may go"
)
_NO_END: Final = 1 << 52


@attrs.define
class scan_control:
    """What somebody who is short of memory looks for, and has found so far."""

    nr_to_reclaim: int
    #: Which pages would help, by origin; and for which cgroup, if only for one.
    wanted: Wanted
    target_mem_cgroup: mem_cgroup | None = None
    nr_reclaimed: int = 0
    nr_scanned: int = 0
    #: Those met that were dirty, or on their way to the disk.
    nr_dirty: int = 0

    @property
    def missing(self) -> int:
        """How many pages have still to be found."""
        return max(self.nr_to_reclaim - self.nr_reclaimed, 0)


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


def _may_go(mapping: address_space, wanted: Wanted) -> Wanted:
    """Narrow *wanted* down to what can go from a file: shmem needs a place in swap."""
    if not mapping.is_shmem:
        return wanted
    room = bool(nr_swap_pages().counter)
    return lambda origin: room and wanted(origin) and _may_swap(origin)


# -- what there is ---------------------------------------------------------------------


def _mlocked(mapping: address_space, pages: _Folios) -> _Folios:
    """Return which of *pages* somebody maps with VM_LOCKED, without a step."""
    found: _Folios = {}
    for vma in list(mapping.__dict__["i_mmap"]):
        if vma.__dict__["vm_flags"] & VM_LOCKED:
            for part in _mapped_by(vma, pages):
                _add_folios(found, part)
    return found


def _evictable(mapping: address_space, wanted: Wanted) -> _Folios:
    """Return the *wanted* pages that nobody locks, in memory or by the page."""
    found: _Folios = {}
    wanted = _may_go(mapping, wanted)
    for origin, pages in list(mapping.__dict__["_i_origins"].items()):
        if wanted(origin):
            _add_folios(found, dict(pages))
    if not found:
        return found
    found = _without(found, dict(mapping._flags[PG_locked]))
    return _without(found, _mlocked(mapping, found))


def file_pages(mapping: address_space, wanted: Wanted) -> int:
    """Count, in a step, the pages of a file that can be reclaimed."""
    field = field_of(mapping, "i_pages")
    t = enter(field, "zone_page_state_snapshot")
    found = sum(bits.bit_count() for bits in _evictable(mapping, wanted).values())
    leave(t, field, Access.READ, found)
    return found


def could_drop(wanted: Wanted) -> Callable[[], bool]:
    """Make a guard: are there *wanted* pages of files that can be reclaimed?"""
    lru = file_lru()
    # A snapshot: whoever evaluates the guard may not be alone with the list.
    return lambda: any(_evictable(mapping, wanted) for mapping in list(lru.members))


# -- taking them in hand ---------------------------------------------------------------


def _first(pages: _Folios, nr: int) -> _Folios:
    """Return the first *nr* of *pages*."""
    found: _Folios = {}
    for chunk in sorted(pages):
        if nr <= 0:
            break
        found[chunk] = pages[chunk] & _through_nth(pages[chunk], nr)
        nr -= found[chunk].bit_count()
    return found


@attrs.frozen
class _Isolated:
    """Pages that have been locked, and which of them were dirty and being written."""

    pages: _Folios
    dirty: _Folios
    writeback: _Folios


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_BY_OFFSET)
def isolate_lru_folios(
    mapping: address_space, sc: scan_control, first: int, *, active: bool
) -> _Isolated:
    """Lock as many inactive pages of a file as are missing, or all active ones.

    Context: Any; a step on the cache of the file.
    Return: Pages from number *first* on.
    """
    field = field_of(mapping, "i_pages")
    t = enter(field, "isolate_lru_folios")
    found = _evictable(mapping, sc.wanted)
    flagged = mapping._flags[PG_active]
    if active:
        found = _without(found, _without(found, flagged))
    else:
        rest = {c: bits & _within(c, first, _NO_END) for c, bits in found.items()}
        found = _first(_without(rest, flagged), sc.missing)
    _add_folios(mapping._flags[PG_locked], found)
    dirty = _both(found, mapping._flags[PG_dirty])
    writeback = _both(found, mapping._flags[PG_writeback])
    leave(t, field, Access.WRITE if found else Access.READ, _nr(found))
    sc.nr_scanned += _nr(found)
    return _Isolated(found, dirty, writeback)


def _nr(pages: _Folios) -> int:
    return sum(bits.bit_count() for bits in pages.values())


# -- dropping them ---------------------------------------------------------------------


@attrs.frozen
class _Verdict:
    """Which of some pages are to be active, were used, and go."""

    activate: _Folios
    referenced: _Folios
    reclaim: _Folios
    pra: folio_referenced_arg


@mirrors("mm/vmscan.c", checked="v7.2", abridged="no generations")
def folio_check_references(
    mapping: address_space, pages: _Folios, sc: scan_control
) -> _Verdict:
    """Say what shall become of *pages*, by who has used them since the last time.

    Context: The pages are locked. May sleep.
    """
    pra = folio_referenced(mapping, pages, sc.target_mem_cgroup)
    before = mapping._flags[PG_referenced]
    activate: _Folios = {}
    for chunk, bits in pra.referenced.items():
        twice = before.get(chunk, 0) | pra.again.get(chunk, 0)
        run = 0 if mapping.is_shmem else pra.executed.get(chunk, 0)
        activate[chunk] = bits & (twice | run)
    reclaim = _without(_without(pages, pra.referenced), pra.locked)
    return _Verdict(activate, pra.referenced, reclaim, pra)


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_BY_OFFSET)
def __remove_mapping(
    mapping: address_space, isolated: _Isolated, found: _Verdict
) -> tuple[int, int]:
    """Take what is clean and nobody maps any more out of the cache, and unlock all.

    What is dirty, or being written, is active until it has been.

    Context: Takes the lock of the cache.
    Return: How many pages have become free, and how many have to be written first.
    """
    pages = isolated.pages
    field = field_of(mapping, "i_pages")
    flags = mapping._flags
    spin_lock(mapping.i_pages_lock)
    t = enter(field, "__remove_mapping")
    stuck = _still_mapped(mapping, found.reclaim)
    later = _both(isolated.writeback, flags[PG_writeback])
    _add_folios(later, _both(found.reclaim, flags[PG_dirty]))
    freed = _without(_without(found.reclaim, stuck), later)
    gone = _cache_drop(mapping, lambda chunk: freed.get(chunk, 0))
    if mapping.is_shmem:
        _add_folios(mapping._swapped, freed)
    flags[PG_locked] = _without(flags[PG_locked], pages)
    flags[PG_referenced] = _without(flags[PG_referenced], pages)
    _add_folios(flags[PG_referenced], found.referenced)
    _add_folios(flags[PG_active], found.activate)
    _add_folios(flags[PG_active], stuck)
    _add_folios(flags[PG_active], later)
    _add_folios(flags[PG_reclaim], later)
    leave(t, field, Access.WRITE, sum(gone.values()))
    spin_unlock(mapping.i_pages_lock)
    folios_put_refs(gone)
    return sum(gone.values()), _nr(later)


def _still_mapped(mapping: address_space, pages: _Folios) -> _Folios:
    """Return which of *pages* could not be unmapped: locked, or copied by fork."""
    found: _Folios = {}
    for vma in list(mapping.__dict__["i_mmap"]):
        for part in _mapped_by(vma, pages):
            _add_folios(found, part)
    return found


def _batches(mapping: address_space, sc: scan_control) -> Iterator[_Isolated]:
    """Lock inactive pages of a file, a batch after the other, as long as some miss."""
    first = 0
    while wanted := sc.missing:
        isolated = isolate_lru_folios(mapping, sc, first, active=False)
        pages = isolated.pages
        if pages:
            yield isolated
        if _nr(pages) < wanted:
            break
        last = max(pages)
        first = (last << 9) + pages[last].bit_length()


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_BY_OFFSET)
def shrink_inactive_list(mapping: address_space, sc: scan_control) -> None:
    """Free those inactive pages of a file that nobody has used.

    If there were only dirty ones, they have to be written.

    Context: May sleep; takes ``i_mmap_rwsem`` for reading, and page-table locks.
    """
    for isolated in _batches(mapping, sc):
        pages = isolated.pages
        going = _without(pages, isolated.writeback)
        found = folio_check_references(mapping, going, sc)
        slots = folio_alloc_swap(_nr(found.reclaim)) if mapping.is_shmem else 0
        if mapping.is_shmem:
            found = attrs.evolve(found, reclaim=_first(found.reclaim, slots))
        mapped = {c: b & found.pra.mapped.get(c, 0) for c, b in found.reclaim.items()}
        if any(mapped.values()):
            rmap_walk_file(mapping, mapped, _unmap_from)
        freed, later = __remove_mapping(mapping, isolated, found)
        if slots > freed:
            swap_put_entries_direct(slots - freed)
        sc.nr_reclaimed += freed
        sc.nr_dirty += later
        if _nr(_without(isolated.dirty, isolated.writeback)) == _nr(pages):
            wakeup_flusher_threads()


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_BY_OFFSET)
def shrink_active_list(mapping: address_space, sc: scan_control) -> None:
    """Make the active pages of a file inactive, but those that somebody runs.

    Context: As :func:`shrink_inactive_list`.
    """
    pages = isolate_lru_folios(mapping, sc, 0, active=True).pages
    if not pages:
        return
    pra = folio_referenced(mapping, pages, sc.target_mem_cgroup)
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "move_folios_to_lru")
    flags[PG_locked] = _without(flags[PG_locked], pages)
    flags[PG_active] = _without(flags[PG_active], _without(pages, pra.executed))
    leave(t, field, Access.WRITE, _nr(pages))
