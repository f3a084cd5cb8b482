# SPDX-License-Identifier: GPL-2.0-only
"""Not going round in circles.

Who is short of memory in Linux tries again and again, until somebody else has freed
some; each try that finds everything as it was comes to the same end. Here such a
thread waits instead until its next try could go differently: then it is clear that
nobody waits for *it*, and a scheduler that likes to let a thread go on cannot let it
spin for ever. No outcome is lost: the tries left out have none of their own.

What a guard needs is looked up beforehand: whoever runs evaluates it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..engine.events import Access
from ..engine.objects import Named
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..linux.memcontrol import for_each_mem_cgroup_tree, mem_cgroup
from ..linux.mm_types import MMF_OOM_SKIP, mm_struct
from ..linux.rculist import list_entries, list_head
from ..linux.sched import current, task_struct
from ..linux.sched.signal import init_tasks

__all__ = [
    "Scene",
    "could_be_marked",
    "killer_would_act",
    "no_task",
    "scene",
    "stall",
]

#: What the OOM killer's answer hangs on, to compare.
Scene = tuple[tuple[int, int, bool, bool], ...]


def _domain(memcg: mem_cgroup | None) -> Iterator[task_struct]:
    if memcg is None:
        yield from list_entries(init_tasks())
        return
    for each in for_each_mem_cgroup_tree(memcg):
        yield from each.__dict__["procs"]


def _victim_mm(task: task_struct) -> mm_struct | None:
    found: mm_struct | None = task.signal.__dict__["oom_mm"]
    return found


def _is_pending(task: task_struct) -> bool:
    """Tell, without a step, whether *task*'s group was marked and is still dying."""
    mm = _victim_mm(task)
    if mm is None or mm.flags._has(MMF_OOM_SKIP):
        return False
    return task.__dict__["sighand"] is not None


def killer_would_act(memcg: mem_cgroup | None) -> Callable[[], bool]:
    """Make a guard: is nobody dying any more whom the killer waits for now?

    None is the whole machine; a cgroup shows no process that is past its last thread.
    A victim that is marked later is not waited for: that only costs a try.
    """
    victims = [task for task in _domain(memcg) if _is_pending(task)]
    if memcg is None:
        return lambda: not any(map(_is_pending, victims))

    def nobody() -> bool:
        listed = list(_domain(memcg))
        return not any(_is_pending(task) and task in listed for task in victims)

    return nobody


def scene(tasks: list_head[task_struct]) -> Scene:
    """Return what the killer would find among *tasks*, without a step."""
    return tuple(
        (
            task.pid,
            task.signal.__dict__["oom_score_adj"],
            _victim_mm(task) is not None,
            _is_pending(task),
        )
        for task in list_entries(tasks)
    )


def could_be_marked(task: task_struct) -> bool:
    """Tell, without a step, whether *task* is being killed and may get reserves yet."""
    if _victim_mm(task) is not None or not task._fatal_signal_pending():
        return False
    mm = task.__dict__["mm"]
    return mm is not None and not mm.flags._has(MMF_OOM_SKIP)


def stall(obj: Named, ready: Callable[[], object]) -> None:
    """Wait, in the kernel, until *ready*; it is a step even if that is so at once.

    Context: May sleep. *obj* is what has to change first of all.
    """
    t = enter(obj, "cond_resched", ready, Sleep.UNINTERRUPTIBLE)
    leave(t, obj, Access.WAIT, blocking=True)


def no_task() -> bool:
    """Tell whether no process runs here, so that nobody could be killed or wait."""
    return current() is None
