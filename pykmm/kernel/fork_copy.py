# SPDX-License-Identifier: GPL-2.0-only
"""What a new task copies or shares, part by part — part of ``kernel/fork.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..fs.file import dup_fd, put_files_struct
from ..linux.atomic import atomic_inc, atomic_read
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.gfp_types import GFP_KERNEL
from ..linux.refcount import refcount_dec_and_test, refcount_inc
from ..linux.sched import current, task_struct
from ..linux.sched.mm import might_alloc, mmget
from ..linux.sched.signal import sighand_struct, signal_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq
from ..linux.uapi import SIG_IGN
from ..linux.uapi_sched import (
    CLONE_AUTOREAP,
    CLONE_CLEAR_SIGHAND,
    CLONE_FILES,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from .exec_state import task_exec_state_copy
from .fork import mmput
from .fork_mm import dup_mm
from .fork_oom import inherit_oom_score_adj

__all__ = [
    "__cleanup_sighand",
    "copy_exec_state",
    "copy_files",
    "copy_mm",
    "copy_sighand",
    "copy_signal",
    "dup_task_struct",
    "exit_copied_files",
    "exit_copied_mm",
    "unshare_files",
]

_NOBODY: Final = "nobody else knows the child, so its fields take no steps"


@mirrors(
    "kernel/fork.c", checked="v7.2", abridged="only fields that a child inherits exist"
)
def dup_task_struct(orig: task_struct) -> task_struct:
    """Make a task that is as *orig*, but for what is its own from the start.

    Context: May sleep. *orig* is current.
    """
    own = orig.__dict__
    might_alloc(GFP_KERNEL)
    return task_struct(
        cred=orig.cred,
        signal=orig.signal,
        sighand=own["sighand"],
        memcg=orig.memcg,
        mems_allowed=orig.mems_allowed,
        mempolicy_nodes=orig.mempolicy_nodes,
        mempolicy_mode=orig.mempolicy_mode,
        cpuset=orig.cpuset,
        comm=own["comm"],
        flags=own["flags"],
        files=own["files"],
        blocked=own["blocked"],
        pid_ns_for_children=own["pid_ns_for_children"],
        _thread_name=own["comm"],
    )


@mirrors("kernel/fork.c", checked="v7.2", abridged=_NOBODY)
def copy_files(clone_flags: int, tsk: task_struct) -> int:
    """Share current's table of open files, or copy it.

    Context: May sleep; takes file_lock.
    """
    oldf = current().files
    if oldf is None:
        return 0
    if clone_flags & CLONE_FILES:
        atomic_inc(oldf.count)
        return 0
    tsk.__dict__["files"] = dup_fd(oldf)
    return 0


@mirrors("kernel/fork.c", checked="v7.2")
def unshare_files() -> None:
    """Give current a table of open files that nobody shares.

    Context: May sleep; takes file_lock and task_lock.
    """
    task = current()
    old = task.files
    if old is None or atomic_read(old.count) == 1:
        return
    copy = dup_fd(old)
    task_lock(task)
    task.files = copy
    task_unlock(task)
    put_files_struct(old)


def exit_copied_files(tsk: task_struct) -> None:
    """Undo :func:`copy_files`, as ``exit_files()`` of a child that never ran does."""
    files = tsk.__dict__["files"]
    if files is not None:
        put_files_struct(files)


@mirrors("kernel/fork.c", checked="v7.2", abridged=_NOBODY)
def copy_sighand(clone_flags: int, tsk: task_struct) -> int:
    """Share current's signal actions, or copy them.

    Context: May sleep; takes siglock.
    """
    own = current().sighand
    assert own is not None  # it is alive
    if clone_flags & CLONE_SIGHAND:
        refcount_inc(own.count)
        return 0
    might_alloc(GFP_KERNEL)
    sig = sighand_struct()
    tsk.__dict__["sighand"] = sig
    spin_lock_irq(own.siglock)
    action = dict(own.action)
    if clone_flags & CLONE_CLEAR_SIGHAND:
        action = {nr: SIG_IGN for nr in action if own._action(nr) == SIG_IGN}
    spin_unlock_irq(own.siglock)
    sig.__dict__["action"] = action
    return 0


@mirrors("kernel/fork.c", checked="v7.2", abridged="freed memory keeps no type")
def __cleanup_sighand(sighand: sighand_struct) -> None:
    """Give signal actions up; the last user frees them.

    Context: Any.
    """
    if refcount_dec_and_test(sighand.count):
        sighand._free()


@mirrors("kernel/fork.c", checked="v7.2", abridged="no timers, tty or statistics")
def copy_signal(clone_flags: int, tsk: task_struct) -> int:
    """Join current's thread group, or make one with *tsk* alone in it.

    What the OOM killer knows of the parent is not handed on, but for its two values.

    Context: May sleep; takes task_lock of the leader.
    """
    if clone_flags & CLONE_THREAD:
        return 0
    might_alloc(GFP_KERNEL)
    sig = signal_struct(
        _sighand=tsk.__dict__["sighand"],
        _first=tsk,
        curr_target=tsk,
        autoreap=bool(clone_flags & CLONE_AUTOREAP),
    )
    tsk.signal = sig
    own = current()
    task_lock(own.group_leader)
    sig.__dict__["rlim"] = READ_ONCE(own.signal).rlim
    task_unlock(own.group_leader)
    inherit_oom_score_adj(sig)
    return 0


@mirrors("kernel/fork.c", checked="v7.2", abridged=_NOBODY)
def copy_mm(clone_flags: int, tsk: task_struct) -> int:
    """Share current's address space, or copy it.

    Context: May sleep; takes ``mmap_lock`` for writing for a copy.
    Return: 0, or -ENOMEM whatever went wrong with the copy.
    """
    oldmm = current().mm
    if oldmm is None:
        return 0
    if clone_flags & CLONE_VM:
        mmget(oldmm)
        mm = oldmm
    else:
        made = dup_mm(tsk, oldmm)
        if made is None:
            return -ENOMEM
        mm = made
    tsk.__dict__["mm"] = tsk.__dict__["active_mm"] = mm
    return 0


@mirrors("kernel/fork.c", checked="v7.2", abridged="nobody counts who shares it")
def copy_exec_state(clone_flags: int, tsk: task_struct) -> None:
    """Share what says who may look into current, or copy it.

    Context: Nobody else knows *tsk*.
    """
    if clone_flags & CLONE_VM:
        tsk.__dict__["exec_state"] = current().exec_state
    else:
        task_exec_state_copy(tsk)


def exit_copied_mm(tsk: task_struct) -> None:
    """Undo :func:`copy_mm`: the maker may be the one who takes the copy down."""
    mm = tsk.__dict__["mm"]
    if mm is None:
        return
    if READ_ONCE(mm).owner is tsk:  # mm_clear_owner()
        WRITE_ONCE(mm).owner = None
    mmput(mm)
    tsk.__dict__["mm"] = tsk.__dict__["active_mm"] = None
