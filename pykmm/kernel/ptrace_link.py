# SPDX-License-Identifier: GPL-2.0-only
"""Who traces whom — part of ``kernel/ptrace.c``."""

from __future__ import annotations

from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..errno import EPERM, ERESTARTNOINTR
from ..linux._waiting import or_signal
from ..linux.bug import BUG_ON
from ..linux.compiler import READ_ONCE
from ..linux.mutex import mutex_lock_interruptible, mutex_unlock
from ..linux.pid import PIDTYPE_PID
from ..linux.ptrace import PT_EXITKILL, PT_PTRACED
from ..linux.sched import (
    EXIT_DEAD,
    EXIT_ZOMBIE,
    PF_EXITING,
    PF_KTHREAD,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.coredump import TASK_DUMPABLE_OWNER
from ..linux.sched.jobctl import (
    JOBCTL_STOP_PENDING,
    JOBCTL_STOPPED,
    JOBCTL_TRACED,
    JOBCTL_TRAP_MASK,
    JOBCTL_TRAP_STOP,
    JOBCTL_TRAPPING,
)
from ..linux.sched.signal import (
    SIGNAL_STOP_STOPPED,
    ptrace_signal_wake_up,
    same_thread_group,
    sighand_struct,
    signal_wake_up,
    thread_group_empty,
)
from ..linux.sched.task import task_locked
from ..linux.signal import SEND_SIG_PRIV
from ..linux.spinlock import (
    spin_lock,
    spin_unlock,
    write_lock_irq,
    write_unlock_irq,
)
from ..linux.uapi import (
    CAP_SYS_PTRACE,
    SA_NOCLDWAIT,
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SIGSTOP,
)
from ..linux.wait import wake_up_interruptible
from .capability import ns_capable
from .exec_state import task_exec_state_get_dumpable
from .signal_notify import do_notify_parent
from .signal_queue import (
    _ptrace,
    task_clear_jobctl_pending,
    task_set_jobctl_pending,
)
from .signal_send import do_send_sig_info, send_signal_locked

__all__ = [
    "__ptrace_detach",
    "exit_ptrace",
    "ptrace_attach",
    "ptrace_traceme",
    "ptrace_unlink",
]


def _sighand(task: task_struct) -> sighand_struct:
    """Return the sighand of a task that tasklist_lock keeps from being released."""
    sighand: sighand_struct | None = task.__dict__["sighand"]
    assert sighand is not None
    return sighand


# -- beginning and ending --------------------------------------------------------------


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="one kind of access; no LSM")
def __ptrace_may_access(task: task_struct) -> int:
    """Tell whether current may look into *task*: 0 or -EPERM.

    Context: task_lock of *task*.
    """
    if same_thread_group(task, current()):
        return 0
    own, tcred = current().cred, READ_ONCE(task).cred
    users = {tcred.uid, tcred.euid, tcred.suid} == {own.uid}
    groups = {tcred.gid, tcred.egid, tcred.sgid} == {own.gid}
    capable = ns_capable(tcred.user_ns, CAP_SYS_PTRACE)
    if not (users and groups) and not capable:
        return -EPERM
    # Only now: who changes its users says before that it is not to be looked into.
    dumpable = task_exec_state_get_dumpable(task) == TASK_DUMPABLE_OWNER
    return 0 if dumpable or capable else -EPERM


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="one kind of access; no LSM")
def ptrace_may_access(task: task_struct) -> bool:
    """Tell whether current may look into *task*.

    Context: Takes task_lock.
    """
    with task_locked(task):
        return not __ptrace_may_access(task)


def _ptrace_link(child: task_struct, tracer: task_struct) -> None:
    tracer.ptraced = (child, *tracer.ptraced)
    child.parent = tracer
    child.ptracer_cred = current().cred


def _set_ptrace(child: task_struct, value: int) -> None:
    """Change how a task is traced, under siglock as well, where senders look."""
    spin_lock(_sighand(child).siglock)
    child.ptrace = value
    spin_unlock(_sighand(child).siglock)


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="no seizing")
def ptrace_set_stopped(task: task_struct) -> None:
    """Make a task that is attached stop, or turn its stop into one for its tracer.

    Context: tasklist_lock held for writing; takes siglock.
    """
    spin_lock(_sighand(task).siglock)
    task.ptrace = PT_PTRACED
    send_signal_locked(SIGSTOP, SEND_SIG_PRIV, task, PIDTYPE_PID)
    if task.jobctl & JOBCTL_STOPPED:
        if task_set_jobctl_pending(task, JOBCTL_TRAP_STOP | JOBCTL_TRAPPING):
            task._change_jobctl(clear=JOBCTL_STOPPED)
            signal_wake_up(task, False)
    spin_unlock(_sighand(task).siglock)


def _wait_for_trap(task: task_struct) -> None:
    """Wait, killably, until a stopped task has become a traced one."""
    jobctl = field_of(task, "jobctl")
    trapped = partial(task._lacks, JOBCTL_TRAPPING)
    guard = or_signal(jobctl, trapped, Sleep.KILLABLE)
    t = enter(jobctl, "wait_on_bit", guard, Sleep.KILLABLE)
    leave(t, jobctl, Access.READ, task.__dict__["jobctl"], blocking=True)


