# SPDX-License-Identifier: GPL-2.0-only
"""Memory of the machine, node by node — ``include/linux/mmzone.h``.

A node knows how many of its pages are free, not which: pages have no identity
here. All sorts of memory add up to what is present, which is an invariant. A node
is one zone, so what Linux has per zone stands with the node.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..errors import KernelBug
from ._primitive import Primitive

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.objects import Struct
    from ..engine.thread import Thread

__all__ = [
    "DEF_PRIORITY",
    "MAX_NR_ZONES",
    "NODE_DATA",
    "NR_WMARK",
    "WMARK_HIGH",
    "WMARK_LOW",
    "WMARK_MIN",
    "ZONE_DMA",
    "ZONE_DMA32",
    "ZONE_MOVABLE",
    "ZONE_NORMAL",
    "high_wmark_pages",
    "low_wmark_pages",
    "min_wmark_pages",
    "nr_online_nodes",
    "pglist_data",
    "wmark_pages",
    "zone_type",
    "zone_watermarks",
]

_setup_wmarks: Callable[[list[pglist_data]], None] = extern(
    "pykmm.mm.page_alloc_watermark", "__setup_per_zone_wmarks"
)


#: Reclaim goes so many rounds more, until it has looked at everything in vain.
DEF_PRIORITY: Final = 12


class zone_type(IntEnum):
    """Sorts of memory, by who can reach it; a 64-bit kernel has these."""

    ZONE_DMA = 0
    ZONE_DMA32 = 1
    ZONE_NORMAL = 2
    ZONE_MOVABLE = 3


ZONE_DMA: Final = zone_type.ZONE_DMA
ZONE_DMA32: Final = zone_type.ZONE_DMA32
ZONE_NORMAL: Final = zone_type.ZONE_NORMAL
ZONE_MOVABLE: Final = zone_type.ZONE_MOVABLE
MAX_NR_ZONES: Final = len(zone_type)


class zone_watermarks(IntEnum):
    """How many pages should stay free: for nobody, before and after reclaim."""

    WMARK_MIN = 0
    WMARK_LOW = 1
    WMARK_HIGH = 2


WMARK_MIN: Final = zone_watermarks.WMARK_MIN
WMARK_LOW: Final = zone_watermarks.WMARK_LOW
WMARK_HIGH: Final = zone_watermarks.WMARK_HIGH
NR_WMARK: Final = len(zone_watermarks)


class _FreePages(Primitive):
    """The number of free pages of a node.

    Pages that have been free since the machine was last at rest are there in
    whatever order allocations and frees happen. As long as they reach, and stay
    above all watermarks, taking some of them commutes with both (ADD). Below that
    the order counts: which allocation has to do without, and which mark it minds.
    """

    def __init__(self, pages: int, owner: Struct) -> None:
        super().__init__(owner)
        self.nr = pages
        #: Of these, so many are free in every order.
        self.sure = pages
        #: The highest watermark.
        self.high = 0

    def take(self, want: int, unit: int = 1, mark: int = 0) -> int:
        """Take up to *want* blocks of *unit* pages in one step, down to *mark*.

        Return: How many blocks were taken.
        """
        t = enter(self, "__alloc_pages")
        got = min(want, max(self.nr - mark, 0) // unit)
        if not got:
            leave(t, self, Access.READ, self.nr)
            return 0
        self.nr -= got * unit
        sure = self.nr if t.is_boot else self.sure - got * unit
        self.sure = max(sure, 0)
        commutes = got == want and sure >= self.high
        leave(t, self, Access.ADD if commutes else Access.WRITE, self.nr)
        return got

    def read(self, kind: str) -> int:
        """Look, in a step, how many pages are free."""
        t = enter(self, kind)
        nr = self.nr
        leave(t, self, Access.READ, nr)
        return nr

    def give(self, pages: int, present: int) -> None:
        """Give *pages* back in one step; more free than *present* is a double free."""
        t = enter(self, "__free_pages")
        self._check(t, self.nr + pages, present)
        self.nr += pages
        if t.is_boot:
            self.sure = self.nr
        leave(t, self, Access.ADD, self.nr)

    def _check(self, t: Thread, nr: int, present: int) -> None:
        if nr > present and not t.machine.stopping:
            raise KernelBug(
                f"{self.name}: {nr} of {present} pages free: some were freed twice"
            )


class pglist_data(Root):
    """One node: a part of the memory that is equally far from everywhere."""

    def __init__(self, node_id: int, present: int) -> None:
        super().__init__()
        self.node_id = node_id
        self.node_present_pages = present
        self.nr_free_pages = _FreePages(present, self)
        self._watermark = [0] * NR_WMARK


def _nodes() -> list[pglist_data]:
    sizes = current_machine().config.node_pages
    nodes = [pglist_data(nid, pages) for nid, pages in enumerate(sizes)]
    _setup_wmarks(nodes)
    return nodes


_node_data = MachineLocal(_nodes)


@mirrors("include/linux/mmzone.h", checked="v7.2", inline=True)
def NODE_DATA(nid: int) -> pglist_data:  # noqa: N802 -- Linux's name
    """Return the node with the number *nid*."""
    return _node_data()[nid]


def nr_online_nodes() -> int:
    """Return how many nodes the machine has; they are numbered from 0."""
    return len(_node_data())


_NO_BOOST = "a mark is never boosted: there is no fragmentation to fight"


@mirrors("include/linux/mmzone.h", checked="v7.2", abridged=_NO_BOOST, inline=True)
def wmark_pages(z: pglist_data, w: int) -> int:
    """Return the watermark *w* of a node, in pages; it is set at boot."""
    return z._watermark[w]


@mirrors("include/linux/mmzone.h", checked="v7.2", inline=True)
def min_wmark_pages(z: pglist_data) -> int:
    """Return what is kept for those who may not wait, and for who frees memory."""
    return wmark_pages(z, WMARK_MIN)


@mirrors("include/linux/mmzone.h", checked="v7.2", inline=True)
def low_wmark_pages(z: pglist_data) -> int:
    """Return where an allocation has to stop and look around."""
    return wmark_pages(z, WMARK_LOW)


@mirrors("include/linux/mmzone.h", checked="v7.2", inline=True)
def high_wmark_pages(z: pglist_data) -> int:
    """Return where memory is no longer short."""
    return wmark_pages(z, WMARK_HIGH)
