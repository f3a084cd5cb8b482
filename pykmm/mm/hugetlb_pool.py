# SPDX-License-Identifier: GPL-2.0-only
"""The pool of huge pages — part of ``mm/hugetlb.c``.

It is taken out of memory at boot. Where more is asked for than there is, pages beyond
it may be had as long as there is memory: the surplus, which goes back when it is not
needed any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import extern, mirrors
from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.machine import current_machine
from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..errno import ENOMEM
from ..errors import UsageError
from ..lib.ratelimit import ratelimit_state
from ..linux._huge_folio import HugeFolio
from ..linux.gfp_types import (
    __GFP_COMP,
    __GFP_NOWARN,
    __GFP_RETRY_MAYFAIL,
    GFP_HIGHUSER_MOVABLE,
)
from ..linux.mm import PTRS_PER_PTE
from ..linux.mmzone import NODE_DATA, nr_online_nodes
from ..linux.mutex import mutex
from ..linux.refcount import refcount_dec_and_test
from ..linux.spinlock import (
    spin_lock_irq,
    spin_lock_irqsave,
    spin_unlock_irq,
    spin_unlock_irqrestore,
    spinlock_t,
)
from .page_alloc_freelist import Pages, __free_pages

__all__ = [
    "_dequeue",
    "_has_surplus",
    "free_huge_folio",
    "hstate",
    "huge_folio_put",
    "hugetlb_acct_memory",
    "hugetlb_init",
    "hugetlb_total_pages",
    "the_hstate",
]

_ONE_POOL = "one size, no limits of mounts or cgroups"
_HUGETLB_PAGE_ORDER: Final = 9
_GFP: Final = GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOWARN | __GFP_RETRY_MAYFAIL

_alloc_pages: Callable[[int, int], Pages | None] = extern(
    "pykmm.mm.mempolicy_alloc", "alloc_pages"
)


@kernel_struct
class hstate(Struct):
    """The pool."""

    #: vm.nr_overcommit_hugepages: how large the surplus may become.
    nr_overcommit_huge_pages: int = const(default=0)
    hugetlb_lock: spinlock_t = embedded(spinlock_t)
    #: By node: all pages, those that are free, and how many are beyond the pool.
    nr_huge_pages_node: list[int] = guarded(by="hugetlb_lock", factory=list)
    free_huge_pages: list[int] = guarded(by="hugetlb_lock", factory=list)
    surplus_huge_pages_node: list[int] = guarded(by="hugetlb_lock", factory=list)
    resv_huge_pages: int = guarded(by="hugetlb_lock", default=0)
    #: Keeps out whoever faults for the same page; here for any.
    hugetlb_fault_mutex_table: mutex = embedded(mutex)
    #: How often it may be told whose page was taken away.
    warnings: ratelimit_state = const(factory=ratelimit_state)


def _take_pool() -> hstate:
    """Take the pool out of free memory, from all nodes in turn."""
    config = current_machine().config
    nr = config.nr_hugepages
    nodes = [NODE_DATA(nid) for nid in range(nr_online_nodes())]
    free = [0 for _ in nodes]
    for n in range(nr):
        for at in range(n, n + len(nodes)):
            node = nodes[at % len(nodes)]
            if node.nr_free_pages.take(1, PTRS_PER_PTE):
                free[at % len(nodes)] += 1
                break
        else:
            raise UsageError(
                f"Config: nr_hugepages={nr!r} do not fit into memory: make "
                "node_pages larger, or the pool smaller"
            )
    return hstate(
        nr_overcommit_huge_pages=config.nr_overcommit_hugepages,
        nr_huge_pages_node=list(free),
        free_huge_pages=free,
        surplus_huge_pages_node=[0 for _ in nodes],
    )


the_hstate = MachineLocal(_take_pool)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_init() -> None:
    """Fill the pool, before anybody takes memory.

    Context: Boot.
    """
    config = current_machine().config
    if config.nr_hugepages or config.nr_overcommit_hugepages:
        the_hstate()


@mirrors(
    "mm/hugetlb.c", checked="v7.2", abridged="one size; no step, so it may be old news"
)
def hugetlb_total_pages() -> int:
    """Return how many pages the huge ones take away from everybody else.

    Context: Any; takes no lock.
    """
    config = current_machine().config
    if not (config.nr_hugepages or config.nr_overcommit_hugepages):
        return 0
    return int(sum(the_hstate().__dict__["nr_huge_pages_node"])) * PTRS_PER_PTE


# -- the surplus -----------------------------------------------------------------------


def _has_surplus(h: hstate) -> bool:
    """Tell whether there is any, under hugetlb_lock."""
    return sum(h.surplus_huge_pages_node) > 0


def _forget_surplus(h: hstate, nid: int) -> None:
    h.nr_huge_pages_node[nid] -= 1
    h.surplus_huge_pages_node[nid] -= 1


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def alloc_surplus_hugetlb_folio(h: hstate) -> int | None:
    """Take a huge page out of other memory, if the surplus may grow.

    Context: Takes hugetlb_lock. May sleep.
    Return: The node that it is from, or None.
    """
    spin_lock_irq(h.hugetlb_lock)
    full = sum(h.surplus_huge_pages_node) >= h.nr_overcommit_huge_pages
    spin_unlock_irq(h.hugetlb_lock)
    pages = None if full else _alloc_pages(_GFP, _HUGETLB_PAGE_ORDER)
    if pages is None:
        return None
    spin_lock_irq(h.hugetlb_lock)
    # Others may have been faster.
    full = sum(h.surplus_huge_pages_node) >= h.nr_overcommit_huge_pages
    if not full:
        h.nr_huge_pages_node[pages.nid] += 1
        h.surplus_huge_pages_node[pages.nid] += 1
    spin_unlock_irq(h.hugetlb_lock)
    if full:
        __free_pages(pages.nr, pages.nid)
    return None if full else pages.nid


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def gather_surplus_pages(h: hstate, delta: int) -> int:
    """Promise *delta* pages, with pages from beyond the pool as far as need be.

    Context: hugetlb_lock, which is given back for a while. May sleep then.
    Return: 0, or -ENOMEM with nothing done.
    """
    got: list[int] = []
    needed = h.resv_huge_pages + delta - sum(h.free_huge_pages)
    if needed <= 0:
        h.resv_huge_pages += delta
        return 0
    more = True
    while needed > 0 and more:
        spin_unlock_irq(h.hugetlb_lock)
        for _ in range(needed):
            nid = alloc_surplus_hugetlb_folio(h)
            more = nid is not None
            if nid is None:
                break
            got.append(nid)
        spin_lock_irq(h.hugetlb_lock)
        free = sum(h.free_huge_pages) + len(got)
        needed = h.resv_huge_pages + delta - free
    ret: int = -ENOMEM if needed > 0 else 0
    # What turns out not to be needed goes back; without success all of it.
    keep = 0 if ret else max(len(got) + needed, 0)
    for nid in got[:keep]:
        h.free_huge_pages[nid] += 1
    h.resv_huge_pages += 0 if ret else delta
    for nid in got[keep:]:
        _forget_surplus(h, nid)
    spin_unlock_irq(h.hugetlb_lock)
    for nid in got[keep:]:
        __free_pages(PTRS_PER_PTE, nid)
    spin_lock_irq(h.hugetlb_lock)
    return ret


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def return_unused_surplus_pages(h: hstate, unused_resv_pages: int) -> None:
    """Take a promise back, and give back what is free of the surplus for that.

    Context: hugetlb_lock, which is given back for a while.
    """
    h.resv_huge_pages -= unused_resv_pages
    gone: list[int] = []
    for nid, surplus in enumerate(list(h.surplus_huge_pages_node)):
        left = unused_resv_pages - len(gone)
        for _ in range(min(surplus, h.free_huge_pages[nid], left)):
            h.free_huge_pages[nid] -= 1
            _forget_surplus(h, nid)
            gone.append(nid)
    if gone:
        spin_unlock_irq(h.hugetlb_lock)
        for nid in gone:
            __free_pages(PTRS_PER_PTE, nid)
        spin_lock_irq(h.hugetlb_lock)


# -- pages -----------------------------------------------------------------------------


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_acct_memory(h: hstate, delta: int) -> int:
    """Promise *delta* pages of the pool to somebody, or take a promise back.

    Context: Takes hugetlb_lock. May sleep, to promise more than there is.
    Return: 0, or -ENOMEM with nothing done.
    """
    if not delta:
        return 0
    spin_lock_irq(h.hugetlb_lock)
    ret = 0
    if delta > 0:
        ret = gather_surplus_pages(h, delta)
    else:
        return_unused_surplus_pages(h, -delta)
    spin_unlock_irq(h.hugetlb_lock)
    return ret


def _dequeue(h: hstate, *, reserved: bool) -> int | None:
    """Take a page: one that is *reserved*, or one that nobody is promised.

    Return: The node that it is from; None if there is none to be had.
    """
    spin_lock_irq(h.hugetlb_lock)
    nid = None
    if reserved or sum(h.free_huge_pages) > h.resv_huge_pages:
        with_some = (nid for nid, free in enumerate(h.free_huge_pages) if free)
        nid = next(with_some, None)
    if nid is None:
        spin_unlock_irq(h.hugetlb_lock)
        nid = alloc_surplus_hugetlb_folio(h)
        if nid is None:
            return None
        spin_lock_irq(h.hugetlb_lock)
    else:
        h.free_huge_pages[nid] -= 1
    h.resv_huge_pages -= reserved
    spin_unlock_irq(h.hugetlb_lock)
    return nid


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def free_huge_folio(folio: HugeFolio) -> None:
    """Put a page back into the pool, or beyond; its reservation, too, if that is to be.

    Context: Nobody else knows *folio* any more. Takes hugetlb_lock.
    """
    if folio.temporary:
        __free_pages(PTRS_PER_PTE, folio.nid)
    else:
        h = the_hstate()
        spin_lock_irqsave(h.hugetlb_lock)
        h.resv_huge_pages += folio.restore_reserve
        surplus = bool(h.surplus_huge_pages_node[folio.nid])
        if surplus:
            _forget_surplus(h, folio.nid)
        else:
            h.free_huge_pages[folio.nid] += 1
        spin_unlock_irqrestore(h.hugetlb_lock)
        if surplus:
            __free_pages(PTRS_PER_PTE, folio.nid)
    folio._free()


def huge_folio_put(folio: HugeFolio) -> None:
    """Give a reference on a page back; the last one frees it.

    Context: Any.
    """
    if refcount_dec_and_test(folio._refcount):
        free_huge_folio(folio)
