# SPDX-License-Identifier: GPL-2.0-only
"""Making a task and setting it going — part of ``kernel/fork.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import E2BIG, EINVAL, Errno
from ..linux.compiler import WRITE_ONCE
from ..linux.completion import (
    completion,
    init_completion,
    wait_for_completion_killable,
)
from ..linux.mm import PAGE_SIZE
from ..linux.pid import PIDTYPE_PID
from ..linux.pid_namespace import MAX_PID_NS_LEVEL
from ..linux.sched import task_struct
from ..linux.sched.task import (
    get_task_struct,
    kernel_clone_args,
    put_task_struct,
    task_lock,
    task_unlock,
)
from ..linux.uaccess import put_user
from ..linux.uapi import _NSIG
from ..linux.uapi_sched import (
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_VFORK,
    CSIGNAL,
)
from .fork_flags import clone3_args_valid
from .fork_process import copy_process
from .pid import get_task_pid, pid_vnr
from .pid_alloc import put_pid
from .sched.core_new import wake_up_new_task

__all__ = ["clone3", "kernel_clone", "wait_for_vfork_done"]

#: The size of the arguments as they were at first: less is no such structure.
CLONE_ARGS_SIZE_VER0: Final = 64
#: Their size today.
CLONE_ARGS_SIZE_VER2: Final = 88


@mirrors("kernel/fork.c", checked="v7.2", abridged="nobody is frozen in here")
def wait_for_vfork_done(child: task_struct, vfork: completion) -> int:
    """Sleep until the child does not need current's memory any more.

    A maker that is killed meanwhile takes its completion back and goes; the child
    runs on.

    Context: May sleep, killably; takes task_lock. Gives up a reference on *child*.
    Return: 0, or an error for a maker that has been killed.
    """
    killed = wait_for_completion_killable(vfork)
    if killed:
        task_lock(child)
        child.vfork_done = None
        task_unlock(child)
    put_task_struct(child)
    return killed


@mirrors("kernel/fork.c", checked="v7.2", abridged="no tracer is told")
def kernel_clone(args: kernel_clone_args) -> int:
    """Make a task, set it going, and for ``vfork()`` wait for it.

    Context: May sleep.
    Return: The child's number as current sees it, or an error.
    """
    flags = args.flags
    both = CLONE_PIDFD | CLONE_PARENT_SETTID
    if flags & both == both and args.pidfd is args.parent_tid:
        return -EINVAL
    if not 0 <= args.exit_signal <= _NSIG:
        return -EINVAL
    p = copy_process(args)
    if isinstance(p, Errno):
        return p
    number = get_task_pid(p, PIDTYPE_PID)
    nr = pid_vnr(number)
    if flags & CLONE_PARENT_SETTID:
        put_user(nr, args.parent_tid)
    vfork = None
    if flags & CLONE_VFORK:
        vfork = completion()
        # Without the lock, as the child does not run yet; others may be looking.
        WRITE_ONCE(p).vfork_done = vfork
        init_completion(vfork)
        get_task_struct(p)
    wake_up_new_task(p, args.program)
    if vfork is not None:
        wait_for_vfork_done(p, vfork)
    put_pid(number)
    return nr


@mirrors("kernel/fork.c", checked="v7.2", abridged="takes what is copied from memory")
def clone3(uargs: kernel_clone_args, size: int = CLONE_ARGS_SIZE_VER2) -> int:
    """Make a task from arguments of *size* bytes, which are looked at more strictly.

    Context: May sleep.
    Return: As :func:`kernel_clone`; -E2BIG for more than a page, -EINVAL for less
        than there were at first, or for what ``clone3()`` does not know.
    """
    if size > PAGE_SIZE:
        return -E2BIG
    if size < CLONE_ARGS_SIZE_VER0:
        return -EINVAL
    if len(uargs.set_tid) > MAX_PID_NS_LEVEL:
        return -EINVAL
    if uargs.exit_signal & ~CSIGNAL:
        return -EINVAL
    if not clone3_args_valid(uargs):
        return -EINVAL
    return kernel_clone(uargs)
