# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()`` that returns with ``mmap_lock`` still held.

The victim's ``exit_mmap()`` then waits for the lock for ever.
"""

from __future__ import annotations

from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...errors import Deadlock, UseAfterFree
from ...kernel.pid_pidfd import pidfd_get_task
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.task import put_task_struct, task_unlock
from ...mm import oom_kill
from ...mm.oom_kill import __oom_reap_task_mm, find_lock_task_mm, task_will_free_mem
from ..patch import Patch

patch = Patch(
    "mrelease-keeps-lock",
    kind="bug",
    summary="process_mrelease() does not give mmap_lock back",
    origin="seeded: the mmap_read_unlock() after the reap is lost",
    reports=(Deadlock, UseAfterFree),
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process, and forget the lock."""
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
    mmgrab(mm)
    ret = 0
    reap = task_will_free_mem(p)
    if not reap and not mm_flags_test(MMF_OOM_SKIP, mm):
        ret = -EINVAL
    task_unlock(p)
    if reap:
        ret = _reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    return ret
