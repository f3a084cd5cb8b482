# SPDX-License-Identifier: GPL-2.0-only
"""Taking signals on the way to user mode, or leaving them to others.

Part of ``kernel/signal.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from attrs import frozen

from ..engine.annotate import extern, mirrors
from ..linux.freezer import try_to_freeze
from ..linux.ptrace import ptrace_reparented
from ..linux.rculist import list_entries
from ..linux.sched import (
    PF_EXITING,
    PF_SIGNALED,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.jobctl import (
    JOBCTL_PENDING_MASK,
    JOBCTL_STOP_PENDING,
    JOBCTL_TRAP_MASK,
)
from ..linux.sched.signal import (
    SIGNAL_CLD_CONTINUED,
    SIGNAL_CLD_MASK,
    SIGNAL_GROUP_EXIT,
    SIGNAL_UNKILLABLE,
    for_each_thread,
    sighand_struct,
    signal_pending,
    signal_wake_up,
    thread_group_empty,
)
from ..linux.signal import kernel_siginfo, sigaction
from ..linux.spinlock import read_lock, read_unlock, spin_lock_irq, spin_unlock_irq
from ..linux.uapi import (
    CLD_CONTINUED,
    CLD_STOPPED,
    SA_ONESHOT,
    SIG_DFL,
    SIG_IGN,
    SIGKILL,
    SIGSTOP,
)
from .signal_notify import do_notify_parent_cldstop
from .signal_queue import (
    _ptrace,
    dequeue_signal,
    recalc_sigpending,
    sig_kernel_coredump,
    sig_kernel_ignore,
    sig_kernel_only,
    sig_kernel_stop,
    task_clear_jobctl_pending,
    task_participate_group_stop,
)
from .signal_stop import do_jobctl_trap, do_signal_stop, ptrace_signal

__all__ = ["exit_signals", "get_signal", "ksignal", "zap_other_threads"]

_do_group_exit: Callable[[int], None] = extern("pykmm.kernel.exit", "do_group_exit")
_is_current_pgrp_orphaned: Callable[[], bool] = extern(
    "pykmm.kernel.exit_notify", "is_current_pgrp_orphaned"
)
_vfs_coredump: Callable[[kernel_siginfo], None] = extern(
    "pykmm.fs.coredump", "vfs_coredump"
)


@mirrors("kernel/signal.c", checked="v7.2")
def zap_other_threads(p: task_struct) -> int:
    """SIGKILL every other thread of *p*'s group that has not exited.

    Context: siglock held.
    Return: How many other threads there are.
    """
    p.signal.group_stop_count = 0
    task_clear_jobctl_pending(p, JOBCTL_PENDING_MASK)
    others = [t for t in list_entries(p.signal.thread_head) if t is not p]
    for t in others:
        task_clear_jobctl_pending(t, JOBCTL_PENDING_MASK)
        if not t.__dict__["exit_state"]:
            t.pending = t.__dict__["pending"] | {SIGKILL}
            signal_wake_up(t, True)
    return len(others)


# -- taking ----------------------------------------------------------------------------


@frozen
class ksignal:
    """A signal for which the program has a handler."""

    info: kernel_siginfo
    ka: sigaction


@mirrors(
    "kernel/signal.c",
    checked="v7.2",
    abridged="no deferred work, no cgroup freezer, no io_uring workers",
)
def get_signal() -> ksignal | None:
    """Take what is pending for current, on the way back to user mode.

    Context: No lock held; may sleep. Does not return if the task is to die.
    Return: A signal that the program handles, or None.
    """
    task = current()
    if not signal_pending(task):
        return None
    try_to_freeze()
    sighand = task.sighand
    assert sighand is not None  # a living task has one
    while True:
        spin_lock_irq(sighand.siglock)
        if task.signal.flags & SIGNAL_CLD_MASK:
            _tell_of_going_on(task, sighand)
            continue
        taken = _take(task, sighand)
        if isinstance(taken, ksignal | None):
            spin_unlock_irq(sighand.siglock)
            return taken
        if taken is _AGAIN:
            continue
        spin_unlock_irq(sighand.siglock)
        _die_of(task, taken)


#: The lock was given back meanwhile: look at everything again.
_AGAIN = kernel_siginfo(0)


def _tell_of_going_on(task: task_struct, sighand: sighand_struct) -> None:
    """Tell what a SIGCONT has left to the first thread that comes by."""
    signal = task.signal
    why = CLD_CONTINUED if signal.flags & SIGNAL_CLD_CONTINUED else CLD_STOPPED
    signal.flags &= ~SIGNAL_CLD_MASK
    spin_unlock_irq(sighand.siglock)
    read_lock(tasklist_lock())
    do_notify_parent_cldstop(task, False, why)
    if ptrace_reparented(task.group_leader):
        do_notify_parent_cldstop(task.group_leader, True, why)
    read_unlock(tasklist_lock())


def _take(
    task: task_struct, sighand: sighand_struct
) -> ksignal | kernel_siginfo | None:
    """Take signals until one has to be acted upon.

    Context: siglock held; given back if the answer is ``_AGAIN``.
    Return: One with a handler, one to die of, ``_AGAIN``, or None.
    """
    while True:
        signal = task.signal
        if signal.flags & SIGNAL_GROUP_EXIT or signal.group_exec_task is not None:
            task.pending = task.pending - {SIGKILL}
            recalc_sigpending()
            return kernel_siginfo(SIGKILL)
        if task.jobctl & JOBCTL_STOP_PENDING and do_signal_stop(0):
            return _AGAIN
        if task.jobctl & JOBCTL_TRAP_MASK:
            do_jobctl_trap()
            spin_unlock_irq(sighand.siglock)
            return _AGAIN
        info = dequeue_signal()
        if info is not None and _ptrace(task) and info.si_signo != SIGKILL:
            info = ptrace_signal(info)
            if info is None:
                continue
        if info is None:
            return None
        found = _act_on(task, sighand, info)
        if found is not None:
            return found


def _act_on(
    task: task_struct, sighand: sighand_struct, info: kernel_siginfo
) -> ksignal | kernel_siginfo | None:
    """Do what is set for a signal; None if that was nothing."""
    sig = info.si_signo
    action = sighand._sigaction(sig)
    if action.sa_handler == SIG_IGN:
        return None
    if action.sa_handler != SIG_DFL:
        if action.sa_flags & SA_ONESHOT:
            sighand.action = {**sighand.action, sig: SIG_DFL}
        return ksignal(info, action)
    if sig_kernel_ignore(sig):
        return None
    if task.signal.flags & SIGNAL_UNKILLABLE and not sig_kernel_only(sig):
        return None
    if not sig_kernel_stop(sig):
        return info
    if sig != SIGSTOP:
        # Whose job it is has to be asked under another lock, so SIGCONT may come.
        spin_unlock_irq(sighand.siglock)
        if _is_current_pgrp_orphaned():
            return _AGAIN
        spin_lock_irq(sighand.siglock)
    return _AGAIN if do_signal_stop(sig) else None


def _die_of(task: task_struct, info: kernel_siginfo) -> None:
    task.flags |= PF_SIGNALED
    if sig_kernel_coredump(info.si_signo):
        _vfs_coredump(info)
    _do_group_exit(info.si_signo)


# -- leaving it to others --------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2")
def exit_signals(tsk: task_struct) -> None:
    """Mark current as exiting, and hand its share of group signals to others.

    Context: Takes siglock, and tasklist_lock if it was the last to stop.
    """
    sighand = tsk.sighand
    assert sighand is not None  # not released yet
    stopped = False
    spin_lock_irq(sighand.siglock)
    tsk.flags |= PF_EXITING
    tsk._pending_list = ()
    if tsk.pending:
        tsk.pending = frozenset()
    if signal_pending(tsk) and not thread_group_empty(tsk):
        if not tsk.signal.flags & SIGNAL_GROUP_EXIT:
            retarget_shared_pending(tsk, _not_blocked(tsk))
            if tsk.jobctl & JOBCTL_STOP_PENDING:
                stopped = task_participate_group_stop(tsk)
    spin_unlock_irq(sighand.siglock)
    if stopped:
        read_lock(tasklist_lock())
        do_notify_parent_cldstop(tsk, False, CLD_STOPPED)
        read_unlock(tasklist_lock())


def _not_blocked(tsk: task_struct) -> Set[int]:
    return tsk.signal.shared_pending - tsk.blocked


@mirrors("kernel/signal.c", checked="v7.2")
def retarget_shared_pending(tsk: task_struct, which: Set[int]) -> None:
    """Wake other threads for those of *which* that *tsk* is not going to take.

    Context: siglock held.
    """
    wanted = tsk.signal.shared_pending & which
    if not wanted:
        return
    for t in for_each_thread(tsk):
        if t is tsk or t.__dict__["flags"] & PF_EXITING:
            continue
        if not wanted - t.__dict__["blocked"]:
            continue
        wanted = wanted & t.__dict__["blocked"]
        if not t._signal_pending():
            signal_wake_up(t, False)
        if not wanted:
            return
