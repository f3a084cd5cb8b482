# SPDX-License-Identifier: GPL-2.0-only
"""Whether others may look into a task — ``kernel/exec_state.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.sched import current, task_struct
from ..linux.sched.exec_state import task_exec_state

__all__ = [
    "task_exec_state_copy",
    "task_exec_state_get_dumpable",
    "task_exec_state_set_dumpable",
]


@mirrors("kernel/exec_state.c", checked="v7.2", abridged="nobody counts who shares it")
def task_exec_state_copy(tsk: task_struct) -> None:
    """Give a new task a state of its own, as current's is now.

    Context: Nobody else knows *tsk*.
    """
    src = READ_ONCE(current().exec_state)
    tsk.__dict__["exec_state"] = task_exec_state(dumpable=src.dumpable)


@mirrors("kernel/exec_state.c", checked="v7.2")
def task_exec_state_set_dumpable(value: int) -> None:
    """Say who may look into current, and all that share its state.

    Context: Any.
    """
    WRITE_ONCE(current().exec_state).dumpable = value


@mirrors("kernel/exec_state.c", checked="v7.2", abridged="what is replaced is kept")
def task_exec_state_get_dumpable(task: task_struct) -> int:
    """Return who may look into *task*.

    Context: Any; the answer may be old when it arrives.
    """
    exec_state = task.exec_state if task is current() else READ_ONCE(task).exec_state
    return READ_ONCE(exec_state).dumpable
