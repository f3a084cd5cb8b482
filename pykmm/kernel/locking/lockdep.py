# SPDX-License-Identifier: GPL-2.0-only
"""Showing who holds what — ``kernel/locking/lockdep.c``.

Dumps look without a step: nothing is decided by what they print.
"""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...engine.machine import current_machine
from ...engine.thread import Thread
from ...linux.printk import KERN_WARNING, printk_dump
from ...linux.sched import task_struct

__all__ = ["debug_show_all_locks"]


def _print_held(t: Thread, p: task_struct) -> None:
    depth = len(t.held)
    plural = "" if depth == 1 else "s"
    printk_dump(f"{depth} lock{plural} held by {p.__dict__['comm']}/{p.pid}:")
    for number, lock in enumerate(t.held):
        printk_dump(f" #{number}: {lock.name}")


@mirrors(
    "kernel/locking/lockdep.c",
    checked="v7.2",
    abridged="locks by name, without addresses and classes",
)
def debug_show_all_locks() -> None:
    """Print all locks that are held, task by task.

    Context: Any.
    """
    printk_dump("", KERN_WARNING)
    printk_dump("Showing all locks held in the system:", KERN_WARNING)
    for t in list(current_machine().live):
        if t.held and isinstance(t.task, task_struct):
            _print_held(t, t.task)
    printk_dump("", KERN_WARNING)
    printk_dump("=============================================", KERN_WARNING)
    printk_dump("", KERN_WARNING)
