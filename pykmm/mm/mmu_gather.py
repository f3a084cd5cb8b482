# SPDX-License-Identifier: GPL-2.0-only
"""Collecting pages until they may be freed — ``mm/mmu_gather.c``.

A page whose last mapping went can still be reached through some CPU's TLB. It is
queued, and freed once the TLBs have been flushed: when the queue is full, and at
the end. So the counters of the address space fall first, and memory becomes free
later, in batches.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..linux.mm_types import _Folios, _Origin, address_space, mm_struct
from .swap import folios_put_refs

__all__ = [
    "_GATHER_CAPACITY",
    "__tlb_remove_folio_pages",
    "mmu_gather",
    "tlb_batch_pages_flush",
    "tlb_finish_mmu",
    "tlb_flush_mmu",
    "tlb_gather_mmu",
    "tlb_gather_mmu_fullmm",
    "tlb_remove_table",
]

#: Slots of the batch on the stack and of one that fills a page; the last slot of
#: each stays free. So many pages make batches at most.
_MMU_GATHER_BUNDLE: Final = 8
_MAX_GATHER_BATCH: Final = 510
_MAX_GATHER_BATCH_COUNT: Final = 19

#: With this many pages queued a flush is due.
_GATHER_CAPACITY: Final = (
    _MMU_GATHER_BUNDLE - 1 + _MAX_GATHER_BATCH_COUNT * (_MAX_GATHER_BATCH - 1)
)

_TLB = (
    "there is no TLB: a flush just frees what was queued, page tables without an RCU "
    "grace period. Batches take no memory, so they are never cut short by its lack"
)


@attrs.define(eq=False)
class mmu_gather:
    """One thread's collection for one address space."""

    mm: mm_struct
    fullmm: bool = False
    #: Pages queued: they have lost a mapping, not all of them the last one.
    nr: int = attrs.field(init=False, default=0)
    #: Of these, and of page tables, what a flush frees, by origin.
    _freed: dict[_Origin, int] = attrs.field(init=False, factory=dict)
    #: Of these, pages of files, which their cache keeps.
    _cached: list[tuple[address_space, _Folios]] = attrs.field(init=False, factory=list)


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB, inline=True)
def tlb_gather_mmu(mm: mm_struct) -> mmu_gather:
    """Begin to collect pages of *mm*.

    Context: Any. Returns what C fills in.
    """
    return mmu_gather(mm)


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB, inline=True)
def tlb_gather_mmu_fullmm(mm: mm_struct) -> mmu_gather:
    """Begin to collect everything, of an *mm* that has no users.

    Context: As :func:`tlb_gather_mmu`.
    """
    return mmu_gather(mm, fullmm=True)


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB, inline=True)
def __tlb_remove_folio_pages(
    tlb: mmu_gather, pages: int, freed: dict[_Origin, int]
) -> bool:
    """Queue *pages* that lost a mapping; a flush frees those in *freed*, by origin.

    Context: Page-table lock; the caller has left room for them.
    Return: Whether the queue is full now, so that a flush is due.
    """
    tlb.nr += pages
    for origin, nr in freed.items():
        tlb._freed[origin] = tlb._freed.get(origin, 0) + nr
    return tlb.nr >= _GATHER_CAPACITY


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB, inline=True)
def tlb_remove_table(tlb: mmu_gather, origin: _Origin) -> None:
    """Queue a page of page tables that hangs nowhere any more.

    Context: ``mmap_lock``.
    """
    tlb._freed[origin] = tlb._freed.get(origin, 0) + 1


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB)
def tlb_batch_pages_flush(tlb: mmu_gather) -> None:
    """Give up what was queued: what nobody else refers to becomes free.

    Context: No spinlock. Steps are those of ``folios_put_refs()``.
    """
    freed, tlb._freed = tlb._freed, {}
    tlb._cached.clear()
    folios_put_refs(freed)
    tlb.nr = 0


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB, inline=True)
def tlb_flush_mmu(tlb: mmu_gather) -> None:
    """Flush the TLBs, and free what was queued.

    Context: As :func:`tlb_batch_pages_flush`.
    """
    tlb_batch_pages_flush(tlb)


@mirrors("mm/mmu_gather.c", checked="v7.2", abridged=_TLB)
def tlb_finish_mmu(tlb: mmu_gather) -> None:
    """End the collection with a flush.

    Context: As :func:`tlb_flush_mmu`.
    """
    tlb_flush_mmu(tlb)
