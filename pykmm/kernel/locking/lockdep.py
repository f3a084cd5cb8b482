# SPDX-License-Identifier: GPL-2.0-only
"""Showing who holds what, and who must hold nothing — ``kernel/locking/lockdep.c``.

Dumps look without a step: nothing is decided by what they print.
"""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...engine.ledger import section, since
from ...engine.machine import current_machine
from ...engine.thread import Thread, current_thread
from ...errors import ContextError
from ...linux.printk import KERN_WARNING, printk_dump
from ...linux.sched import task_struct

__all__ = ["debug_check_no_locks_held", "debug_show_all_locks"]


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


@mirrors("kernel/locking/lockdep.c", checked="v7.2")
def debug_check_no_locks_held() -> None:
    """Report current if it has a lock where it may stay for long, or for ever.

    Context: Any. No step.
    """
    t = current_thread()
    if not (t.held or t.rcu_depth) or t.machine.stopping:
        return
    held = [lock.name for lock in t.held]
    held += ["an RCU read section"] if t.rcu_depth else []
    raise ContextError(
        f"{t.name} exits or freezes while it holds {', '.join(held)}",
        facts=[("holds", f"{x.name} {since(x, t)}") for x in t.held] + section(t),
    )
