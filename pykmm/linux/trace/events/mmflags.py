# SPDX-License-Identifier: GPL-2.0-only
"""How reports and traces spell numbers — ``include/trace/events/mmflags.h``."""

from __future__ import annotations

from typing import Final

from ... import gfp_types

__all__ = ["COMPACTION_FEEDBACK", "COMPACTION_PRIORITY", "ZONE_TYPE", "gfpflag_names"]

#: Combinations first, those of most bits in front: what is left over shows by itself.
_COMBINED: Final = (
    "GFP_TRANSHUGE GFP_TRANSHUGE_LIGHT GFP_HIGHUSER_MOVABLE GFP_HIGHUSER GFP_USER "
    "GFP_KERNEL_ACCOUNT GFP_KERNEL GFP_NOFS GFP_ATOMIC GFP_NOIO GFP_NOWAIT GFP_DMA "
    "GFP_DMA32 __GFP_RECLAIM"
)
#: The single bits, in their own order; the last one has no name of its own.
_SINGLE: Final = (
    "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS ZERO DIRECT_RECLAIM "
    "KSWAPD_RECLAIM WRITE NOWARN RETRY_MAYFAIL NOFAIL NORETRY MEMALLOC COMP NOMEMALLOC "
    "HARDWALL THISNODE ACCOUNT ZEROTAGS"
)
_ALL: Final = (*_COMBINED.split(), *(f"__GFP_{bit}" for bit in _SINGLE.split()))

#: Masks and their names, in the order in which they are looked for.
gfpflag_names: Final[tuple[tuple[int, str], ...]] = tuple(
    (vars(gfp_types)[name], name) for name in _ALL
)

# -- numbers that have a name each, by number
ZONE_TYPE: Final = ("DMA", "DMA32", "Normal", "Movable")
COMPACTION_PRIORITY: Final = (
    "COMPACT_PRIO_SYNC_FULL",
    "COMPACT_PRIO_SYNC_LIGHT",
    "COMPACT_PRIO_ASYNC",
)
#: Of what came of a compaction only this much is told; 0 is nothing.
COMPACTION_FEEDBACK: Final = ("", "failed", "withdrawn", "progress")
