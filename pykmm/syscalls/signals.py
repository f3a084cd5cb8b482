# SPDX-License-Identifier: GPL-2.0-only
"""System calls about signals and pidfds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from ..errno import Errno
from ..fs import select as _select
from ..kernel import pid_pidfd as _pidfd
from ..kernel import signal as _signal
from ..kernel import signal_action as _action
from ..kernel import signal_pidfd as _send
from ..linux import signal as _linux
from ..linux.uapi import POLLIN
from ._return import syscall

__all__ = [
    "kill",
    "pause",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "poll",
    "sigaction",
    "sigpending",
    "sigprocmask",
    "sigsuspend",
    "tgkill",
    "tkill",
]

kill = syscall(_signal.kill, ints=True)
tgkill = syscall(_signal.tgkill, ints=True)
tkill = syscall(_signal.tkill, ints=True)
pause = syscall(_action.pause)
sigpending = syscall(_action.sigpending)
pidfd_open = syscall(_pidfd.pidfd_open, ints=True)
pidfd_getfd = syscall(_pidfd.pidfd_getfd, ints=True)
pidfd_send_signal = syscall(_send.pidfd_send_signal)


@syscall
def poll(fd: int, events: int = POLLIN, *, wait: bool = True) -> int:
    """Wait for one of *events* of a descriptor, or only look: what there is of it.

    A pidfd is readable once its process is dead, and hangs up once that was reaped.
    Return: The events; POLLNVAL for no descriptor; -EINTR.
    """
    return _select.poll(fd, events, wait=wait)


@syscall
def sigaction(
    sig: int,
    handler: int | Callable[..., object],
    flags: int = 0,
    mask: Iterable[int] = (),
) -> int:
    """Set what happens on *sig*: ``SIG_DFL``, ``SIG_IGN``, or a handler is called.

    Return: 0, or -EINVAL.
    """
    act = _linux.sigaction(handler, flags, frozenset(mask))
    before = _action.do_sigaction(sig, act)
    return before if isinstance(before, Errno) else 0


@syscall
def sigprocmask(how: int, signals: Iterable[int]) -> Set[int] | Errno:
    """Change what the calling thread blocks; return what it blocked before."""
    return _action.sigprocmask(how, set(signals))


@syscall
def sigsuspend(signals: Iterable[int]) -> Errno:
    """Block *signals* instead, and sleep until a handler has run: -EINTR."""
    return _action.sigsuspend(set(signals))
