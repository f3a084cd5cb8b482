# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()``, which reaps on demand — part of ``mm/oom_kill.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..errno import EAGAIN, EINTR, EINVAL, ENOSYS, ESRCH, Errno
from ..kernel.pid_pidfd import pidfd_get_task
from ..linux.mm import mm_flags_test
from ..linux.mm_types import MMF_OOM_SKIP, mm_struct
from ..linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ..linux.sched.mm import mmdrop, mmgrab
from ..linux.sched.task import put_task_struct, task_unlock
from .oom_kill_reaper import __oom_reap_task_mm
from .oom_kill_victim import find_lock_task_mm, task_will_free_mem

__all__ = ["process_mrelease"]


@mirrors("mm/oom_kill.c", checked="v7.2")
def process_mrelease(pidfd: int, flags: int) -> int:
    """System call: reap the address space of a process that is dying.

    Context: May sleep. The caller needs no permission beyond the descriptor.
    Return: 0, also if there was nothing left to do; -EINVAL for any flag, or for
        a process that is not dying; -EBADF for no pidfd; -ESRCH once no thread
        has the address space any more, which does not mean that it is free;
        -EINTR if the caller is killed while it waits; -EAGAIN if a notifier
        refused a part; -ENOSYS without an MMU.
    """
    if not current_machine().config.CONFIG_MMU:
        return -ENOSYS
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
    # Not dying is an error only if the work has not been done already.
    if not reap and not mm_flags_test(MMF_OOM_SKIP, mm):
        ret = -EINVAL
    task_unlock(p)
    if reap:
        ret = _mrelease_reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


def _mrelease_reap(mm: mm_struct) -> int:
    """Do the reaping half of :func:`process_mrelease`: lock, look again, reap.

    Context: May sleep. The caller holds a reference on the structure.
    Return: 0, -EINTR or -EAGAIN.
    """
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    # Again, under the lock: exit_mmap() may have come in between.
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    mmap_read_unlock(mm)
    return ret
