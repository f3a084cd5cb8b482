# SPDX-License-Identifier: GPL-2.0-only
"""How deep an allocation may dig — part of ``mm/page_alloc.c``.

Each node keeps some pages back. How many of them an allocation may use depends on
what it can do instead of waiting, and on who asks: a victim of the OOM killer gets
at half of them, so that it can exit.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux.bitops import test_bit
from ..linux.gfp_types import (
    __GFP_DIRECT_RECLAIM,
    __GFP_HIGH,
    __GFP_KSWAPD_RECLAIM,
    __GFP_MEMALLOC,
    __GFP_NOMEMALLOC,
)
from ..linux.mmzone import WMARK_HIGH, WMARK_LOW, WMARK_MIN, pglist_data, wmark_pages
from ..linux.oom import tsk_is_oom_victim
from ..linux.sched import PF_MEMALLOC, TIF_MEMDIE, current, task_struct

__all__ = [
    "ALLOC_CPUSET",
    "ALLOC_KSWAPD",
    "ALLOC_MIN_RESERVE",
    "ALLOC_NON_BLOCK",
    "ALLOC_NO_WATERMARKS",
    "ALLOC_OOM",
    "ALLOC_RESERVES",
    "ALLOC_WMARK_HIGH",
    "ALLOC_WMARK_LOW",
    "ALLOC_WMARK_MASK",
    "ALLOC_WMARK_MIN",
    "__gfp_pfmemalloc_flags",
    "__setup_per_zone_wmarks",
    "__zone_watermark_ok",
    "calculate_min_free_kbytes",
    "gfp_to_alloc_flags",
    "lowest_free_pages",
    "oom_reserves_allowed",
]

#: Bits of alloc_flags, as in mm/internal.h.
ALLOC_WMARK_MIN: Final = WMARK_MIN.value
ALLOC_WMARK_LOW: Final = WMARK_LOW.value
ALLOC_WMARK_HIGH: Final = WMARK_HIGH.value
ALLOC_NO_WATERMARKS: Final = 0x04
ALLOC_WMARK_MASK: Final = ALLOC_NO_WATERMARKS - 1
ALLOC_NON_BLOCK: Final = 0x10
ALLOC_MIN_RESERVE: Final = 0x20
ALLOC_CPUSET: Final = 0x40
ALLOC_KSWAPD: Final = 0x800

_MIN_KBYTES: Final = 128
_MAX_KBYTES: Final = 262144
#: vm.watermark_scale_factor: the marks' distance in fractions of 10,000 of a node.
_WATERMARK_SCALE_FACTOR: Final = 10


def ALLOC_OOM() -> int:  # noqa: N802 -- Linux's macro
    """Return the class of a victim's reserves: all of them where nobody reaps."""
    return 0x08 if current_machine().config.CONFIG_MMU else ALLOC_NO_WATERMARKS


def ALLOC_RESERVES() -> int:  # noqa: N802 -- Linux's macro
    """Return all classes that may go below the lowest mark."""
    return ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_OOM()


# -- at boot ---------------------------------------------------------------------------


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="the sysctl is a fact of boot")
def calculate_min_free_kbytes() -> int:
    """Return how much the machine keeps back: four times the square root of it all.

    Context: Boot.
    """
    config = current_machine().config
    if config.min_free_kbytes is not None:
        return config.min_free_kbytes
    lowmem_kbytes = sum(config.node_pages) * (config.page_size >> 10)
    return min(max(isqrt(lowmem_kbytes * 16), _MIN_KBYTES), _MAX_KBYTES)


