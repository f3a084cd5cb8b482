# SPDX-License-Identifier: GPL-2.0-only
"""Which memory an allocation is for — ``include/linux/gfp.h``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from .gfp_types import (
    __GFP_DMA,
    __GFP_DMA32,
    __GFP_HIGHMEM,
    __GFP_MOVABLE,
    GFP_ZONEMASK,
)
from .mmzone import ZONE_DMA, ZONE_DMA32, ZONE_MOVABLE, ZONE_NORMAL, zone_type

__all__ = ["gfp_zone"]

#: The highest zone by the zone bits; high memory is normal memory on 64 bits.
_ZONES: Final = {
    0: ZONE_NORMAL,
    __GFP_DMA: ZONE_DMA,
    __GFP_HIGHMEM: ZONE_NORMAL,
    __GFP_DMA32: ZONE_DMA32,
    __GFP_MOVABLE: ZONE_NORMAL,
    __GFP_MOVABLE | __GFP_DMA: ZONE_DMA,
    __GFP_MOVABLE | __GFP_HIGHMEM: ZONE_MOVABLE,
    __GFP_MOVABLE | __GFP_DMA32: ZONE_DMA32,
}


@mirrors("include/linux/gfp.h", checked="v7.2", inline=True)
def gfp_zone(flags: int) -> zone_type:
    """Return the highest zone that an allocation with *flags* may use.

    Context: Any. Two zone bits at once make no sense; without CONFIG_DEBUG_VM
        nobody complains, and the table has zone 0 there.
    """
    return _ZONES.get(flags & GFP_ZONEMASK, ZONE_DMA)
