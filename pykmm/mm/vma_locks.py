# SPDX-License-Identifier: GPL-2.0-only
"""Locking all mappings at once — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm import for_each_vma
from ..linux.mm_types import VMA_ITERATOR, mm_struct
from ..linux.mmap_lock import mmap_assert_write_locked, vma_start_write

__all__ = ["mm_take_all_locks"]


@mirrors(
    "mm/vma.c",
    checked="v7.2",
    abridged="the mappings only: who comes from a page, by the locks of files and "
    "anon_vmas, is not kept out; no signal ends it",
)
def mm_take_all_locks(mm: mm_struct) -> None:
    """Keep all faults out, until ``mmap_lock`` is given back.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    mmap_assert_write_locked(mm)
    for vma in for_each_vma(VMA_ITERATOR(mm, 0)):
        vma_start_write(vma)
