# SPDX-License-Identifier: GPL-2.0-only
"""The OOM killer's view of memory cgroups — ``mm/memcontrol.c``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux.memcontrol import mem_cgroup
from ..linux.printk import pr_info, trace
from ..linux.sched import task_struct
from ..linux.sched.task import get_task_struct, put_task_struct
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq

__all__ = [
    "mem_cgroup_get_max",
    "mem_cgroup_get_oom_group",
    "mem_cgroup_print_oom_group",
    "mem_cgroup_scan_tasks",
    "memcg_memory_event",
    "memcg_of",
]


def memcg_of(task: task_struct) -> mem_cgroup | None:
    """Return the memory cgroup of a process; None is the root."""
    return task.memcg


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="version 2; swappiness is never 0")
def mem_cgroup_get_max(memcg: mem_cgroup) -> int:
    """Return how many pages, memory and swap, the cgroup itself may have."""
    swap = min(memcg.swap_max_pages, current_machine().config.total_swap_pages)
    return memcg.max_pages + swap


def _preorder(memcg: mem_cgroup) -> Iterator[mem_cgroup]:
    yield memcg
    for child in memcg.children:
        yield from _preorder(child)


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="one list of processes a cgroup")
def mem_cgroup_scan_tasks(memcg: mem_cgroup, fn: Callable[[task_struct], int]) -> None:
    """Call *fn* on each process of the subtree until it answers non-zero.

    Context: css_set_lock is not held while *fn* runs, which may sleep.
    """
    for each in _preorder(memcg):
        spin_lock_irq(each.css_set_lock)
        procs = [get_task_struct(p) for p in each.procs]
        spin_unlock_irq(each.css_set_lock)
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


def memcg_memory_event(memcg: mem_cgroup | None, event: str) -> None:
    """Count *event* at a cgroup, and so at all above it."""
    trace("memcg_event", event, "/" if memcg is None else memcg.path())
