# SPDX-License-Identifier: GPL-2.0-only
"""Design A': ``process_mrelease()`` of late 2021, which held ``mm_users``.

``exit_mmap()`` did not take ``mmap_lock`` then, so a user was what kept it away
from the caller's walk. The price was that the caller could be the last user, and
had to take the address space down itself. ``exit_mmap()`` is the baseline's here:
what is compared is the reference.
"""

from __future__ import annotations

from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...kernel.fork import mmput
from ...kernel.pid_pidfd import pidfd_get_task
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.sched import task_struct
from ...linux.sched.mm import mmget_not_zero
from ...linux.sched.task import put_task_struct, task_unlock
from ...mm import oom_kill
from ...mm.oom_kill import (
    __oom_reap_task_mm,
    find_lock_task_mm,
    task_will_free_mem,
)
from ..patch import Patch
from .walk_up import __oom_reap_task_mm as walk_up

patch = Patch(
    "A'",
    kind="design",
    summary="process_mrelease() holds mm_users, and walks up (late 2021)",
    origin="337546e83fc7 (in v5.15); undone by ba535c1caf3e (2022)",
    scenario="mrelease-vs-exit",
)

patch.replaces(oom_kill.__oom_reap_task_mm)(walk_up)


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process, as a user of its memory."""
    if flags:
        return -EINVAL
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    p = find_lock_task_mm(task)
    if p is None:
        put_task_struct(task)
        return -ESRCH
    mm = p.mm
    assert mm is not None  # that is what was found
    ret = 0
    if mmget_not_zero(mm):
        reap, ret = _wanted(p, mm)
        task_unlock(p)
        if reap:
            ret = _reap(mm)
        mmput(mm)
    else:
        task_unlock(p)
    put_task_struct(task)
    return ret


def _wanted(p: task_struct, mm: mm_struct) -> tuple[bool, int]:
    """Decide whether to reap, and what to answer if not."""
    if task_will_free_mem(p):
        return True, 0
    return False, 0 if mm_flags_test(MMF_OOM_SKIP, mm) else -EINVAL


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0 if __oom_reap_task_mm(mm) else -EAGAIN
    mmap_read_unlock(mm)
    return ret
