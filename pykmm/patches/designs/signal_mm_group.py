# SPDX-License-Identifier: GPL-2.0-only
"""Design H1: a signal to all who share an address space, and a release as ever.

``pidfd_send_signal()`` gets one more scope; ``process_mrelease()`` stays as it is,
and so does the window between the two calls.
"""

from __future__ import annotations

from typing import Final

from ...errno import EBADF, EINVAL, ESRCH, Errno
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
from ...linux.mm_types import mm_struct
from ...linux.pid import PIDTYPE_TGID
from ...linux.rcupdate import rcu
from ...linux.sched import PF_KTHREAD, current, task_struct
from ...linux.sched.mm import mmdrop, mmgrab
from ...linux.sched.signal import for_each_process
from ...linux.sched.task import put_task_struct, task_unlock
from ...linux.signal import SEND_SIG_NOINFO, kernel_siginfo
from ...mm.oom_kill import find_lock_task_mm, process_shares_mm
from ..patch import Patch

#: The scope that is new.
PIDFD_SIGNAL_MM_GROUP: Final = 1 << 3

patch = Patch(
    "H1",
    kind="design",
    summary="a signal to all who share the memory, then process_mrelease() as ever",
    origin="a proposal of the pidfd maintainer, 2026-05-05",
    scenario="mrelease-vs-exit",
)


@patch.replaces(signal_pidfd.pidfd_send_signal)
def pidfd_send_signal(
    pidfd: int, sig: int, info: kernel_siginfo | int | None = None, flags: int = 0
) -> int:
    """Send *sig* to whom a descriptor names, or to all who share its memory."""
    if flags == PIDFD_SIGNAL_MM_GROUP:
        return _to_mm_group(pidfd, sig)
    if flags and flags not in _SCOPES:
        return -EINVAL
    if pidfd in _SELF:
        kind = _SELF[pidfd]
        own = get_task_pid(current(), kind)
        ret = do_pidfd_send_signal(own, sig, kind, info, flags)
        put_pid(own)
        return ret
    return _send_to_fd(pidfd, sig, info, flags)


def _to_mm_group(pidfd: int, sig: int) -> int:
    """Send *sig* to every process that shows the target's address space."""
    with _fd(pidfd) as opened:
        p = -EBADF if opened is None else pidfd_to_pid(opened)
        if isinstance(p, Errno):
            return p
        if not access_pidfd_pidns(p):
            return -EINVAL
        task = get_pid_task(p, PIDTYPE_TGID)
        if task is None:
            return -ESRCH
        ret = _send_to_sharers(task, sig)
        put_task_struct(task)
        return ret


def _send_to_sharers(task: task_struct, sig: int) -> int:
    t = find_lock_task_mm(task)
    if t is None:
        return group_send_sig_info(sig, SEND_SIG_NOINFO, task, PIDTYPE_TGID)
    mm = t.mm
    assert mm is not None  # that is what was found
    mmgrab(mm)
    task_unlock(t)
    ret = _each(mm, sig)
    mmdrop(mm)
    return ret


def _each(mm: mm_struct, sig: int) -> int:
    """Signal all who show *mm*: 0 if one could be, as for a process group."""
    ret: int = -ESRCH
    done = False
    with rcu():
        for p in for_each_process():
            if p.__dict__["flags"] & PF_KTHREAD or not process_shares_mm(p, mm):
                continue
            one = group_send_sig_info(sig, SEND_SIG_NOINFO, p, PIDTYPE_TGID)
            done = done or one == 0
            ret = one or ret
    return 0 if done else ret
