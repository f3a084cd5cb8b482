# SPDX-License-Identifier: GPL-2.0-only
"""Whom to kill — part of ``mm/oom_kill.c``.

The later of two equal candidates wins, and a victim that is still dying ends the
search: nobody else is killed for the same shortage.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..kernel.cgroup.cpuset import (
    cpuset_current_mems_allowed,
    cpuset_mems_allowed_intersects,
)
from ..linux.compiler import READ_ONCE
from ..linux.cpuset import cpuset_zone_allowed
from ..linux.gfp import gfp_zone
from ..linux.mm import (
    get_mm_counter_sum,
    get_mm_rss_sum,
    mm_flags_test,
    mm_pgtables_bytes,
)
from ..linux.mm_types import MM_SWAPENTS, MMF_OOM_SKIP
from ..linux.mmzone import ZONE_NORMAL
from ..linux.oom import (
    __GFP_THISNODE,
    ABORTED,
    LONG_MAX,
    LONG_MIN,
    oom_constraint,
    oom_control,
    oom_task_origin,
    tsk_is_oom_victim,
    victim_mm,
)
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import current, task_struct
from ..linux.sched.mm import in_vfork
from ..linux.sched.signal import for_each_process, for_each_thread
from ..linux.sched.task import get_task_struct, put_task_struct, task_unlock
from ..linux.uapi import OOM_SCORE_ADJ_MIN
from .memcontrol import mem_cgroup_get_max, mem_cgroup_scan_tasks
from .mempolicy import mempolicy_in_oom_domain
from .oom_kill_victim import find_lock_task_mm, oom_unkillable_task
from .swapfile import total_swap_pages

__all__ = [
    "constrained_alloc",
    "is_memcg_oom",
    "is_sysrq_oom",
    "oom_badness",
    "oom_cpuset_eligible",
    "oom_evaluate_task",
    "select_bad_process",
]

_SYSRQ_ORDER: Final = -1


def is_memcg_oom(oc: oom_control) -> bool:
    """Tell whether a memory cgroup, not the machine, ran out."""
    return oc.memcg is not None


def is_sysrq_oom(oc: oom_control) -> bool:
    """Tell whether somebody asked by hand."""
    return oc.order == _SYSRQ_ORDER


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_badness(p: task_struct, totalpages: int) -> int:
    """Weigh *p*: the pages that killing it would free, shifted by its adjustment.

    Context: Takes the task_lock of the thread that has the mm.
    Return: Points, which may be negative, or ``LONG_MIN`` for a task that must not
        be chosen.
    """
    if oom_unkillable_task(p):
        return LONG_MIN
    t = find_lock_task_mm(p)
    if t is None:
        return LONG_MIN
    mm = t.mm
    assert mm is not None  # that is what was found
    adj = READ_ONCE(t.signal).oom_score_adj
    if adj == OOM_SCORE_ADJ_MIN or mm_flags_test(MMF_OOM_SKIP, mm) or in_vfork(t):
        task_unlock(t)
        return LONG_MIN
    points = get_mm_rss_sum(mm) + get_mm_counter_sum(mm, MM_SWAPENTS)
    points += mm_pgtables_bytes(mm) // current_machine().config.page_size
    task_unlock(t)
    # The division comes first, as in Linux: below 1000 pages adj has no weight.
    return points + adj * (totalpages // 1000)


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_cpuset_eligible(start: task_struct, oc: oom_control) -> bool:
    """Tell whether killing *start* could free memory where it is short.

    Of a process that is bound to some nodes, and of one with a cpuset of its own, it
    is enough that one thread may have memory there.

    Context: Enters an RCU read section; not for memcg OOMs.
    """
    if not current_machine().config.CONFIG_NUMA:
        return True
    ret = False
    rcu_read_lock()
    try:
        for t in for_each_thread(start):
            if oc.nodemask is not None:
                ret = mempolicy_in_oom_domain(t, oc.nodemask)
            else:
                ret = cpuset_mems_allowed_intersects(current(), t)
            if ret:
                break
    finally:
        rcu_read_unlock()
    return ret


@mirrors(
    "mm/oom_kill.c", checked="v7.2", abridged="a node is one zone, of normal memory"
)
def constrained_alloc(oc: oom_control) -> oom_constraint:
    """Say what restricts the allocation, and set how many pages that leaves.

    Context: oom_lock held; looks without further locks.
    """
    config = current_machine().config
    highest_zoneidx = gfp_zone(oc.gfp_mask)
    if oc.memcg is not None:
        oc.totalpages = mem_cgroup_get_max(oc.memcg) or 1
        return oom_constraint.CONSTRAINT_MEMCG
    swap = total_swap_pages()
    oc.totalpages = config.totalram_pages + swap
    if not config.CONFIG_NUMA or not oc.zonelist or oc.gfp_mask & __GFP_THISNODE:
        return oom_constraint.CONSTRAINT_NONE
    if oc.nodemask is not None and not _nodes_with_memory() <= oc.nodemask:
        oc.totalpages = swap + _present(oc.nodemask)
        return oom_constraint.CONSTRAINT_MEMORY_POLICY
    cpuset_limited = False
    for nid in _zonelist(oc.nodemask, highest_zoneidx):
        if not cpuset_zone_allowed(nid, oc.gfp_mask):
            cpuset_limited = True
    if cpuset_limited:
        mems = cpuset_current_mems_allowed()
        oc.totalpages = swap + _present(mems)
        return oom_constraint.CONSTRAINT_CPUSET
    return oom_constraint.CONSTRAINT_NONE


def _nodes_with_memory() -> frozenset[int]:
    """Return ``node_states[N_MEMORY]``."""
    pages = current_machine().config.node_pages
    return frozenset(nid for nid, present in enumerate(pages) if present)


def _zonelist(nodemask: frozenset[int] | None, highest_zoneidx: int) -> list[int]:
    """Return the nodes that an allocation may come from, as its zonelist has them."""
    if highest_zoneidx < ZONE_NORMAL:
        return []
    nodes = sorted(_nodes_with_memory())
    return [nid for nid in nodes if nodemask is None or nid in nodemask]


def _present(nodes: frozenset[int]) -> int:
    pages = current_machine().config.node_pages
    return sum(present for nid, present in enumerate(pages) if nid in nodes)


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_evaluate_task(task: task_struct, oc: oom_control) -> int:
    """Compare *task* with the best candidate so far.

    Context: RCU read section, or a reference on *task*.
    Return: 1 to stop the search because a victim is still dying, else 0.
    """
    if oom_unkillable_task(task):
        return 0
    if not is_memcg_oom(oc) and not oom_cpuset_eligible(task, oc):
        return 0
    if not is_sysrq_oom(oc) and tsk_is_oom_victim(task):
        if mm_flags_test(MMF_OOM_SKIP, victim_mm(task)):
            return 0
        _put_chosen(oc)
        oc.chosen = ABORTED
        return 1
    if oom_task_origin(task):
        points = LONG_MAX
    else:
        points = oom_badness(task, oc.totalpages)
        if points == LONG_MIN or points < oc.chosen_points:
            return 0
    _put_chosen(oc)
    oc.chosen = get_task_struct(task)
    oc.chosen_points = points
    return 0


def _put_chosen(oc: oom_control) -> None:
    if isinstance(oc.chosen, task_struct):
        put_task_struct(oc.chosen)


@mirrors("mm/oom_kill.c", checked="v7.2")
def select_bad_process(oc: oom_control) -> None:
    """Look at every process that may be killed and keep the worst.

    Context: Enters an RCU read section for the global walk.
    """
    oc.chosen_points = LONG_MIN
    if oc.memcg is not None:
        mem_cgroup_scan_tasks(oc.memcg, lambda task: oom_evaluate_task(task, oc))
        return
    rcu_read_lock()
    try:
        for p in for_each_process():
            if oom_evaluate_task(p, oc):
                break
    finally:
        rcu_read_unlock()
