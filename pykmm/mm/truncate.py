# SPDX-License-Identifier: GPL-2.0-only
"""Dropping pages of files — ``mm/truncate.c``.

A fault that has found a page in the cache looks again before it maps it, under the
page-table lock; Linux keeps the page locked all the while, and truncation waits for
it. What was mapped just before the page went is unmapped again.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.fs import i_size_write
from ..linux.mm import PAGE_SHIFT, PAGE_SIZE
from ..linux.mm_types import _Folios, _Origin, address_space
from ..linux.page_flags import PG_dirty, PG_locked, PG_writeback
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq
from .filemap_cache import (
    _add_folios,
    _any_locked,
    _cache_drop,
    _swap_drop,
    _wait_on_locked,
    _within,
    _without,
)
from .memory_mapping import unmap_mapping_pages, unmap_mapping_range
from .rmap_file import _mapped_by
from .swap import folios_put_refs
from .swapfile import swap_put_entries_direct
from .vmscan_lru import file_lru

__all__ = [
    "mapping_evict_folio",
    "truncate_inode_pages_final",
    "truncate_inode_pages_range",
    "truncate_pagecache",
    "truncate_pagecache_range",
    "truncate_setsize",
]

_AT_ONCE: Final = (
    "in one go, not folio by folio, and then those that somebody has locked or writes; "
    "what a page holds is not modelled"
)
_NO_END: Final = 1 << 52


@mirrors("mm/truncate.c", checked="v7.2", abridged=_AT_ONCE)
def truncate_inode_pages_final(mapping: address_space) -> None:
    """Drop all pages of a file that nobody can open any more.

    Context: May sleep. No mapping is left.
    """
    file_lru().forget(mapping)
    spin_lock_irq(mapping.i_pages_lock)
    nrpages = dict(mapping._nrpages)
    mapping._nrpages.clear()
    mapping._i_origins.clear()
    mapping.i_pages.clear()
    slots = _swap_drop(mapping, 0, _NO_END) if mapping.is_shmem else 0
    spin_unlock_irq(mapping.i_pages_lock)
    folios_put_refs(nrpages)
    if slots:
        swap_put_entries_direct(slots)


@mirrors("mm/truncate.c", checked="v7.2", abridged=_AT_ONCE)
def truncate_inode_pages_range(
    mapping: address_space, lstart: int, lend: int | None
) -> None:
    """Drop the pages of the bytes from *lstart* up to *lend*; None means all.

    Those that somebody has mapped meanwhile are unmapped before they become free.

    Context: May sleep; ``i_rwsem`` keeps others from doing so.
    """
    first = lstart + PAGE_SIZE - 1 >> PAGE_SHIFT
    end = _NO_END if lend is None else lend + 1 >> PAGE_SHIFT
    left = True
    while left:
        gone, slots, left = _drop(mapping, first, end - first)
        if gone:
            unmap_mapping_pages(mapping, first, end - first, False)
        folios_put_refs(gone)
        if slots:
            swap_put_entries_direct(slots)
        if left:
            _wait_on_locked(mapping, first, end - first, PG_writeback)


def _drop(
    mapping: address_space, first: int, nr: int
) -> tuple[dict[_Origin, int], int, bool]:
    """Take the pages out of the cache but those that are locked, or being written.

    Return: How many, by origin; how many were in swap; and whether any are left.
    """
    field = field_of(mapping, "i_pages")
    spin_lock_irq(mapping.i_pages_lock)
    t = enter(field, "filemap_remove_folio")
    busy = [mapping._flags[flag] for flag in (PG_locked, PG_writeback)]

    def which(chunk: int) -> int:
        found = _within(chunk, first, nr)
        for pages in busy:
            found &= ~pages.get(chunk, 0)
        return found

    gone = _cache_drop(mapping, which)
    slots = _swap_drop(mapping, first, nr) if mapping.is_shmem else 0
    left = _any_locked(mapping, first, nr, PG_writeback)
    leave(t, field, Access.WRITE, sum(gone.values()))
    spin_unlock_irq(mapping.i_pages_lock)
    return gone, slots, left


def _still_mapped(mapping: address_space, pages: _Folios) -> _Folios:
    """Return which of *pages* somebody maps, without a step."""
    found: _Folios = {}
    for vma in list(mapping.__dict__["i_mmap"]):
        for part in _mapped_by(vma, pages):
            _add_folios(found, part)
    return found


@mirrors("mm/truncate.c", checked="v7.2", abridged=_AT_ONCE)
def mapping_evict_folio(mapping: address_space, pages: _Folios) -> int:
    """Drop those of *pages* that nobody uses; who would have to wait does not.

    Context: Takes the lock of the cache.
    Return: How many have become free. What is shared memory counts as dirty.
    """
    if mapping.is_shmem:
        return 0
    field = field_of(mapping, "i_pages")
    spin_lock_irq(mapping.i_pages_lock)
    t = enter(field, "mapping_evict_folio")
    for flag in (PG_locked, PG_dirty, PG_writeback):
        pages = _without(pages, mapping._flags[flag])
    pages = _without(pages, _still_mapped(mapping, pages))
    gone = _cache_drop(mapping, lambda chunk: pages.get(chunk, 0))
    leave(t, field, Access.WRITE if gone else Access.READ, sum(gone.values()))
    spin_unlock_irq(mapping.i_pages_lock)
    folios_put_refs(gone)
    return sum(gone.values())


@mirrors("mm/truncate.c", checked="v7.2")
def truncate_pagecache(mapping: address_space, newsize: int) -> None:
    """Unmap and drop what lies beyond the new end of a file, private copies, too.

    Twice: a private copy may be made between the first time and the drop.

    Context: ``i_rwsem`` for writing. May sleep.
    """
    holebegin = newsize + PAGE_SIZE - 1 & -PAGE_SIZE
    unmap_mapping_range(mapping, holebegin, 0, True)
    truncate_inode_pages_range(mapping, newsize, None)
    unmap_mapping_range(mapping, holebegin, 0, True)


@mirrors("mm/truncate.c", checked="v7.2", abridged="what a page holds is not modelled")
def truncate_setsize(mapping: address_space, newsize: int) -> None:
    """Give a file another size.

    Context: As :func:`truncate_pagecache`.
    """
    i_size_write(mapping, newsize)
    truncate_pagecache(mapping, newsize)


@mirrors("mm/truncate.c", checked="v7.2")
def truncate_pagecache_range(mapping: address_space, lstart: int, lend: int) -> None:
    """Unmap and drop the whole pages from *lstart* up to *lend*; copies stay.

    Context: As :func:`truncate_pagecache`.
    """
    unmap_start = lstart + PAGE_SIZE - 1 & -PAGE_SIZE
    unmap_end = (1 + lend & -PAGE_SIZE) - 1
    if unmap_end > unmap_start:
        unmap_mapping_range(mapping, unmap_start, 1 + unmap_end - unmap_start, False)
    truncate_inode_pages_range(mapping, lstart, lend)
