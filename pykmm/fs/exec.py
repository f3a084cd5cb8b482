# SPDX-License-Identifier: GPL-2.0-only
"""Running another program in the same process — ``fs/exec.c``.

Everything that can fail without harm is done first. Then the old program is lost
step by step, and a failure kills.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EAGAIN, ERESTARTNOINTR, Errno
from ..kernel.fork import mm_alloc, mmput
from ..kernel.pid import task_active_pid_ns, task_pid_nr_ns
from ..kernel.signal_force import force_fatal_sig
from ..kernel.ucount import is_rlimit_overlimit
from ..linux.binfmts import linux_binprm
from ..linux.compiler import READ_ONCE
from ..linux.mutex import mutex_lock_interruptible, mutex_unlock
from ..linux.ptrace import ptrace_event
from ..linux.rcupdate import rcu
from ..linux.resource import RLIMIT_NPROC
from ..linux.sched import PF_NPROC_EXCEEDED, current
from ..linux.sched.signal import fatal_signal_pending, rlimit
from ..linux.uapi import O_CREAT, PTRACE_EVENT_EXEC, SIGSEGV
from .binfmt_elf import TEXT_SIZE, load_elf_binary
from .exec_begin import exec_mm_put_old
from .file_table import fput
from .open import _open_plain

__all__ = ["do_execveat_common"]


@mirrors("fs/exec.c", checked="v7.2", abridged="every name is that of a program")
def alloc_bprm(filename: str, setuid: int | None) -> linux_binprm:
    """Open a program's file, and make an empty address space for it.

    Context: May sleep.
    """
    opened = _open_plain(filename, O_CREAT, TEXT_SIZE)
    assert not isinstance(opened, Errno)  # it was made if it was not there
    bprm = linux_binprm(filename, opened, setuid, mm=mm_alloc())
    current()._bprm = bprm
    return bprm


@mirrors("fs/exec.c", checked="v7.2")
def free_bprm(bprm: linux_binprm) -> None:
    """Give back what the exec still has: all of it where it failed early.

    Context: May sleep.
    """
    me = current()
    if bprm.mm is not None:
        mm, bprm.mm = bprm.mm, None
        mmput(mm)
    if bprm.cred is not None:
        mutex_unlock(me.signal.cred_guard_mutex)
        bprm.cred = None
    if bprm.old_mm is not None:
        old_mm, bprm.old_mm = bprm.old_mm, None
        exec_mm_put_old(old_mm)
    fput(bprm.file)
    me._bprm = None


@mirrors("fs/exec.c", checked="v7.2", abridged="programs are of one format")
def exec_binprm(bprm: linux_binprm) -> int:
    """Run the program, and tell a tracer who called: by the number it had then."""
    me = current()
    with rcu():
        tracer = READ_ONCE(me).parent
        seen_from = None if tracer is None else task_active_pid_ns(tracer)
        old_vpid = task_pid_nr_ns(me, seen_from)
    ret = load_elf_binary(bprm)
    if ret == 0:
        ptrace_event(PTRACE_EVENT_EXEC, old_vpid)
    return ret


@mirrors("fs/exec.c", checked="v7.2", abridged="only a tracer makes an exec unsafe")
def bprm_execve(bprm: linux_binprm) -> int:
    """Run the program; a failure past the point of no return kills.

    Context: Takes cred_guard_mutex. May sleep.
    Return: 0; -ERESTARTNOINTR for a signal before anything was done; an error that
        no program sees.
    """
    me = current()
    if mutex_lock_interruptible(me.signal.cred_guard_mutex):
        return -ERESTARTNOINTR
    bprm.cred = me.cred
    retval = exec_binprm(bprm)
    if retval and bprm.point_of_no_return and not fatal_signal_pending(me):
        force_fatal_sig(SIGSEGV)
    return retval


@mirrors("fs/exec.c", checked="v7.2", abridged="no arguments, environment and limits")
def do_execveat_common(filename: str, setuid: int | None) -> int:
    """Make current run the program *filename*, which may be another user's.

    Context: May sleep; no lock held.
    Return: 0: the old program must not go on; -ERESTARTNOINTR; -EAGAIN for who has
        become a user with too many processes; another error if current is to die.
    """
    me = current()
    if me.flags & PF_NPROC_EXCEEDED:
        if is_rlimit_overlimit(me.cred.uid, rlimit(RLIMIT_NPROC)):
            return -EAGAIN
        me.flags &= ~PF_NPROC_EXCEEDED
    bprm = alloc_bprm(filename, setuid)
    retval = bprm_execve(bprm)
    free_bprm(bprm)
    return retval
