# SPDX-License-Identifier: GPL-2.0-only
"""The memory of the machine, for a report — ``mm/show_mem.c``.

All of it looks without a step. What is 0 is something that there is none of: pages
are not isolated, written back, bounced or kept on lists of a CPU. Fields of
transparent huge pages are absent, as without CONFIG_TRANSPARENT_HUGEPAGE.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..kernel.cgroup.cpuset import cpuset_current_mems_allowed
from ..linux.mm import PTRS_PER_PTE
from ..linux.mmzone import (
    MAX_NR_ZONES,
    NODE_DATA,
    ZONE_NORMAL,
    high_wmark_pages,
    low_wmark_pages,
    min_wmark_pages,
    nr_online_nodes,
    pglist_data,
)
from ..linux.printk import printk_dump
from .hugetlb_pool import the_hstate
from .internal import K
from .slab_common import slab_pages
from .swapfile import _swap, nr_swap_pages
from .vmstat import memory_by_use

__all__ = [
    "NODE_FORMAT",
    "SHOW_MEM_FILTER_NODES",
    "ZONE_FORMAT",
    "__show_mem",
    "show_free_areas",
]

SHOW_MEM_FILTER_NODES: Final = 0x0001


def _managed(node: pglist_data) -> int:
    """Return a node's pages that the allocator has: what boot kept is of the first."""
    config = current_machine().config
    reserved = max(0, sum(config.node_pages) - config.totalram_pages)
    for nid in range(node.node_id):
        reserved -= min(reserved, NODE_DATA(nid).node_present_pages)
    return node.node_present_pages - min(reserved, node.node_present_pages)


def _shown(nodemask: frozenset[int] | None, flags: int) -> list[pglist_data]:
    """Return the nodes to show: all, or those that current was allowed to use."""
    nodes = [NODE_DATA(nid) for nid in range(nr_online_nodes())]
    if flags & SHOW_MEM_FILTER_NODES:
        allowed = cpuset_current_mems_allowed() if nodemask is None else nodemask
        nodes = [node for node in nodes if node.node_id in allowed]
    return [node for node in nodes if node.node_present_pages]


#: Pages by item.
Uses = dict[str, int]


def _on_node(nid: int) -> Uses:
    return memory_by_use(lambda origin: origin[0] == nid)


def _show_totals(nr: Uses, free: int) -> None:
    slab, fixed = slab_pages(reclaimable=True), slab_pages(reclaimable=False)
    for line in (
        f"active_anon:0 inactive_anon:{nr['NR_INACTIVE_ANON']} isolated_anon:0",
        f" active_file:0 inactive_file:{nr['NR_INACTIVE_FILE']} isolated_file:0",
        f" unevictable:{nr['NR_UNEVICTABLE']} dirty:{nr['NR_FILE_DIRTY']} "
        f"writeback:{nr['NR_WRITEBACK']}",
        f" slab_reclaimable:{slab} slab_unreclaimable:{fixed}",
        f" mapped:{nr['NR_FILE_MAPPED']} shmem:{nr['NR_SHMEM']} "
        f"pagetables:{nr['NR_PAGETABLE']}",
        " sec_pagetables:0 bounce:0",
        " kernel_misc_reclaimable:0",
        f" free:{free} free_pcp:0 free_cma:0",
    ):
        printk_dump(line)


#: The lines of a node and of its zone; what has no name here is always 0.
NODE_FORMAT: Final = (
    "Node {nid} active_anon:0kB inactive_anon:{NR_INACTIVE_ANON}kB active_file:0kB "
    "inactive_file:{NR_INACTIVE_FILE}kB unevictable:{NR_UNEVICTABLE}kB "
    "isolated(anon):0kB isolated(file):0kB mapped:{NR_FILE_MAPPED}kB "
    "dirty:{NR_FILE_DIRTY}kB writeback:{NR_WRITEBACK}kB shmem:{NR_SHMEM}kB "
    "kernel_stack:0kB pagetables:{NR_PAGETABLE}kB sec_pagetables:0kB "
    "all_unreclaimable? no Balloon:0kB gpu_active:0kB gpu_reclaim:0kB"
)
ZONE_FORMAT: Final = (
    "Node {nid} Normal free:{free}kB boost:0kB min:{min}kB low:{low}kB high:{high}kB "
    "reserved_highatomic:0KB free_highatomic:0KB active_anon:0kB "
    "inactive_anon:{NR_INACTIVE_ANON}kB active_file:0kB "
    "inactive_file:{NR_INACTIVE_FILE}kB unevictable:{NR_UNEVICTABLE}kB "
    "writepending:{pending}kB zspages:0kB present:{present}kB managed:{managed}kB "
    "mlocked:{NR_UNEVICTABLE}kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB"
)


