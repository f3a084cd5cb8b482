# SPDX-License-Identifier: GPL-2.0-only
"""Constants that programs see — ``include/uapi``."""

from __future__ import annotations

from typing import Final

from .uapi_sched import CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM

__all__ = [
    "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_OVERRIDE",
    "CAP_IPC_LOCK",
    "CAP_KILL",
    "CAP_LAST_CAP",
    "CAP_SYS_ADMIN",
    "CAP_SYS_NICE",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CLONE_SIGHAND",
    "CLONE_THREAD",
    "CLONE_VFORK",
    "CLONE_VM",
    "MAP_ANONYMOUS",
    "MAP_PRIVATE",
    "MAP_SHARED",
    "MPOL_BIND",
    "MPOL_DEFAULT",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
    "OOM_ADJUST_MAX",
    "OOM_ADJUST_MIN",
    "OOM_DISABLE",
    "OOM_SCORE_ADJ_MAX",
    "OOM_SCORE_ADJ_MIN",
    "O_EXCL",
    "O_NONBLOCK",
    "O_RDONLY",
    "O_RDWR",
    "O_WRONLY",
    "PIDFD_NONBLOCK",
    "PIDFD_SELF_THREAD",
    "PIDFD_SELF_THREAD_GROUP",
    "PIDFD_THREAD",
    "PROT_READ",
    "PROT_WRITE",
    "SIGABRT",
    "SIGBUS",
    "SIGCHLD",
    "SIGCONT",
    "SIGHUP",
    "SIGINT",
    "SIGKILL",
    "SIGNAMES",
    "SIGPIPE",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTOP",
    "SIGTERM",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGWINCH",
    "SIG_DFL",
    "SIG_IGN",
    "WNOHANG",
    "_NSIG",
]

SIGHUP: Final = 1
SIGINT: Final = 2
SIGQUIT: Final = 3
SIGABRT: Final = 6
SIGBUS: Final = 7
SIGKILL: Final = 9
SIGUSR1: Final = 10
SIGSEGV: Final = 11
SIGUSR2: Final = 12
SIGPIPE: Final = 13
SIGTERM: Final = 15
SIGCHLD: Final = 17
SIGCONT: Final = 18
SIGSTOP: Final = 19
SIGTSTP: Final = 20
SIGTTIN: Final = 21
SIGTTOU: Final = 22
SIGURG: Final = 23
SIGWINCH: Final = 28
_NSIG: Final = 64

SIGNAMES: Final = {
    value: name
    for name, value in list(globals().items())
    if name.startswith("SIG") and isinstance(value, int)
}

#: Dispositions, as ``sa_handler`` holds them.
SIG_DFL: Final = 0
SIG_IGN: Final = 1

WNOHANG: Final = 1

O_NONBLOCK: Final = 0o4000
O_EXCL: Final = 0o200
PIDFD_NONBLOCK: Final = O_NONBLOCK
PIDFD_THREAD: Final = O_EXCL
#: Stand for the caller's own thread and own thread group (since v6.15).
PIDFD_SELF_THREAD: Final = -10000
PIDFD_SELF_THREAD_GROUP: Final = -10001

PROT_READ: Final = 1
PROT_WRITE: Final = 2
MAP_SHARED: Final = 1
MAP_PRIVATE: Final = 2
MAP_ANONYMOUS: Final = 0x20

OOM_SCORE_ADJ_MIN: Final = -1000
OOM_SCORE_ADJ_MAX: Final = 1000
#: The scale of the old file, and the value that stands for "never" in it.
OOM_DISABLE: Final = -17
OOM_ADJUST_MIN: Final = -16
OOM_ADJUST_MAX: Final = 15

CAP_DAC_OVERRIDE: Final = 1
CAP_KILL: Final = 5
CAP_IPC_LOCK: Final = 14
CAP_SYS_RAWIO: Final = 17
CAP_SYS_PTRACE: Final = 19
CAP_SYS_ADMIN: Final = 21
CAP_SYS_NICE: Final = 23
CAP_SYS_RESOURCE: Final = 24
CAP_CHECKPOINT_RESTORE: Final = 40
CAP_LAST_CAP: Final = CAP_CHECKPOINT_RESTORE

MPOL_DEFAULT: Final = 0
MPOL_PREFERRED: Final = 1
MPOL_BIND: Final = 2
MPOL_INTERLEAVE: Final = 3
MPOL_LOCAL: Final = 4
MPOL_PREFERRED_MANY: Final = 5
MPOL_WEIGHTED_INTERLEAVE: Final = 6

O_RDONLY: Final = 0
O_WRONLY: Final = 1
O_RDWR: Final = 2
