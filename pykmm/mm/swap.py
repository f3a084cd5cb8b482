# SPDX-License-Identifier: GPL-2.0-only
"""Letting go of pages — ``mm/swap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm_types import _Origin
from .memcontrol import memcg_uncharge
from .page_alloc_freelist import __free_pages

__all__ = ["folios_put_refs"]


@mirrors(
    "mm/swap.c",
    checked="v7.2",
    abridged="pages that nobody refers to any more, as numbers by origin",
)
def folios_put_refs(folios: dict[_Origin, int]) -> None:
    """Uncharge pages, and make them free.

    Context: Any but a page-table lock; never sleeps. One step for each level of each
        cgroup, and one for each node.
    """
    nodes: dict[int, int] = {}
    for (nid, memcg), pages in folios.items():
        nodes[nid] = nodes.get(nid, 0) + pages
        if memcg is not None:
            memcg_uncharge(memcg, pages)
    for nid in sorted(nodes):
        if nodes[nid]:
            __free_pages(nodes[nid], nid)
