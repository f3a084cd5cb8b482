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
from .fs import open as _open
from .fs import read_write as _read_write
from .kernel import exit as _exit
from .kernel import exit_wait as _wait
from .kernel import pid as _pid
from .kernel import signal as _signal
from .kernel.entry.common import exit_to_user_mode_loop, pause
from .kernel.entry.fault import touch
from .linux.sched import current
from .linux.uapi import O_RDONLY
from .mm import mmap_do as _mmap_do
from .mm import oom_kill as _oom_kill
from .mm import vma_munmap as _vma_munmap

__all__ = [
    "close",
    "exit",
    "exit_group",
    "getpid",
    "kill",
    "mmap",
    "munmap",
    "open",
    "pause",
    "pidfd_open",
    "process_mrelease",
    "read",
    "touch",
    "wait4",
    "write",
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


close = _syscall(_open.close)


@_syscall
def open(path: str, flags: int = O_RDONLY) -> int | Errno:
    """Open a file below ``/proc``: its descriptor, or a negative errno.

    There are ``oom_score``, ``oom_score_adj`` and ``oom_adj`` of each process and
    thread (``self`` and ``thread-self`` too), ``sys/vm/panic_on_oom`` and the other
    settings, ``vmstat`` and ``sysrq-trigger``.
    """
    return _open.do_sys_open(path, flags)


@_syscall
def read(fd: int, count: int = 4096) -> bytes | Errno:
    """Read up to *count* bytes from where the file stands; none at its end."""
    return _read_write.ksys_read(fd, count)


@_syscall
def write(fd: int, text: bytes | str | None) -> int | Errno:
    """Write *text*; None is a bad pointer. Return how many bytes were taken."""
    data = text.encode() if isinstance(text, str) else text
    return _read_write.ksys_write(fd, data)


@_syscall
def mmap(length: int) -> int:
    """Map *length* bytes of private memory: the address, or a negative errno.

    No page is there until it is touched (:func:`touch`).
    """
    return _mmap_do.vm_mmap(length)


@_syscall
def munmap(addr: int, length: int) -> int:
    """Unmap whole mappings: 0, or a negative errno."""
    return _vma_munmap.__vm_munmap(addr, length)
