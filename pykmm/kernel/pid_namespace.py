# SPDX-License-Identifier: GPL-2.0-only
"""The end of a table of numbers — ``kernel/pid_namespace.c``."""

from __future__ import annotations

from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..errno import ECHILD
from ..linux.bitops import clear_bit
from ..linux.pid import PIDTYPE_MAX, PIDTYPE_PID
from ..linux.pid_namespace import pid_namespace
from ..linux.rcupdate import rcu
from ..linux.sched import TIF_SIGPENDING, current, tasklist_lock
from ..linux.sched.signal import sighand_struct, thread_group_leader
from ..linux.signal import SEND_SIG_PRIV
from ..linux.spinlock import read_lock, read_unlock, spin_lock_irq, spin_unlock_irq
from ..linux.uapi import __WALL, SIG_IGN, SIGCHLD, SIGKILL
from .exit_wait import kernel_wait4
from .pid import pid_task
from .pid_alloc import disable_pid_allocation
from .signal import group_send_sig_info

__all__ = ["zap_pid_ns_processes"]


def _ignore_children() -> None:
    """Let children vanish from now on."""
    sighand: sighand_struct | None = current().__dict__["sighand"]
    assert sighand is not None  # it is not released yet
    spin_lock_irq(sighand.siglock)
    sighand.action = {**sighand.action, SIGCHLD: SIG_IGN}
    spin_unlock_irq(sighand.siglock)


def _kill_all(ns: pid_namespace) -> None:
    """Kill who bears a number, but the first."""
    with rcu():
        read_lock(tasklist_lock())
        for nr in sorted(ns._idr):
            task = pid_task(ns._idr.get(nr), PIDTYPE_PID) if nr > 1 else None
            if task is not None and SIGKILL not in task.__dict__["pending"]:
                group_send_sig_info(SIGKILL, SEND_SIG_PRIV, task, PIDTYPE_MAX)
        read_unlock(tasklist_lock())


def _has(ns: pid_namespace, numbers: int) -> bool:
    return bool(ns.__dict__["pid_allocated"] == numbers)


def _wait_for_numbers(ns: pid_namespace, left: int) -> None:
    """Sleep until only *left* numbers are in use; no signal ends that."""
    allocated = field_of(ns, "pid_allocated")
    t = enter(allocated, "schedule", partial(_has, ns, left), Sleep.INTERRUPTIBLE)
    leave(t, allocated, Access.READ, left, blocking=True)


@mirrors("kernel/pid_namespace.c", checked="v7.2", abridged="no accounting, no reboot")
def zap_pid_ns_processes(ns: pid_namespace) -> None:
    """End a namespace with its first process: nobody in it outlives that.

    Context: The last thread of the first process, exiting. Sleeps until all others
        have been released, by whomever.
    """
    init_pids = 1 if thread_group_leader(current()) else 2
    disable_pid_allocation(ns)
    _ignore_children()
    _kill_all(ns)
    while True:
        clear_bit(TIF_SIGPENDING, current().thread_flags)
        if kernel_wait4(-1, __WALL) == -ECHILD:
            break
    _wait_for_numbers(ns, init_pids)
