# SPDX-License-Identifier: GPL-2.0-only
"""Copies of an address space, and others' access to one — part of ``kernel/fork.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EACCES, EINTR, ESRCH, Errno
from ..linux.compiler import data_race
from ..linux.mm_types import mm_struct
from ..linux.rwsem import down_read_killable, up_read
from ..linux.sched import PF_KTHREAD, current, task_struct
from ..linux.sched.mm import mmget
from ..linux.sched.task import task_lock, task_unlock
from ..mm.mmap_dup import dup_mmap
from .fork import mm_init, mmput
from .ptrace_link import ptrace_may_access

#: What stays as it was copied: where the program's parts are.
_COPIED: Final = ("mmap_base", "start_data", "end_data", "start_brk", "brk")

__all__ = ["dup_mm", "get_task_mm", "may_access_mm", "mm_access"]


@mirrors("kernel/fork.c", checked="v7.2", abridged="no high-water marks, no uprobes")
def dup_mm(tsk: task_struct, oldmm: mm_struct) -> mm_struct | None:
    """Copy an address space for *tsk*.

    Context: May sleep; takes ``mmap_lock`` of *oldmm* for writing, killably.
    Return: One with a single user; None if anything went wrong, with all undone.
    """
    # All of it, without a lock: what may change meanwhile is set again under one.
    mm = mm_struct(**{name: oldmm.__dict__[name] for name in _COPIED})
    mm_init(mm, tsk)
    if dup_mmap(mm, oldmm):
        mm.__dict__["owner"] = None
        mmput(mm)
        return None
    return mm


@mirrors("kernel/fork.c", checked="v7.2")
def get_task_mm(task: task_struct) -> mm_struct | None:
    """Become a user of *task*'s address space, if it still shows one of its own.

    A kernel thread only borrows what it shows.

    Context: Takes task_lock.
    Return: A reference owed to ``mmput()``, or None.
    """
    # Other flags change meanwhile; this one never does.
    if data_race(task).flags & PF_KTHREAD:
        return None
    task_lock(task)
    mm = task.mm
    if mm is not None:
        mmget(mm)
    task_unlock(task)
    return mm


@mirrors("kernel/fork.c", checked="v7.2", abridged="one kind of access")
def may_access_mm(mm: mm_struct, task: task_struct) -> bool:
    """Tell whether current may access *mm* of *task*; its own it always may."""
    return mm is current().mm or ptrace_may_access(task)


@mirrors("kernel/fork.c", checked="v7.2", abridged="one kind of access")
def mm_access(task: task_struct) -> mm_struct | Errno:
    """Become a user of another process's address space, while it cannot exec.

    Context: May sleep; takes exec_update_lock for reading.
    Return: A reference owed to ``mmput()``; -EINTR, -ESRCH without one, -EACCES.
    """
    found: mm_struct | Errno | None
    err = down_read_killable(task.signal.exec_update_lock)
    if err:
        return -EINTR
    found = get_task_mm(task)
    if found is None:
        found = -ESRCH
    elif not may_access_mm(found, task):
        mmput(found)
        found = -EACCES
    up_read(task.signal.exec_update_lock)
    return found
