# SPDX-License-Identifier: GPL-2.0-only
"""Sending a signal to whom a descriptor names — part of ``kernel/signal.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EBADF, EFAULT, EINVAL, EPERM, Errno
from ..fs.file import _fd
from ..fs.pidfs import pidfd_pid
from ..fs.proc.base import tgid_pidfd_to_pid
from ..linux.fdtable import OpenFile, pidfd_file
from ..linux.pid import PIDTYPE_PGID, PIDTYPE_PID, PIDTYPE_TGID, ns_of_pid, pid
from ..linux.pid_namespace import pid_namespace
from ..linux.sched import current
from ..linux.signal import kernel_siginfo
from ..linux.uaccess import copy_from_user
from ..linux.uapi import (
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_SIGNAL_PROCESS_GROUP,
    PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    SI_TKILL,
)
from .pid import get_task_pid, put_pid, task_active_pid_ns
from .signal import kill_pgrp_info, kill_pid_info_type, prepare_kill_siginfo

__all__ = ["pidfd_send_signal"]

#: What each flag asks for; one at most may be set.
_SCOPES: Final = {
    PIDFD_SIGNAL_THREAD: PIDTYPE_PID,
    PIDFD_SIGNAL_THREAD_GROUP: PIDTYPE_TGID,
    PIDFD_SIGNAL_PROCESS_GROUP: PIDTYPE_PGID,
}
_SELF: Final = {
    PIDFD_SELF_THREAD: PIDTYPE_PID,
    PIDFD_SELF_THREAD_GROUP: PIDTYPE_TGID,
}
_SIZE_OF_SIGINFO: Final = 128


@mirrors("kernel/signal.c", checked="v7.2")
def access_pidfd_pidns(p: pid) -> bool:
    """Tell whether *p* lives in current's namespace, or in one below it."""
    active = task_active_pid_ns(current())
    ns: pid_namespace | None = ns_of_pid(p)
    while ns is not None and ns is not active:
        ns = ns.parent
    return ns is not None


@mirrors("kernel/signal.c", checked="v7.2")
def pidfd_to_pid(opened: OpenFile | None) -> pid | Errno:
    """Return whom a pidfd or a directory of a process names, without a reference."""
    p = pidfd_pid(opened)
    return tgid_pidfd_to_pid(opened) if isinstance(p, Errno) else p


@mirrors("kernel/signal.c", checked="v7.2", abridged="memory holds nothing but zeros")
def copy_siginfo_from_user_any(info: kernel_siginfo | int) -> kernel_siginfo | Errno:
    """Read what a program says of its signal, which may stand at an address.

    Context: May sleep.
    """
    if not isinstance(info, int):
        return info
    if copy_from_user(info, _SIZE_OF_SIGINFO):
        return -EFAULT
    return kernel_siginfo(0)


@mirrors("kernel/signal.c", checked="v7.2")
def do_pidfd_send_signal(
    p: pid, sig: int, kind: int, info: kernel_siginfo | int | None, flags: int
) -> int:
    """Send *sig* to *kind* of whom *p* names, if *flags* say nothing else.

    Who forges what is told of a signal may do so to itself alone, or has to say that
    it did.

    Context: May sleep; the caller keeps *p*.
    Return: 0; -EFAULT, -EINVAL, -EPERM, -ESRCH.
    """
    kind = _SCOPES.get(flags, kind)
    if info is None:
        kinfo = prepare_kill_siginfo(sig, kind)
    else:
        copied = copy_siginfo_from_user_any(info)
        if isinstance(copied, Errno):
            return copied
        kinfo = copied
        if sig != kinfo.si_signo:
            return -EINVAL
        # No step: nobody but current takes its number from it.
        own = current().__dict__["thread_pid"]
        to_others = own is not p or kind > PIDTYPE_TGID
        if to_others and (kinfo.si_code >= 0 or kinfo.si_code == SI_TKILL):
            return -EPERM
    if kind == PIDTYPE_PGID:
        return kill_pgrp_info(sig, kinfo, p)
    return kill_pid_info_type(sig, kinfo, p, kind)


@mirrors("kernel/signal.c", checked="v7.2")
def pidfd_send_signal(
    pidfd: int, sig: int, info: kernel_siginfo | int | None = None, flags: int = 0
) -> int:
    """System call: send *sig* to whom a descriptor names, and to nobody later.

    Without *flags* a descriptor of a thread reaches that alone.

    Return: 0; -EINVAL for *flags*, a foreign namespace, or a signal; -EBADF; -EFAULT;
        -EPERM; -ESRCH once the target was reaped, whatever the signal.
    """
    if flags and flags not in _SCOPES:
        return -EINVAL
    if pidfd in _SELF:
        kind = _SELF[pidfd]
        own = get_task_pid(current(), kind)
        ret = do_pidfd_send_signal(own, sig, kind, info, flags)
        put_pid(own)
        return ret
    return _send_to_fd(pidfd, sig, info, flags)


def _send_to_fd(
    pidfd: int, sig: int, info: kernel_siginfo | int | None, flags: int
) -> int:
    with _fd(pidfd) as opened:
        p = -EBADF if opened is None else pidfd_to_pid(opened)
        if isinstance(p, Errno):
            return p
        if not access_pidfd_pidns(p):
            return -EINVAL
        thread = isinstance(opened, pidfd_file) and opened.f_flags & PIDFD_THREAD
        kind = PIDTYPE_PID if thread else PIDTYPE_TGID
        return do_pidfd_send_signal(p, sig, kind, info, flags)
