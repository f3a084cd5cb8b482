# SPDX-License-Identifier: GPL-2.0-only
"""The system calls, as a program makes them.

Each is the kernel's own function with the return to user mode behind it, where
the caller takes its signals: a call made by a process that has been killed does
not return. Results are numbers as in Linux, a negative errno for a failure.
"""

from .files import close, open, read, write
from .memory import (
    brk,
    mlock,
    mlock2,
    mlockall,
    mmap,
    mprotect,
    mseal,
    munlock,
    munlockall,
    munmap,
    process_mrelease,
    touch,
)
from .process import (
    clone,
    clone3,
    exit,
    exit_group,
    fork,
    getpid,
    gettid,
    pthread_create,
    ptrace,
    vfork,
    wait4,
    waitid,
)
from .signals import (
    kill,
    pause,
    pidfd_open,
    sigaction,
    sigpending,
    sigprocmask,
    sigsuspend,
    tgkill,
    tkill,
)

__all__ = [
    "brk",
    "clone",
    "clone3",
    "close",
    "exit",
    "exit_group",
    "fork",
    "getpid",
    "gettid",
    "kill",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mprotect",
    "mseal",
    "munlock",
    "munlockall",
    "munmap",
    "open",
    "pause",
    "pidfd_open",
    "process_mrelease",
    "pthread_create",
    "ptrace",
    "read",
    "sigaction",
    "sigpending",
    "sigprocmask",
    "sigsuspend",
    "tgkill",
    "tkill",
    "touch",
    "vfork",
    "wait4",
    "waitid",
    "write",
]
