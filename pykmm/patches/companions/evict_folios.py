# SPDX-License-Identifier: GPL-2.0-only
"""Patch 1/3: what a victim has mapped of files leaves the page cache with it.

Whoever gives up what was gathered also drops those pages of files that nobody uses any
more, if the address space is marked as being reaped.
"""

from __future__ import annotations

from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_UNSTABLE
from ...mm import mmu_gather
from ...mm.swap import folios_put_refs
from ...mm.truncate import mapping_evict_folio
from ..patch import Patch

patch = Patch(
    "evict-clean",
    kind="design",
    summary="unmapping marked memory drops clean pages of files from the cache (1/3)",
    origin="patch 1/3 of the series of 2026-04-21",
)


@patch.replaces(mmu_gather.tlb_batch_pages_flush)
def tlb_batch_pages_flush(tlb: mmu_gather.mmu_gather) -> None:
    """Give up what was queued, and drop pages of files that are not used any more.

    Context: No spinlock; takes the locks of caches.
    """
    freed, tlb._freed = tlb._freed, {}
    cached, tlb._cached = tlb._cached, []
    if mm_flags_test(MMF_UNSTABLE, tlb.mm):
        for mapping, pages in cached:
            mapping_evict_folio(mapping, pages)
    folios_put_refs(freed)
    tlb.nr = 0
