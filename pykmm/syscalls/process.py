# SPDX-License-Identifier: GPL-2.0-only
"""System calls about processes: how they begin and end, who they are, who waits.

A child is given its program in the call that makes it. Where a C program finds out
from the return value that it is the child, a function is handed in here, and the
call returns in the parent alone. A child without a program sleeps until a signal
comes, as a spawned process does.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errno import Errno
from ..fs import exec as _exec
from ..kernel import exit as _exit
from ..kernel import exit_wait as _wait
from ..kernel import ptrace as _ptrace
from ..kernel import sys_prctl as _prctl
from ..kernel.entry.common import NewProgram
from ..kernel.fork_clone import clone3 as _clone3
from ..kernel.fork_clone import kernel_clone
from ..kernel.futex import syscalls as _futex
from ..kernel.pid import pid_vnr
from ..linux.pid import PIDTYPE_TGID
from ..linux.sched import current
from ..linux.sched.task import kernel_clone_args
from ..linux.uaccess import UserWord
from ..linux.uapi import SIGCHLD
from ..linux.uapi_futex import FUTEX_BITSET_MATCH_ANY, FUTEX_WAIT
from ..linux.uapi_sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
)
from ._arguments import checked
from ._return import syscall

__all__ = [
    "clone",
    "clone3",
    "execve",
    "exit",
    "exit_group",
    "fork",
    "futex",
    "getpid",
    "gettid",
    "prctl",
    "pthread_create",
    "pthread_join",
    "ptrace",
    "set_robust_list",
    "vfork",
    "wait4",
    "waitid",
]

_Program = Callable[[], object] | None

#: What the threads of a C program share.
_PTHREAD = (
    CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID
)


_clone = syscall(kernel_clone)


@checked
def fork(program: _Program = None) -> int:
    """Make a child with a copy of the memory: its number, or a negative errno."""
    args = kernel_clone_args(exit_signal=SIGCHLD, program=program)
    return _clone(args)


@checked
def vfork(program: Callable[[], object]) -> int:
    """Make a child that uses the memory, and sleep until it execs or ends.

    Return: Its number, or a negative errno. Only a fatal signal ends the sleep.
    """
    args = kernel_clone_args(
        flags=CLONE_VFORK | CLONE_VM, exit_signal=SIGCHLD, program=program
    )
    return _clone(args)


@checked
def clone(
    flags: int,
    program: _Program = None,
    *,
    parent_tid: UserWord | None = None,
    child_tid: UserWord | None = None,
) -> int:
    """Make a task that shares what *flags* say: its number, or a negative errno.

    The lowest byte is the signal of its end. A descriptor for CLONE_PIDFD goes to
    *parent_tid*.
    """
    args = kernel_clone_args(
        flags=flags & 0xFFFFFFFF & ~CSIGNAL,
        exit_signal=flags & CSIGNAL,
        pidfd=parent_tid,
        parent_tid=parent_tid,
        child_tid=child_tid,
        program=program,
    )
    return _clone(args)


@checked
def clone3(
    program: _Program = None,
    *,
    flags: int = 0,
    pidfd: UserWord | None = None,
    child_tid: UserWord | None = None,
    parent_tid: UserWord | None = None,
    exit_signal: int = 0,
    stack: int = 0,
    stack_size: int = 0,
    set_tid: tuple[int, ...] = (),
    size: int = 88,
) -> int:
    """Make a task as the fields of ``struct clone_args`` say: as :func:`clone`.

    *size* is how many bytes of that structure the program knows.
    """
    args = kernel_clone_args(
        flags=flags,
        pidfd=pidfd,
        child_tid=child_tid,
        parent_tid=parent_tid,
        exit_signal=exit_signal,
        stack=stack,
        stack_size=stack_size,
        set_tid=set_tid,
        program=program,
    )
    return syscall(_clone3)(args, size)


@checked
def pthread_create(program: _Program = None, *, tid: UserWord | None = None) -> int:
    """Make a thread of this process, as the C library does; no system call itself.

    Its number goes to *tid*, which is 0 again when it has ended.
    """
    word = UserWord() if tid is None else tid
    return clone(_PTHREAD, program, parent_tid=word, child_tid=word)


@syscall
def futex(
    word: UserWord | None, op: int, val: int, bitset: int = FUTEX_BITSET_MATCH_ANY
) -> int:
    """Sleep while *word* is *val*, or wake *val* of those who do.

    Return: 0 for who was woken, or how many were; or a negative errno.
    """
    return _futex.do_futex(word, op, val, bitset)


@checked
def pthread_join(tid: UserWord) -> None:
    """Sleep until a thread has left, as the C library does; no system call itself.

    *tid* is what :func:`pthread_create` was given. A thread is gone then as far as
    this memory is concerned; the rest of its exit may be still to come.
    """
    while nr := tid.read():
        futex(tid, FUTEX_WAIT, nr)


@checked
def execve(program: _Program, name: str, *, setuid: int | None = None) -> int:
    """Run *program* in place of this one, under the name of a file: *name*.

    With *setuid* the file is that user's, and the program acts as that user.
    Return: Not to the program that calls, unless a signal came before; whoever
        execs is then the only thread of its process.
    """
    ret = _execve(name, setuid)
    if ret:
        return ret
    raise NewProgram(program)


_execve = syscall(_exec.do_execveat_common, name="execve")

exit_group = checked(_exit.exit_group)
exit = checked(_exit.exit_)


@syscall
def getpid() -> int:
    """Return the number of the calling process, in its own namespace."""
    return pid_vnr(current().signal.__dict__["pids"][PIDTYPE_TGID])


@syscall
def gettid() -> int:
    """Return the number of the calling thread, in its own namespace."""
    return pid_vnr(current().__dict__["thread_pid"])


prctl = syscall(_prctl.prctl)
set_robust_list = syscall(_futex.set_robust_list)
ptrace = syscall(_ptrace.ptrace)
waitid = syscall(_wait.kernel_waitid)


@syscall
def wait4(pid: int, options: int = 0) -> tuple[int, int] | Errno:
    """Wait for a child: its number and status, or a negative errno."""
    return _wait.kernel_wait4(pid, options)
