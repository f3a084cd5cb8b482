# SPDX-License-Identifier: GPL-2.0-only
"""Reclaiming ahead — part of ``mm/vmscan.c``.

Who finds less memory than the low mark wakes the kernel thread of the node, which
reclaims up to the high mark. A machine has such threads if its configuration says so.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.fields import embedded, kernel_struct, shared
from ..engine.machine import current_machine
from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.cpuset import cpuset_zone_allowed
from ..linux.mmzone import (
    DEF_PRIORITY,
    MAX_NR_ZONES,
    NODE_DATA,
    ZONE_NORMAL,
    high_wmark_pages,
    nr_online_nodes,
    pglist_data,
)
from ..linux.sched import PF_MEMALLOC, current
from ..linux.wait import (
    wait_event_freezable,
    wait_queue_head_t,
    waitqueue_active,
    wake_up_interruptible,
)
from .page_alloc_reclaim import __fs_reclaim_acquire, __fs_reclaim_release
from .page_alloc_watermark import __zone_watermark_ok
from .vmscan import SWAP_CLUSTER_MAX, shrink_lruvec
from .vmscan_file import scan_control

__all__ = ["balance_pgdat", "kswapd", "wakeup_kswapd"]


@kernel_struct
class _Kswapd(Struct):
    """What a node knows about its thread."""

    kswapd_wait: wait_queue_head_t = embedded(wait_queue_head_t)
    #: Up to which zone somebody has been short of memory; above all of them: nobody.
    kswapd_highest_zoneidx: int = shared(default=MAX_NR_ZONES)


def _of_nodes() -> list[_Kswapd]:
    there = current_machine().config.kswapd
    return [_Kswapd() for _ in range(nr_online_nodes())] if there else []


_kswapds = MachineLocal(_of_nodes)


@mirrors(
    "mm/vmscan.c", checked="v7.2", abridged="a node is one zone; any order will do"
)
def pgdat_balanced(pgdat: pglist_data) -> bool:
    """Tell whether a node has enough free memory for its thread to sleep.

    Context: Any.
    """
    free_pages = pgdat.nr_free_pages.read("pgdat_balanced")
    return __zone_watermark_ok(pgdat, 0, high_wmark_pages(pgdat), 0, free_pages)


@mirrors(
    "mm/vmscan.c",
    checked="v7.2",
    abridged="orders do not count; nothing is compacted; a thread that has found "
    "nothing is woken all the same",
)
def wakeup_kswapd(pgdat: pglist_data, gfp_flags: int) -> None:
    """Wake the thread of a node that is short of memory, if it has one.

    Context: Any; never sleeps.
    """
    nodes = _kswapds()
    if not nodes or not cpuset_zone_allowed(pgdat.node_id, gfp_flags):
        return
    node = nodes[pgdat.node_id]
    if READ_ONCE(node).kswapd_highest_zoneidx == MAX_NR_ZONES:
        WRITE_ONCE(node).kswapd_highest_zoneidx = ZONE_NORMAL
    if not waitqueue_active(node.kswapd_wait) or pgdat_balanced(pgdat):
        return
    wake_up_interruptible(node.kswapd_wait)


@mirrors(
    "mm/vmscan.c",
    checked="v7.2",
    abridged="no soft limits, no boosts, nobody is throttled; it does not freeze in "
    "the middle, and stops early when there is nothing to look at",
)
def balance_pgdat(pgdat: pglist_data) -> None:
    """Reclaim from a node up to its high mark, or as far as it goes.

    Context: The node's thread. May sleep.
    """
    target = max(high_wmark_pages(pgdat), SWAP_CLUSTER_MAX)
    priority = DEF_PRIORITY
    __fs_reclaim_acquire()
    while priority >= 1 and not pgdat_balanced(pgdat):
        sc = scan_control(target, lambda origin: origin[0] == pgdat.node_id)
        shrink_lruvec(sc)
        if not sc.nr_scanned and not sc.nr_reclaimed:
            break
        if not sc.nr_reclaimed or sc.nr_scanned < target:
            priority -= 1
    __fs_reclaim_release()


@mirrors(
    "mm/vmscan.c",
    checked="v7.2",
    abridged="it does not take a nap first; with nothing found it sleeps until it is "
    "woken, where Linux tries 16 times",
)
def kswapd(nid: int) -> None:
    """Be the thread of a node: reclaim whenever somebody is short of memory.

    Context: Sleeps freezably, so that the machine counts as at rest.
    """
    pgdat, node = NODE_DATA(nid), _kswapds()[nid]
    current().flags |= PF_MEMALLOC
    while True:
        wait_event_freezable(
            node.kswapd_wait,
            lambda: READ_ONCE(node).kswapd_highest_zoneidx != MAX_NR_ZONES,
        )
        WRITE_ONCE(node).kswapd_highest_zoneidx = MAX_NR_ZONES
        balance_pgdat(pgdat)
