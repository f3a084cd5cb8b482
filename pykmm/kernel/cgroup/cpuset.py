# SPDX-License-Identifier: GPL-2.0-only
"""Which nodes a task may use — ``kernel/cgroup/cpuset.c``."""

from __future__ import annotations

from typing import Final

from ...engine.annotate import mirrors
from ...engine.machine import current_machine
from ...lib.vsprintf import bitmap_list_string
from ...linux.cpuset import callback_lock, cpuset
from ...linux.gfp_types import __GFP_HARDWALL
from ...linux.oom import tsk_is_oom_victim
from ...linux.printk import pr_cont
from ...linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ...linux.sched import PF_EXITING, current, task_struct
from ...linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore

__all__ = [
    "cpuset_current_mems_allowed",
    "cpuset_current_node_allowed",
    "cpuset_mems_allowed_intersects",
    "cpuset_print_current_mems_allowed",
    "nearest_hardwall_ancestor",
]

_OWN: Final = (
    "a task with nodes of its own and no cpuset stands in a hardwalled one of version 1"
)


def _all_nodes() -> frozenset[int]:
    return frozenset(range(len(current_machine().config.node_pages)))


def _mems_allowed(task: task_struct) -> frozenset[int]:
    return _all_nodes() if task.mems_allowed is None else task.mems_allowed


def cpuset_current_mems_allowed() -> frozenset[int]:
    """Return the nodes that current may allocate from, as it carries them."""
    return _mems_allowed(current())


@mirrors("kernel/cgroup/cpuset.c", checked="v7.2")
def nearest_hardwall_ancestor(cs: cpuset | None) -> cpuset | None:
    """Return the closest cpuset, from *cs* up, that kernel memory may not leave.

    Context: callback_lock held.
    """
    while cs is not None and not cs.mem_hardwall:
        cs = cs.parent
    return cs


@mirrors("kernel/cgroup/cpuset.c", checked="v7.2", abridged=_OWN)
def cpuset_current_node_allowed(node: int, gfp_mask: int) -> bool:
    """Tell whether current may allocate from *node*.

    Who is dying may do so everywhere, and memory that is not a user's reaches as
    far as the next hard wall, which version 2 does not have.

    Context: Any; takes callback_lock.
    """
    task = current()
    if node in _mems_allowed(task):
        return True
    if tsk_is_oom_victim(task):
        return True
    if task.flags & PF_EXITING:
        return True
    if gfp_mask & __GFP_HARDWALL:
        return False
    if task.cpuset is None:
        return False
    if task.cpuset.v2:
        return True
    return _hardwall_allows(task.cpuset, node)


def _hardwall_allows(own: cpuset, node: int) -> bool:
    spin_lock_irqsave(callback_lock())
    cs = nearest_hardwall_ancestor(own)
    mems = None if cs is None else cs.mems_allowed
    spin_unlock_irqrestore(callback_lock())
    return mems is None or node in mems


@mirrors("kernel/cgroup/cpuset.c", checked="v7.2", inline=True)
def cpuset_mems_allowed_intersects(tsk1: task_struct, tsk2: task_struct) -> bool:
    """Tell whether there is a node that both tasks may use.

    Context: Any; looks without a lock.
    """
    if tsk1.mems_allowed is None and tsk2.mems_allowed is None:
        return True  # of a hundred thousand tasks, most
    return bool(_mems_allowed(tsk1) & _mems_allowed(tsk2))


@mirrors("kernel/cgroup/cpuset.c", checked="v7.2")
def cpuset_print_current_mems_allowed() -> None:
    """Continue a line with the name of current's cpuset, and its nodes.

    Context: Enters an RCU read section.
    """
    rcu_read_lock()
    own = current().cpuset
    pr_cont(f",cpuset={'/' if own is None else own.cs_name}")
    pr_cont(f",mems_allowed={bitmap_list_string(cpuset_current_mems_allowed())}")
    rcu_read_unlock()
