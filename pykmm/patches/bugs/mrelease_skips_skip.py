# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()`` that does not look at ``MMF_OOM_SKIP`` under the lock.

Between the decision to reap and the lock, ``exit_mmap()`` can run to its end.
Whoever gets the lock then walks an address space that has been taken down; that
the tree was emptied is all that saves it (fixed in Linux by f798a1d4f94d).
"""

from __future__ import annotations

from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...errors import InvariantViolation
from ...kernel.pid_pidfd import pidfd_get_task
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.task import put_task_struct, task_unlock
from ...mm import oom_kill
from ...mm.oom_kill import __oom_reap_task_mm, find_lock_task_mm, task_will_free_mem
from ..patch import Patch

patch = Patch(
    "mrelease-skips-skip",
    kind="bug",
    summary="process_mrelease() reaps without testing MMF_OOM_SKIP under mmap_lock",
    origin='what f798a1d4f94d ("mm: fix use-after-free bug when mm->mmap is reused '
    "after being freed\") mended, in today's structure",
    reports=(InvariantViolation,),
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process, without looking again once the lock is held."""
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
    ret = 0 if __oom_reap_task_mm(mm) else -EAGAIN
    mmap_read_unlock(mm)
    return ret
