# SPDX-License-Identifier: GPL-2.0-only
"""What is open in a process — ``fs/proc/fd.c``."""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...errno import EACCES, ENOENT, Errno
from ...kernel.pid import get_pid_task, task_active_pid_ns
from ...kernel.ptrace_link import __ptrace_may_access
from ...linux.fdtable import pidfd_file
from ...linux.mm_types import file as plain_file
from ...linux.pid import PIDTYPE_PID, pid
from ...linux.proc_fs import ProcFile, proc_ops
from ...linux.sched import current
from ...linux.sched.task import put_task_struct, task_locked
from ..file import fdput, fget_task
from ..pidfs import pidfd_show_fdinfo
from .base_oom import get_proc_task
from .generic import simple_read_from_buffer

__all__ = ["open_fdinfo"]


@mirrors("fs/proc/fd.c", checked="v7.2", abridged="no flags, mounts, inodes and locks")
def seq_show(m: ProcFile, pos: int, fd: int) -> bytes | Errno:
    """Read what is known of a descriptor of another task.

    Context: Takes task_lock of that task, and file_lock in it.
    Return: The text from *pos* on, or -ENOENT once task or descriptor is gone.
    """
    task = get_proc_task(m)
    if task is None:
        return -ENOENT
    opened = fget_task(task, fd)
    put_task_struct(task)
    if opened is None:
        return -ENOENT
    at = 0 if isinstance(opened, pidfd_file | plain_file) else opened.__dict__["f_pos"]
    text = f"pos:\t{at}\n"
    ns = task_active_pid_ns(current())
    if isinstance(opened, pidfd_file) and ns is not None:
        text += pidfd_show_fdinfo(opened, ns)
    fdput(opened)
    return simple_read_from_buffer(pos, text.encode())


def _error(number: pid, fd: int) -> Errno | None:
    """Tell why current may not learn about a descriptor, if it may not."""
    task = get_pid_task(number, PIDTYPE_PID)
    if task is None:
        return -ENOENT
    with task_locked(task):
        refused = __ptrace_may_access(task)
    opened = None if refused else fget_task(task, fd)
    put_task_struct(task)
    if opened is not None:
        fdput(opened)
        return None
    return -EACCES if refused else -ENOENT


def open_fdinfo(number: pid, name: str) -> ProcFile | Errno:
    """Open ``fdinfo/NAME`` of a task, which the file then holds by *number*.

    Context: Takes task_lock of that task.
    Return: The open file; -EACCES for who may not trace the task, -ENOENT.
    """
    fd = int(name) if name.isascii() and name.isdigit() else -1
    error = _error(number, fd)
    if error is not None:
        return error
    ops = proc_ops(lambda m, pos: seq_show(m, pos, fd))
    return ProcFile(f_op=ops, pid=number)
