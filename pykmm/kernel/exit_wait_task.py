# SPDX-License-Identifier: GPL-2.0-only
"""What a wait does with one child or tracee — part of ``kernel/exit.c``."""

from __future__ import annotations

from typing import Final

from attrs import define

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.compiler import READ_ONCE
from ..linux.pid import (
    PIDTYPE_MAX,
    PIDTYPE_PID,
    pid,
)
from ..linux.ptrace import ptrace_reparented
from ..linux.sched import (
    EXIT_DEAD,
    EXIT_TRACE,
    EXIT_ZOMBIE,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.jobctl import JOBCTL_TRACED
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    SIGNAL_STOP_CONTINUED,
    SIGNAL_STOP_STOPPED,
    sighand_struct,
    thread_group_leader,
)
from ..linux.sched.task import get_task_struct, put_task_struct
from ..linux.signal import kernel_siginfo
from ..linux.spinlock import (
    read_unlock,
    spin_lock_irq,
    spin_unlock_irq,
    write_lock_irq,
    write_unlock_irq,
)
from ..linux.uapi import (
    __WALL,
    __WCLONE,
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    CLD_TRAPPED,
    SIGCHLD,
    SIGCONT,
    WCONTINUED,
    WEXITED,
    WNOWAIT,
    WUNTRACED,
)
from .exit_release import release_task
from .ptrace_link import ptrace_unlink
from .signal_notify import do_notify_parent

__all__ = [
    "eligible_child",
    "wait_opts",
    "wait_task_continued",
    "wait_task_stopped",
    "wait_task_zombie",
]


_NOTHING: Final = kernel_siginfo(0)


@define
class wait_opts:
    """What a wait is for, and what it has found."""

    wo_type: int
    wo_pid: pid | None
    wo_flags: int
    #: The status as ``wait4()`` tells it, and what ``waitid()`` tells.
    wo_stat: int = 0
    wo_info: kernel_siginfo = _NOTHING
    notask_error: int = 0
    #: The number of who is looked at, as the waiter sees it.
    _nr: int = 0


def _tell(wo: wait_opts, p: task_struct, cause: int, status: int) -> int:
    wo.wo_info = kernel_siginfo(SIGCHLD, cause, wo._nr, p.__dict__["cred"].uid, status)
    return wo._nr


# -- whom it is for --------------------------------------------------------------------


@mirrors("kernel/exit.c", checked="v7.2", inline=True)
def eligible_pid(wo: wait_opts, p: task_struct) -> bool:
    """Tell whether *p* bears the number that is waited for."""
    if wo.wo_type == PIDTYPE_MAX:
        return True
    if wo.wo_type == PIDTYPE_PID:
        return p.thread_pid is wo.wo_pid
    return p.signal.pids[wo.wo_type] is wo.wo_pid


@mirrors("kernel/exit.c", checked="v7.2", inline=True)
def eligible_child(wo: wait_opts, ptrace: bool, p: task_struct) -> bool:
    """Tell whether the wait is for children like *p*.

    A *clone* child is one that tells its parent by another signal than SIGCHLD.
    """
    if not eligible_pid(wo, p):
        return False
    if ptrace or wo.wo_flags & __WALL:
        return True
    return (p.exit_signal != SIGCHLD) == bool(wo.wo_flags & __WCLONE)


# -- a zombie --------------------------------------------------------------------------


def _status(p: task_struct) -> int:
    if READ_ONCE(p.signal).flags & SIGNAL_GROUP_EXIT:
        return READ_ONCE(p.signal).group_exit_code
    return READ_ONCE(p).exit_code


def _tell_of_death(wo: wait_opts, p: task_struct, status: int) -> int:
    wo.wo_stat = status
    if status & 0x7F == 0:
        return _tell(wo, p, CLD_EXITED, status >> 8)
    return _tell(wo, p, CLD_DUMPED if status & 0x80 else CLD_KILLED, status & 0x7F)


