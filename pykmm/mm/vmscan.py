# SPDX-License-Identifier: GPL-2.0-only
"""Getting memory back from those who can do without — ``mm/vmscan.c``.

The page cache of files that nobody has open goes first: such pages are clean, and no
page table maps them. Then private pages go to swap, if there is any
(``vmscan_anon``). The pages of open files stay, because files do not know who maps
them: the OOM killer is called a little early.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import MachineLocal, enter, leave
from ..linux._primitive import Primitive
from ..linux.memcontrol import mem_cgroup, mem_cgroup_is_descendant
from ..linux.mm_types import _Origin, address_space
from ..linux.mmzone import pglist_data
from ..linux.spinlock import spin_lock, spin_unlock
from .swap import folios_put_refs
from .vmscan_anon import anon_on_node, could_swap_out, shrink_folio_list

__all__ = [
    "could_reclaim",
    "file_lru",
    "try_to_free_mem_cgroup_pages",
    "try_to_free_pages",
    "zone_reclaimable_pages",
]

_CLOSED: Final = (
    "of files only those that nobody has open, and each of them as a whole; whoever is "
    "short of memory reclaims itself, no kswapd does it before"
)


class _FileLru(Primitive):
    """The page cache of files that nobody has open, the oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[address_space, dict[_Origin, int]] = {}

    def add(self, mapping: address_space) -> None:
        """Note that nobody has a file open any more."""
        nrpages = mapping.__dict__["_nrpages"]
        if not nrpages:
            return
        t = enter(self, "folio_add_lru")
        self.pages[mapping] = dict(nrpages)
        leave(t, self, Access.WRITE, len(self.pages))

    def forget(self, mapping: address_space) -> None:
        """Note that a file is open again."""
        t = enter(self, "folio_del_lru")
        found = self.pages.pop(mapping, None)
        leave(t, self, Access.READ if found is None else Access.WRITE, len(self.pages))

    def isolate(
        self, wanted: Callable[[_Origin], bool]
    ) -> tuple[address_space | None, int]:
        """Take the oldest file off that has wanted pages; return it, and how many."""
        t = enter(self, "isolate_lru_folios")
        for mapping, nrpages in self.pages.items():
            found = sum(nr for origin, nr in nrpages.items() if wanted(origin))
            if found:
                del self.pages[mapping]
                leave(t, self, Access.WRITE, len(self.pages))
                return mapping, found
        leave(t, self, Access.READ, len(self.pages))
        return None, 0

    def count(self, nid: int) -> int:
        """Count, in a step, the pages on a node."""
        t = enter(self, "zone_reclaimable_pages")
        files = self.pages.values()
        found = sum(nr for f in files for origin, nr in f.items() if origin[0] == nid)
        found += anon_on_node(nid)
        leave(t, self, Access.READ, found)
        return found


file_lru = MachineLocal(_FileLru)


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_CLOSED)
def zone_reclaimable_pages(zone: pglist_data) -> int:
    """Return how many pages of a node could be reclaimed.

    Context: Any; may be old when it arrives.
    """
    return file_lru().count(zone.node_id)


def _drop(mapping: address_space) -> None:
    """Take all pages out of a file's cache and free them."""
    field = field_of(mapping, "i_pages")
    spin_lock(mapping.i_pages_lock)
    t = enter(field, "filemap_remove_folio")
    nrpages = dict(mapping._nrpages)
    mapping._nrpages.clear()
    mapping._i_origins.clear()
    mapping.i_pages.clear()
    leave(t, field, Access.WRITE, 0)
    spin_unlock(mapping.i_pages_lock)
    folios_put_refs(nrpages)


def _shrink(nr_pages: int, wanted: Callable[[_Origin], bool]) -> int:
    """Free *nr_pages* of the *wanted* origins: files first, then to swap."""
    reclaimed = 0
    while reclaimed < nr_pages:
        mapping, found = file_lru().isolate(wanted)
        if mapping is None:
            break
        _drop(mapping)
        reclaimed += found
    if reclaimed < nr_pages:
        reclaimed += shrink_folio_list(nr_pages - reclaimed, wanted)
    return reclaimed


def could_reclaim(wanted: Callable[[_Origin], bool]) -> Callable[[], bool]:
    """Make a guard: is there anything of the *wanted* origins to be reclaimed?"""
    lru, could_swap = file_lru(), could_swap_out(wanted)

    def ready() -> bool:
        # A snapshot: whoever evaluates the guard may not be alone with the list.
        files = (origin for nrpages in list(lru.pages.values()) for origin in nrpages)
        return any(map(wanted, files)) or could_swap()

    return ready


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_CLOSED)
def try_to_free_pages(nr_pages: int, nids: frozenset[int]) -> int:
    """Reclaim *nr_pages* or more on the nodes *nids*.

    Context: May sleep in Linux.
    Return: How many pages of these nodes were freed.
    """
    return _shrink(nr_pages, lambda origin: origin[0] in nids)


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_CLOSED)
def try_to_free_mem_cgroup_pages(memcg: mem_cgroup, nr_pages: int) -> int:
    """Reclaim *nr_pages* or more that are charged to *memcg* or below.

    Context: May sleep in Linux.
    Return: How many of its pages were freed.
    """
    return _shrink(nr_pages, lambda origin: mem_cgroup_is_descendant(origin[1], memcg))
