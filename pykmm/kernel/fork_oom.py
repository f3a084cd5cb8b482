# SPDX-License-Identifier: GPL-2.0-only
"""What a child is worth to the OOM killer — part of ``kernel/fork.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.mm import mm_flags_set
from ..linux.mm_types import MMF_MULTIPROCESS, mm_struct
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.sched import current, task_struct
from ..linux.sched.signal import signal_struct
from ..linux.uapi import CLONE_THREAD, CLONE_VFORK, CLONE_VM
from ..mm.oom_kill_victim import oom

__all__ = ["copy_oom_score_adj", "inherit_oom_score_adj"]


def inherit_oom_score_adj(sig: signal_struct) -> None:
    """Give a new group the values of current's, as ``copy_signal()`` does.

    Context: Nobody else knows *sig*. No lock: what is written meanwhile is lost,
        unless :func:`copy_oom_score_adj` comes after.
    """
    own = READ_ONCE(current().signal)
    sig.__dict__["oom_score_adj"] = own.oom_score_adj
    sig.__dict__["oom_score_adj_min"] = own.oom_score_adj_min


@mirrors("kernel/fork.c", checked="v7.2")
def copy_oom_score_adj(clone_flags: int, tsk: task_struct) -> None:
    """Note that a new process shares its parent's memory, and copy the values again.

    From now on whoever writes one of the two processes' values writes both. A thread
    has its group's, and a child in vfork has its own.

    Context: *tsk* can be found by now; may sleep, takes oom_adj_mutex.
    """
    mm: mm_struct | None = tsk.__dict__["mm"]  # its own, and it does not run yet
    if mm is None:
        return
    if clone_flags & (CLONE_VM | CLONE_THREAD | CLONE_VFORK) != CLONE_VM:
        return
    mutex_lock(oom().oom_adj_mutex)
    mm_flags_set(MMF_MULTIPROCESS, mm)
    own, new = READ_ONCE(current().signal), WRITE_ONCE(tsk.signal)
    new.oom_score_adj = own.oom_score_adj
    new.oom_score_adj_min = own.oom_score_adj_min
    mutex_unlock(oom().oom_adj_mutex)
