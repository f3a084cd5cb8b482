# SPDX-License-Identifier: GPL-2.0-only
"""Taking pages of files out of memory — part of ``mm/vmscan.c``.

A page that was used since reclaim looked last gets a second chance; one that has been
used twice, or runs, is active, and goes when nothing inactive is left. What is mapped
is unmapped first. Reclaim locks what it has in its hands, and a fault waits for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..fs.fs_writeback import wakeup_flusher_threads
from ..linux._bitmaps import _through_nth
from ..linux._shared_pages import Wanted
from ..linux.memcontrol import mem_cgroup
from ..linux.mm_types import _Folios, address_space
from ..linux.page_flags import (
    PG_active,
    PG_dirty,
    PG_locked,
    PG_reclaim,
    PG_referenced,
    PG_writeback,
)
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq
from .filemap_cache import _add_folios, _both, _cache_drop, _within, _without
from .rmap_file import (
    folio_referenced,
    folio_referenced_arg,
    try_to_unmap,
)
from .swap import folios_put_refs
from .swapfile import _free_slots, folio_alloc_swap, swap_put_entries_direct
from .vmscan_lru import _evictable

__all__ = [
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
    #: Those met that somebody maps with VM_LOCKED: they are left alone from then on.
    mlocked: dict[address_space, _Folios] = attrs.field(factory=dict)

    @property
    def missing(self) -> int:
        """How many pages have still to be found."""
        return max(self.nr_to_reclaim - self.nr_reclaimed, 0)

    def cull_mlocked(self, mapping: address_space, pages: _Folios) -> None:
        """Note pages that had not to be looked at."""
        _add_folios(self.mlocked.setdefault(mapping, {}), pages)
        self.nr_scanned -= _nr(pages)


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
    found = _without(_evictable(mapping, sc.wanted), sc.mlocked.get(mapping, {}))
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
    mapping: address_space, isolated: _Isolated, found: _Verdict, stuck: _Folios
) -> tuple[int, int]:
    """Take what is clean, and not *stuck*, out of the cache, and unlock all.

    What is dirty, or being written, is active until it has been.

    Context: Takes the lock of the cache.
    Return: How many pages have become free, and how many have to be written first.
    """
    pages = isolated.pages
    field = field_of(mapping, "i_pages")
    flags = mapping._flags
    spin_lock_irq(mapping.i_pages_lock)
    t = enter(field, "__remove_mapping")
    later = _both(isolated.writeback, flags[PG_writeback])
    _add_folios(later, _both(found.reclaim, flags[PG_dirty]))
    freed = _without(_without(found.reclaim, stuck), later)
    gone = _cache_drop(mapping, lambda chunk: freed.get(chunk, 0))
    if mapping.is_shmem:
        _add_folios(mapping._swapped, freed)
    flags[PG_locked] = _without(flags[PG_locked], pages)
    seen = _without(pages, found.pra.locked)
    flags[PG_referenced] = _without(flags[PG_referenced], seen)
    _add_folios(flags[PG_referenced], found.referenced)
    _add_folios(flags[PG_active], found.activate)
    _add_folios(flags[PG_active], stuck)
    _add_folios(flags[PG_active], later)
    _add_folios(flags[PG_reclaim], later)
    leave(t, field, Access.WRITE, sum(gone.values()))
    spin_unlock_irq(mapping.i_pages_lock)
    folios_put_refs(gone)
    return sum(gone.values()), _nr(later)


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
    if mapping.is_shmem and not _free_slots():
        return
    for isolated in _batches(mapping, sc):
        pages = isolated.pages
        going = _without(pages, isolated.writeback)
        found = folio_check_references(mapping, going, sc)
        sc.cull_mlocked(mapping, found.pra.locked)
        slots = folio_alloc_swap(_nr(found.reclaim)) if mapping.is_shmem else 0
        if mapping.is_shmem:
            found = attrs.evolve(found, reclaim=_first(found.reclaim, slots))
        mapped = {c: b & found.pra.mapped.get(c, 0) for c, b in found.reclaim.items()}
        stuck = try_to_unmap(mapping, mapped) if any(mapped.values()) else {}
        freed, later = __remove_mapping(mapping, isolated, found, stuck)
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
    if mapping.is_shmem and not _free_slots():
        return
    pages = isolate_lru_folios(mapping, sc, 0, active=True).pages
    if not pages:
        return
    pra = folio_referenced(mapping, pages, sc.target_mem_cgroup)
    sc.cull_mlocked(mapping, pra.locked)
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "move_folios_to_lru")
    flags[PG_locked] = _without(flags[PG_locked], pages)
    idle = _without(_without(pages, pra.executed), pra.locked)
    flags[PG_active] = _without(flags[PG_active], idle)
    leave(t, field, Access.WRITE, _nr(pages))