@mirrors(
    "mm/page_alloc.c",
    checked="v7.2",
    abridged="a node is one zone, all of it present; huge pages do not raise the sum",
)
def __setup_per_zone_wmarks(zones: list[pglist_data]) -> None:
    """Set the watermarks of all nodes, by their share of the memory.

    Context: Boot.
    """
    page_kbytes = current_machine().config.page_size >> 10
    pages_min = calculate_min_free_kbytes() // page_kbytes
    lowmem_pages = sum(zone.node_present_pages for zone in zones)
    for zone in zones:
        present = zone.node_present_pages
        low = pages_min * present // lowmem_pages
        distance = max(low >> 2, present * _WATERMARK_SCALE_FACTOR // 10000)
        zone._watermark = [low, low + distance, low + 2 * distance]
        zone.nr_free_pages.high = zone._watermark[WMARK_HIGH]


# -- when memory is taken --------------------------------------------------------------


def _lowered(mark: int, alloc_flags: int) -> int:
    """Return what is left of *mark* for an allocation with *alloc_flags*."""
    if alloc_flags & ALLOC_MIN_RESERVE:
        mark -= mark // 2
        if alloc_flags & ALLOC_NON_BLOCK:
            mark -= mark // 4
    if alloc_flags & ALLOC_OOM():
        mark -= mark // 2
    return mark


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="blocks of all orders can be had")
def __zone_watermark_ok(
    z: pglist_data, order: int, mark: int, alloc_flags: int, free_pages: int
) -> bool:
    """Tell whether *free_pages* are enough for a block, and *mark* pages more.

    Context: Any.
    """
    del z  # it holds nothing back for lower zones or for atomic allocations
    return free_pages - ((1 << order) - 1) > _lowered(mark, alloc_flags)


def lowest_free_pages(z: pglist_data, alloc_flags: int) -> int:
    """Return how many pages an allocation with *alloc_flags* has to leave on a node."""
    if alloc_flags & ALLOC_NO_WATERMARKS:
        return 0
    return _lowered(wmark_pages(z, alloc_flags & ALLOC_WMARK_MASK), alloc_flags)


@mirrors(
    "mm/page_alloc.c",
    checked="v7.2",
    abridged="no real-time tasks; no page blocks to keep apart",
)
def gfp_to_alloc_flags(gfp_mask: int, order: int) -> int:
    """Return what an allocation may do that did not succeed at once.

    Context: Any.
    """
    del order  # only page blocks for atomic allocations mind it
    alloc_flags = ALLOC_WMARK_MIN | ALLOC_CPUSET
    if gfp_mask & __GFP_HIGH:
        alloc_flags |= ALLOC_MIN_RESERVE
    if gfp_mask & __GFP_KSWAPD_RECLAIM:
        alloc_flags |= ALLOC_KSWAPD
    if not gfp_mask & __GFP_DIRECT_RECLAIM:
        if not gfp_mask & __GFP_NOMEMALLOC:
            alloc_flags |= ALLOC_NON_BLOCK
        if alloc_flags & ALLOC_MIN_RESERVE:
            alloc_flags &= ~ALLOC_CPUSET
    return alloc_flags


@mirrors("mm/page_alloc.c", checked="v7.2")
def oom_reserves_allowed(tsk: task_struct) -> bool:
    """Tell whether *tsk* may use reserves because it was chosen to die.

    Context: *tsk* is current.
    """
    if not tsk_is_oom_victim(tsk):
        return False
    # Without an MMU there is no reaper, so only the marked thread may.
    if not current_machine().config.CONFIG_MMU:
        return test_bit(TIF_MEMDIE, tsk.thread_flags)
    return True


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="softirqs allocate nothing")
def __gfp_pfmemalloc_flags(gfp_mask: int) -> int:
    """Return the reserves that current may use; 0 for none.

    Context: Any.
    """
    if gfp_mask & __GFP_NOMEMALLOC:
        return 0
    if gfp_mask & __GFP_MEMALLOC:
        return ALLOC_NO_WATERMARKS
    if current().flags & PF_MEMALLOC:
        return ALLOC_NO_WATERMARKS
    if oom_reserves_allowed(current()):
        return ALLOC_OOM()
    return 0
