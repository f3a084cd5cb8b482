# SPDX-License-Identifier: GPL-2.0-only
"""Taking signals, and telling the parent of a death — part of ``kernel/signal.c``."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..linux.bitops import clear_bit
from ..linux.freezer import freezing, try_to_freeze
from ..linux.lockdep import lockdep_assert_held_write
from ..linux.pid import PIDTYPE_TGID
from ..linux.rculist import list_entries
from ..linux.sched import (
    PF_EXITING,
    PF_SIGNALED,
    TIF_SIGPENDING,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    SIGNAL_UNKILLABLE,
    for_each_thread,
    k_sigaction,
    signal_pending,
    thread_group_empty,
)
from ..linux.spinlock import spin_lock, spin_lock_irq, spin_unlock, spin_unlock_irq
from ..linux.uapi import SIG_DFL, SIG_IGN, SIGCHLD, SIGKILL
from ..linux.wait import wake_up_interruptible
from .pid import wake_pidfd
from .signal import (
    __send_signal_locked,
    sig_kernel_ignore,
    sig_kernel_only,
    sig_kernel_stop,
    signal_wake_up_state,
)

__all__ = [
    "do_notify_parent",
    "exit_signals",
    "get_signal",
    "recalc_sigpending",
    "zap_other_threads",
]

_do_group_exit: Callable[[int], None] = extern("pykmm.kernel.exit", "do_group_exit")


@mirrors("kernel/signal.c", checked="v7.2", inline=True)
def recalc_sigpending() -> None:
    """Clear the pending mark of current unless something is still pending.

    Context: siglock held.
    """
    task = current()
    wanted = (task.pending | task.signal.shared_pending) - task.blocked
    if not wanted and not freezing(task):
        clear_bit(TIF_SIGPENDING, task.thread_flags)


@mirrors("kernel/signal.c", checked="v7.2")
def zap_other_threads(p: task_struct) -> int:
    """SIGKILL every other thread of *p*'s group that has not exited.

    Context: siglock held.
    Return: How many other threads there are.
    """
    p.signal.group_stop_count = 0
    others = [t for t in list_entries(p.signal.thread_head) if t is not p]
    for t in others:
        if not t.__dict__["exit_state"]:
            t.pending = t.__dict__["pending"] | {SIGKILL}
            signal_wake_up_state(t)
    return len(others)


def _dequeue(task: task_struct) -> int:
    """Take the lowest unblocked signal out of its set; 0 if there is none."""
    for private in (True, False):
        pending = task.pending if private else task.signal.shared_pending
        ready = sorted(pending - task.blocked)
        if ready:
            if private:
                task.pending = pending - {ready[0]}
            else:
                task.signal.shared_pending = pending - {ready[0]}
            recalc_sigpending()
            return ready[0]
    recalc_sigpending()
    return 0


@mirrors(
    "kernel/signal.c",
    checked="v7.2",
    abridged="no stops, no tracer, no core file",
)
def get_signal() -> tuple[int, k_sigaction] | None:
    """Take what is pending for current, on the way back to user mode.

    Context: No lock held. Does not return if the task is to die.
    Return: A signal with the program's handler for it, or None.
    """
    task = current()
    if not signal_pending(task):
        return None
    try_to_freeze()
    sighand = task.sighand
    assert sighand is not None  # a living task has one
    spin_lock_irq(sighand.siglock)
    found: tuple[int, k_sigaction] | None = None
    while True:
        if task.signal.flags & SIGNAL_GROUP_EXIT or task.signal.group_exec_task:
            task.pending = task.pending - {SIGKILL}
            recalc_sigpending()
            sig = SIGKILL
        else:
            sig = _dequeue(task)
            if sig == 0:
                break
            handler = sighand._action(sig)
            if handler != SIG_DFL and handler != SIG_IGN:
                found = (sig, handler)
                break
            if handler == SIG_IGN or sig_kernel_ignore(sig) or sig_kernel_stop(sig):
                continue
            if task.signal.flags & SIGNAL_UNKILLABLE and not sig_kernel_only(sig):
                continue
        spin_unlock_irq(sighand.siglock)
        task.flags |= PF_SIGNALED
        _do_group_exit(sig)
    spin_unlock_irq(sighand.siglock)
    return found


@mirrors("kernel/signal.c", checked="v7.2", abridged="no job control")
def exit_signals(tsk: task_struct) -> None:
    """Mark current as exiting, and hand its share of group signals to others.

    Context: Takes siglock.
    """
    sighand = tsk.sighand
    assert sighand is not None  # not released yet
    spin_lock_irq(sighand.siglock)
    tsk.flags |= PF_EXITING
    if signal_pending(tsk) and not thread_group_empty(tsk):
        if not tsk.signal.flags & SIGNAL_GROUP_EXIT:
            _retarget_shared_pending(tsk)
    spin_unlock_irq(sighand.siglock)


def _retarget_shared_pending(tsk: task_struct) -> None:
    wanted = tsk.signal.shared_pending - tsk.blocked
    for t in for_each_thread(tsk):
        if t is tsk or t.__dict__["flags"] & PF_EXITING:
            continue
        if wanted - t.__dict__["blocked"]:
            signal_wake_up_state(t)
            wanted = wanted & t.__dict__["blocked"]
        if not wanted:
            return


@mirrors("kernel/signal.c", checked="v7.2", abridged="no siginfo, nobody is traced")
def do_notify_parent(tsk: task_struct, sig: int) -> bool:
    """Tell the parent that the last thread of its child is dead.

    Context: tasklist_lock held for writing; takes the parent's siglock.
    Return: True if the parent ignores SIGCHLD, so that the caller has to release.
    """
    lockdep_assert_held_write(tasklist_lock())
    thread_pid = tsk.thread_pid
    parent = tsk.parent
    assert thread_pid is not None  # not released yet
    assert parent is not None
    wake_pidfd(thread_pid)
    psig = parent.sighand
    if psig is None:
        return False
    spin_lock(psig.siglock)
    autoreap = sig == SIGCHLD and psig._action(SIGCHLD) == SIG_IGN
    if sig and not autoreap:
        __send_signal_locked(sig, parent, PIDTYPE_TGID, False)
    wake_up_interruptible(parent.signal.wait_chldexit)
    spin_unlock(psig.siglock)
    return autoreap
