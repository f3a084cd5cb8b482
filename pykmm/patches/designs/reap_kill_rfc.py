# SPDX-License-Identifier: GPL-2.0-only
"""Design B0: ``PROCESS_MRELEASE_REAP_KILL`` as first asked about.

The caller sends SIGKILL with a code of its own, and whoever sends a signal with that
code marks the target's memory unstable, so that both who unmap it know why.

The body of the system call was not to be read in full. That it asks nothing before it
kills, and holds ``mm_count``, is how the cover letter reads.
"""

from __future__ import annotations

from typing import Final

from ...errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from ...kernel import signal_send
from ...kernel.pid_pidfd import pidfd_get_task
from ...kernel.signal import group_send_sig_info
from ...kernel.signal_queue import _flags, _legacy_queue
from ...kernel.signal_send import _delay, _describe, complete_signal, prepare_signal
from ...linux.compiler import READ_ONCE
from ...linux.mm import mm_flags_set, mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, MMF_UNSTABLE, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.pid import PIDTYPE_PID, PIDTYPE_TGID
from ...linux.sched import PF_KTHREAD, task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.signal import kernel_siginfo
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
#: The code of a kill that comes with a release. Below 0, as a process's own is.
SI_MRELEASE: Final = -60

patch = Patch(
    "B0",
    kind="design",
    summary="one call kills with a code of its own, which marks the memory (RFC)",
    origin="the RFC of 2026-04-13",
    scenario="reap-kill",
)


@patch.replaces(signal_send.__send_signal_locked)
def __send_signal_locked(
    sig: int, info: kernel_siginfo, t: task_struct, kind: int, force: bool
) -> int:
    """Add *sig* to the set it belongs to; mark the memory if the code says so.

    Context: siglock held; who sends this code keeps the address space's structure.
    """
    if not prepare_signal(sig, t, force):
        return 0
    if sig == SIGKILL and info.si_code == SI_MRELEASE:
        mm = READ_ONCE(t).mm
        if mm is not None:
            mm_flags_set(MMF_UNSTABLE, mm)
    private = kind == PIDTYPE_PID
    pending = t.__dict__["pending"] if private else t.signal.shared_pending
    if _legacy_queue(pending, sig):
        return 0
    known: tuple[kernel_siginfo, ...] = (_describe(sig, info, t),)
    if sig == SIGKILL or _flags(t) & PF_KTHREAD:
        known = ()
    if private:
        t._pending_list = t._pending_list + known
        t.pending = pending | {sig}
    else:
        t.signal._shared_list = t.signal._shared_list + known
        t.signal.shared_pending = pending | {sig}
    if kind > PIDTYPE_TGID:
        _delay(sig, t.signal)
    complete_signal(sig, t, kind)
    return 0


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
    mmgrab(mm)
    reap = kills or task_will_free_mem(p)
    ret = 0 if reap or mm_flags_test(MMF_OOM_SKIP, mm) else -EINVAL
    task_unlock(p)
    if kills:
        told = kernel_siginfo(SIGKILL, SI_MRELEASE)
        ret = group_send_sig_info(SIGKILL, told, task, PIDTYPE_TGID)
    if reap and not ret:
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
    mmap_read_unlock(mm)
    return ret
