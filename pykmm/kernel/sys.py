# SPDX-License-Identifier: GPL-2.0-only
"""Limits of processes — ``kernel/sys.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINVAL, EPERM
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.resource import RLIM_NLIMITS, rlimit64
from ..linux.sched import current, task_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.uapi import CAP_SYS_RESOURCE
from .capability import capable

__all__ = ["do_prlimit", "setrlimit"]


@mirrors("kernel/sys.c", checked="v7.2", abridged="no LSM; CPU time is not limited")
def do_prlimit(
    tsk: task_struct, resource: int, new_rlim: rlimit64 | None
) -> rlimit64 | int:
    """Change limit number *resource* of *tsk*'s process, or just look.

    Context: Takes task_lock of the leader. *tsk* is kept.
    Return: The limit as it was; -EINVAL for no limit, or a soft one above the hard
        one; -EPERM if the hard one would rise.
    """
    if not 0 <= resource < RLIM_NLIMITS:
        return -EINVAL
    if new_rlim is not None and new_rlim.rlim_cur > new_rlim.rlim_max:
        return -EINVAL
    leader = tsk.group_leader
    task_lock(leader)
    limits = list(READ_ONCE(tsk.signal).rlim)
    old = limits[resource]
    denied = (
        new_rlim is not None
        and new_rlim.rlim_max > old.rlim_max
        and not capable(CAP_SYS_RESOURCE)
    )
    if new_rlim is not None and not denied:
        limits[resource] = new_rlim
        WRITE_ONCE(tsk.signal).rlim = tuple(limits)
    task_unlock(leader)
    return -EPERM if denied else old


def setrlimit(resource: int, soft: int, hard: int) -> int:
    """System call: change a limit of current's process.

    Return: 0, or as :func:`do_prlimit`.
    """
    old = do_prlimit(current(), resource, rlimit64(soft, hard))
    return old if isinstance(old, int) else 0
