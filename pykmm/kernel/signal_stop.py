# SPDX-License-Identifier: GPL-2.0-only
"""Standing still, with the group or for a tracer — part of ``kernel/signal.c``."""

from __future__ import annotations

from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..linux.pid import PIDTYPE_PID
from ..linux.ptrace import ptrace_reparented
from ..linux.sched import current, task_struct, tasklist_lock
from ..linux.sched.jobctl import (
    JOBCTL_PTRACE_FROZEN,
    JOBCTL_STOP_CONSUME,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_STOPPED,
    JOBCTL_TRACED,
    JOBCTL_TRAP_STOP,
    JOBCTL_TRAPPING,
)
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    SIGNAL_STOP_STOPPED,
    sighand_struct,
    signal_struct,
    signal_wake_up,
)
from ..linux.signal import kernel_siginfo
from ..linux.spinlock import (
    read_lock,
    read_unlock,
    spin_lock_irq,
    spin_unlock_irq,
)
from ..linux.uapi import CLD_STOPPED, CLD_TRAPPED, SIGKILL
from .signal_notify import do_notify_parent_cldstop
from .signal_queue import (
    _ptrace,
    _threads,
    recalc_sigpending_tsk,
    task_clear_jobctl_pending,
    task_participate_group_stop,
    task_set_jobctl_pending,
)
from .signal_send import send_signal_locked

__all__ = [
    "do_jobctl_trap",
    "do_signal_stop",
    "ptrace_notify",
    "ptrace_signal",
    "task_join_group_stop",
]


def _own_sighand() -> sighand_struct:
    sighand: sighand_struct | None = current().__dict__["sighand"]
    assert sighand is not None  # only a released task has none
    return sighand


def _schedule_while(bit: int) -> None:
    """Stand still as long as *bit* is set in ``jobctl``, which its waker clears."""
    task = current()
    jobctl = field_of(task, "jobctl")
    t = enter(jobctl, "schedule", partial(task._lacks, bit), Sleep.INTERRUPTIBLE)
    leave(t, jobctl, Access.READ, task.__dict__["jobctl"], blocking=True)


# -- with the group --------------------------------------------------------------------


def _begin_stop(task: task_struct, sig: signal_struct, signr: int) -> None:
    """Ask all threads to stop, and count them."""
    wanted = signr | JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME
    if not sig.flags & SIGNAL_STOP_STOPPED:
        sig.group_exit_code = signr
    sig.group_stop_count = int(task_set_jobctl_pending(task, wanted))
    for t in _threads(task):
        if t is task or t.__dict__["jobctl"] & JOBCTL_STOPPED:
            continue
        if task_set_jobctl_pending(t, wanted):
            sig.group_stop_count += 1
            signal_wake_up(t, False)


@mirrors("kernel/signal.c", checked="v7.2", abridged="a tracer attaches, never seizes")
def do_signal_stop(signr: int) -> bool:
    """Stop with the group, or begin a stop of all of it with *signr*.

    Context: siglock held; given back if the answer is True. Sleeps then.
    Return: Whether current has stopped. Not if SIGCONT came between, or a tracer
        has to be told instead.
    """
    task = current()
    sig = task.signal
    if not task.jobctl & JOBCTL_STOP_PENDING:
        dying = sig.flags & SIGNAL_GROUP_EXIT or sig.group_exec_task is not None
        if not task.jobctl & JOBCTL_STOP_DEQUEUED or dying:
            return False
        _begin_stop(task, sig, signr)
    if _ptrace(task):
        task_set_jobctl_pending(task, JOBCTL_TRAP_STOP)
        return False
    last = task_participate_group_stop(task)
    task._change_jobctl(add=JOBCTL_STOPPED)
    spin_unlock_irq(_own_sighand().siglock)
    if last:
        read_lock(tasklist_lock())
        do_notify_parent_cldstop(task, False, CLD_STOPPED)
        read_unlock(tasklist_lock())
    _schedule_while(JOBCTL_STOPPED)
    return True


# -- for a tracer ----------------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", abridged="no architecture, no seizing")
def ptrace_stop(exit_code: int, why: int, message: int) -> int:
    """Stand still until the tracer, its death or SIGKILL ends that.

    Context: siglock held; given back while asleep.
    Return: The signal that the tracer wants to be taken, or *exit_code* if there
        is no tracer any more.
    """
    task = current()
    if not _ptrace(task) or SIGKILL in task.pending:
        return exit_code
    task._change_jobctl(add=JOBCTL_TRACED)
    task.ptrace_message = message
    task.exit_code = exit_code
    done = False
    if why == CLD_STOPPED and task.jobctl & JOBCTL_STOP_PENDING:
        done = task_participate_group_stop(task)
    task_clear_jobctl_pending(task, JOBCTL_TRAP_STOP)
    task._change_jobctl(clear=JOBCTL_TRAPPING)
    spin_unlock_irq(_own_sighand().siglock)
    read_lock(tasklist_lock())
    if _ptrace(task):
        do_notify_parent_cldstop(task, True, why)
    if done and (not _ptrace(task) or ptrace_reparented(task)):
        do_notify_parent_cldstop(task, False, why)
    read_unlock(tasklist_lock())
    _schedule_while(JOBCTL_TRACED)
    spin_lock_irq(_own_sighand().siglock)
    exit_code = task.exit_code
    task.ptrace_message = 0
    task.exit_code = 0
    task._change_jobctl(clear=JOBCTL_PTRACE_FROZEN)
    recalc_sigpending_tsk(task)
    return exit_code


@mirrors("kernel/signal.c", checked="v7.2", abridged="no deferred work")
def ptrace_notify(exit_code: int, message: int) -> int:
    """Stop at an event that the tracer has asked for.

    Context: Takes siglock; sleeps.
    """
    spin_lock_irq(_own_sighand().siglock)
    signr = ptrace_stop(exit_code, CLD_TRAPPED, message)
    spin_unlock_irq(_own_sighand().siglock)
    return signr


@mirrors("kernel/signal.c", checked="v7.2", abridged="a tracer attaches, never seizes")
def do_jobctl_trap() -> None:
    """Stop for the tracer while the group stops.

    Context: siglock held; given back while asleep.
    """
    ptrace_stop(current().jobctl & JOBCTL_STOP_SIGMASK, CLD_STOPPED, 0)


@mirrors("kernel/signal.c", checked="v7.2")
def ptrace_signal(info: kernel_siginfo) -> kernel_siginfo | None:
    """Show a signal to the tracer, which may put another one in its place, or none.

    Context: siglock held; given back while asleep.
    """
    task = current()
    task._change_jobctl(add=JOBCTL_STOP_DEQUEUED)
    signr = ptrace_stop(info.si_signo, CLD_TRAPPED, 0)
    if signr == 0:
        return None
    if signr != info.si_signo:
        info = kernel_siginfo(signr)
    if signr in task.blocked or task._fatal_signal_pending():
        send_signal_locked(signr, info, task, PIDTYPE_PID)
        return None
    return info


@mirrors("kernel/signal.c", checked="v7.2")
def task_join_group_stop(task: task_struct) -> None:
    """Have a new thread of current's group take part in a stop under way.

    Context: siglock held; nobody can find *task* yet.
    """
    mask = current().jobctl & JOBCTL_STOP_SIGMASK
    sig = current().signal
    if sig.group_stop_count:
        sig.group_stop_count += 1
        mask |= JOBCTL_STOP_CONSUME
    elif not sig.flags & SIGNAL_STOP_STOPPED:
        return
    task_set_jobctl_pending(task, mask | JOBCTL_STOP_PENDING)
