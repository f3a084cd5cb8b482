# SPDX-License-Identifier: GPL-2.0-only
"""Let the library's own OOM killer choose on the machine that a report shows.

The rebuilt machine has a task_struct and an mm_struct for each row of the table;
``out_of_memory()`` runs on it in the invoker's place and kills for real. An
older kernel's rules are replacements for the functions that differed.
"""

from __future__ import annotations

from collections.abc import Callable

from ..boot import build_process
from ..engine.annotate import original
from ..engine.config import Config
from ..errors import KernelPanic
from ..linux.cred import CAP_EMPTY_SET, cred
from ..linux.memcontrol import mem_cgroup
from ..linux.mm import mm_flags_set
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    MMF_OOM_SKIP,
    mm_struct,
)
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.oom import LONG_MIN, oom_control
from ..linux.sched import task_struct
from ..linux.sched.mm import mmgrab
from ..mm.oom_kill import oom, oom_badness, oom_evaluate_task, out_of_memory
from ..patches.kernels import selection as kernels
from ..workbench import Machine
from .eras import Badness, EraRules, Ties
from .historic import Selection
from .world import RebuiltTask, RebuiltWorld

__all__ = ["LiveSelector"]

_BADNESS: dict[Badness, kernels.Badness] = {
    Badness.PERMILLE: kernels.permille,
    Badness.ADJ_BONUS: kernels.adj_bonus,
    Badness.CURRENT_BONUS: kernels.current_bonus,
    Badness.NO_BONUS: kernels.no_bonus,
}


class LiveSelector:
    """Selects by running ``out_of_memory()`` on real objects."""

    def select(self, world: RebuiltWorld, rules: EraRules) -> Selection:
        """Choose a victim on *world* with the functions that *rules* name."""
        with Machine(_config(world), reaper=False) as machine:
            machine.patches.update(_patches(rules))
            memcg = _memcg(world)
            tasks = [_build(machine, row, memcg) for row in world.tasks]
            oc = oom_control(memcg=memcg, order=world.order)
            points = _points(tasks, world)
            chosen = _kill(tasks, oc)
        return Selection(chosen=chosen, totalpages=world.totalpages, points=points)


def _config(world: RebuiltWorld) -> Config:
    swap = min(max(world.domain.swap, 0), max(world.totalpages - 1, 0))
    return Config(
        page_size=world.page_kib * 1024,
        node_pages=(max(world.totalpages - swap, 1),),
        total_swap_pages=swap,
        oom_dump_tasks=0,
    )


def _patches(rules: EraRules) -> dict[object, Callable[..., object]]:
    patches: dict[object, Callable[..., object]] = {}
    if rules.badness in _BADNESS:
        patches[original(oom_badness)] = _BADNESS[rules.badness]
    if rules.ties is Ties.FIRST:
        patches[original(oom_evaluate_task)] = kernels.oom_evaluate_task_first_of_equals
    return patches


def _memcg(world: RebuiltWorld) -> mem_cgroup | None:
    if not world.is_memcg:
        return None
    # Whatever swap there is counts on top of the group's own limit.
    swap = min(max(world.domain.swap, 0), max(world.totalpages - 1, 0))
    return mem_cgroup(cg_name="oom", max_pages=world.totalpages - swap)


def _build(machine: Machine, row: RebuiltTask, memcg: mem_cgroup | None) -> task_struct:
    """Make the process of one row; its number may stand in the table twice."""
    task = build_process(
        machine,
        name=row.comm,
        thread_name=f"row-{row.index}",
        uid=row.uid,
        oom_score_adj=row.oom_score_adj,
        memcg=memcg,
    )
    if not row.cap_sys_admin:
        task.cred = cred(uid=row.uid, cap_effective=CAP_EMPTY_SET)
    mm = task.__dict__["mm"]
    counts = {
        MM_ANONPAGES: row.rss - row.file - row.shmem,
        MM_FILEPAGES: row.file,
        MM_SHMEMPAGES: row.shmem,
        MM_SWAPENTS: row.swapents,
    }
    for member, pages in counts.items():
        mm.rss_stat[member].counter = pages
    mm.pgtables_bytes.counter = row.pgtables_bytes
    mm.total_vm = row.total_vm
    if row.oom_victim:
        _mark(task, mm, skip=row.mm_oom_skip)
    return task


def _mark(task: task_struct, mm: mm_struct, *, skip: bool) -> None:
    """Make *task* a victim of an earlier kill; *skip* says it was given up."""
    task.signal.__dict__["oom_mm"] = mm
    mmgrab(mm)
    if skip:
        mm_flags_set(MMF_OOM_SKIP, mm)


def _points(tasks: list[task_struct], world: RebuiltWorld) -> tuple[int | None, ...]:
    found = [oom_badness(task, world.totalpages) for task in tasks]
    return tuple(None if points == LONG_MIN else points for points in found)


def _kill(tasks: list[task_struct], oc: oom_control) -> int | None:
    """Run the killer as init, who is never a candidate; say who was chosen."""
    mutex_lock(oom().oom_lock)
    try:
        out_of_memory(oc)
    except KernelPanic:
        return None
    mutex_unlock(oom().oom_lock)
    return tasks.index(oc.chosen) if isinstance(oc.chosen, task_struct) else None