def _show_node(line: str, nid: int, nr: Uses) -> None:
    printk_dump(line.format(nid=nid, **{item: K(pages) for item, pages in nr.items()}))


def _show_zone(line: str, node: pglist_data, nr: Uses) -> None:
    pages = nr | {
        "free": node.nr_free_pages.nr,
        "min": min_wmark_pages(node),
        "low": low_wmark_pages(node),
        "high": high_wmark_pages(node),
        "present": node.node_present_pages,
        "managed": _managed(node),
        "pending": nr["NR_FILE_DIRTY"] + nr["NR_WRITEBACK"],
    }
    _show_node(line, node.node_id, pages)
    printk_dump("lowmem_reserve[]:" + " 0" * MAX_NR_ZONES)


def _show_hugetlb(nid: int, nr: Uses) -> None:
    total = free = surplus = 0
    config = current_machine().config
    if config.nr_hugepages or config.nr_overcommit_hugepages:
        h = the_hstate().__dict__
        total, free = h["nr_huge_pages_node"][nid], h["free_huge_pages"][nid]
        surplus = h["surplus_huge_pages_node"][nid]
    # Those that processes came with are as good as surplus.
    beside = nr["NR_HUGETLB"] // PTRS_PER_PTE - (total - free)
    printk_dump(
        f"Node {nid} hugepages_total={total + beside} hugepages_free={free} "
        f"hugepages_surp={surplus + beside} "
        f"hugepages_size={K(PTRS_PER_PTE)}kB"
    )


def _show_swap(nr: Uses) -> None:
    printk_dump(f"{nr['NR_SWAPCACHE']} pages in swap cache")
    printk_dump(f"Free swap  = {K(nr_swap_pages().counter)}kB")
    printk_dump(f"Total swap = {K(_swap().total_swap_pages.counter)}kB")


def _show(
    flags: int,
    nodemask: frozenset[int] | None,
    max_zone_idx: int,
    *,
    node_format: str = NODE_FORMAT,
    zone_format: str = ZONE_FORMAT,
) -> None:
    """Do what :func:`show_free_areas` does, in a kernel's own words."""
    every = [NODE_DATA(nid) for nid in range(nr_online_nodes())]
    uses = {node.node_id: _on_node(node.node_id) for node in every}
    total = {item: sum(nr[item] for nr in uses.values()) for item in uses[0]}
    shown = _shown(nodemask, flags)
    zones = shown if max_zone_idx >= ZONE_NORMAL else []
    _show_totals(total, sum(node.nr_free_pages.nr for node in every))
    for node in zones:
        _show_node(node_format, node.node_id, uses[node.node_id])
    for node in zones:
        _show_zone(zone_format, node, uses[node.node_id])
    for node in shown:
        _show_hugetlb(node.node_id, uses[node.node_id])
    printk_dump(f"{total['NR_FILE_PAGES']} total pagecache pages")
    _show_swap(total)


@mirrors(
    "mm/show_mem.c",
    checked="v7.2",
    abridged="a node is one zone of normal memory, without free lists to show",
)
def show_free_areas(
    flags: int, nodemask: frozenset[int] | None, max_zone_idx: int
) -> None:
    """Print how the memory is used, of all nodes and of each one.

    Context: Any.
    """
    _show(flags, nodemask, max_zone_idx)


@mirrors("mm/show_mem.c", checked="v7.2", abridged="no profile of allocations")
def __show_mem(flags: int, nodemask: frozenset[int] | None, max_zone_idx: int) -> None:
    """Print the memory of the machine.

    Context: Any.
    """
    printk_dump("Mem-Info:")
    show_free_areas(flags, nodemask, max_zone_idx)
    config = current_machine().config
    total = sum(config.node_pages)
    printk_dump(f"{total} pages RAM")
    printk_dump("0 pages HighMem/MovableOnly")
    printk_dump(f"{max(0, total - config.totalram_pages)} pages reserved")
    printk_dump("0 pages cma reserved")
    printk_dump("0 pages hwpoisoned")
