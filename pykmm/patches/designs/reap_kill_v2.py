# SPDX-License-Identifier: GPL-2.0-only
"""Design D: ``PROCESS_MRELEASE_REAP_KILL`` as posted second.

With the flag one question is asked: was the memory ever shared by ``CLONE_VM``
without ``CLONE_VFORK``? Nothing else is looked at: not whether the target dies, not
whether somebody shares the memory now.
"""

from __future__ import annotations

from typing import Final

from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...kernel.pid_pidfd import pidfd_get_task
from ...kernel.signal import kill_pid
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_MULTIPROCESS, MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.sched import task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.signal import task_tgid
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.uapi import SIGKILL
from ...mm import oom_kill
from ...mm.oom_kill import (
    __oom_reap_task_mm,
    find_lock_task_mm,
    task_will_free_mem,
)
from ..patch import Patch

#: The only bit that the flags may have.
PROCESS_MRELEASE_REAP_KILL: Final = 1

patch = Patch(
    "D",
    kind="design",
    summary="one call kills and reaps, unless MMF_MULTIPROCESS is set (v2, April 2026)",
    origin="the second posting of the series, 2026-04-29",
    scenario="reap-kill",
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
    ret, reap = _wanted(p, mm, kills=kills)
    if ret or not reap:
        task_unlock(p)
        put_task_struct(task)
        return ret
    mmgrab(mm)
    task_unlock(p)
    if kills:
        ret = kill_pid(task_tgid(task), SIGKILL, False)
    ret = ret or _reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


def _wanted(p: task_struct, mm: mm_struct, *, kills: bool) -> tuple[int, bool]:
    """Decide on an error, and whether to reap."""
    if kills:
        if mm_flags_test(MMF_MULTIPROCESS, mm):
            return -EINVAL, False
        return 0, True
    if task_will_free_mem(p):
        return 0, True
    return (0 if mm_flags_test(MMF_OOM_SKIP, mm) else -EINVAL), False


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    mmap_read_unlock(mm)
    return ret
