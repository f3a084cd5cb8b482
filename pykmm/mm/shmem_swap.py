# SPDX-License-Identifier: GPL-2.0-only
"""Bringing shared memory back from swap — part of ``mm/shmem.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.mm import PTRS_PER_PTE
from ..linux.mm_types import _Folios, address_space
from .filemap import filemap_fault
from .vmscan_lru import file_lru

__all__ = ["shmem_unuse"]

_CHARGED: Final = "what follows each other at once; charged is the caller"


@mirrors("mm/shmem.c", checked="v7.2", abridged=_CHARGED)
def shmem_unuse_inode(mapping: address_space) -> int:
    """Bring back what is in swap of a file in memory.

    Context: The file is kept. May sleep.
    Return: 0 or -ENOMEM.
    """
    while True:
        field = field_of(mapping, "i_pages")
        t = enter(field, "shmem_find_swap_entries")
        swapped = _first_run(mapping._swapped)
        leave(t, field, Access.READ, swapped is not None)
        if swapped is None:
            return 0
        cached = filemap_fault(mapping, *swapped)
        if cached < 0:
            return cached
        if not cached:  # cut meanwhile
            return 0


def _first_run(pages: _Folios) -> tuple[int, int] | None:
    """Return the first of *pages*, and how many follow each other from there."""
    for chunk in sorted(pages):
        if bits := pages[chunk]:
            first = (bits & -bits).bit_length() - 1
            bits >>= first
            return chunk * PTRS_PER_PTE + first, (~bits & bits + 1).bit_length() - 1
    return None


@mirrors("mm/shmem.c", checked="v7.2", abridged="all files that have had pages")
def shmem_unuse() -> int:
    """Bring back what is in swap of files in memory.

    Context: May sleep.
    Return: 0 or -ENOMEM.
    """
    ret, lru = 0, file_lru()
    files = lru.take("shmem_unuse")
    for mapping in files:
        if mapping.is_shmem and not ret:
            ret = shmem_unuse_inode(mapping)
    lru.put(files)
    return ret
