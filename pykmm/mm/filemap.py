# SPDX-License-Identifier: GPL-2.0-only
"""The page cache — ``mm/filemap.c``.

Pages of files stay when mappings of them go; that is why unmapping a file frees
nothing. Which pages are cached is known by offset, so that two mappings of one
file share them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import enter, leave
from ..errno import ENOMEM
from ..linux.mm_types import PTRS_PER_PTE, address_space
from ..linux.spinlock import spin_lock, spin_unlock
from .page_alloc import __free_pages, _alloc_bulk

__all__ = [
    "_cache_fill",
    "_cache_missing",
    "filemap_fault_range",
]


def _chunks(first: int, nr: int) -> Iterator[tuple[int, int]]:
    """Cut *nr* pages from *first* on into bitmaps of one chunk each."""
    end = first + nr
    while first < end:
        chunk, at = divmod(first, PTRS_PER_PTE)
        upto = min(end, (chunk + 1) * PTRS_PER_PTE)
        yield chunk, ((1 << (upto - first)) - 1) << at
        first = upto


def _cache_missing(mapping: address_space, first: int, nr: int) -> int:
    """Count the pages that are not cached, without a step."""
    pages = mapping.i_pages
    return sum(
        (mask & ~pages.get(chunk, 0)).bit_count() for chunk, mask in _chunks(first, nr)
    )


def _cache_fill(mapping: address_space, first: int, nr: int, nid: int) -> int:
    """Cache the pages that are not; return how many of *nid* that took.

    Context: The mapping's lock.
    """
    added = _cache_missing(mapping, first, nr)
    for chunk, mask in _chunks(first, nr):
        mapping.i_pages[chunk] = mapping.i_pages.get(chunk, 0) | mask
    nrpages = mapping._nrpages
    nrpages[nid] = nrpages.get(nid, 0) + added
    return added


@mirrors(
    "mm/filemap.c",
    checked="v7.2",
    abridged="reading takes no time and never fails, no page is ever old or dirty, and "
    "the pages of one fault come at once: I/O, its waits and its errors are missing",
)
def filemap_fault_range(mapping: address_space, first: int, nr: int) -> int:
    """Make sure that *nr* pages are cached.

    Context: May sleep.
    Return: 0 or -ENOMEM.
    """
    field = field_of(mapping, "i_pages")
    t = enter(field, "filemap_get_folio")
    missing = _cache_missing(mapping, first, nr)
    leave(t, field, Access.READ, missing)
    if not missing:
        return 0
    nid = _alloc_bulk(missing, 0)
    if nid < 0:
        return -ENOMEM
    added = _add_range(mapping, first, nr, nid)
    if added < missing:  # somebody else read some of them meanwhile
        __free_pages(missing - added, nid)
    return 0


def _add_range(mapping: address_space, first: int, nr: int, nid: int) -> int:
    field = field_of(mapping, "i_pages")
    spin_lock(mapping.i_pages_lock)
    t = enter(field, "filemap_add_folio")
    added = _cache_fill(mapping, first, nr, nid)
    leave(t, field, Access.WRITE, added)
    spin_unlock(mapping.i_pages_lock)
    return added
