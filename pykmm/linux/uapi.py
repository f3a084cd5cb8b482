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
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_NICE",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CLD_CONTINUED",
    "CLD_DUMPED",
    "CLD_EXITED",
    "CLD_KILLED",
    "CLD_STOPPED",
    "CLD_TRAPPED",
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
    "O_CLOEXEC",
    "O_CREAT",
    "O_EXCL",
    "O_NONBLOCK",
    "O_RDONLY",
    "O_RDWR",
    "O_WRONLY",
    "PIDFD_NONBLOCK",
    "PIDFD_SELF_THREAD",
    "PIDFD_SELF_THREAD_GROUP",
    "PIDFD_SIGNAL_PROCESS_GROUP",
    "PIDFD_SIGNAL_THREAD",
    "PIDFD_SIGNAL_THREAD_GROUP",
    "PIDFD_THREAD",
    "POLLHUP",
    "POLLIN",
    "POLLNVAL",
    "POLLOUT",
    "POLLRDNORM",
    "POLLWRNORM",
    "PROT_READ",
    "PROT_WRITE",
    "PR_GET_CHILD_SUBREAPER",
    "PR_GET_DUMPABLE",
    "PR_GET_MDWE",
    "PR_GET_PDEATHSIG",
    "PR_MDWE_NO_INHERIT",
    "PR_MDWE_REFUSE_EXEC_GAIN",
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_DUMPABLE",
    "PR_SET_MDWE",
    "PR_SET_PDEATHSIG",
    "PTRACE_ATTACH",
    "PTRACE_CONT",
    "PTRACE_DETACH",
    "PTRACE_EVENT_EXEC",
    "PTRACE_EVENT_EXIT",
    "PTRACE_GETEVENTMSG",
    "PTRACE_KILL",
    "PTRACE_O_EXITKILL",
    "PTRACE_O_TRACEEXEC",
    "PTRACE_O_TRACEEXIT",
    "PTRACE_SETOPTIONS",
    "PTRACE_TRACEME",
    "P_ALL",
    "P_PGID",
    "P_PID",
    "P_PIDFD",
    "SA_NOCLDSTOP",
    "SA_NOCLDWAIT",
    "SA_NODEFER",
    "SA_ONESHOT",
    "SA_RESTART",
    "SA_SIGINFO",
    "SIGABRT",
    "SIGBUS",
    "SIGCHLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGKILL",
    "SIGNAMES",
    "SIGPIPE",
    "SIGQUIT",
    "SIGRTMIN",
    "SIGSEGV",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
    "SIG_BLOCK",
    "SIG_DFL",
    "SIG_IGN",
    "SIG_SETMASK",
    "SIG_UNBLOCK",
    "SI_KERNEL",
    "SI_TKILL",
    "SI_USER",
    "WCONTINUED",
    "WEXITED",
    "WNOHANG",
    "WNOWAIT",
    "WSTOPPED",
    "WUNTRACED",
    "_NSIG",
    "__WALL",
    "__WCLONE",
    "__WNOTHREAD",
]

SIGHUP: Final = 1
SIGINT: Final = 2
SIGQUIT: Final = 3
SIGILL: Final = 4
SIGTRAP: Final = 5
SIGABRT: Final = 6
SIGBUS: Final = 7
SIGFPE: Final = 8
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
SIGXCPU: Final = 24
SIGXFSZ: Final = 25
SIGWINCH: Final = 28
SIGSYS: Final = 31
#: The first signal that is queued as often as it is sent.
SIGRTMIN: Final = 32
_NSIG: Final = 64

SIGNAMES: Final = {
    value: name
    for name, value in list(globals().items())
    if name.startswith("SIG") and isinstance(value, int)
}

#: Dispositions, as ``sa_handler`` holds them.
SIG_DFL: Final = 0
SIG_IGN: Final = 1

#: Flags of an action.
SA_NOCLDSTOP: Final = 0x1
SA_NOCLDWAIT: Final = 0x2
SA_SIGINFO: Final = 0x4
SA_RESTART: Final = 0x10000000
SA_NODEFER: Final = 0x40000000
SA_ONESHOT: Final = 0x80000000

#: What to do with a set of signals.
SIG_BLOCK: Final = 0
SIG_UNBLOCK: Final = 1
SIG_SETMASK: Final = 2

#: ``si_code``: where a signal came from, and what happened to a child.
SI_USER: Final = 0
SI_KERNEL: Final = 0x80
SI_TKILL: Final = -6
CLD_EXITED: Final = 1
CLD_KILLED: Final = 2
CLD_DUMPED: Final = 3
CLD_TRAPPED: Final = 4
CLD_STOPPED: Final = 5
CLD_CONTINUED: Final = 6

WNOHANG: Final = 0x1
WUNTRACED: Final = 0x2
WSTOPPED: Final = WUNTRACED
WEXITED: Final = 0x4
WCONTINUED: Final = 0x8
WNOWAIT: Final = 0x1000000
__WNOTHREAD: Final = 0x20000000
__WALL: Final = 0x40000000
__WCLONE: Final = 0x80000000

#: Options of ``prctl()``.
PR_SET_PDEATHSIG: Final = 1
PR_GET_PDEATHSIG: Final = 2
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_SET_CHILD_SUBREAPER: Final = 36
PR_GET_CHILD_SUBREAPER: Final = 37
PR_SET_MDWE: Final = 65
PR_MDWE_REFUSE_EXEC_GAIN: Final = 1
PR_MDWE_NO_INHERIT: Final = 2
PR_GET_MDWE: Final = 66

#: Requests, options and events of ``ptrace()``.
PTRACE_TRACEME: Final = 0
PTRACE_CONT: Final = 7
PTRACE_KILL: Final = 8
PTRACE_ATTACH: Final = 16
PTRACE_DETACH: Final = 17
PTRACE_SETOPTIONS: Final = 0x4200
PTRACE_GETEVENTMSG: Final = 0x4201
PTRACE_EVENT_EXEC: Final = 4
PTRACE_EVENT_EXIT: Final = 6
PTRACE_O_TRACEEXEC: Final = 1 << PTRACE_EVENT_EXEC
PTRACE_O_TRACEEXIT: Final = 1 << PTRACE_EVENT_EXIT
PTRACE_O_EXITKILL: Final = 1 << 20

#: Whom ``waitid()`` waits for.
P_ALL: Final = 0
P_PID: Final = 1
P_PGID: Final = 2
P_PIDFD: Final = 3

O_NONBLOCK: Final = 0o4000
O_CREAT: Final = 0o100
O_EXCL: Final = 0o200
O_CLOEXEC: Final = 0o2000000
PIDFD_NONBLOCK: Final = O_NONBLOCK
PIDFD_THREAD: Final = O_EXCL
#: Stand for the caller's own thread and own thread group (since v6.15).
PIDFD_SELF_THREAD: Final = -10000
PIDFD_SELF_THREAD_GROUP: Final = -10001
#: Whom ``pidfd_send_signal()`` reaches, whatever the descriptor is of.
PIDFD_SIGNAL_THREAD: Final = 1
PIDFD_SIGNAL_THREAD_GROUP: Final = 2
PIDFD_SIGNAL_PROCESS_GROUP: Final = 4

#: What ``poll()`` finds.
POLLIN: Final = 0x1
POLLOUT: Final = 0x4
POLLHUP: Final = 0x10
POLLNVAL: Final = 0x20
POLLRDNORM: Final = 0x40
POLLWRNORM: Final = 0x100

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
CAP_SETGID: Final = 6
CAP_SETUID: Final = 7
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
