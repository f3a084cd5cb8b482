# SPDX-License-Identifier: GPL-2.0-only
"""Giving pages out and taking them back — ``mm/page_alloc.c``.

The parts stand beside this file: where pages are (``page_alloc_freelist``), how many
of them must stay (``page_alloc_watermark``), and what is done about a shortage
(``page_alloc_slowpath``). Who only frees pages imports the first.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.gfp_types import __GFP_HARDWALL
from ..linux.sched import current
from ..linux.sched.mm import might_alloc
from .page_alloc_freelist import (
    Pages,
    __free_pages,
    alloc_context,
    get_page_from_freelist,
    nr_free_pages,
)
from .page_alloc_slowpath import __alloc_pages_slowpath
from .page_alloc_watermark import ALLOC_CPUSET, ALLOC_WMARK_LOW

__all__ = ["Pages", "__alloc_pages", "__free_pages", "nr_free_pages"]


@mirrors(
    "mm/page_alloc.c",
    checked="v7.2",
    abridged="accounts to no cgroup; order 0 may ask for many pages and get some",
)
def __alloc_pages(
    gfp: int,
    order: int,
    preferred_nid: int,
    nodemask: frozenset[int] | None,
    *,
    want: int = 1,
) -> Pages | None:
    """Allocate a block of 1 << *order* pages, or up to *want* of them on one node.

    Context: May sleep with __GFP_DIRECT_RECLAIM.
    Return: At least one block, or None.
    """
    might_alloc(gfp)
    ac = alloc_context(preferred_nid, nodemask, want)
    alloc_gfp, alloc_flags = gfp, ALLOC_WMARK_LOW
    task = current()
    mems = None if task is None else task.mems_allowed
    if mems is not None:
        alloc_gfp |= __GFP_HARDWALL
        if nodemask is None:
            ac.nodemask = mems
        else:
            alloc_flags |= ALLOC_CPUSET
    page = get_page_from_freelist(alloc_gfp, order, alloc_flags, ac)
    if page is None:
        ac.nodemask = nodemask
        page = __alloc_pages_slowpath(gfp, order, ac)
    return page
