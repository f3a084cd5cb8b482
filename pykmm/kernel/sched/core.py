# SPDX-License-Identifier: GPL-2.0-only
"""The last switch away from a task — ``kernel/sched/core.c``."""

from __future__ import annotations

from collections.abc import Callable

from ...engine.annotate import extern, mirrors
from ...linux.sched import PF_NOFREEZE, task_struct
from ...linux.sched.mm import mmdrop_lazy_tlb
from ..cgroup.cgroup import cgroup_task_dead

__all__ = ["TaskGone", "do_task_dead", "finish_task_switch"]

_put_task_struct_rcu_user: Callable[[task_struct], None] = extern(
    "pykmm.kernel.exit_release", "put_task_struct_rcu_user"
)


class TaskGone(BaseException):
    """Leaves the code of a task that has exited; its thread ends with it."""


@mirrors(
    "kernel/sched/core.c",
    checked="v7.2",
    abridged="only what a dead task leaves behind",
)
def finish_task_switch(prev: task_struct) -> None:
    """Drop what the processor held of *prev*: its lazy mm, and its visibility.

    Context: Linux runs this in whatever task comes next; here it is the last
        thing that the dead task's own thread does.
    """
    mm = prev.active_mm
    if mm is not None:
        mmdrop_lazy_tlb(mm)
    cgroup_task_dead(prev)
    _put_task_struct_rcu_user(prev)


@mirrors("kernel/sched/core.c", checked="v7.2", abridged="there is no run queue")
def do_task_dead(tsk: task_struct) -> None:
    """Leave the processor for the last time. Does not return."""
    # No step: only the freezer looks, and it asks again until all stand still.
    tsk.__dict__["flags"] |= PF_NOFREEZE
    finish_task_switch(tsk)
    raise TaskGone
