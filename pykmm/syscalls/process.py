# SPDX-License-Identifier: GPL-2.0-only
"""System calls about processes: who they are, how they end, who waits."""

from __future__ import annotations

from ..errno import Errno
from ..kernel import exit as _exit
from ..kernel import exit_wait as _wait
from ..linux.sched import current
from ._return import syscall

__all__ = ["exit", "exit_group", "getpid", "wait4"]

exit_group = _exit.exit_group
exit = _exit.exit_


@syscall
def getpid() -> int:
    """Return the number of the calling process."""
    return current().tgid


@syscall
def wait4(pid: int, options: int = 0) -> tuple[int, int] | Errno:
    """Wait for a child: its number and status, or a negative errno."""
    return _wait.kernel_wait4(pid, options)
