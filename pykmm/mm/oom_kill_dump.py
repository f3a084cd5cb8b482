# SPDX-License-Identifier: GPL-2.0-only
"""What the OOM killer says — part of ``mm/oom_kill.c``.

Figures in a report are read without a step: nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux.gfp_types import _format_gfp
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    mm_struct,
)
from ..linux.oom import oom_control
from ..linux.printk import pr_err, pr_info, pr_warn
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import current, task_struct
from ..linux.sched.signal import for_each_process
from ..linux.sched.task import task_unlock
from .internal import K
from .memcontrol import mem_cgroup_scan_tasks, memcg_of
from .oom_kill_select import is_memcg_oom, oom_cpuset_eligible
from .oom_kill_victim import find_lock_task_mm, oom_unkillable_task

__all__ = [
    "dump_header",
    "dump_oom_victim",
    "dump_tasks",
    "nodemask_pr",
    "print_kill",
    "task_comm",
]

_HEAD = (
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem "
    "pgtables_bytes swapents oom_score_adj name"
)


def _peek(mm: mm_struct, member: int) -> int:
    return max(0, mm.rss_stat[member].counter)


def task_comm(task: task_struct) -> str:
    """Return a task's name, to print."""
    return str(task.__dict__["comm"])


def _adj(task: task_struct) -> int:
    return int(task.signal.__dict__["oom_score_adj"])


def nodemask_pr(nodes: Iterable[int] | None) -> str:
    """Print a set of nodes as ``%*pbl`` does: ``0-2,4``; None is ``(null)``."""
    if nodes is None:
        return "(null)"
    parts = []
    for _, run in groupby(enumerate(sorted(nodes)), lambda pair: pair[1] - pair[0]):
        members = [node for _, node in run]
        first, last = members[0], members[-1]
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)


@mirrors("mm/oom_kill.c", checked="v7.2")
def dump_task(p: task_struct, oc: oom_control) -> int:
    """Print *p*'s row of the task table, if it belongs there.

    Context: RCU read section, or a reference on *p*.
    """
    if oom_unkillable_task(p):
        return 0
    if not is_memcg_oom(oc) and not oom_cpuset_eligible(p, oc):
        return 0
    task = find_lock_task_mm(p)
    if task is None:
        return 0
    mm = task.mm
    assert mm is not None  # that is what was found
    anon, file, shmem = (
        _peek(mm, m) for m in (MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES)
    )
    pr_info(
        f"[{task.pid:7d}] {task.uid_:5d} {task.tgid:5d} {mm.__dict__['total_vm']:8d} "
        f"{anon + file + shmem:8d} {anon:8d} {file:8d} {shmem:9d} "
        f"{mm.pgtables_bytes.counter:8d} {_peek(mm, MM_SWAPENTS):8d}         "
        f"{_adj(task):5d} {task.comm}"
    )
    task_unlock(task)
    return 0


@mirrors("mm/oom_kill.c", checked="v7.2")
def dump_tasks(oc: oom_control) -> None:
    """Print a table of the tasks that could have been chosen."""
    pr_info("Tasks state (memory values in pages):")
    pr_info(_HEAD)
    if oc.memcg is not None:
        mem_cgroup_scan_tasks(oc.memcg, lambda p: dump_task(p, oc))
        return
    rcu_read_lock()
    try:
        for p in for_each_process():
            dump_task(p, oc)
    finally:
        rcu_read_unlock()


@mirrors(
    "mm/oom_kill.c", checked="v7.2", abridged="no stack, memory or slab summary yet"
)
def dump_header(oc: oom_control) -> None:
    """Say who ran out of memory, and print the task table."""
    invoker = current()
    pr_warn(
        f"{invoker.comm} invoked oom-killer: gfp_mask={oc.gfp_mask:#x}"
        f"({_format_gfp(oc.gfp_mask)}), order={oc.order}, "
        f"oom_score_adj={_adj(invoker)}"
    )
    if current_machine().config.oom_dump_tasks:
        dump_tasks(oc)


@mirrors("mm/oom_kill.c", checked="v7.2", abridged="one cpuset, the root")
def dump_oom_victim(oc: oom_control, victim: task_struct) -> None:
    """Print the line that tools parse."""
    nodes = current().mems_allowed
    mems = range(len(current_machine().config.node_pages)) if nodes is None else nodes
    memcg = memcg_of(victim)
    scope = "global_oom" if oc.memcg is None else f"oom_memcg={oc.memcg.path()}"
    pr_info(
        f"oom-kill:constraint={oc.constraint.name},nodemask={nodemask_pr(oc.nodemask)},"
        f"cpuset=/,mems_allowed={nodemask_pr(mems)},{scope},"
        f"task_memcg={'/' if memcg is None else memcg.path()},"
        f"task={task_comm(victim)},pid={victim.pid},uid={victim.uid_}"
    )


def print_kill(message: str, victim: task_struct, mm: mm_struct) -> None:
    """Print who was killed and how large it was, as ``__oom_kill_process()`` does."""
    anon, file, shmem = (
        K(_peek(mm, m)) for m in (MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES)
    )
    pr_err(
        f"{message}: Killed process {victim.pid} ({victim.comm}) "
        f"total-vm:{K(mm.__dict__['total_vm'])}kB, anon-rss:{anon}kB, "
        f"file-rss:{file}kB, "
        f"shmem-rss:{shmem}kB, UID:{victim.uid_} "
        f"pgtables:{mm.pgtables_bytes.counter >> 10}kB oom_score_adj:{_adj(victim)}"
    )
