# SPDX-License-Identifier: GPL-2.0-only
"""What an allocation does that is not served at once — part of ``mm/page_alloc.c``.

It digs deeper, reclaims, and at last calls the OOM killer; then it tries again, as
long as somebody makes progress: whoever holds ``oom_lock``, or a victim that dies.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.statics import MachineLocal
from ..engine.thread import current_thread
from ..kernel.cgroup.cpuset import cpuset_print_current_mems_allowed
from ..lib.dump_stack import dump_stack
from ..lib.vsprintf import bitmap_list_string, flags_string
from ..linux.bug import WARN_ON_ONCE
from ..linux.gfp import gfp_zone
from ..linux.gfp_types import (
    __GFP_DIRECT_RECLAIM,
    __GFP_FS,
    __GFP_HARDWALL,
    __GFP_NOFAIL,
    __GFP_NOMEMALLOC,
    __GFP_NORETRY,
    __GFP_NOWARN,
    __GFP_RETRY_MAYFAIL,
    __GFP_THISNODE,
)
from ..linux.jiffies import HZ, jiffies, schedule_timeout_uninterruptible
from ..linux.mmzone import NODE_DATA, ZONE_NORMAL, min_wmark_pages
from ..linux.mutex import mutex_trylock, mutex_unlock
from ..linux.oom import oom_control, tsk_is_oom_victim
from ..linux.printk import pr_warn
from ..linux.sched import PF_DUMPCORE, PF_EXITING, PF_MEMALLOC, current
from ..linux.trace.events.oom import trace_reclaim_retry_zone
from ._stall import could_be_marked, killer_would_act, no_task, stall
from .memcontrol_print import mem_cgroup_show_protected_memory
from .oom_kill import oom, out_of_memory
from .page_alloc_freelist import (
    Pages,
    alloc_context,
    could_allocate,
    cpuset_forbids,
    for_each_zone_zonelist_nodemask,
    get_page_from_freelist,
)
from .page_alloc_reclaim import __perform_reclaim
from .page_alloc_watermark import (
    ALLOC_CPUSET,
    ALLOC_KSWAPD,
    ALLOC_MIN_RESERVE,
    ALLOC_NO_WATERMARKS,
    ALLOC_OOM,
    ALLOC_WMARK_HIGH,
    __gfp_pfmemalloc_flags,
    __zone_watermark_ok,
    gfp_to_alloc_flags,
)
from .show_mem import SHOW_MEM_FILTER_NODES, __show_mem
from .vmscan import (
    SWAP_CLUSTER_MAX,
    could_reclaim,
    zone_reclaimable_pages,
)
from .vmscan_kswapd import wakeup_kswapd

__all__ = [
    "PAGE_ALLOC_COSTLY_ORDER",
    "__alloc_pages_may_oom",
    "__alloc_pages_slowpath",
    "should_reclaim_retry",
    "warn_alloc",
]

PAGE_ALLOC_COSTLY_ORDER: Final = 3
MAX_RECLAIM_RETRIES: Final = 16


@attrs.define
class _Attempt:
    """One allocation in the slow path: what it asked for, and how far it has come."""

    gfp_mask: int
    order: int
    ac: alloc_context
    alloc_flags: int
    no_progress_loops: int = 0
    can_retry_reserves: bool = True

    def try_again(self) -> Pages | None:
        """Look whether there are pages by now."""
        return get_page_from_freelist(
            self.gfp_mask, self.order, self.alloc_flags, self.ac
        )


# -- giving up -------------------------------------------------------------------------


@mirrors("mm/page_alloc.c", checked="v7.2")
def warn_alloc_show_mem(gfp_mask: int, nodemask: frozenset[int] | None) -> None:
    """Print the memory of the machine, of the nodes that the allocation could use.

    Context: Any.
    """
    flags = SHOW_MEM_FILTER_NODES
    dying = current().flags & (PF_MEMALLOC | PF_EXITING)
    if not gfp_mask & __GFP_NOMEMALLOC and (tsk_is_oom_victim(current()) or dying):
        flags = 0
    if not gfp_mask & __GFP_DIRECT_RECLAIM:
        flags = 0
    __show_mem(flags, nodemask, gfp_zone(gfp_mask))
    mem_cgroup_show_protected_memory(None)


@mirrors("mm/page_alloc.c", checked="v7.2")
def warn_alloc(gfp_mask: int, nodemask: frozenset[int] | None, what: str) -> None:
    """Complain about an allocation that failed, unless the caller asked not to.

    Context: Any. Said once in ten seconds, of time that passes only in sleeps.
    """
    if gfp_mask & __GFP_NOWARN or not _warnings().allow():
        return
    pr_warn(
        f"{current().comm}: {what}, mode:{gfp_mask:#x}({flags_string(gfp_mask, 'g')}), "
        f"nodemask={bitmap_list_string(nodemask)}"
    )
    cpuset_print_current_mems_allowed()
    dump_stack()
    warn_alloc_show_mem(gfp_mask, nodemask)


class _Warnings:
    """When there was a complaint; to complain takes steps, so to ask is one."""

    def __init__(self) -> None:
        self.last: int | None = None

    def allow(self) -> bool:
        """Tell whether the last one was long enough ago."""
        now = jiffies()
        if self.last is not None and now <= self.last + 10 * HZ():
            return False
        self.last = now
        return True


_warnings = MachineLocal(_Warnings)


# -- reclaim ---------------------------------------------------------------------------


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="any order will do")
def wake_all_kswapds(gfp_mask: int, ac: alloc_context) -> None:
    """Have memory reclaimed on all nodes that an allocation may use.

    Context: Any.
    """
    for zone in for_each_zone_zonelist_nodemask(gfp_mask, ac):
        wakeup_kswapd(zone, gfp_mask)


def _nids(attempt: _Attempt) -> frozenset[int]:
    zones = for_each_zone_zonelist_nodemask(attempt.gfp_mask, attempt.ac)
    return frozenset(zone.node_id for zone in zones)


def _direct_reclaim(attempt: _Attempt) -> tuple[Pages | None, bool]:
    """Reclaim, and try again if that brought something.

    Return: The pages, and whether reclaim made progress.
    """
    target = max(1 << attempt.order, SWAP_CLUSTER_MAX)
    if not __perform_reclaim(attempt.gfp_mask, target, _nids(attempt)):
        return None, False
    return attempt.try_again(), True


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="no blocks to keep for atomic use")
def should_reclaim_retry(
    gfp_mask: int,
    order: int,
    ac: alloc_context,
    alloc_flags: int,
    did_some_progress: bool,
    no_progress_loops: int,
) -> tuple[bool, int]:
    """Tell whether reclaim can still help, so that it is too early to kill.

    Context: One step for each node, and one for what can be reclaimed there.
    Return: That, and how many rounds without progress there have been.
    """
    costly = order > PAGE_ALLOC_COSTLY_ORDER
    loops = 0 if did_some_progress and not costly else no_progress_loops + 1
    if loops > MAX_RECLAIM_RETRIES:
        return False, loops
    for zone in for_each_zone_zonelist_nodemask(gfp_mask, ac):
        if cpuset_forbids(zone, gfp_mask, alloc_flags):
            continue
        reclaimable = zone_reclaimable_pages(zone)
        available = reclaimable + zone.nr_free_pages.read("should_reclaim_retry")
        mark = min_wmark_pages(zone)
        wmark = __zone_watermark_ok(zone, order, mark, alloc_flags, available)
        trace_reclaim_retry_zone(
            zone.node_id, ZONE_NORMAL, order, reclaimable, available, mark, loops, wmark
        )
        if wmark:
            return True, loops
    return False, loops


# -- the OOM killer --------------------------------------------------------------------


def __alloc_pages_cpuset_fallback(
    gfp_mask: int, order: int, alloc_flags: int, ac: alloc_context
) -> Pages | None:
    """Try within the cpuset, then outside of it."""
    page = get_page_from_freelist(gfp_mask, order, alloc_flags | ALLOC_CPUSET, ac)
    return page or get_page_from_freelist(gfp_mask, order, alloc_flags, ac)


def _killer_must_not(gfp_mask: int, order: int) -> bool:
    """Tell whether killing would not help, or the caller has something better to do."""
    return bool(
        current().flags & PF_DUMPCORE
        or order > PAGE_ALLOC_COSTLY_ORDER
        or gfp_mask & (__GFP_RETRY_MAYFAIL | __GFP_THISNODE)
        or gfp_zone(gfp_mask) < ZONE_NORMAL
    )


@mirrors("mm/page_alloc.c", checked="v7.2", abridged="storage is never suspended")
def __alloc_pages_may_oom(
    gfp_mask: int, order: int, ac: alloc_context
) -> tuple[Pages | None, bool]:
    """Call the OOM killer, unless somebody else has done so and is not finished.

    Context: May sleep; tries oom_lock.
    Return: Pages, if there are any by now, and whether somebody makes progress.
    """
    oom_lock = oom().oom_lock
    if not mutex_trylock(oom_lock):
        schedule_timeout_uninterruptible(1)
        return None, True
    mask = (gfp_mask | __GFP_HARDWALL) & ~__GFP_DIRECT_RECLAIM
    # Above the high mark: only to see whether somebody has just been killed.
    page = get_page_from_freelist(mask, order, ALLOC_WMARK_HIGH | ALLOC_CPUSET, ac)
    progress = False
    if page is None and not _killer_must_not(gfp_mask, order):
        oc = oom_control(nodemask=ac.nodemask, gfp_mask=gfp_mask, order=order)
        progress = out_of_memory(oc) or WARN_ON_ONCE(
            gfp_mask & __GFP_NOFAIL, "nobody can be killed for a __GFP_NOFAIL request"
        )
        if progress and gfp_mask & __GFP_NOFAIL:
            page = __alloc_pages_cpuset_fallback(
                gfp_mask, order, ALLOC_NO_WATERMARKS, ac
            )
    mutex_unlock(oom_lock)
    return page, progress


def _wait_for_progress(attempt: _Attempt, *, alone: bool) -> None:
    """Wait until the next try may go differently from the last one.

    The killer has been asked, or must not be: it would only act again if its victims
    were done. *alone* says that it does nothing for this allocation, so that only
    others' frees can help.
    """
    statics, task = oom(), current()
    gfp_mask, order, ac = attempt.gfp_mask, attempt.order, attempt.ac
    lock, settings, signal = statics.oom_lock, statics.__dict__, task.signal.__dict__
    busy = lock.holder is not None
    there_is_some = could_allocate(gfp_mask, order, attempt.alloc_flags, ac)
    nids = _nids(attempt)
    would_act = killer_would_act(None)
    reclaimable = could_reclaim(lambda origin: origin[0] in nids)

    def ready() -> bool:
        if there_is_some() or reclaimable() or settings["oom_killer_disabled"]:
            return True
        if alone:
            return could_be_marked(task)
        if signal["oom_mm"] is not None or could_be_marked(task):
            return True
        return lock.holder is None if busy else would_act()

    stall(NODE_DATA(ac.preferred_nid).nr_free_pages, ready)


# -- all of it -------------------------------------------------------------------------


def _use_reserves(attempt: _Attempt) -> bool:
    """Give the attempt the reserves that current may use.

    Return: Whether that is new, so that it should look for pages at once.
    """
    reserve_flags = __gfp_pfmemalloc_flags(attempt.gfp_mask)
    if reserve_flags:
        attempt.alloc_flags = reserve_flags | (attempt.alloc_flags & ALLOC_KSWAPD)
    if attempt.alloc_flags & ALLOC_CPUSET and not reserve_flags:
        return False
    # What is that urgent is the system's, not the user's: policies do not count.
    attempt.ac.nodemask = None
    again, attempt.can_retry_reserves = attempt.can_retry_reserves, False
    return again


def _one_round(attempt: _Attempt) -> tuple[Pages | None, bool]:
    """Try everything once.

    Return: Pages, or whether to try again.
    """
    if attempt.alloc_flags & ALLOC_KSWAPD:
        wake_all_kswapds(attempt.gfp_mask, attempt.ac)
    page = attempt.try_again()
    if page is not None:
        return page, False
    if _use_reserves(attempt):
        return None, True
    gfp_mask, order, ac = attempt.gfp_mask, attempt.order, attempt.ac
    if not gfp_mask & __GFP_DIRECT_RECLAIM or current().flags & PF_MEMALLOC:
        return None, False
    page, reclaimed = _direct_reclaim(attempt)
    if page is not None:
        return page, False
    costly = order > PAGE_ALLOC_COSTLY_ORDER
    if gfp_mask & __GFP_NORETRY or (costly and not gfp_mask & __GFP_RETRY_MAYFAIL):
        return None, False
    again, attempt.no_progress_loops = should_reclaim_retry(
        gfp_mask,
        order,
        ac,
        attempt.alloc_flags,
        reclaimed,
        attempt.no_progress_loops,
    )
    return (None, True) if again else _last_resort(attempt)


def _last_resort(attempt: _Attempt) -> tuple[Pages | None, bool]:
    """Have somebody killed; return as :func:`_one_round` does."""
    page, progress = __alloc_pages_may_oom(attempt.gfp_mask, attempt.order, attempt.ac)
    if page is not None:
        return page, False
    # A victim that has used up its share of the reserves fails, or it would loop.
    if tsk_is_oom_victim(current()) and (
        attempt.alloc_flags & ALLOC_OOM() or attempt.gfp_mask & __GFP_NOMEMALLOC
    ):
        return None, False
    if progress:
        attempt.no_progress_loops = 0
        _wait_for_progress(attempt, alone=not attempt.gfp_mask & __GFP_FS)
    return None, progress


@mirrors(
    "mm/page_alloc.c",
    checked="v7.2",
    abridged="no compaction; neither policies nor cpusets change "
    "meanwhile; a try that would find nothing changed waits instead",
)
def __alloc_pages_slowpath(
    gfp_mask: int, order: int, ac: alloc_context
) -> Pages | None:
    """Get pages for an allocation that was not served at once, or give up.

    Context: May sleep with __GFP_DIRECT_RECLAIM. Host code, and threads that are no
        task, for which nobody could be killed, get nothing.
    """
    if no_task() or current_thread().is_boot:
        return None
    attempt = _Attempt(gfp_mask, order, ac, gfp_to_alloc_flags(gfp_mask, order))
    nofail = gfp_mask & __GFP_NOFAIL
    WARN_ON_ONCE(
        nofail and not gfp_mask & __GFP_DIRECT_RECLAIM, "__GFP_NOFAIL that may not wait"
    )
    while True:
        page, again = _one_round(attempt)
        if page is not None:
            return page
        if again:
            continue
        if not nofail or not gfp_mask & __GFP_DIRECT_RECLAIM:
            warn_alloc(gfp_mask, ac.nodemask, f"page allocation failure: order:{order}")
            return None
        page = __alloc_pages_cpuset_fallback(gfp_mask, order, ALLOC_MIN_RESERVE, ac)
        if page is not None:
            return page
        _wait_for_progress(attempt, alone=True)
