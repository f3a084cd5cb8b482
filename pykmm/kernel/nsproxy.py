# SPDX-License-Identifier: GPL-2.0-only
"""Namespaces of a new task: those of pids — ``kernel/nsproxy.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINVAL, ENOSPC, EPERM
from ..linux.pid_namespace import MAX_PID_NS_LEVEL, pid_namespace
from ..linux.sched import current, task_struct
from ..linux.uapi import CAP_SYS_ADMIN
from ..linux.uapi_sched import CLONE_NEWPID
from .capability import ns_capable
from .pid import task_active_pid_ns

__all__ = ["copy_namespaces"]


@mirrors("kernel/nsproxy.c", checked="v7.2", abridged="of pids only, uncounted")
def copy_namespaces(flags: int, tsk: task_struct) -> int:
    """Say where *tsk* gets its number from: with CLONE_NEWPID, a table of its own.

    Context: May sleep.
    Return: 0; -EPERM without CAP_SYS_ADMIN, -EINVAL where children already go
        elsewhere, -ENOSPC below 32 others.
    """
    if not flags & CLONE_NEWPID:
        return 0
    if not ns_capable(tsk.__dict__["cred"].user_ns, CAP_SYS_ADMIN):
        return -EPERM
    if tsk.__dict__["pid_ns_for_children"] is not None:
        return -EINVAL
    above = task_active_pid_ns(current())
    assert above is not None  # it is alive
    if above.level + 1 > MAX_PID_NS_LEVEL:
        return -ENOSPC
    tsk.__dict__["pid_ns_for_children"] = pid_namespace(
        parent=above, level=above.level + 1, user_ns=tsk.__dict__["cred"].user_ns
    )
    return 0
