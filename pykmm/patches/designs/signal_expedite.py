# SPDX-License-Identifier: GPL-2.0-only
"""Design H2: ``pidfd_send_signal()`` with a flag that kills and reaps.

The signal goes to the target's group, as with no flag; then the caller unmaps the
target's memory, in the same call.
"""

from __future__ import annotations

from typing import Final

from ...errno import EAGAIN, EBADF, EINTR, EINVAL, ESRCH, Errno
from ...fs.file import _fd
from ...kernel import signal_pidfd
from ...kernel.pid import get_pid_task, get_task_pid, put_pid
from ...kernel.signal import group_send_sig_info
from ...kernel.signal_pidfd import (
    _SCOPES,
    _SELF,
    _send_to_fd,
    access_pidfd_pidns,
    do_pidfd_send_signal,
    pidfd_to_pid,
)
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.pid import PIDTYPE_TGID
from ...linux.sched import current, task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.signal import SEND_SIG_NOINFO, kernel_siginfo
from ...linux.uapi import SIGKILL
from ...mm.oom_kill import __oom_reap_task_mm, find_lock_task_mm
from ..patch import Patch

#: The flag that is new.
PIDFD_SIGNAL_EXPEDITE: Final = 1 << 3

patch = Patch(
    "H2",
    kind="design",
    summary="a signal call with a flag that kills and reaps",
    origin="the author's proposal of 2026-05-19; no draft was found",
    scenario="mrelease-vs-exit",
)


@patch.replaces(signal_pidfd.pidfd_send_signal)
def pidfd_send_signal(
    pidfd: int, sig: int, info: kernel_siginfo | int | None = None, flags: int = 0
) -> int:
    """Send *sig* to whom a descriptor names; expedited, reap it as well."""
    if flags == PIDFD_SIGNAL_EXPEDITE:
        return _kill_and_reap(pidfd) if sig == SIGKILL else -EINVAL
    if flags and flags not in _SCOPES:
        return -EINVAL
    if pidfd in _SELF:
        kind = _SELF[pidfd]
        own = get_task_pid(current(), kind)
        ret = do_pidfd_send_signal(own, sig, kind, info, flags)
        put_pid(own)
        return ret
    return _send_to_fd(pidfd, sig, info, flags)


def _kill_and_reap(pidfd: int) -> int:
    with _fd(pidfd) as opened:
        p = -EBADF if opened is None else pidfd_to_pid(opened)
        if isinstance(p, Errno):
            return p
        if not access_pidfd_pidns(p):
            return -EINVAL
        task = get_pid_task(p, PIDTYPE_TGID)
        if task is None:
            return -ESRCH
        ret = _expedite(task)
        put_task_struct(task)
        return ret


def _expedite(task: task_struct) -> int:
    t = find_lock_task_mm(task)
    if t is None:
        return group_send_sig_info(SIGKILL, SEND_SIG_NOINFO, task, PIDTYPE_TGID)
    mm = t.mm
    assert mm is not None  # that is what was found
    mmgrab(mm)
    task_unlock(t)
    ret = group_send_sig_info(SIGKILL, SEND_SIG_NOINFO, task, PIDTYPE_TGID) or _reap(mm)
    mmdrop(mm)
    return ret


def _reap(mm: mm_struct) -> int:
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        ret = -EAGAIN
    mmap_read_unlock(mm)
    return ret
