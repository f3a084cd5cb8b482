# SPDX-License-Identifier: GPL-2.0-only
"""What an allocation may do — ``include/linux/gfp_types.h``.

The bits are those of a kernel without KASAN tags and lockdep. How a report spells
them is in :mod:`pykmm.linux.trace.events.mmflags`.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "GFP_ATOMIC",
    "GFP_DMA",
    "GFP_DMA32",
    "GFP_HIGHUSER",
    "GFP_HIGHUSER_MOVABLE",
    "GFP_KERNEL",
    "GFP_KERNEL_ACCOUNT",
    "GFP_NOFS",
    "GFP_NOIO",
    "GFP_NOWAIT",
    "GFP_TRANSHUGE",
    "GFP_TRANSHUGE_LIGHT",
    "GFP_USER",
    "GFP_ZONEMASK",
    "__GFP_ACCOUNT",
    "__GFP_COMP",
    "__GFP_DIRECT_RECLAIM",
    "__GFP_DMA",
    "__GFP_DMA32",
    "__GFP_FS",
    "__GFP_HARDWALL",
    "__GFP_HIGH",
    "__GFP_HIGHMEM",
    "__GFP_IO",
    "__GFP_KSWAPD_RECLAIM",
    "__GFP_MEMALLOC",
    "__GFP_MOVABLE",
    "__GFP_NOFAIL",
    "__GFP_NOMEMALLOC",
    "__GFP_NORETRY",
    "__GFP_NOWARN",
    "__GFP_NO_OBJ_EXT",
    "__GFP_RECLAIM",
    "__GFP_RECLAIMABLE",
    "__GFP_RETRY_MAYFAIL",
    "__GFP_THISNODE",
    "__GFP_WRITE",
    "__GFP_ZERO",
    "__GFP_ZEROTAGS",
]

# -- single bits; 1 << 9 is unused
__GFP_DMA: Final = 1 << 0
__GFP_HIGHMEM: Final = 1 << 1
__GFP_DMA32: Final = 1 << 2
__GFP_MOVABLE: Final = 1 << 3
__GFP_RECLAIMABLE: Final = 1 << 4
__GFP_HIGH: Final = 1 << 5
__GFP_IO: Final = 1 << 6
__GFP_FS: Final = 1 << 7
__GFP_ZERO: Final = 1 << 8
__GFP_DIRECT_RECLAIM: Final = 1 << 10
__GFP_KSWAPD_RECLAIM: Final = 1 << 11
__GFP_WRITE: Final = 1 << 12
__GFP_NOWARN: Final = 1 << 13
__GFP_RETRY_MAYFAIL: Final = 1 << 14
__GFP_NOFAIL: Final = 1 << 15
__GFP_NORETRY: Final = 1 << 16
__GFP_MEMALLOC: Final = 1 << 17
__GFP_COMP: Final = 1 << 18
__GFP_NOMEMALLOC: Final = 1 << 19
__GFP_HARDWALL: Final = 1 << 20
__GFP_THISNODE: Final = 1 << 21
__GFP_ACCOUNT: Final = 1 << 22
__GFP_ZEROTAGS: Final = 1 << 23
__GFP_NO_OBJ_EXT: Final = 1 << 24

# -- combinations
__GFP_RECLAIM: Final = __GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM
#: The bits that choose a zone.
GFP_ZONEMASK: Final = __GFP_DMA | __GFP_HIGHMEM | __GFP_DMA32 | __GFP_MOVABLE

GFP_ATOMIC: Final = __GFP_HIGH | __GFP_KSWAPD_RECLAIM
GFP_KERNEL: Final = __GFP_RECLAIM | __GFP_IO | __GFP_FS
GFP_KERNEL_ACCOUNT: Final = GFP_KERNEL | __GFP_ACCOUNT
GFP_NOWAIT: Final = __GFP_KSWAPD_RECLAIM | __GFP_NOWARN
GFP_NOIO: Final = __GFP_RECLAIM
GFP_NOFS: Final = __GFP_RECLAIM | __GFP_IO
GFP_USER: Final = __GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_HARDWALL
GFP_DMA: Final = __GFP_DMA
GFP_DMA32: Final = __GFP_DMA32
GFP_HIGHUSER: Final = GFP_USER | __GFP_HIGHMEM
GFP_HIGHUSER_MOVABLE: Final = GFP_HIGHUSER | __GFP_MOVABLE
GFP_TRANSHUGE_LIGHT: Final = (
    GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN
) & ~__GFP_RECLAIM
GFP_TRANSHUGE: Final = GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM
