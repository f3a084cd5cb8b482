# SPDX-License-Identifier: GPL-2.0-only
"""Tracing another task — ``kernel/ptrace.c``.

Only what holds a task where it is: attaching, letting it go on, and the event at its
exit, which holds a dying task with all its memory.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINVAL, EIO, ESRCH
from ..linux.compiler import READ_ONCE
from ..linux.ptrace import PT_OPT_FLAG_SHIFT
from ..linux.rcupdate import rcu
from ..linux.sched import (
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.jobctl import (
    JOBCTL_PTRACE_FROZEN,
    JOBCTL_TRACED,
)
from ..linux.sched.task import get_task_struct, put_task_struct
from ..linux.spinlock import (
    read_lock,
    read_unlock,
    spin_lock_irq,
    spin_unlock_irq,
    write_lock_irq,
    write_unlock_irq,
)
from ..linux.uapi import (
    _NSIG,
    PTRACE_ATTACH,
    PTRACE_CONT,
    PTRACE_DETACH,
    PTRACE_GETEVENTMSG,
    PTRACE_KILL,
    PTRACE_O_EXITKILL,
    PTRACE_SETOPTIONS,
    PTRACE_TRACEME,
    SIGKILL,
)
from .pid import find_task_by_vpid
from .ptrace_link import (
    __ptrace_detach,
    _set_ptrace,
    _sighand,
    ptrace_attach,
    ptrace_traceme,
)
from .signal_queue import (
    _ptrace,
    lock_task_sighand,
    unlock_task_sighand,
)
from .signal_send import send_sig

__all__ = ["ptrace"]

PTRACE_O_MASK: Final = 0xFF | PTRACE_O_EXITKILL


# -- working on a tracee that stands still ---------------------------------------------


@mirrors("kernel/ptrace.c", checked="v7.2")
def ptrace_freeze_traced(task: task_struct) -> bool:
    """Keep *task* where it stands, even against SIGKILL, for one request.

    Context: tasklist_lock held for reading; takes siglock.
    """
    spin_lock_irq(_sighand(task).siglock)
    stands = task.jobctl & JOBCTL_TRACED and SIGKILL not in task.pending
    if stands:
        task._change_jobctl(add=JOBCTL_PTRACE_FROZEN)
    spin_unlock_irq(_sighand(task).siglock)
    return bool(stands)


@mirrors("kernel/ptrace.c", checked="v7.2")
def ptrace_unfreeze_traced(task: task_struct) -> None:
    """Let *task* be woken again; by a SIGKILL that came meanwhile, now.

    Context: Takes siglock.
    """
    sighand = lock_task_sighand(task)
    if sighand is None:
        return
    task._change_jobctl(clear=JOBCTL_PTRACE_FROZEN)
    if SIGKILL in task.pending:
        task._change_jobctl(clear=JOBCTL_TRACED)
    unlock_task_sighand(sighand)


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="who stands is off its processor")
def ptrace_check_attach(child: task_struct, ignore_state: bool) -> int:
    """Check that current traces *child*, and that it stands still.

    Context: Takes tasklist_lock for reading.
    Return: 0, with *child* frozen unless *ignore_state*, or -ESRCH.
    """
    ret: int = -ESRCH
    read_lock(tasklist_lock())
    if _ptrace(child) and child.parent is current():
        if ignore_state or ptrace_freeze_traced(child):
            ret = 0
    read_unlock(tasklist_lock())
    return ret


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="no steps and no system calls")
def ptrace_resume(child: task_struct, data: int) -> int:
    """Let *child* go on, with the signal *data* instead of what it stopped for.

    Context: *child* is frozen; takes siglock.
    """
    if not 0 <= data <= _NSIG:
        return -EIO
    spin_lock_irq(_sighand(child).siglock)
    child.exit_code = data
    child._change_jobctl(clear=JOBCTL_TRACED)
    spin_unlock_irq(_sighand(child).siglock)
    return 0


@mirrors("kernel/ptrace.c", checked="v7.2")
def ptrace_detach(child: task_struct, data: int) -> int:
    """Stop tracing *child*, which goes on with the signal *data*.

    Context: *child* is frozen; takes tasklist_lock for writing.
    """
    if not 0 <= data <= _NSIG:
        return -EIO
    write_lock_irq(tasklist_lock())
    child.exit_code = data
    __ptrace_detach(current(), child)
    write_unlock_irq(tasklist_lock())
    return 0


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="takes siglock to be seen")
def ptrace_setoptions(child: task_struct, data: int) -> int:
    """Say at which events *child* has to stop.

    Context: *child* is frozen.
    """
    if data & ~PTRACE_O_MASK:
        return -EINVAL
    kept = _ptrace(child) & ~(PTRACE_O_MASK << PT_OPT_FLAG_SHIFT)
    _set_ptrace(child, kept | data << PT_OPT_FLAG_SHIFT)
    return 0


@mirrors("kernel/ptrace.c", checked="v7.2", abridged="nothing is read or written")
def ptrace_request(child: task_struct, request: int, data: int) -> int:
    """Do one of the requests for a tracee; all but the kill find it standing still."""
    if request == PTRACE_KILL:
        send_sig(SIGKILL, child, False)
        return 0
    if request == PTRACE_CONT:
        return ptrace_resume(child, data)
    if request == PTRACE_DETACH:
        return ptrace_detach(child, data)
    if request == PTRACE_SETOPTIONS:
        return ptrace_setoptions(child, data)
    if request == PTRACE_GETEVENTMSG:
        return READ_ONCE(child).ptrace_message
    return -EIO


def _find_get_task(nr: int) -> task_struct | None:
    with rcu():
        found = find_task_by_vpid(nr)
        return None if found is None else get_task_struct(found)


@mirrors("kernel/ptrace.c", checked="v7.2")
def ptrace(request: int, nr: int, data: int = 0) -> int:
    """System call: trace thread *nr*, or work on it while it stands still.

    Return: 0 (``PTRACE_GETEVENTMSG``: the message), or -EPERM, -ESRCH for a thread
        that current does not trace or that runs, -EIO, -EINVAL.
    """
    if request == PTRACE_TRACEME:
        return ptrace_traceme()
    child = _find_get_task(nr)
    if child is None:
        return -ESRCH
    if request == PTRACE_ATTACH:
        ret = ptrace_attach(child)
    else:
        ret = ptrace_check_attach(child, request == PTRACE_KILL)
        if ret == 0:
            ret = ptrace_request(child, request, data)
            if ret or request != PTRACE_DETACH:
                ptrace_unfreeze_traced(child)
    put_task_struct(child)
    return ret
