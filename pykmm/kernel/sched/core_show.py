# SPDX-License-Identifier: GPL-2.0-only
"""Showing what a task is about — part of ``kernel/sched/core.c``.

Dumps look without a step: nothing is decided by what they print.
"""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...engine.thread import Sleep
from ...lib.vsprintf import _sprintf
from ...linux.printk import KERN_INFO, printk_dump
from ...linux.sched import EXIT_DEAD, EXIT_ZOMBIE, task_struct

__all__ = ["sched_show_task"]


def _task_state(p: task_struct) -> str:
    """Return the letter that ``ps`` shows; who has no thread sleeps in user mode."""
    exited = p.__dict__["exit_state"]
    if exited:
        return {EXIT_ZOMBIE: "Z", EXIT_DEAD: "X"}.get(exited, "Z")
    t = p._thread
    if t is None:
        return "S"
    if t.guard is None:
        return "R"
    return "S" if t.sleep is Sleep.INTERRUPTIBLE else "D"


@mirrors(
    "kernel/sched/core.c",
    checked="v7.2",
    abridged="no stack, and nobody knows how much of it is left",
)
def sched_show_task(p: task_struct) -> None:
    """Print a line about *p*: what it does, and whose it is.

    Context: Any.
    """
    state = _task_state(p)
    running = "  running task    " if state == "R" else ""
    parent: task_struct | None = p.__dict__["real_parent"]
    head = _sprintf("task:%-15.15s state:%c%s", p.__dict__["comm"], state, running)
    tail = _sprintf(
        " stack:%-5lu pid:%-5d tgid:%-5d ppid:%-6d task_flags:0x%04x flags:0x%08lx",
        0,
        p.pid,
        p.tgid,
        0 if parent is None else parent.pid,
        p.__dict__["flags"],
        p.thread_flags._value,
    )
    printk_dump(head + tail, KERN_INFO)
