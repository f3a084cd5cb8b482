# SPDX-License-Identifier: GPL-2.0-only
"""Giving pages out and taking them back — ``mm/page_alloc.c``.

Only quantities: no zones, no orders, no watermarks and no lists. What an
allocation that fails does about it (reclaim, the OOM killer) is its caller's.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux.mmzone import NODE_DATA, nr_online_nodes

__all__ = ["__free_pages", "_alloc_bulk", "nr_free_pages"]

_NUMBERS = (
    "pages are a number on a node, without zones, watermarks and batches a CPU: "
    "the last free page can be had, where Linux would have reclaimed before"
)


def _alloc_bulk(pages: int, preferred_nid: int) -> int:
    """Take *pages* from one node: the preferred one, or the next that has as many.

    Context: Any; never sleeps. One step for each node that is tried.
    Return: The node, or -ENOMEM.
    """
    nodes = nr_online_nodes()
    for nid in range(preferred_nid, preferred_nid + nodes):
        if NODE_DATA(nid % nodes).nr_free_pages.take(pages):
            return nid % nodes
    return -ENOMEM


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
