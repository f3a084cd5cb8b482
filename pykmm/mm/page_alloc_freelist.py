# SPDX-License-Identifier: GPL-2.0-only
"""Taking pages from nodes, and giving them back — part of ``mm/page_alloc.c``.

A page is a number on a node. Who needs many pages one after the other may ask for
all of them: what a node can give without going below the watermark is taken in one
step, because nobody could tell that from as many single ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ..engine.annotate import mirrors
from ..linux.cpuset import cpuset_zone_allowed
from ..linux.gfp_types import __GFP_THISNODE
from ..linux.mmzone import NODE_DATA, nr_online_nodes, pglist_data
from ..linux.sched import current
from .page_alloc_watermark import (
    ALLOC_CPUSET,
    ALLOC_NO_WATERMARKS,
    ALLOC_RESERVES,
    lowest_free_pages,
)

__all__ = [
    "Pages",
    "__free_pages",
    "alloc_context",
    "could_allocate",
    "for_each_zone_zonelist_nodemask",
    "get_page_from_freelist",
    "nr_free_pages",
]

_NUMBERS = (
    "pages are a number on a node: no buddies, so that no memory is too fragmented, no "
    "lists a CPU, and several pages at once; a node is one zone"
)


@attrs.frozen
class Pages:
    """Pages that were allocated: how many, and on which node."""

    nr: int
    nid: int


@attrs.define
class alloc_context:
    """What stays the same while one allocation goes on; but the nodes may change."""

    preferred_nid: int
    nodemask: frozenset[int] | None
    #: How many blocks the caller can make use of at once.
    want: int = 1


def for_each_zone_zonelist_nodemask(
    gfp_mask: int, ac: alloc_context
) -> Iterator[pglist_data]:
    """Walk the nodes that an allocation may use, the preferred one first."""
    nodes = nr_online_nodes()
    reach = 1 if gfp_mask & __GFP_THISNODE else nodes
    for nid in range(ac.preferred_nid, ac.preferred_nid + reach):
        if ac.nodemask is None or nid % nodes in ac.nodemask:
            yield NODE_DATA(nid % nodes)


def cpuset_forbids(zone: pglist_data, gfp_mask: int, alloc_flags: int) -> bool:
    """Tell whether current's cpuset keeps an allocation away from a node."""
    task = current()
    if not alloc_flags & ALLOC_CPUSET or task is None or task.mems_allowed is None:
        return False
    return not cpuset_zone_allowed(zone.node_id, gfp_mask)


@mirrors("mm/page_alloc.c", checked="v7.2", abridged=_NUMBERS)
def get_page_from_freelist(
    gfp_mask: int, order: int, alloc_flags: int, ac: alloc_context
) -> Pages | None:
    """Take blocks from the first node that has one and its watermark left.

    Context: Any; never sleeps. One step for each node that is tried.
    """
    # Who lives off reserves gets what it needs to go on, and no more.
    spare = alloc_flags & (ALLOC_NO_WATERMARKS | ALLOC_RESERVES())
    want = 1 if spare else ac.want
    for zone in for_each_zone_zonelist_nodemask(gfp_mask, ac):
        if cpuset_forbids(zone, gfp_mask, alloc_flags):
            continue
        mark = lowest_free_pages(zone, alloc_flags)
        got = zone.nr_free_pages.take(want, 1 << order, mark)
        if got:
            return Pages(got << order, zone.node_id)
    return None


def could_allocate(
    gfp_mask: int, order: int, alloc_flags: int, ac: alloc_context
) -> Callable[[], bool]:
    """Make a guard: would :func:`get_page_from_freelist` succeed?

    Cpusets are not looked at: an answer may be a hopeful one.
    """
    needs = [
        (zone.nr_free_pages, lowest_free_pages(zone, alloc_flags) + (1 << order))
        for zone in for_each_zone_zonelist_nodemask(gfp_mask, ac)
    ]
    return lambda: any(free.nr >= needed for free, needed in needs)


@mirrors("mm/page_alloc.c", checked="v7.2", abridged=_NUMBERS)
def __free_pages(pages: int, nid: int) -> None:
    """Give *pages* back to the node they came from.

    Context: Any; never sleeps.
    """
    node = NODE_DATA(nid)
    node.nr_free_pages.give(pages, node.node_present_pages)


def nr_free_pages() -> int:
    """Return how many pages are free on all nodes, without a step.

    Context: For reports and for a machine at rest.
    """
    return sum(NODE_DATA(nid).nr_free_pages.nr for nid in range(nr_online_nodes()))
