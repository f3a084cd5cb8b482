# SPDX-License-Identifier: GPL-2.0-only
"""Boot a machine that has the processes and memory cgroups of a real one.

A process is a ``task_struct`` with an ``mm_struct`` whose counters are set; there
are no mappings behind them, which nothing here looks at. Other threads are left
out, unless one has the memory that its exited leader has not.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from attrs import frozen

from ..boot import build_process, build_thread
from ..engine.config import Config
from ..kernel.fork import mmput
from ..linux.completion import completion
from ..linux.memcontrol import PAGE_COUNTER_MAX, mem_cgroup
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    mm_struct,
)
from ..linux.sched import EXIT_ZOMBIE, PF_EXITING, task_struct
from ..workbench import Machine
from .cgroups import Hierarchy
from .pages import Counting, Pages, counted
from .snapshot import Snapshot

__all__ = ["Built", "boot", "build", "set_counters"]


@frozen
class Built:
    """The model of a snapshot: for each reading its task, and its address space."""

    tasks: tuple[task_struct, ...]
    mms: tuple[mm_struct | None, ...]
    #: Memory cgroups by path.
    memcgs: Mapping[str, mem_cgroup]


@contextmanager
def boot(snapshot: Snapshot) -> Iterator[Machine]:
    """Boot a machine of *snapshot*'s size for a block."""
    config = Config(
        page_size=snapshot.page_size,
        node_pages=(snapshot.ram_pages,),
        total_swap_pages=snapshot.swap_pages,
        oom_dump_tasks=0,
    )
    with _no_collection(), Machine(config, reaper=False) as machine:
        yield machine


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cyclic collector away: of what is built here, all is in use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def build(
    machine: Machine,
    snapshot: Snapshot,
    counting: Counting,
    hierarchy: Hierarchy | None = None,
) -> Built:
    """Make all processes of *snapshot*, and the groups of *hierarchy*."""
    groups = () if hierarchy is None else hierarchy.groups
    memcgs = {} if hierarchy is None else _build_groups(hierarchy, snapshot)
    member_of = {pid: memcgs[group.path] for group in groups for pid in group.pids}
    made: dict[int, task_struct] = {}
    mms: list[mm_struct | None] = []
    for index, reading in enumerate(snapshot.tasks):
        task = _build_task(machine, snapshot, index, made.get(reading.stat.ppid))
        mm: mm_struct | None = task.__dict__["mm"]
        if mm is not None:
            set_counters(mm, counted(reading, counting, snapshot.page_size))
        task.memcg = member_of.get(reading.pid)
        made[reading.pid] = task
        mms.append(mm)
    for reading in snapshot.tasks:
        if reading.leader_exited:  # last, for its threads need numbers, too
            _exit_leader(made[reading.pid])
    if hierarchy is not None:
        _list_members(hierarchy, snapshot, memcgs, made)
    return Built(tuple(made.values()), tuple(mms), memcgs)


def set_counters(mm: mm_struct, pages: Pages) -> None:
    """Let *mm* have *pages*, whatever it had."""
    mm.rss_stat[MM_FILEPAGES].counter = pages.file
    mm.rss_stat[MM_ANONPAGES].counter = pages.anon
    mm.rss_stat[MM_SHMEMPAGES].counter = pages.shmem
    mm.rss_stat[MM_SWAPENTS].counter = pages.swap
    mm.pgtables_bytes.counter = pages.tables


def _build_task(
    machine: Machine, snapshot: Snapshot, index: int, parent: task_struct | None
) -> task_struct:
    reading = snapshot.tasks[index]
    pid = reading.pid
    if pid == 1:
        if snapshot.sees_kernel:
            return machine.init.task
        # Init of a namespace is like any other; the machine's own has number 1.
        pid = max(task.pid for task in snapshot.tasks) + 1
    lent = parent.__dict__["mm"] if parent is not None and reading.in_vfork else None
    task = build_process(
        machine,
        name=reading.comm,
        thread_name=f"row-{index}",
        pid=pid,
        uid=reading.uid,
        oom_score_adj=reading.oom_score_adj,
        parent=parent,
        mm=lent,
        kthread=reading.memory is None,
    )
    if reading.in_vfork:
        task.vfork_done = completion(task)
    if reading.memory is None and not reading.kthread:
        task.flags = PF_EXITING
        task.exit_state = EXIT_ZOMBIE if reading.is_zombie else 0
    return task


def _exit_leader(leader: task_struct) -> None:
    """Let *leader* end as a thread does, and another one keep the memory."""
    mm = leader.__dict__["mm"]
    build_thread(leader, f"{leader._thread_name}-thread")
    leader.flags, leader.exit_state = PF_EXITING, EXIT_ZOMBIE
    leader.mm = None
    mmput(mm)


def _build_groups(hierarchy: Hierarchy, snapshot: Snapshot) -> dict[str, mem_cgroup]:
    made: dict[str, mem_cgroup] = {}
    # Version 1 has a swappiness for each group, which its numbers allow for.
    no_swap = hierarchy.version == 2 and snapshot.swappiness == 0

    def pages(size: int | None) -> int:
        return PAGE_COUNTER_MAX if size is None else size // snapshot.page_size

    for group in hierarchy.groups:
        above = group.parent or ""
        made[group.path] = mem_cgroup(
            cg_name=group.path[len(above.rstrip("/")) :].strip("/"),
            parent=made.get(above),
            max_pages=pages(group.limit),
            swap_max_pages=0 if no_swap else pages(group.swap),
            oom_group=group.oom_group,
        )
    return made


def _list_members(
    hierarchy: Hierarchy,
    snapshot: Snapshot,
    memcgs: Mapping[str, mem_cgroup],
    made: Mapping[int, task_struct],
) -> None:
    """List each group's processes in the order in which the killer visits them."""
    # Version 1 sorts its file by number: the best guess is that all were made in
    # their group. Those whose leader has exited come last.
    place = {
        task.pid: (task.leader_exited, index)
        for index, task in enumerate(snapshot.tasks)
    }
    for group in hierarchy.groups:
        pids = [pid for pid in group.pids if pid in made]
        if hierarchy.version == 1:
            pids.sort(key=lambda pid: place[pid])
        memcgs[group.path].procs = [made[pid] for pid in pids]
