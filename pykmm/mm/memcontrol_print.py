# SPDX-License-Identifier: GPL-2.0-only
"""What a report says of memory cgroups — part of ``mm/memcontrol.c``.

Figures are read without a step: nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux.lockdep import lockdep_assert_held
from ..linux.memcontrol import mem_cgroup, mem_cgroup_is_descendant
from ..linux.printk import KERN_INFO, KERN_WARNING, pr_cont, printk_dump
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import task_struct
from .internal import K
from .oom_kill_victim import oom
from .vmstat import memory_by_use

__all__ = [
    "mem_cgroup_print_oom_context",
    "mem_cgroup_print_oom_meminfo",
    "mem_cgroup_show_protected_memory",
    "memory_stat_format",
]

#: Items of ``memory.stat`` that there is something of, in the order of the file.
_STATS = (
    ("anon", "NR_ANON_MAPPED"),
    ("file", "NR_FILE_PAGES"),
    ("pagetables", "NR_PAGETABLE"),
    ("shmem", "NR_SHMEM"),
    ("file_mapped", "NR_FILE_MAPPED"),
    ("file_dirty", "NR_FILE_DIRTY"),
    ("file_writeback", "NR_WRITEBACK"),
    ("swapcached", "NR_SWAPCACHE"),
    ("inactive_anon", "NR_INACTIVE_ANON"),
    ("active_anon", "NR_ACTIVE_ANON"),
    ("inactive_file", "NR_INACTIVE_FILE"),
    ("active_file", "NR_ACTIVE_FILE"),
    ("unevictable", "NR_UNEVICTABLE"),
)


def _path(memcg: mem_cgroup | None) -> str:
    return "/" if memcg is None else memcg.path()


@mirrors("mm/memcontrol.c", checked="v7.2")
def mem_cgroup_print_oom_context(memcg: mem_cgroup | None, p: task_struct) -> None:
    """Continue a line with the cgroup that ran out, and the one of *p*.

    Context: Enters an RCU read section.
    """
    if not current_machine().config.CONFIG_MEMCG:
        return
    rcu_read_lock()
    scope = ",global_oom" if memcg is None else f",oom_memcg={_path(memcg)}"
    pr_cont(f"{scope},task_memcg={_path(p.memcg)}")
    rcu_read_unlock()


@mirrors(
    "mm/memcontrol.c",
    checked="v7.2",
    abridged="of memory.stat only what the model has",
)
def memory_stat_format(memcg: mem_cgroup) -> Iterator[str]:
    """Yield the lines of ``memory.stat``: pages of *memcg* and below, in bytes.

    Context: Any.
    """
    nr = memory_by_use(lambda origin: mem_cgroup_is_descendant(origin[1], memcg))
    page = current_machine().config.page_size
    for name, item in _STATS:
        yield f"{name} {nr[item] * page}"


@mirrors(
    "mm/memcontrol.c",
    checked="v7.2",
    abridged="swap is not charged; of version 1 no kernel memory",
)
def mem_cgroup_print_oom_meminfo(memcg: mem_cgroup) -> None:
    """Print how much memory *memcg* has, and how much it may have.

    Context: oom_lock held.
    """
    lockdep_assert_held(oom().oom_lock)
    failcnt = memcg.memory_events["MAX"]
    usage, limit = memcg.memory.usage, memcg.memory.max
    printk_dump(
        f"memory: usage {K(usage)}kB, limit {K(limit)}kB, failcnt {failcnt}", KERN_INFO
    )
    if not memcg.legacy:
        printk_dump(
            f"swap: usage 0kB, limit {K(memcg.swap_max_pages)}kB, failcnt 0", KERN_INFO
        )
    printk_dump(f"Memory cgroup stats for {_path(memcg)}:", KERN_INFO)
    for line in memory_stat_format(memcg):
        printk_dump(line, KERN_INFO)


@mirrors("mm/memcontrol.c", checked="v7.2", abridged="nothing is ever protected")
def mem_cgroup_show_protected_memory(memcg: mem_cgroup | None) -> None:
    """Print how much memory below *memcg* is protected from reclaim.

    Context: Any.
    """
    if not current_machine().config.CONFIG_MEMCG:
        return
    if memcg is not None and memcg.legacy:
        return
    printk_dump("Memory cgroup min protection 0kB -- low protection 0kB", KERN_WARNING)
