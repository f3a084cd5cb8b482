# SPDX-License-Identifier: GPL-2.0-only
"""Which processes a cgroup lists — ``kernel/cgroup/cgroup.c``.

The memory cgroup stands for the whole of it: membership is a property of the process,
and a cgroup lists the leaders.
"""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...linux.atomic import atomic_read
from ...linux.sched import task_struct
from ...linux.spinlock import (
    spin_lock_irq,
    spin_lock_irqsave,
    spin_unlock_irq,
    spin_unlock_irqrestore,
)

__all__ = ["cgroup_post_fork", "cgroup_task_dead", "css_task_hide"]


def css_task_hide(tsk: task_struct) -> None:
    """Take a process off its cgroup's list whose last thread, *tsk*, is exiting.

    Linux leaves it there until it is dead, but walkers pass over it from now on
    (``css_task_iter_advance()``): also the OOM killer's, while ``exit_mm()`` is still
    giving the memory back.

    Context: Takes css_set_lock.
    """
    memcg = tsk.memcg
    if memcg is None:
        return
    leader = tsk.group_leader
    spin_lock_irqsave(memcg.css_set_lock)
    memcg.procs = [p for p in memcg.procs if p is not leader]
    spin_unlock_irqrestore(memcg.css_set_lock)


@mirrors(
    "kernel/cgroup/cgroup.c",
    checked="v7.2",
    abridged="only what a walk over processes can see",
)
def cgroup_task_dead(task: task_struct) -> None:
    """Put a leader that is dead behind the living, as long as it has living threads.

    Context: Takes css_set_lock.
    """
    memcg = task.memcg
    if memcg is None or task.group_leader is not task:
        return
    spin_lock_irqsave(memcg.css_set_lock)
    if atomic_read(task.signal.live) and task in memcg.procs:
        memcg.procs = [p for p in memcg.procs if p is not task] + [task]
    spin_unlock_irqrestore(memcg.css_set_lock)


@mirrors(
    "kernel/cgroup/cgroup.c",
    checked="v7.2",
    abridged="only what a walk over processes can see",
)
def cgroup_post_fork(child: task_struct) -> None:
    """List a new process in its cgroup, behind all others.

    Context: *child* can be found by now. Takes css_set_lock.
    """
    memcg = child.memcg
    if memcg is None or child.group_leader is not child:
        return
    spin_lock_irq(memcg.css_set_lock)
    memcg.procs = [*memcg.procs, child]
    spin_unlock_irq(memcg.css_set_lock)


def _replace_leader(old: task_struct, new: task_struct) -> None:
    """Let the cgroup of *new* list it where it listed the leader before.

    Linux lists threads, too, each where it came in; who walks over processes finds
    the new leader somewhat later than here if others came in between.

    Context: Takes css_set_lock.
    """
    memcg = new.memcg
    if memcg is None:
        return
    spin_lock_irqsave(memcg.css_set_lock)
    memcg.procs = [new if p is old else p for p in memcg.procs]
    spin_unlock_irqrestore(memcg.css_set_lock)
