# SPDX-License-Identifier: GPL-2.0-only
"""Getting memory back from those who can do without — ``mm/vmscan.c``.

Pages of files go first (``vmscan_file``): there is another copy of them. Then private
pages go to swap, if there is any (``vmscan_anon``). What nobody could take away with
all its might, one round after the other, is left to the OOM killer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import current_thread
from ..fs.fs_writeback import WB_start_all, the_wb
from ..linux._shared_pages import Wanted
from ..linux.memcontrol import mem_cgroup, mem_cgroup_is_descendant
from ..linux.mmzone import DEF_PRIORITY, pglist_data
from .vmscan_anon import anon_on_node, could_swap_out, shrink_anon
from .vmscan_file import scan_control, shrink_active_list, shrink_inactive_list
from .vmscan_lru import could_drop, file_lru, file_pages

__all__ = [
    "SWAP_CLUSTER_MAX",
    "could_reclaim",
    "try_to_free_mem_cgroup_pages",
    "try_to_free_pages",
    "zone_reclaimable_pages",
]

SWAP_CLUSTER_MAX: Final = 32

_FILES_FIRST: Final = (
    "files first, without a balance between them and private pages, and all of them in "
    "each round"
)


@mirrors("mm/vmscan.c", checked="v7.2", abridged="pages by file, read one by one")
def zone_reclaimable_pages(zone: pglist_data) -> int:
    """Return how many pages of a node could be reclaimed.

    Context: Any; may be old when it arrives.
    """
    nid = zone.node_id
    files = file_lru().take("zone_reclaimable_pages")
    found = anon_on_node(nid)
    found += sum(file_pages(f, lambda origin: origin[0] == nid) for f in files)
    file_lru().put(files)
    return found


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_FILES_FIRST)
def shrink_lruvec(sc: scan_control) -> None:
    """Go once through all that could go, or until there is enough.

    Context: May sleep.
    """
    before = sc.nr_reclaimed
    sc.nr_scanned = sc.nr_dirty = 0
    files = file_lru().take("isolate_lru_folios")
    for mapping in files:
        shrink_inactive_list(mapping, sc)
    if not sc.nr_scanned:
        for mapping in files:
            shrink_active_list(mapping, sc)
    file_lru().put(files)
    if sc.missing:
        sc.nr_reclaimed += shrink_anon(sc.missing, sc.wanted)
    if sc.nr_dirty and sc.nr_reclaimed == before:
        reclaim_throttle()


@mirrors(
    "mm/vmscan.c",
    checked="v7.2",
    abridged="waits for the disk only, as long as that takes",
)
def reclaim_throttle() -> None:
    """Wait until what was to be written has been: there is nothing else to reclaim.

    Context: May sleep; the host, which writes itself, does not.
    """
    if current_thread().is_boot:
        return
    bit = the_wb().state.bit(WB_start_all)
    t = enter(bit, "reclaim_throttle", bit._is_clear)
    leave(t, bit, Access.WAIT, blocking=True)


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_FILES_FIRST)
def do_try_to_free_pages(sc: scan_control) -> int:
    """Go through all that could go again and again, until there is enough.

    Context: May sleep.
    Return: How many pages were freed.
    """
    for _ in range(DEF_PRIORITY + 1):
        shrink_lruvec(sc)
        if not sc.missing or not sc.nr_scanned:
            break
    return sc.nr_reclaimed


def could_reclaim(wanted: Wanted) -> Callable[[], bool]:
    """Make a guard: is there anything of the *wanted* origins to be reclaimed?"""
    drop, swap = could_drop(wanted), could_swap_out(wanted)
    return lambda: drop() or swap()


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_FILES_FIRST)
def try_to_free_pages(nr_pages: int, nids: frozenset[int]) -> int:
    """Reclaim *nr_pages* or more on the nodes *nids*.

    Context: May sleep.
    Return: How many pages of these nodes were freed.
    """
    return do_try_to_free_pages(
        scan_control(nr_pages, lambda origin: origin[0] in nids)
    )


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_FILES_FIRST)
def try_to_free_mem_cgroup_pages(memcg: mem_cgroup, nr_pages: int) -> int:
    """Reclaim *nr_pages* or more that are charged to *memcg* or below.

    Context: May sleep.
    Return: How many of its pages were freed.
    """

    def wanted(origin: tuple[int, mem_cgroup | None]) -> bool:
        return mem_cgroup_is_descendant(origin[1], memcg)

    return do_try_to_free_pages(
        scan_control(max(nr_pages, SWAP_CLUSTER_MAX), wanted, memcg)
    )
