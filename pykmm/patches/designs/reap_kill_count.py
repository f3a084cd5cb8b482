# SPDX-License-Identifier: GPL-2.0-only
"""Design C: the reviewer's alternative to the first posting.

As design B, but the caller holds ``mm_count``: the victim's own teardown runs
beside the reap, from the other end of the address space.
"""

from __future__ import annotations

from typing import Final

from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...kernel.pid_pidfd import pidfd_get_task
from ...kernel.signal import kill_pid
from ...linux.atomic import atomic_read
from ...linux.compiler import READ_ONCE
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.rcupdate import rcu
from ...linux.sched import task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.signal import for_each_process, same_thread_group, task_tgid
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.uapi import SIGKILL
from ...mm import oom_kill
from ...mm.oom_kill import (
    __oom_reap_task_mm,
    __task_will_free_mem,
    find_lock_task_mm,
    process_shares_mm,
)
from ..patch import Patch

#: The only bit that the flags may have.
PROCESS_MRELEASE_REAP_KILL: Final = 1

patch = Patch(
    "C",
    kind="design",
    summary="one call kills and reaps; it holds mm_count only, both walks in parallel",
    origin="the review of v1: mm_count is enough, exit_mmap() should run in parallel",
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process; with the flag, kill it first."""
    if flags & ~PROCESS_MRELEASE_REAP_KILL:
        return -EINVAL
    kills = bool(flags & PROCESS_MRELEASE_REAP_KILL)
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
    if _will_free_mem(p, mm, ignore_exit=kills):
        mmgrab(mm)
        task_unlock(p)
        if kills:
            ret = kill_pid(task_tgid(task), SIGKILL, False)
        ret = ret or _reap(mm)
        mmdrop(mm)
    else:
        if kills or not mm_flags_test(MMF_OOM_SKIP, mm):
            ret = -EINVAL
        task_unlock(p)
    put_task_struct(task)
    return ret


def _will_free_mem(task: task_struct, mm: mm_struct, *, ignore_exit: bool) -> bool:
    """Be ``task_will_free_mem()`` with the boolean that the proposal adds."""
    if READ_ONCE(task.signal).core_state is not None:
        return False
    if not ignore_exit and not __task_will_free_mem(task):
        return False
    if mm_flags_test(MMF_OOM_SKIP, mm):
        return False
    if atomic_read(mm.mm_users) <= 1:
        return True
    with rcu():
        return all(
            __task_will_free_mem(p)
            for p in for_each_process()
            if process_shares_mm(p, mm) and not same_thread_group(task, p)
        )


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    mmap_read_unlock(mm)
    return ret
