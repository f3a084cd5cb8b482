# SPDX-License-Identifier: GPL-2.0-only
"""The first switch to a task — part of ``kernel/sched/core.c``."""

from __future__ import annotations

from collections.abc import Callable

from ...engine.annotate import mirrors
from ...engine.events import Access
from ...engine.step import enter, leave
from ...linux.pid import PIDTYPE_PID
from ...linux.sched import current, task_struct
from ...linux.uaccess import put_user
from ..entry.common import user_mode
from ..pid import task_active_pid_ns, task_pid_nr_ns

__all__ = ["schedule_tail", "wake_up_new_task"]


@mirrors("kernel/sched/core.c", checked="v7.2", abridged="what the child itself does")
def schedule_tail() -> None:
    """Write a new task's number where its program wants it.

    Context: The first thing that a new task does.
    """
    own = current()
    if own.set_child_tid is not None:
        nr = task_pid_nr_ns(own, task_active_pid_ns(own), PIDTYPE_PID)
        put_user(nr, own.set_child_tid)


def _ret_from_fork(program: Callable[[], object] | None) -> object:
    schedule_tail()
    return user_mode(program)


@mirrors("kernel/sched/core.c", checked="v7.2", abridged="there is no run queue")
def wake_up_new_task(p: task_struct, program: Callable[[], object] | None) -> None:
    """Let a task run for the first time, with *program* in user mode.

    One without a program, and without a signal by now, goes on sleeping: the next
    signal makes it run.

    Context: Any; never sleeps.
    """
    mark = p._signal_object
    t = enter(mark, "wake_up_new_task")
    asleep = program is None and not mark.value
    if asleep:
        p._program = lambda: _ret_from_fork(None)
    leave(t, mark, Access.READ, int(mark.value))
    if not asleep:
        name = getattr(program, "__name__", "")
        if name.isidentifier():  # easier to tell apart than by comm, which is inherited
            p._thread_name = name
        p._thread = t.machine.thread(
            p._thread_name, lambda: _ret_from_fork(program), task=p
        )