def _attach(task: task_struct) -> int:
    """Link *task* to current, if current may look into it; no exec is under way."""
    with task_locked(task):
        retval = __ptrace_may_access(task)
    if retval:
        return retval
    write_lock_irq(tasklist_lock())
    refused = bool(task.exit_state or _ptrace(task))
    if not refused:
        _ptrace_link(task, current())
        ptrace_set_stopped(task)
    write_unlock_irq(tasklist_lock())
    return -EPERM if refused else 0


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="no seizing")
def ptrace_attach(task: task_struct) -> int:
    """Become the tracer of *task*, which is going to stop.

    Whose program runs as another user is settled first: an exec keeps the tracer out.

    Context: Takes cred_guard_mutex of *task*, and tasklist_lock for writing in it; may
        sleep, killably.
    Return: 0; -EPERM; -ERESTARTNOINTR for a signal during the other's exec.
    """
    if task.__dict__["flags"] & PF_KTHREAD or same_thread_group(task, current()):
        return -EPERM
    guard = task.signal.cred_guard_mutex
    if mutex_lock_interruptible(guard):
        return -ERESTARTNOINTR
    retval = _attach(task)
    mutex_unlock(guard)
    if retval == 0:
        _wait_for_trap(task)
    return retval


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="no LSM")
def ptrace_traceme() -> int:
    """Let the parent trace current.

    Context: Takes tasklist_lock for writing.
    Return: 0, or -EPERM if somebody traces it already.
    """
    task = current()
    write_lock_irq(tasklist_lock())
    parent = task.real_parent
    ret: int = -EPERM if _ptrace(task) else 0
    # A parent that has let its tracees go would never let this one go.
    if not ret and parent is not None and not parent.__dict__["flags"] & PF_EXITING:
        _set_ptrace(task, PT_PTRACED)
        _ptrace_link(task, parent)
    write_unlock_irq(tasklist_lock())
    return ret


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="no system calls are traced")
def __ptrace_unlink(child: task_struct) -> None:
    """Give *child* back to its parent, in the state of the rest of its group.

    Context: tasklist_lock held for writing; takes siglock.
    """
    BUG_ON(not _ptrace(child), f"{child.name} is not traced")
    tracer = child.parent
    assert tracer is not None
    child.parent = child.real_parent
    child.ptracer_cred = None
    tracer.ptraced = tuple(p for p in tracer.ptraced if p is not child)
    spin_lock(_sighand(child).siglock)
    child.ptrace = 0
    task_clear_jobctl_pending(child, JOBCTL_TRAP_MASK)
    child._change_jobctl(clear=JOBCTL_TRAPPING)
    signal = child.signal
    stops = signal.flags & SIGNAL_STOP_STOPPED or signal.group_stop_count
    if not child.__dict__["flags"] & PF_EXITING and stops:
        child._change_jobctl(add=JOBCTL_STOP_PENDING)
    if child.jobctl & (JOBCTL_STOP_PENDING | JOBCTL_TRACED):
        ptrace_signal_wake_up(child, True)
    spin_unlock(_sighand(child).siglock)


def ptrace_unlink(child: task_struct) -> None:
    """Give *child* back to its parent, if somebody traces it.

    Context: As :func:`__ptrace_unlink`.
    """
    if _ptrace(child):
        __ptrace_unlink(child)


def _ignoring_children(sigh: sighand_struct) -> bool:
    spin_lock(sigh.siglock)
    action = sigh._sigaction(SIGCHLD)
    spin_unlock(sigh.siglock)
    return action.sa_handler == SIG_IGN or bool(action.sa_flags & SA_NOCLDWAIT)


@mirrors("kernel/ptrace.c", checked="v7.2")
def __ptrace_detach(tracer: task_struct, p: task_struct) -> bool:
    """Stop tracing *p*; a zombie is shown to its parent, or to nobody.

    Context: tasklist_lock held for writing.
    Return: Whether the caller has to release it.
    """
    __ptrace_unlink(p)
    if p.exit_state != EXIT_ZOMBIE:
        return False
    dead = p.exit_signal < 0
    if not dead and thread_group_empty(p):
        parent = p.real_parent
        assert parent is not None
        if not same_thread_group(parent, tracer):
            dead = do_notify_parent(p, p.exit_signal)
        elif _ignoring_children(_sighand(tracer)) or p.signal.autoreap:
            wake_up_interruptible(tracer.signal.wait_chldexit)
            dead = True
    if dead:
        p.exit_state = EXIT_DEAD
    return dead


@mirrors("kernel/ptrace.c", checked="v7.2")
def exit_ptrace(tracer: task_struct, dead: list[task_struct]) -> None:
    """Let go of all that a dying task traces, or kill those that asked for that.

    Context: tasklist_lock held for writing. Whom nobody reaps goes to *dead*.
    """
    for p in list(tracer.ptraced):
        if _ptrace(p) & PT_EXITKILL:
            do_send_sig_info(SIGKILL, SEND_SIG_PRIV, p, PIDTYPE_PID)
        if __ptrace_detach(tracer, p):
            dead.append(p)
