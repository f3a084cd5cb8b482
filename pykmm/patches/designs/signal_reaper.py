# SPDX-License-Identifier: GPL-2.0-only
"""Design H3: ``SS_EXPEDITE`` of 2019: a signal that hands its target to the reaper.

Whether the reaper takes it is not told: the call has done its work with the signal.
"""

from __future__ import annotations

from typing import Final

from ...errno import EINVAL, EPERM, Errno
from ...kernel import signal_pidfd
from ...kernel.capability import capable
from ...kernel.pid import get_task_pid, put_pid
from ...kernel.pid_pidfd import pidfd_get_task
from ...kernel.signal_pidfd import (
    _SCOPES,
    _SELF,
    _send_to_fd,
    do_pidfd_send_signal,
)
from ...linux.sched import current, task_struct
from ...linux.sched.mm import mmgrab
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.signal import kernel_siginfo
from ...linux.uapi import CAP_SYS_NICE, SIGKILL
from ...mm.oom_kill import (
    find_lock_task_mm,
    queue_oom_reaper,
    task_will_free_mem,
)
from ...mm.oom_kill_victim import _cmpxchg_oom_mm
from ..patch import Patch

#: The flag that is new.
SS_EXPEDITE: Final = 1 << 3

patch = Patch(
    "H3",
    kind="design",
    summary="a signal call with a flag that hands the target to the OOM reaper",
    origin="allow expedited process killing, RFC of 2019-04-10",
    scenario="mrelease-vs-exit",
)


@patch.replaces(signal_pidfd.pidfd_send_signal)
def pidfd_send_signal(
    pidfd: int, sig: int, info: kernel_siginfo | int | None = None, flags: int = 0
) -> int:
    """Send *sig* to whom a descriptor names; expedited, tell the reaper."""
    expedite = flags == SS_EXPEDITE
    if expedite:
        if sig != SIGKILL:
            return -EINVAL
        if not capable(CAP_SYS_NICE):
            return -EPERM
        flags = 0
    if flags and flags not in _SCOPES:
        return -EINVAL
    if pidfd in _SELF:
        kind = _SELF[pidfd]
        own = get_task_pid(current(), kind)
        ret = do_pidfd_send_signal(own, sig, kind, info, flags)
        put_pid(own)
        return ret
    ret = _send_to_fd(pidfd, sig, info, flags)
    if expedite and not ret:
        _tell_reaper(pidfd)
    return ret


def _tell_reaper(pidfd: int) -> None:
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return
    _add_to_oom_reaper(task)
    put_task_struct(task)


def _add_to_oom_reaper(task: task_struct) -> None:
    """Mark the group of *task* as the OOM killer does, and queue its memory."""
    t = find_lock_task_mm(task)
    if t is None:
        return
    mm = t.mm
    assert mm is not None  # that is what was found
    if task_will_free_mem(t):
        if _cmpxchg_oom_mm(t, mm):
            mmgrab(mm)
        queue_oom_reaper(t)
    task_unlock(t)
