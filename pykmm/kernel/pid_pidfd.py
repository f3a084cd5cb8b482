# SPDX-License-Identifier: GPL-2.0-only
"""File descriptors that name processes — part of ``kernel/pid.c``.

A pidfd holds a ``struct pid``, so it never comes to name who gets the number next.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EBADF, EINTR, EINVAL, ENOENT, EPERM, ESRCH, Errno
from ..fs.file import _fd, fd_install, fget_task, filp_close, receive_fd
from ..fs.pidfs import pidfd_pid
from ..linux.compiler import READ_ONCE
from ..linux.fdtable import OpenFile, pidfd_file
from ..linux.pid import PIDTYPE_PID, PIDTYPE_TGID, get_pid, pid, pid_has_task
from ..linux.rwsem import down_read_killable, up_read
from ..linux.sched import PF_EXITING, current, task_struct
from ..linux.sched.task import put_task_struct, task_locked
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq
from ..linux.uapi import (
    O_CLOEXEC,
    PIDFD_NONBLOCK,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_THREAD,
)
from .pid import find_get_pid, get_pid_task, get_task_pid, put_pid
from .ptrace_link import __ptrace_may_access

__all__ = [
    "pidfd_create",
    "pidfd_get_pid",
    "pidfd_get_task",
    "pidfd_getfd",
    "pidfd_open",
]


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_get_pid(fd: int) -> tuple[pid, int] | Errno:
    """Return the pid behind a descriptor with a reference, and the file's flags."""
    with _fd(fd) as found:
        p = pidfd_pid(found)
        if isinstance(p, Errno):
            return p
        assert isinstance(found, pidfd_file)  # it has a pid
        return get_pid(p), found.f_flags


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_get_task(pidfd: int) -> task_struct | Errno:
    """Return the process that a pidfd names.

    Context: May not sleep in between; takes RCU.
    Return: The thread-group leader with a reference; -EBADF for a descriptor that
        is no pidfd; -ESRCH when no task bears the pid as its group's (any more).
    """
    kind = PIDTYPE_TGID
    if pidfd in (PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP):
        if pidfd == PIDFD_SELF_THREAD:
            kind = PIDTYPE_PID
        p = get_task_pid(current(), kind)
    else:
        pinned = pidfd_get_pid(pidfd)
        if isinstance(pinned, Errno):
            return pinned
        p = pinned[0]
    task = get_pid_task(p, kind)
    put_pid(p)
    return -ESRCH if task is None else task


# -- opening one -----------------------------------------------------------------------


@mirrors(
    "kernel/pid.c",
    checked="v7.2",
    abridged="pidfd_prepare() is folded in; the number is taken last; pidfs keeps no "
    "exit information, so PIDFD_STALE has no meaning",
)
def pidfd_create(p: pid, flags: int) -> int:
    """Check that *p* can have a pidfd, and make one, which an exec closes.

    Context: Holds the lock of the pid's wait queue over the two questions: a
        release lets go of the first link, passes that lock, and only then lets
        go of the second. Takes file_lock.
    Return: The descriptor; -ESRCH once the process has been reaped, -ENOENT for a
        thread that leads no group unless PIDFD_THREAD is given; -EMFILE.
    """
    spin_lock_irq(p.wait_pidfd_lock)
    try:
        if not pid_has_task(p, PIDTYPE_PID):
            return -ESRCH
        if not flags & PIDFD_THREAD and not pid_has_task(p, PIDTYPE_TGID):
            return -ENOENT
    finally:
        spin_unlock_irq(p.wait_pidfd_lock)
    return _install(p, flags)


def _install(p: pid, flags: int) -> int:
    made = pidfd_file(pid=get_pid(p), f_flags=flags)
    fd = fd_install(made, flags=O_CLOEXEC)
    if fd < 0:
        filp_close(made)
    return fd


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_open(nr: int, flags: int) -> int:
    """System call: open a descriptor that names process *nr* for good.

    Return: The descriptor; -EINVAL for an unknown flag or a number below 1,
        -ESRCH, -ENOENT, -EMFILE.
    """
    if flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD):
        return -EINVAL
    if nr <= 0:
        return -EINVAL
    p = find_get_pid(nr)
    if p is None:
        return -ESRCH
    fd = pidfd_create(p, flags)
    put_pid(p)
    return fd


# -- somebody else's descriptors -------------------------------------------------------


@mirrors("kernel/pid.c", checked="v7.2")
def __pidfd_fget(task: task_struct, fd: int) -> OpenFile | Errno:
    """Return the file behind a descriptor of *task*, while that cannot exec.

    Context: May sleep, killably; takes exec_update_lock for reading.
    Return: The file with a reference; -EINTR, -EPERM, -EBADF; -ESRCH for a task that
        is on its way out, whose table is gone or going.
    """
    if down_read_killable(task.signal.exec_update_lock):
        return -EINTR
    found: OpenFile | Errno | None
    with task_locked(task):
        found = -EPERM if __ptrace_may_access(task) else None
    if found is None:
        exiting = READ_ONCE(task).flags & PF_EXITING
        found = -ESRCH if exiting else fget_task(task, fd)
    up_read(task.signal.exec_update_lock)
    if found is None:
        found = -ESRCH if READ_ONCE(task).flags & PF_EXITING else -EBADF
    return found


def _pidfd_getfd(p: pid, fd: int) -> int:
    task = get_pid_task(p, PIDTYPE_PID)
    if task is None:
        return -ESRCH
    found = __pidfd_fget(task, fd)
    put_task_struct(task)
    if isinstance(found, Errno):
        return found
    ret = receive_fd(found, O_CLOEXEC)
    filp_close(found)
    return ret


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_getfd(pidfd: int, fd: int, flags: int) -> int:
    """System call: get a descriptor of one's own for what another process has open.

    Context: May sleep, killably.
    Return: The descriptor; -EINVAL for any flag, -EBADF, -ESRCH, -EPERM, -EINTR,
        -EMFILE.
    """
    if flags:
        return -EINVAL
    with _fd(pidfd) as opened:
        p = pidfd_pid(opened)
        return p if isinstance(p, Errno) else _pidfd_getfd(p, fd)
