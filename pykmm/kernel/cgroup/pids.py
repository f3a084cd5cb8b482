# SPDX-License-Identifier: GPL-2.0-only
"""How many tasks a cgroup may have — ``kernel/cgroup/pids.c``.

The memory cgroup stands for the whole of it, as for its members. Where no limit is set
nobody counts: the count is only there to be compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.annotate import mirrors
from ...errno import EAGAIN
from ...linux.atomic import atomic_add_return, atomic_inc, atomic_inc_return, atomic_sub
from ...linux.memcontrol import mem_cgroup
from ...linux.printk import pr_cont, pr_info
from ...linux.sched import task_struct

__all__ = ["pids_can_fork", "pids_cancel_fork", "pids_release", "pids_try_charge"]


def _limited(memcg: mem_cgroup | None) -> Iterator[mem_cgroup]:
    """Walk up over the cgroups that count."""
    while memcg is not None:
        if memcg.pids_max is not None:
            yield memcg
        memcg = memcg.parent


@mirrors("kernel/cgroup/pids.c", checked="v7.2")
def pids_uncharge(pids: mem_cgroup | None, num: int) -> None:
    """Count *num* tasks less in *pids* and above."""
    for p in _limited(pids):
        atomic_sub(num, p.pids_counter)


@mirrors("kernel/cgroup/pids.c", checked="v7.2", abridged="returns who refuses, too")
def pids_try_charge(pids: mem_cgroup | None, num: int) -> mem_cgroup | None:
    """Count *num* tasks more in *pids* and above, unless one has as many as it may.

    Counting comes first: who is refused further up may have kept others out meanwhile.

    Return: Whose limit it is, and nothing has been counted; None if all was.
    """
    for p in _limited(pids):
        limit = p.pids_max
        assert limit is not None  # that is why it counts
        if atomic_add_return(num, p.pids_counter) > limit:
            for q in _limited(pids):
                atomic_sub(num, q.pids_counter)
                if q is p:
                    return p
    return None


@mirrors("kernel/cgroup/pids.c", checked="v7.2", abridged="nobody waits for the files")
def pids_event(pids_forking: mem_cgroup, pids_over_limit: mem_cgroup) -> None:
    """Count a fork that was refused; the first one of a cgroup goes to the log."""
    if atomic_inc_return(pids_forking.pids_fork_failures) == 1:
        path = pids_forking.path()
        pr_info("cgroup: fork rejected by pids controller in ")
        pr_cont(path)
    at: mem_cgroup | None = pids_over_limit
    while at is not None:
        atomic_inc(at.pids_events_max)
        at = at.parent


@mirrors("kernel/cgroup/pids.c", checked="v7.2", abridged="a child goes nowhere else")
def pids_can_fork(task: task_struct) -> int:
    """Count a task that is being made in the cgroup of its maker.

    Context: Any. Nobody else knows *task*.
    Return: 0, or -EAGAIN, and it is not counted.
    """
    memcg = task.memcg
    over_limit = pids_try_charge(memcg, 1)
    if over_limit is None:
        return 0
    assert memcg is not None  # or nobody would have refused
    pids_event(memcg, over_limit)
    return -EAGAIN


@mirrors("kernel/cgroup/pids.c", checked="v7.2")
def pids_cancel_fork(task: task_struct) -> None:
    """Undo :func:`pids_can_fork` for a task that is not to be."""
    pids_uncharge(task.memcg, 1)


@mirrors("kernel/cgroup/pids.c", checked="v7.2")
def pids_release(task: task_struct) -> None:
    """Count a dead task no more, which nobody waits for any longer.

    Context: Any.
    """
    pids_uncharge(task.memcg, 1)
