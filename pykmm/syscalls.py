# SPDX-License-Identifier: GPL-2.0-only
"""The system calls, as a program makes them.

Each is the kernel's own function with the return to user mode behind it, where
the caller takes its signals: a call made by a process that has been killed does
not return. Results are numbers as in Linux, a negative errno for a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from .errno import Errno
from .kernel import exit as _exit
from .kernel import exit_wait as _wait
from .kernel import pid as _pid
from .kernel import signal as _signal
from .kernel.entry.common import exit_to_user_mode_loop, pause
from .linux.sched import current
from .mm import oom_kill as _oom_kill

__all__ = [
    "exit",
    "exit_group",
    "getpid",
    "kill",
    "pause",
    "pidfd_open",
    "process_mrelease",
    "wait4",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _syscall(function: Callable[_P, _R]) -> Callable[_P, _R]:
    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        result = function(*args, **kwargs)
        exit_to_user_mode_loop()
        return result

    return call


kill = _syscall(_signal.kill)
pidfd_open = _syscall(_pid.pidfd_open)
process_mrelease = _syscall(_oom_kill.process_mrelease)
exit_group = _exit.exit_group
exit = _exit.exit_


@_syscall
def getpid() -> int:
    """Return the number of the calling process."""
    return current().tgid


@_syscall
def wait4(pid: int, options: int = 0) -> tuple[int, int] | Errno:
    """Wait for a child: its number and status, or a negative errno."""
    return _wait.kernel_wait4(pid, options)
