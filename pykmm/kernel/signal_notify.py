# SPDX-License-Identifier: GPL-2.0-only
"""Telling a parent or a tracer of a child — part of ``kernel/signal.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.lockdep import lockdep_assert_held_write
from ..linux.pid import PIDTYPE_TGID
from ..linux.sched import task_struct, tasklist_lock
from ..linux.sched.signal import signal_struct
from ..linux.signal import kernel_siginfo
from ..linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from ..linux.uapi import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
)
from ..linux.wait import wake_up_interruptible
from .pid import task_active_pid_ns, task_pid_nr_ns, wake_pidfd
from .signal_queue import _ptrace
from .signal_send import __send_signal_locked, send_signal_locked

__all__ = ["do_notify_parent", "do_notify_parent_cldstop", "do_notify_pidfd"]


@mirrors("kernel/signal.c", checked="v7.2")
def do_notify_pidfd(task: task_struct) -> None:
    """Let who polls a pidfd of *task* know that it is dead.

    Context: tasklist_lock held.
    """
    thread_pid = task.thread_pid
    assert thread_pid is not None  # not released yet
    wake_pidfd(thread_pid)


def _wake_up_parent(parent: task_struct) -> None:
    """Let the threads of *parent* that wait for children look again."""
    wake_up_interruptible(parent.signal.wait_chldexit)


def _nr_for(tsk: task_struct, parent: task_struct) -> int:
    return task_pid_nr_ns(tsk, task_active_pid_ns(parent))


def _death(tsk: task_struct, sig: int, parent: task_struct) -> kernel_siginfo:
    """Say how *tsk* died, by the wait status that it has by now: no step."""
    status, nr = _exit_code(tsk), _nr_for(tsk, parent)
    if status & 0x7F:
        code = CLD_DUMPED if status & 0x80 else CLD_KILLED
        return kernel_siginfo(sig, code, nr, tsk.__dict__["cred"].uid, status & 0x7F)
    return kernel_siginfo(sig, CLD_EXITED, nr, tsk.__dict__["cred"].uid, status >> 8)


def _exit_code(tsk: task_struct) -> int:
    return int(tsk.__dict__["exit_code"])


@mirrors("kernel/signal.c", checked="v7.2", abridged="no exec changes the parent")
def do_notify_parent(tsk: task_struct, sig: int) -> bool:
    """Tell the parent that the last thread of its child is dead.

    Context: tasklist_lock held for writing; takes the parent's siglock.
    Return: True if the parent wants no zombies, so that the caller has to release.
    """
    lockdep_assert_held_write(tasklist_lock())
    parent = tsk.parent
    assert parent is not None
    do_notify_pidfd(tsk)
    psig = parent.sighand
    if psig is None:
        return False
    spin_lock_irqsave(psig.siglock)
    autoreap = False
    if not _ptrace(tsk) and sig == SIGCHLD:
        action = psig._sigaction(SIGCHLD)
        ignored = action.sa_handler == SIG_IGN
        autoreap = ignored or bool(action.sa_flags & SA_NOCLDWAIT)
        sig = 0 if ignored else sig
    if not _ptrace(tsk) and tsk.signal.autoreap:
        autoreap, sig = True, 0
    if sig:
        info = _death(tsk, sig, parent)
        __send_signal_locked(sig, info, parent, PIDTYPE_TGID, False)
    _wake_up_parent(parent)
    spin_unlock_irqrestore(psig.siglock)
    return autoreap


def _stop_info(tsk: task_struct, why: int, parent: task_struct) -> kernel_siginfo:
    signal: signal_struct = tsk.signal
    if why == CLD_CONTINUED:
        status = SIGCONT
    elif why == CLD_STOPPED:
        status = signal.__dict__["group_exit_code"] & 0x7F
    else:
        status = _exit_code(tsk) & 0x7F
    nr = _nr_for(tsk, parent)
    return kernel_siginfo(SIGCHLD, why, nr, tsk.__dict__["cred"].uid, status)


@mirrors("kernel/signal.c", checked="v7.2")
def do_notify_parent_cldstop(tsk: task_struct, for_ptracer: bool, why: int) -> None:
    """Tell that a process stopped or goes on, or a tracer that its tracee stopped.

    Context: tasklist_lock held for reading; takes the siglock of who is told.
    """
    if not for_ptracer:
        tsk = tsk.group_leader
    parent = tsk.parent if for_ptracer else tsk.real_parent
    assert parent is not None
    sighand = parent.sighand
    assert sighand is not None  # children are given away before that
    spin_lock_irqsave(sighand.siglock)
    action = sighand._sigaction(SIGCHLD)
    if action.sa_handler != SIG_IGN and not action.sa_flags & SA_NOCLDSTOP:
        info = _stop_info(tsk, why, parent)
        send_signal_locked(SIGCHLD, info, parent, PIDTYPE_TGID)
    _wake_up_parent(parent)
    spin_unlock_irqrestore(sighand.siglock)
