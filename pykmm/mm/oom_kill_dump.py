# SPDX-License-Identifier: GPL-2.0-only
"""What the OOM killer says — part of ``mm/oom_kill.c``.

Figures in a report are read without a step: nothing is decided by them. Each piece
of a report is a function of its own, for what differs between kernels.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..kernel.cgroup.cpuset import cpuset_print_current_mems_allowed
from ..lib.dump_stack import dump_stack
from ..lib.vsprintf import _sprintf, bitmap_list_string, flags_string
from ..linux.compiler import READ_ONCE
from ..linux.gfp import gfp_zone
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    _counts,
    mm_struct,
)
from ..linux.oom import oom_control
from ..linux.printk import pr_cont, pr_err, pr_info, pr_warn
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import current, task_struct
from ..linux.sched.signal import for_each_process
from ..linux.sched.task import task_unlock
from .internal import K
from .memcontrol import mem_cgroup_scan_tasks
from .memcontrol_print import (
    mem_cgroup_print_oom_context,
    mem_cgroup_print_oom_meminfo,
    mem_cgroup_show_protected_memory,
)
from .oom_kill_select import is_memcg_oom, oom_cpuset_eligible
from .oom_kill_victim import find_lock_task_mm, oom, oom_unkillable_task
from .show_mem import SHOW_MEM_FILTER_NODES, __show_mem
from .slab_common import dump_unreclaimable_slab
from .vmstat import global_node_page_state, memory_by_use

__all__ = [
    "dump_header",
    "dump_oom_victim",
    "dump_task",
    "dump_tasks",
    "peek_counter",
    "print_kill",
    "should_dump_unreclaim_slab",
    "task_comm",
]

_HEAD: Final = (
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem "
    "pgtables_bytes swapents oom_score_adj name"
)
_ROW: Final = "[%7d] %5d %5d %8lu %8lu %8lu %8lu %9lu %8ld %8lu         %5hd %s"
_KILLED: Final = (
    "%s: Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB, "
    "shmem-rss:%lukB, UID:%u pgtables:%lukB oom_score_adj:%d"
)
#: Pages that could be given back, one way or another.
_LRU: Final = (
    "NR_ACTIVE_ANON",
    "NR_INACTIVE_ANON",
    "NR_ACTIVE_FILE",
    "NR_INACTIVE_FILE",
    "NR_ISOLATED_ANON",
    "NR_ISOLATED_FILE",
    "NR_UNEVICTABLE",
)


def peek_counter(mm: mm_struct, member: int) -> int:
    """Read a counter for printing only: no step, no decision hangs on it."""
    return _counts(mm)[member]


def _as_int(uid: int) -> int:
    """Return an id as ``%d`` prints it: the highest ones are negative."""
    return uid - (1 << 32) if uid >> 31 else uid


def task_comm(task: task_struct) -> str:
    """Return a task's name, to print."""
    return str(task.__dict__["comm"])


def _adj(task: task_struct) -> int:
    return int(task.signal.__dict__["oom_score_adj"])


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
    file, anon, swap, shmem, tables = _counts(mm)
    row = _sprintf(
        _ROW,
        task.pid,
        _as_int(task.__dict__["cred"].uid),
        task.tgid,
        mm.__dict__["total_vm"],
        anon + file + shmem,
        anon,
        file,
        shmem,
        tables,
        swap,
        _adj(task),
        task_comm(task),
    )
    pr_info(row)
    task_unlock(task)
    return 0


@mirrors("mm/oom_kill.c", checked="v7.2")
def dump_tasks(oc: oom_control) -> None:
    """Print a table of the tasks that could have been chosen.

    Context: Enters an RCU read section for the global walk.
    """
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


@mirrors("mm/oom_kill.c", checked="v7.2")
def should_dump_unreclaim_slab() -> bool:
    """Tell whether the kernel's own objects take more than all users' memory.

    Context: Any.
    """
    slab = global_node_page_state("NR_SLAB_UNRECLAIMABLE_B")
    if not slab:
        return False  # whatever the others take: counting them walks every mm
    nr = memory_by_use(lambda _: True)  # once for all of them
    return slab > sum(nr[item] for item in _LRU)


@mirrors("mm/oom_kill.c", checked="v7.2")
def dump_header(oc: oom_control) -> None:
    """Say who ran out of memory, and what the machine looks like.

    Context: oom_lock held.
    """
    invoker = current()
    pr_warn(
        f"{task_comm(invoker)} invoked oom-killer: gfp_mask={oc.gfp_mask:#x}"
        f"({flags_string(oc.gfp_mask, 'g')}), order={oc.order}, "
        f"oom_score_adj={_adj(invoker)}"
    )
    if not current_machine().config.CONFIG_COMPACTION and oc.order:
        pr_warn("COMPACTION is disabled!!!")
    dump_stack()
    if oc.memcg is not None:
        mem_cgroup_print_oom_meminfo(oc.memcg)
    else:
        __show_mem(SHOW_MEM_FILTER_NODES, oc.nodemask, gfp_zone(oc.gfp_mask))
        if should_dump_unreclaim_slab():
            dump_unreclaimable_slab()
    mem_cgroup_show_protected_memory(oc.memcg)
    if READ_ONCE(oom()).sysctl_oom_dump_tasks:
        dump_tasks(oc)


@mirrors("mm/oom_kill.c", checked="v7.2")
def dump_oom_victim(oc: oom_control, victim: task_struct) -> None:
    """Print the line that tools parse.

    Context: oom_lock held.
    """
    pr_info(
        f"oom-kill:constraint={oc.constraint.name},"
        f"nodemask={bitmap_list_string(oc.nodemask)}"
    )
    cpuset_print_current_mems_allowed()
    mem_cgroup_print_oom_context(oc.memcg, victim)
    pr_cont(
        f",task={task_comm(victim)},pid={victim.pid},uid={_as_int(victim.__dict__['cred'].uid)}"
    )


def print_kill(message: str, victim: task_struct, mm: mm_struct) -> None:
    """Print who was killed and how large it was, as ``__oom_kill_process()`` does."""
    anon, file, shmem = (
        K(peek_counter(mm, m)) for m in (MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES)
    )
    line = _sprintf(
        _KILLED,
        message,
        victim.pid,
        task_comm(victim),
        K(mm.__dict__["total_vm"]),
        anon,
        file,
        shmem,
        victim.__dict__["cred"].uid,
        mm.pgtables_bytes.counter >> 10,
        _adj(victim),
    )
    pr_err(line)
