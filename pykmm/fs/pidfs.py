# SPDX-License-Identifier: GPL-2.0-only
"""What an open pidfd is and tells — ``fs/pidfs.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EBADF, Errno
from ..kernel.pid import pid_nr_ns, pid_task
from ..linux.compiler import READ_ONCE
from ..linux.fdtable import OpenFile, pidfd_file
from ..linux.pid import PIDTYPE_PID, pid, pid_has_task
from ..linux.pid_namespace import pid_namespace
from ..linux.rcupdate import rcu
from ..linux.sched.signal import delay_group_leader
from ..linux.uapi import POLLHUP, POLLIN, POLLRDNORM

__all__ = ["pidfd_pid", "pidfd_poll", "pidfd_show_fdinfo"]


@mirrors("fs/pidfs.c", checked="v7.2")
def pidfd_pid(opened: OpenFile | None) -> pid | Errno:
    """Return the pid of an open pidfd, without a reference; -EBADF for others."""
    return opened.pid if isinstance(opened, pidfd_file) else -EBADF


@mirrors("fs/pidfs.c", checked="v7.2", abridged="the caller queues the poller")
def pidfd_poll(opened: pidfd_file) -> int:
    """Tell what of a process's end has happened.

    A leader whose threads live on is not dead yet: one of them may take its number
    over in an exec.

    Context: Enters an RCU read section.
    Return: 0; ``POLLIN | POLLRDNORM`` for who is dead; with ``POLLHUP`` once reaped.
    """
    with rcu():
        task = pid_task(opened.pid, PIDTYPE_PID)
        if task is None:
            return POLLIN | POLLRDNORM | POLLHUP
        if READ_ONCE(task).exit_state and not delay_group_leader(task):
            return POLLIN | POLLRDNORM
    return 0


@mirrors("fs/pidfs.c", checked="v7.2")
def pidfd_show_fdinfo(opened: pidfd_file, ns: pid_namespace) -> str:
    """Tell the number of a process in *ns* and in the namespaces below.

    Context: Any.
    Return: Lines, in which 0 says that it has no number there, and -1 that it was
        reaped.
    """
    p = opened.pid
    nr = pid_nr_ns(p, ns) if pid_has_task(p, PIDTYPE_PID) else -1
    below = p.numbers[ns.level + 1 :] if nr > 0 else ()
    others = "".join(f"\t{number.nr}" for number in below)
    return f"Pid:\t{nr}\nNSpid:\t{nr}{others}\n"
