# SPDX-License-Identifier: GPL-2.0-only
"""Memory of the machine, node by node — ``include/linux/mmzone.h``.

A node knows how many of its pages are free, not which: pages have no identity
here. All sorts of memory add up to what is present, which is an invariant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import MachineLocal, current_machine, enter, leave
from ..engine.objects import Root
from ..errors import KernelBug
from ._primitive import Primitive

if TYPE_CHECKING:
    from ..engine.objects import Struct
    from ..engine.thread import Thread

__all__ = ["NODE_DATA", "nr_online_nodes", "pglist_data"]


class _FreePages(Primitive):
    """The number of free pages of a node.

    Pages that have been free since the machine was last at rest are there in
    whatever order allocations and frees happen, so taking some of them commutes
    with both (ADD). Only where others' frees are needed does the order count:
    there a success is a DEC, and a failure is a READ anyway.
    """

    def __init__(self, pages: int, owner: Struct) -> None:
        super().__init__(owner)
        self.nr = pages
        #: Of these, so many are free in every order.
        self.sure = pages

    def take(self, pages: int) -> bool:
        """Take *pages*, if there are as many, in one step."""
        t = enter(self, "__alloc_pages")
        if self.nr < pages:
            leave(t, self, Access.READ, self.nr)
            return False
        access = Access.ADD if self.sure >= pages else Access.DEC
        self.nr -= pages
        self.sure = self.nr if t.is_boot else max(self.sure - pages, 0)
        leave(t, self, access, self.nr)
        return True

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


def _nodes() -> list[pglist_data]:
    sizes = current_machine().config.node_pages
    return [pglist_data(nid, pages) for nid, pages in enumerate(sizes)]


_node_data = MachineLocal(_nodes)


@mirrors("include/linux/mmzone.h", checked="v7.2", inline=True)
def NODE_DATA(nid: int) -> pglist_data:  # noqa: N802 -- Linux's name
    """Return the node with the number *nid*."""
    return _node_data()[nid]


def nr_online_nodes() -> int:
    """Return how many nodes the machine has; they are numbered from 0."""
    return len(_node_data())
