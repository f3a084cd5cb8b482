# SPDX-License-Identifier: GPL-2.0-only
"""Which pages of a file are cached, and whose they are — beside ``mm/filemap.c``.

All of this is for those who take the step, and hold the lock.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..linux.mm import PAGE_SHIFT, PAGE_SIZE
from ..linux.mm_types import PTRS_PER_PTE, _Origin, address_space

__all__ = ["_before_end", "_cache_drop", "_cache_fill", "_cache_missing"]


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


def _cache_fill(mapping: address_space, first: int, nr: int, origin: _Origin) -> int:
    """Cache the pages that are not; return how many of *origin* that took.

    Context: The mapping's lock.
    """
    added = _cache_missing(mapping, first, nr)
    for chunk, mask in _chunks(first, nr):
        new = mask & ~mapping.i_pages.get(chunk, 0)
        own = mapping._i_origins.setdefault(origin, {})
        own[chunk] = own.get(chunk, 0) | new
        mapping.i_pages[chunk] = mapping.i_pages.get(chunk, 0) | mask
    nrpages = mapping._nrpages
    nrpages[origin] = nrpages.get(origin, 0) + added
    return added


def _cache_drop(mapping: address_space, first: int, nr: int) -> dict[_Origin, int]:
    """Take pages out of the cache; return how many of which origin it were.

    Context: The mapping's lock, and a step on ``i_pages``.
    """
    gone: dict[_Origin, int] = {}
    for origin, pages in mapping._i_origins.items():
        for chunk, bits in list(pages.items()):
            hit = bits & _within(chunk, first, nr)
            if hit:
                gone[origin] = gone.get(origin, 0) + hit.bit_count()
                _keep(pages, chunk, hit)
                _keep(mapping.i_pages, chunk, hit)
    for origin, count in gone.items():
        mapping._nrpages[origin] -= count
        if not mapping._nrpages[origin]:
            del mapping._nrpages[origin], mapping._i_origins[origin]
    return gone


def _within(chunk: int, first: int, nr: int) -> int:
    """Select those of a chunk's pages that are among *nr* from *first* on."""
    start = max(first - chunk * PTRS_PER_PTE, 0)
    end = min(first + nr - chunk * PTRS_PER_PTE, PTRS_PER_PTE)
    return ((1 << end - start) - 1) << start if start < end else 0


def _keep(pages: dict[int, int], chunk: int, gone: int) -> None:
    pages[chunk] &= ~gone
    if not pages[chunk]:
        del pages[chunk]


def _before_end(mapping: address_space, first: int, nr: int) -> int:
    """Count those of *nr* pages that lie before the end of the file.

    Context: A step on ``i_pages``, which stands for the size, too.
    """
    size = mapping._i_size
    if size is None:
        return nr
    return max(min(nr, (size + PAGE_SIZE - 1 >> PAGE_SHIFT) - first), 0)
