# SPDX-License-Identifier: GPL-2.0-only
"""What Linux 6.12 did otherwise with pidfds.

It asked once, and without a lock, whether somebody bears the number in the way that
was asked for; and nobody could name itself without a descriptor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...errno import EINVAL, ESRCH, Errno
from ...kernel import pid_pidfd, signal_pidfd
from ...kernel.pid import get_pid_task, put_pid
from ...kernel.pid_pidfd import _install, pidfd_get_pid
from ...kernel.signal_pidfd import _SCOPES, _send_to_fd
from ...linux.pid import PIDTYPE_PID, PIDTYPE_TGID, pid, pid_has_task
from ...linux.sched import task_struct
from ...linux.signal import kernel_siginfo
from ...linux.uapi import PIDFD_THREAD

__all__ = ["replaced"]


def pidfd_create(p: pid, flags: int) -> int:
    """Check that *p* can have a pidfd, and make one.

    Return: The descriptor; -EINVAL if nobody bears *p* as what *flags* ask for;
        -EMFILE.
    """
    kind = PIDTYPE_PID if flags & PIDFD_THREAD else PIDTYPE_TGID
    return _install(p, flags) if pid_has_task(p, kind) else -EINVAL


def pidfd_get_task(pidfd: int) -> task_struct | Errno:
    """Return the process that a pidfd names.

    Return: The thread-group leader with a reference, -EBADF or -ESRCH.
    """
    pinned = pidfd_get_pid(pidfd)
    if isinstance(pinned, Errno):
        return pinned
    task = get_pid_task(pinned[0], PIDTYPE_TGID)
    put_pid(pinned[0])
    return -ESRCH if task is None else task


def pidfd_send_signal(
    pidfd: int, sig: int, info: kernel_siginfo | int | None = None, flags: int = 0
) -> int:
    """System call: send *sig* to whom a descriptor names.

    Return: As the baseline's.
    """
    if flags and flags not in _SCOPES:
        return -EINVAL
    return _send_to_fd(pidfd, sig, info, flags)


def replaced() -> Iterator[tuple[Callable[..., object], Callable[..., object]]]:
    """Yield each function of the baseline with what 6.12 had instead."""
    yield pid_pidfd.pidfd_create, pidfd_create
    yield pid_pidfd.pidfd_get_task, pidfd_get_task
    yield signal_pidfd.pidfd_send_signal, pidfd_send_signal
