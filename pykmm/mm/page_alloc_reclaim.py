# SPDX-License-Identifier: GPL-2.0-only
"""Reclaiming what an allocation needs — part of ``mm/page_alloc.c``.

Any allocation that may reclaim could come to take the locks that reclaim takes, though
hardly one does. So reclaim counts as a lock: who reclaims is in it, and who allocates
takes it for a moment. Who does that under a lock which reclaim takes is told at once.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..linux.gfp_types import __GFP_DIRECT_RECLAIM, __GFP_FS
from ..linux.lockdep import lock_map_acquire, lock_map_release, lockdep_map
from ..linux.mmu_notifier import __mmu_notifier_invalidate_range_start_map
from ..linux.sched import PF_MEMALLOC
from ..linux.sched.mm import (
    _own_flags,
    current_gfp_context,
    memalloc_noreclaim_restore,
    memalloc_noreclaim_save,
)
from .vmscan import try_to_free_pages

__all__ = [
    "__fs_reclaim_acquire",
    "__fs_reclaim_release",
    "__perform_reclaim",
    "fs_reclaim_acquire",
    "fs_reclaim_release",
]

__fs_reclaim_map: Final = lockdep_map("fs_reclaim")


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="no bit says __GFP_NOLOCKDEP")
def __need_reclaim(gfp_mask: int) -> bool:
    """Tell whether an allocation might reclaim.

    Context: Any. No step.
    """
    return bool(gfp_mask & __GFP_DIRECT_RECLAIM) and not _own_flags() & PF_MEMALLOC


@mirrors("mm/page_alloc.c", checked="v7.2")
def __fs_reclaim_acquire() -> None:
    """Be in reclaim.

    Context: Any. No step.
    """
    lock_map_acquire(__fs_reclaim_map)


@mirrors("mm/page_alloc.c", checked="v7.2")
def __fs_reclaim_release() -> None:
    """Be done with reclaim.

    Context: As :func:`__fs_reclaim_acquire`.
    """
    lock_map_release(__fs_reclaim_map)


@mirrors("mm/page_alloc.c", checked="v7.2")
def fs_reclaim_acquire(gfp_mask: int) -> None:
    """Be in reclaim, as far as an allocation may go into it.

    It may always end mappings, which subscribers to changes are told of.

    Context: As :func:`__fs_reclaim_acquire`.
    """
    gfp_mask = current_gfp_context(gfp_mask)
    if __need_reclaim(gfp_mask):
        if gfp_mask & __GFP_FS:
            __fs_reclaim_acquire()
        lock_map_acquire(__mmu_notifier_invalidate_range_start_map)
        lock_map_release(__mmu_notifier_invalidate_range_start_map)


@mirrors("mm/page_alloc.c", checked="v7.2")
def fs_reclaim_release(gfp_mask: int) -> None:
    """Undo :func:`fs_reclaim_acquire`.

    Context: As there.
    """
    gfp_mask = current_gfp_context(gfp_mask)
    if __need_reclaim(gfp_mask) and gfp_mask & __GFP_FS:
        __fs_reclaim_release()


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="no memory pressure is counted")
def __perform_reclaim(gfp_mask: int, nr_pages: int, nids: frozenset[int]) -> int:
    """Reclaim for an allocation, which goes without reclaim in there.

    Context: May sleep.
    Return: How many pages have become free.
    """
    fs_reclaim_acquire(gfp_mask)
    noreclaim_flag = memalloc_noreclaim_save()
    progress = try_to_free_pages(nr_pages, nids)
    memalloc_noreclaim_restore(noreclaim_flag)
    fs_reclaim_release(gfp_mask)
    return progress
