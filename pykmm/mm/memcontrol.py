# SPDX-License-Identifier: GPL-2.0-only
"""Memory cgroups — ``mm/memcontrol.c``.

Who is charged, what is counted, and what the OOM killer looks at. Charging against
a limit, and what comes when it is met, is in ``memcontrol_charge``.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux.atomic import atomic_long_read
from ..linux.compiler import READ_ONCE
from ..linux.memcontrol import (
    MEMORY_EVENTS,
    for_each_mem_cgroup_tree,
    mem_cgroup,
    mem_cgroup_disabled,
)
from ..linux.mm_types import mm_struct
from ..linux.printk import pr_info, trace
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import current, task_struct
from ..linux.sched.task import get_task_struct, put_task_struct
from ..linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from .memcontrol_v1 import memcg1_oom_recover
from .page_counter import page_counter_margin, page_counter_uncharge
from .swapfile import nr_swap_pages, total_swap_pages

__all__ = [
    "get_mem_cgroup_from_current",
    "get_mem_cgroup_from_mm",
    "mem_cgroup_get_max",
    "mem_cgroup_get_oom_group",
    "mem_cgroup_margin",
    "mem_cgroup_print_oom_group",
    "mem_cgroup_scan_tasks",
    "mem_cgroup_swap_full",
    "memcg_memory_event",
    "memcg_of",
    "memcg_uncharge",
    "memory_events_local_show",
    "memory_events_show",
]


# -- who is charged --------------------------------------------------------------------


def memcg_of(task: task_struct) -> mem_cgroup | None:
    """Return the memory cgroup of a process; None is the root."""
    return task.memcg


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="cgroups are never removed")
def get_mem_cgroup_from_mm(mm: mm_struct) -> mem_cgroup | None:
    """Return whom memory of *mm* is charged to; None is the root.

    Context: Enters an RCU read section, in which the owner stays.
    """
    if mem_cgroup_disabled():
        return None
    rcu_read_lock()
    owner = READ_ONCE(mm).owner
    memcg = None if owner is None else memcg_of(owner)
    rcu_read_unlock()
    return memcg


def get_mem_cgroup_from_current() -> mem_cgroup | None:
    """Return whom memory is charged to that belongs to no address space."""
    task = current()
    return None if task is None or mem_cgroup_disabled() else memcg_of(task)


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="swap is limited, not charged")
def mem_cgroup_margin(memcg: mem_cgroup) -> int:
    """Return how many pages the cgroup itself has room for.

    Context: Any; may be old when it arrives.
    """
    return page_counter_margin(memcg.memory)


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="many pages of one cgroup at once")
def memcg_uncharge(memcg: mem_cgroup, nr_pages: int) -> None:
    """Take back the charge for pages that are about to be free.

    Context: Any; never sleeps.
    """
    page_counter_uncharge(memcg.memory, nr_pages)
    memcg1_oom_recover(memcg)


@mirrors("mm/memcontrol.c", checked="v7.2")
def mem_cgroup_get_max(memcg: mem_cgroup) -> int:
    """Return how many pages, memory and swap, the cgroup itself may have.

    Context: Any.
    """
    pages = memcg.memory._read("mem_cgroup_get_max")[1]
    if not memcg.swappiness:
        return pages
    swap = memcg.swap_max_pages
    if memcg.legacy:
        swap = memcg.memsw_max_pages - pages
    return pages + min(swap, total_swap_pages())


# -- what the OOM killer looks at ------------------------------------------------------


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="one list of processes a cgroup")
def mem_cgroup_scan_tasks(memcg: mem_cgroup, fn: Callable[[task_struct], int]) -> None:
    """Call *fn* on each process of the subtree until it answers non-zero.

    Context: css_set_lock is not held while *fn* runs, which may sleep.
    """
    for each in for_each_mem_cgroup_tree(memcg):
        spin_lock_irqsave(each.css_set_lock)
        procs = [get_task_struct(p) for p in each.procs]
        spin_unlock_irqrestore(each.css_set_lock)
        ret = 0
        for p in procs:
            if not ret:
                ret = fn(p)
            put_task_struct(p)
        if ret:
            return


@mirrors("mm/memcontrol.c", checked="v7.2")
def mem_cgroup_get_oom_group(
    victim: task_struct, oom_domain: mem_cgroup | None
) -> mem_cgroup | None:
    """Return the topmost cgroup that has to die with *victim*, or None."""
    found = None
    memcg = memcg_of(victim)
    if memcg is None or memcg.legacy:
        return None
    while memcg is not None:
        if memcg.oom_group:
            found = memcg
        if memcg is oom_domain:
            return found
        memcg = memcg.parent
    # The victim was moved out of the domain, unless the domain is the root.
    return found if oom_domain is None else None


@mirrors("mm/memcontrol.c", checked="v7.2")
def mem_cgroup_print_oom_group(memcg: mem_cgroup) -> None:
    """Announce that all of *memcg* is going to die."""
    pr_info(
        f"Tasks in {memcg.path()} are going to be killed due to memory.oom.group set"
    )


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="swap is limited, not charged")
def mem_cgroup_swap_full() -> bool:
    """Tell whether slots should be given back as soon as possible: half are in use.

    Context: Any; may be old when it arrives.
    """
    # While the area is being emptied there are less than none.
    free = atomic_long_read(nr_swap_pages())
    return free * 2 < current_machine().config.total_swap_pages


# -- what is counted -------------------------------------------------------------------


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="nobody is notified of a change")
def memcg_memory_event(memcg: mem_cgroup | None, event: str) -> None:
    """Count *event*, one of MEMORY_EVENTS, at a cgroup and at those above it.

    Context: Any. Counting is no step: nothing is decided by it.
    """
    trace("memcg_event", event, "/" if memcg is None else memcg.path())
    if memcg is None:
        return
    memcg.memory_events_local[event] += 1
    level: mem_cgroup | None = memcg
    while level is not None:
        level.memory_events[event] += 1
        level = None if memcg.legacy else level.parent


def _events_file(counts: dict[str, int]) -> str:
    return "".join(f"{event.lower()} {counts[event]}\n" for event in MEMORY_EVENTS)


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="no sockets to throttle")
def memory_events_show(memcg: mem_cgroup) -> str:
    """Return the text of ``memory.events``: the cgroup's own, and those below it."""
    return _events_file(memcg.memory_events)


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="no sockets to throttle")
def memory_events_local_show(memcg: mem_cgroup) -> str:
    """Return the text of ``memory.events.local``."""
    return _events_file(memcg.memory_events_local)
