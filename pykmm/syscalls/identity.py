# SPDX-License-Identifier: GPL-2.0-only
"""System calls about who a process is, and what it belongs to.

The users and groups are the calling thread's own: a C library has all threads of a
process make the call.
"""

from __future__ import annotations

from ..kernel import sys_cred as _cred
from ..kernel import sys_session as _session
from ..linux.sched import current
from ._return import syscall

__all__ = [
    "getegid",
    "geteuid",
    "getgid",
    "getpgid",
    "getpgrp",
    "getppid",
    "getsid",
    "getuid",
    "setegid",
    "seteuid",
    "setgid",
    "setpgid",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setsid",
    "setuid",
]

getppid = syscall(_session.getppid)
getpgid = syscall(_session.getpgid)
getsid = syscall(_session.getsid)
setpgid = syscall(_session.setpgid)
setsid = syscall(_session.ksys_setsid)
setuid = syscall(_cred.__sys_setuid)
setreuid = syscall(_cred.__sys_setreuid)
setresuid = syscall(_cred.__sys_setresuid)
setgid = syscall(_cred.__sys_setgid)
setregid = syscall(_cred.__sys_setregid)
setresgid = syscall(_cred.__sys_setresgid)


def seteuid(euid: int) -> int:
    """Act as a user for a while, as the C library has it: 0, or a negative errno."""
    return setresuid(-1, euid, -1)


def setegid(egid: int) -> int:
    """Act as a group for a while, as the C library has it: 0, or a negative errno."""
    return setresgid(-1, egid, -1)


def getpgrp() -> int:
    """Return the number of the own process group."""
    return getpgid(0)


@syscall
def getuid() -> int:
    """Return the user that started the program."""
    return current().cred.uid


@syscall
def geteuid() -> int:
    """Return the user as whom the thread acts."""
    return current().cred.euid


@syscall
def getgid() -> int:
    """Return the group that started the program."""
    return current().cred.gid


@syscall
def getegid() -> int:
    """Return the group as which the thread acts."""
    return current().cred.egid
