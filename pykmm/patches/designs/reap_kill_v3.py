# SPDX-License-Identifier: GPL-2.0-only
"""Design E: ``PROCESS_MRELEASE_REAP_KILL`` that kills every sharer.

With the flag nothing is asked beforehand: every process that shows the address
space gets SIGKILL, as from the OOM killer, but with the caller's permissions. If
one of them cannot be killed the call fails, and those signalled stay killed.
"""

from __future__ import annotations

from typing import Final

from ...errno import EAGAIN, EBUSY, EINTR, EINVAL, ESRCH, Errno
from ...kernel.pid_pidfd import pidfd_get_task
from ...kernel.signal_pidfd import access_pidfd_pidns, do_pidfd_send_signal
from ...linux.compiler import READ_ONCE
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.pid import PIDTYPE_TGID, is_global_init, pid
from ...linux.rcupdate import rcu
from ...linux.sched import PF_KTHREAD, task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.signal import for_each_process
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.uapi import SIGKILL
from ...mm import oom_kill
from ...mm.oom_kill import (
    __oom_reap_task_mm,
    find_lock_task_mm,
    process_shares_mm,
    task_will_free_mem,
)
from ..patch import Patch

#: The only bit that the flags may have.
PROCESS_MRELEASE_REAP_KILL: Final = 1

patch = Patch(
    "E",
    kind="design",
    summary="one call kills everybody who shares the memory, and reaps (v3, May 2026)",
    origin="the third posting of the series, 2026-05-11",
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process; with the flag, kill all its sharers first."""
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
    mmgrab(mm)
    ret = 0
    reap = kills or task_will_free_mem(p)
    if not reap and not mm_flags_test(MMF_OOM_SKIP, mm):
        ret = -EINVAL
    task_unlock(p)
    if kills and not _kill_sharers(mm):
        ret = -EBUSY
    elif reap:
        ret = _reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


def _kill_sharers(mm: mm_struct) -> bool:
    """SIGKILL every process that shows *mm*; False if one could not be."""
    killed_all = True
    with rcu():
        for p in for_each_process():
            if not process_shares_mm(p, mm):
                continue
            if is_global_init(p):
                killed_all = False
            elif not p.__dict__["flags"] & PF_KTHREAD:
                killed_all = _kill(p) and killed_all
    return killed_all


def _kill(p: task_struct) -> bool:
    """SIGKILL *p* as a call with a pidfd would: only what current can name.

    Context: RCU read section.
    """
    number: pid | None = READ_ONCE(p).thread_pid
    if number is None or not access_pidfd_pidns(number):
        return False
    return do_pidfd_send_signal(number, SIGKILL, PIDTYPE_TGID, None, 0) == 0


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    mmap_read_unlock(mm)
    return ret
