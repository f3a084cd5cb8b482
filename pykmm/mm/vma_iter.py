# SPDX-License-Identifier: GPL-2.0-only
"""The iterator of whoever changes mappings — part of ``mm/vma.h``.

It stands at a slot of the tree, a mapping or a gap, and stores there. What it is
pointed at and what it finds is protected by ``mmap_lock``, for writing where it
stores.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..lib.maple_tree import (
    mas_destroy,
    mas_empty_area,
    mas_empty_area_rev,
    mas_next_range,
    mas_preallocate,
    mas_prev,
    mas_prev_range,
    mas_store_gfp,
    mas_store_prealloc,
    mas_walk,
)
from ..linux.gfp_types import GFP_KERNEL
from ..linux.maple_tree import (
    ULONG_MAX,
    __mas_set_range,
    ma_start,
    mas_reset,
)
from ..linux.mm import vma_next, vma_prev
from ..linux.mm_types import vm_area_struct, vma_iterator
from ..linux.mmap_lock import vma_mark_attached
from ..linux.sched.mm import might_alloc

__all__ = [
    "vma_iter_addr",
    "vma_iter_area_highest",
    "vma_iter_area_lowest",
    "vma_iter_clear",
    "vma_iter_clear_gfp",
    "vma_iter_config",
    "vma_iter_end",
    "vma_iter_free",
    "vma_iter_load",
    "vma_iter_next_range",
    "vma_iter_next_range_limit",
    "vma_iter_next_rewind",
    "vma_iter_prealloc",
    "vma_iter_prev_range",
    "vma_iter_reset",
    "vma_iter_store_gfp",
    "vma_iter_store_new",
    "vma_iter_store_overwrite",
    "vma_prev_limit",
]


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_config(vmi: vma_iterator, index: int, last: int) -> None:
    """Say that the next store is over [index, last)."""
    __mas_set_range(vmi.mas, index, last - 1)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_reset(vmi: vma_iterator) -> None:
    """Make the next call search from the root."""
    mas_reset(vmi.mas)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_area_lowest(vmi: vma_iterator, min: int, max: int, size: int) -> int:
    """Find the lowest *size* free bytes in [min, max): 0, or an error."""
    return mas_empty_area(vmi.mas, min, max - 1, size)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_area_highest(vmi: vma_iterator, min: int, max: int, size: int) -> int:
    """Find the highest *size* free bytes in [min, max): 0, or an error."""
    return mas_empty_area_rev(vmi.mas, min, max - 1, size)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_prealloc(vmi: vma_iterator, vma: vm_area_struct | None) -> int:
    """Reserve what storing *vma* will need: 0, or an error.

    Context: May sleep.
    """
    might_alloc(GFP_KERNEL)
    return mas_preallocate(vmi.mas, vma, GFP_KERNEL)


def vma_iter_free(vmi: vma_iterator) -> None:
    """Give back what was reserved and not needed."""
    mas_destroy(vmi.mas)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_clear(vmi: vma_iterator) -> None:
    """Make a gap of the range, out of what was reserved."""
    mas_store_prealloc(vmi.mas, None)


def vma_iter_clear_gfp(vmi: vma_iterator, start: int, end: int, gfp: int) -> int:
    """Make a gap of [start, end): 0, or an error.

    Context: May sleep if *gfp* says so.
    """
    might_alloc(gfp)
    __mas_set_range(vmi.mas, start, end - 1)
    return mas_store_gfp(vmi.mas, None, gfp)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_load(vmi: vma_iterator) -> vm_area_struct | None:
    """Go to the slot that contains the address; return what is there."""
    return mas_walk(vmi.mas)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_store_overwrite(vmi: vma_iterator, vma: vm_area_struct) -> None:
    """Store *vma* over its range, out of what was reserved."""
    mas = vmi.mas
    start = vma.vm_start
    if mas.status is not ma_start and not mas.index <= start <= mas.last:
        mas_reset(mas)
    __mas_set_range(mas, start, vma.vm_end - 1)
    mas_store_prealloc(mas, vma)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_store_new(vmi: vma_iterator, vma: vm_area_struct) -> None:
    """Store *vma*, which was in no tree before."""
    vma_mark_attached(vma)
    vma_iter_store_overwrite(vmi, vma)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_store_gfp(vmi: vma_iterator, vma: vm_area_struct, gfp: int) -> int:
    """Store *vma*, for which nothing was reserved: 0, or an error.

    Context: May sleep if *gfp* says so.
    """
    might_alloc(gfp)
    mas = vmi.mas
    start = vma.vm_start
    if mas.status is not ma_start and not mas.index <= start <= mas.last:
        mas_reset(mas)
    __mas_set_range(mas, start, vma.vm_end - 1)
    error = mas_store_gfp(mas, vma, gfp)
    if not error:
        vma_mark_attached(vma)
    return error


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_addr(vmi: vma_iterator) -> int:
    """Return where the range begins."""
    return vmi.mas.index


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_end(vmi: vma_iterator) -> int:
    """Return where the range ends."""
    return vmi.mas.last + 1


def vma_iter_next_range(vmi: vma_iterator) -> vm_area_struct | None:
    """Go to the next slot, which may be a gap; return what is there."""
    return mas_next_range(vmi.mas, ULONG_MAX)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_next_range_limit(vmi: vma_iterator, max: int) -> vm_area_struct | None:
    """Go to the next slot, if it begins at or below *max*; return what is there."""
    return mas_next_range(vmi.mas, max)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_prev_range(vmi: vma_iterator) -> vm_area_struct | None:
    """Go to the slot before, which may be a gap; return what is there."""
    return mas_prev_range(vmi.mas, 0)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_prev_limit(vmi: vma_iterator, min: int) -> vm_area_struct | None:
    """Go to the mapping before this one, if it ends above *min*."""
    return mas_prev(vmi.mas, min)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_iter_next_rewind(
    vmi: vma_iterator,
) -> tuple[vm_area_struct | None, vm_area_struct | None]:
    """Look at the mappings after and before a gap, and go back to the gap.

    Return: The next and the previous one, which C stores through a pointer.
    """
    following = vma_next(vmi)
    prev = vma_prev(vmi)
    # With a mapping below, the slot above it is the gap again.
    if prev is not None:
        vma_iter_next_range(vmi)
    return following, prev
