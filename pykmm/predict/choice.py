# SPDX-License-Identifier: GPL-2.0-only
"""Ask the model's OOM killer whom it would choose, and stop before it kills."""

from __future__ import annotations

from attrs import frozen

from ..linux.memcontrol import mem_cgroup
from ..linux.oom import LONG_MIN, oom_control
from ..linux.pid import is_global_init
from ..linux.sched import task_struct
from ..linux.uapi import OOM_SCORE_ADJ_MIN
from ..mm.memcontrol import mem_cgroup_get_oom_group, mem_cgroup_scan_tasks
from ..mm.oom_kill import constrained_alloc, oom_badness, select_bad_process
from .machine import Built

__all__ = ["Choice", "choose"]


@frozen
class Choice:
    """What the killer sees and does; tasks are places in the snapshot."""

    constraint: str
    totalpages: int
    #: What each task weighs here; None for one that may not be chosen.
    points: tuple[int | None, ...]
    #: Who is looked at: all, or the members of the memory cgroup.
    candidates: frozenset[int]
    chosen: int | None
    #: Who dies with the chosen one because of ``memory.oom.group``.
    group: tuple[int, ...] = ()


def choose(built: Built, memcg: mem_cgroup | None) -> Choice:
    """Choose on the machine that runs here, or below *memcg*, on behalf of init."""
    oc = oom_control(memcg=memcg)
    oc.constraint = constrained_alloc(oc)
    select_bad_process(oc)
    found = [oom_badness(task, oc.totalpages) for task in built.tasks]
    place = {task: index for index, task in enumerate(built.tasks)}
    candidates = range(len(built.tasks)) if memcg is None else _below(memcg, place)
    chosen = place[oc.chosen] if isinstance(oc.chosen, task_struct) else None
    return Choice(
        constraint=oc.constraint.name,
        totalpages=oc.totalpages,
        points=tuple(None if points == LONG_MIN else points for points in found),
        candidates=frozenset(candidates),
        chosen=chosen,
        group=() if chosen is None else _group(built.tasks[chosen], memcg, place),
    )


def _below(memcg: mem_cgroup, place: dict[task_struct, int]) -> list[int]:
    found: list[int] = []

    def note(task: task_struct) -> int:
        found.append(place[task])
        return 0

    mem_cgroup_scan_tasks(memcg, note)
    return found


def _group(
    victim: task_struct, domain: mem_cgroup | None, place: dict[task_struct, int]
) -> tuple[int, ...]:
    """Return who else is killed, as ``oom_kill_memcg_member()`` decides."""
    memcg = mem_cgroup_get_oom_group(victim, domain)
    if memcg is None:
        return ()
    tasks = {index: task for task, index in place.items()}
    return tuple(
        index
        for index in sorted(_below(memcg, place))
        if tasks[index] is not victim
        and tasks[index].signal.__dict__["oom_score_adj"] != OOM_SCORE_ADJ_MIN
        and not is_global_init(tasks[index])
    )
