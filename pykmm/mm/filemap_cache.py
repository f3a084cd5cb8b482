# SPDX-License-Identifier: GPL-2.0-only
"""Which pages of a file are cached, and whose they are — beside ``mm/filemap.c``.

But for waiting, all of this is for those who take the step, and hold the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.mm import PAGE_SHIFT, PAGE_SIZE, PMD_SHIFT
from ..linux.mm_types import (
    PTRS_PER_PTE,
    _Folios,
    _Origin,
    address_space,
    pgtable_t,
    vm_area_struct,
)
from ..linux.page_flags import PG_locked, pageflags

__all__ = [
    "_add_folios",
    "_any_locked",
    "_before_end",
    "_both",
    "_cache_drop",
    "_cache_fill",
    "_cache_missing",
    "_chunks",
    "_in_window",
    "_of_window",
    "_offset",
    "_swap_drop",
    "_wait_on_locked",
    "_within",
    "_without",
]

_CHUNK = (1 << PTRS_PER_PTE) - 1


# -- pages of a file -------------------------------------------------------------------


def _chunks(first: int, nr: int) -> Iterator[tuple[int, int]]:
    """Cut *nr* pages from *first* on into bitmaps of one chunk each."""
    end = first + nr
    while first < end:
        chunk, at = divmod(first, PTRS_PER_PTE)
        upto = min(end, (chunk + 1) * PTRS_PER_PTE)
        yield chunk, ((1 << (upto - first)) - 1) << at
        first = upto


def _within(chunk: int, first: int, nr: int) -> int:
    """Select those of a chunk's pages that are among *nr* from *first* on."""
    start = max(first - chunk * PTRS_PER_PTE, 0)
    end = min(first + nr - chunk * PTRS_PER_PTE, PTRS_PER_PTE)
    return ((1 << end - start) - 1) << start if start < end else 0


def _in_window(pages: _Folios, offset: int) -> int:
    """Return which of *pages* are the 512 from *offset* on: what a table can map.

    The offset is below 0 for a mapping that begins in the middle of a table.
    """
    chunk, at = divmod(offset, PTRS_PER_PTE)
    both = pages.get(chunk, 0) | pages.get(chunk + 1, 0) << PTRS_PER_PTE
    return both >> at & _CHUNK


def _offset(vma: vm_area_struct, table: pgtable_t) -> int:
    """Return which page of its file *vma* would map with the table's first entry."""
    state = vma.__dict__
    first = table.index << PMD_SHIFT - PAGE_SHIFT
    offset: int = state["vm_pgoff"] + first - (state["vm_start"] >> PAGE_SHIFT)
    return offset


def _of_window(bits: int, offset: int) -> _Folios:
    """Return what *bits* are of 512 pages from *offset* on."""
    chunk, at = divmod(offset, PTRS_PER_PTE)
    both = bits << at
    parts = {chunk: both & _CHUNK, chunk + 1: both >> PTRS_PER_PTE}
    return {number: part for number, part in parts.items() if part}


def _add_folios(pages: _Folios, more: _Folios) -> None:
    """Put *more* into *pages*."""
    for chunk, bits in more.items():
        if bits:
            pages[chunk] = pages.get(chunk, 0) | bits


def _both(pages: _Folios, others: _Folios) -> _Folios:
    """Return those of *pages* that are among *others*, too."""
    found = {chunk: bits & others.get(chunk, 0) for chunk, bits in pages.items()}
    return {chunk: bits for chunk, bits in found.items() if bits}


def _without(pages: _Folios, gone: _Folios) -> _Folios:
    """Return *pages* but those that are *gone*."""
    left = {chunk: bits & ~gone.get(chunk, 0) for chunk, bits in pages.items()}
    return {chunk: bits for chunk, bits in left.items() if bits}


# -- the cache -------------------------------------------------------------------------


def _cache_missing(mapping: address_space, first: int, nr: int) -> int:
    """Count the pages that are not cached, without a step."""
    pages = mapping.i_pages
    return sum(
        (mask & ~pages.get(chunk, 0)).bit_count() for chunk, mask in _chunks(first, nr)
    )


def _any_locked(mapping: address_space, first: int, nr: int, *flags: pageflags) -> bool:
    """Tell, without a step, whether somebody has one of the pages in his hands.

    With PG_writeback, also whether one is on its way to the disk.
    """
    # A snapshot: a guard is asked beside others, who may lock more meanwhile.
    return any(
        bits & _within(chunk, first, nr)
        for flag in (PG_locked, *flags)
        for chunk, bits in [*mapping._flags[flag].items()]
    )


def _none_locked(
    mapping: address_space, first: int, nr: int, *flags: pageflags
) -> bool:
    return not _any_locked(mapping, first, nr, *flags)


def _wait_on_locked(
    mapping: address_space, first: int, nr: int, *flags: pageflags
) -> None:
    """Wait, in a step, until all of the pages are unlocked, and written if need be.

    Context: May sleep.
    """
    field = field_of(mapping, "i_pages")
    t = enter(field, "folio_lock", partial(_none_locked, mapping, first, nr, *flags))
    leave(t, field, Access.WAIT, blocking=True)


def _cache_fill(mapping: address_space, first: int, nr: int, origin: _Origin) -> int:
    """Cache the pages that are not; return how many of *origin* that took.

    Context: The mapping's lock.
    """
    added = _cache_missing(mapping, first, nr)
    for chunk, mask in _chunks(first, nr):
        new = mask & ~mapping.i_pages.get(chunk, 0)
        _add_folios(mapping._i_origins.setdefault(origin, {}), {chunk: new})
        mapping.i_pages[chunk] = mapping.i_pages.get(chunk, 0) | mask
    nrpages = mapping._nrpages
    nrpages[origin] = nrpages.get(origin, 0) + added
    return added


def _cache_drop(
    mapping: address_space, which: Callable[[int], int]
) -> dict[_Origin, int]:
    """Take pages out of the cache; return how many of which origin it were.

    Context: The mapping's lock, and a step on ``i_pages``. *which* selects those of a
        chunk.
    """
    gone: dict[_Origin, int] = {}
    for origin, pages in mapping._i_origins.items():
        for chunk, bits in list(pages.items()):
            hit = bits & which(chunk)
            if hit:
                gone[origin] = gone.get(origin, 0) + hit.bit_count()
                for found in (pages, mapping.i_pages, *mapping._flags.values()):
                    _keep(found, chunk, hit)
    for origin, count in gone.items():
        mapping._nrpages[origin] -= count
        if not mapping._nrpages[origin]:
            del mapping._nrpages[origin], mapping._i_origins[origin]
    return gone


def _swap_drop(mapping: address_space, first: int, nr: int) -> int:
    """Forget what of *nr* pages of a shmem file is in swap; return how many slots.

    Context: As :func:`_cache_drop`.
    """
    slots = 0
    for chunk, bits in list(mapping._swapped.items()):
        gone = bits & _within(chunk, first, nr)
        slots += gone.bit_count()
        _keep(mapping._swapped, chunk, gone)
    return slots


def _keep(pages: _Folios, chunk: int, gone: int) -> None:
    left = pages.get(chunk, 0) & ~gone
    if left:
        pages[chunk] = left
    else:
        pages.pop(chunk, None)


def _before_end(mapping: address_space, first: int, nr: int) -> int:
    """Count those of *nr* pages that lie before the end of the file.

    Context: A step on ``i_pages``, which stands for the size, too.
    """
    end = mapping._i_size + PAGE_SIZE - 1 >> PAGE_SHIFT
    return max(min(nr, end - first), 0)