@mirrors("kernel/exit.c", checked="v7.2", abridged="no rusage")
def wait_task_zombie(wo: wait_opts, p: task_struct) -> int:
    """Claim a zombie and release it; of several waiters one wins.

    Context: tasklist_lock held for reading; given back unless the answer is 0.
    Return: Its number, or 0 if somebody else was faster.
    """
    if not wo.wo_flags & WEXITED:
        return 0
    if wo.wo_flags & WNOWAIT:
        status = _status(p)
        get_task_struct(p)
        read_unlock(tasklist_lock())
        put_task_struct(p)
        return _tell_of_death(wo, p, status)
    traced = ptrace_reparented(p) and thread_group_leader(p)
    state = EXIT_TRACE if traced else EXIT_DEAD
    if _cmpxchg_exit_state(p, EXIT_ZOMBIE, state) != EXIT_ZOMBIE:
        return 0
    read_unlock(tasklist_lock())
    ret = _tell_of_death(wo, p, _status(p))
    if state == EXIT_TRACE:
        state = _show_to_parent(p)
    if state == EXIT_DEAD:
        release_task(p)
    return ret


def _show_to_parent(p: task_struct) -> int:
    """Make what the tracer has seen a zombie of its parent's."""
    write_lock_irq(tasklist_lock())
    ptrace_unlink(p)
    state = EXIT_DEAD if do_notify_parent(p, p.exit_signal) else EXIT_ZOMBIE
    p.exit_state = state
    write_unlock_irq(tasklist_lock())
    return state


def _cmpxchg_exit_state(p: task_struct, old: int, new: int) -> int:
    field = field_of(p, "exit_state")
    t = enter(field, "cmpxchg")
    before = int(p.__dict__["exit_state"])
    if before == old:
        p.__dict__["exit_state"] = new
    leave(
        t,
        field,
        Access.WRITE if before == old else Access.READ,
        p.__dict__["exit_state"],
    )
    return before


# -- a child that stands still, or goes on ---------------------------------------------


def _sighand(p: task_struct) -> sighand_struct:
    """Return the sighand of a task that tasklist_lock keeps from being released."""
    sighand: sighand_struct | None = p.__dict__["sighand"]
    assert sighand is not None
    return sighand


def _is_stopped(p: task_struct, ptrace: bool) -> bool:
    if ptrace:
        return bool(READ_ONCE(p).jobctl & JOBCTL_TRACED)
    return bool(READ_ONCE(p.signal).flags & SIGNAL_STOP_STOPPED)


def _take_stop_code(wo: wait_opts, p: task_struct, ptrace: bool) -> int:
    """Return why *p* stopped, once, unless it is only to be looked at.

    Context: siglock held.
    """
    if not _is_stopped(p, ptrace):
        return 0
    code = p.exit_code if ptrace else p.signal.group_exit_code
    if code and not wo.wo_flags & WNOWAIT:
        if ptrace:
            p.exit_code = 0
        else:
            p.signal.group_exit_code = 0
    return code


def _leave_with(p: task_struct) -> None:
    """Give tasklist_lock back; *p* is still needed."""
    get_task_struct(p)
    read_unlock(tasklist_lock())
    put_task_struct(p)


@mirrors("kernel/exit.c", checked="v7.2", abridged="no rusage")
def wait_task_stopped(wo: wait_opts, ptrace: bool, p: task_struct) -> int:
    """Tell of a child or a tracee that has stopped and was not told of yet.

    Context: tasklist_lock held for reading; given back unless the answer is 0.
        Takes siglock.
    """
    if not ptrace and not wo.wo_flags & WUNTRACED:
        return 0
    if not _is_stopped(p, ptrace):
        return 0
    spin_lock_irq(_sighand(p).siglock)
    exit_code = _take_stop_code(wo, p, ptrace)
    spin_unlock_irq(_sighand(p).siglock)
    if not exit_code:
        return 0
    _leave_with(p)
    wo.wo_stat = exit_code << 8 | 0x7F
    return _tell(wo, p, CLD_TRAPPED if ptrace else CLD_STOPPED, exit_code)


@mirrors("kernel/exit.c", checked="v7.2", abridged="no rusage")
def wait_task_continued(wo: wait_opts, p: task_struct) -> int:
    """Tell of a child that goes on after a stop.

    Context: As :func:`wait_task_stopped`.
    """
    if not wo.wo_flags & WCONTINUED:
        return 0
    if not READ_ONCE(p.signal).flags & SIGNAL_STOP_CONTINUED:
        return 0
    spin_lock_irq(_sighand(p).siglock)
    continued = p.signal.flags & SIGNAL_STOP_CONTINUED
    if continued and not wo.wo_flags & WNOWAIT:
        p.signal.flags &= ~SIGNAL_STOP_CONTINUED
    spin_unlock_irq(_sighand(p).siglock)
    if not continued:
        return 0
    _leave_with(p)
    wo.wo_stat = 0xFFFF
    return _tell(wo, p, CLD_CONTINUED, SIGCONT)
