# SPDX-License-Identifier: GPL-2.0-only
"""The parent's and the tracer's wait — part of ``kernel/exit.c``."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.annotate import mirrors
from ..errno import EAGAIN, ECHILD, EINVAL, ERESTARTSYS, ESRCH, Errno
from ..linux.compiler import READ_ONCE
from ..linux.pid import (
    PIDTYPE_MAX,
    PIDTYPE_PGID,
    PIDTYPE_PID,
    PIDTYPE_TGID,
    get_pid,
    pid,
    pid_has_task,
)
from ..linux.ptrace import ptrace_reparented
from ..linux.sched import (
    EXIT_DEAD,
    EXIT_TRACE,
    EXIT_ZOMBIE,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import (
    delay_group_leader,
    for_each_thread,
    same_thread_group,
)
from ..linux.signal import kernel_siginfo
from ..linux.spinlock import (
    read_lock,
    read_unlock,
)
from ..linux.uapi import (
    __WALL,
    __WCLONE,
    __WNOTHREAD,
    P_ALL,
    P_PGID,
    P_PID,
    P_PIDFD,
    PIDFD_NONBLOCK,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
    WUNTRACED,
)
from ..linux.wait import wait_event_interruptible
from .exit_wait_task import (
    eligible_child,
    wait_opts,
    wait_task_continued,
    wait_task_stopped,
    wait_task_zombie,
)
from .pid import find_get_pid, pid_task, pid_vnr, put_pid
from .pid_pidfd import pidfd_get_pid
from .signal_queue import _ptrace

__all__ = ["kernel_wait4", "kernel_waitid"]


# -- looking at all of them ------------------------------------------------------------


@mirrors("kernel/exit.c", checked="v7.2")
def wait_consider_task(wo: wait_opts, ptrace: bool, p: task_struct) -> int:
    """Look at one child, or tracee, and clear the error if it may be waited for.

    Context: tasklist_lock held for reading; given back unless the answer is 0.
    """
    exit_state = READ_ONCE(p).exit_state
    if exit_state == EXIT_DEAD or not eligible_child(wo, ptrace, p):
        return 0
    if exit_state == EXIT_TRACE:
        # The tracer is going to show it to its parent.
        if not ptrace:
            wo.notask_error = 0
        return 0
    # Now: who was reaped has no number any more.
    wo._nr = pid_vnr(p.thread_pid)
    traced = bool(_ptrace(p))
    if not ptrace and traced and not ptrace_reparented(p):
        ptrace = True
    if exit_state == EXIT_ZOMBIE:
        if not delay_group_leader(p) and (ptrace or not traced):
            return wait_task_zombie(wo, p)
        if not ptrace or wo.wo_flags & (WCONTINUED | WEXITED):
            wo.notask_error = 0
    else:
        wo.notask_error = 0
    return wait_task_stopped(wo, ptrace, p) or wait_task_continued(wo, p)


def _threads(wo: wait_opts) -> Iterator[task_struct]:
    """Walk the threads whose children count, current first."""
    if wo.wo_flags & __WNOTHREAD:
        return iter([current()])
    threads = list(for_each_thread(current()))
    at = threads.index(current())
    return iter(threads[at:] + threads[:at])


def _is_effectively_child(wo: wait_opts, ptrace: bool, target: task_struct) -> bool:
    parent = target.parent if ptrace else target.real_parent
    if parent is current():
        return True
    if parent is None or wo.wo_flags & __WNOTHREAD:
        return False
    return same_thread_group(current(), parent)


@mirrors("kernel/exit.c", checked="v7.2")
def do_wait_pid(wo: wait_opts) -> int:
    """Look at the one task that is waited for, as child and as tracee.

    Context: As :func:`wait_consider_task`.
    """
    target = pid_task(wo.wo_pid, PIDTYPE_TGID)
    if target is not None and _is_effectively_child(wo, False, target):
        ret = wait_consider_task(wo, False, target)
        if ret:
            return ret
    target = pid_task(wo.wo_pid, PIDTYPE_PID)
    if target is not None and _ptrace(target):
        if _is_effectively_child(wo, True, target):
            return wait_consider_task(wo, True, target)
    return 0


def _do_wait_all(wo: wait_opts) -> int:
    for tsk in _threads(wo):
        for ptrace, family in ((False, tsk.children), (True, tsk.ptraced)):
            for p in list(family):
                ret = wait_consider_task(wo, ptrace, p)
                if ret:
                    return ret
    return 0


@mirrors("kernel/exit.c", checked="v7.2")
def __do_wait(wo: wait_opts) -> int:
    """Look once.

    Context: Takes tasklist_lock for reading.
    Return: The number of who was found; -ERESTARTSYS if one may come later, 0 with
        WNOHANG; -ECHILD if none can.
    """
    wo.notask_error = -ECHILD
    nobody = wo.wo_type < PIDTYPE_MAX and (
        wo.wo_pid is None or not pid_has_task(wo.wo_pid, wo.wo_type)
    )
    if not nobody:
        read_lock(tasklist_lock())
        by_pid = wo.wo_type == PIDTYPE_PID
        retval = do_wait_pid(wo) if by_pid else _do_wait_all(wo)
        if retval:
            return retval
        read_unlock(tasklist_lock())
    if wo.notask_error == 0 and not wo.wo_flags & WNOHANG:
        return -ERESTARTSYS
    return wo.notask_error


@mirrors("kernel/exit.c", checked="v7.2")
def do_wait(wo: wait_opts) -> int:
    """Look until there is something to tell, or nothing to wait for.

    Context: May sleep, interruptibly.
    Return: As :func:`__do_wait`; -ERESTARTSYS for a signal.
    """
    retval: int = -ERESTARTSYS

    def look() -> bool:
        nonlocal retval
        retval = __do_wait(wo)
        return retval != -ERESTARTSYS

    wait_event_interruptible(current().signal.wait_chldexit, look)
    return retval


# -- the system calls ------------------------------------------------------------------

_OF_BOTH = WNOHANG | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL


def _own_group() -> pid | None:
    """Return the process group of current with a reference."""
    found: pid | None = current().signal.__dict__["pids"][PIDTYPE_PGID]
    return None if found is None else get_pid(found)


def _finish(wo: wait_opts) -> int:
    task = current()
    task._waited_for = wo.wo_pid
    ret = do_wait(wo)
    task._waited_for = None
    if wo.wo_pid is not None:
        put_pid(wo.wo_pid)
    return ret


@mirrors("kernel/exit.c", checked="v7.2", abridged="no rusage")
def kernel_wait4(nr: int, options: int = 0) -> tuple[int, int] | Errno:
    """Wait for child *nr*, for one of group *-nr*, of the own group (0), or any (-1).

    Context: May sleep, interruptibly. Takes tasklist_lock.
    Return: Number and status; with WNOHANG (0, 0) if none is ready yet; -ECHILD
        without a child to wait for; -EINVAL, -ESRCH; -ERESTARTSYS for a signal.
    """
    if options & ~(_OF_BOTH | WUNTRACED):
        return -EINVAL
    if nr == -(2**31):
        return -ESRCH
    kind, number = PIDTYPE_MAX, None
    if nr > 0:
        kind, number = PIDTYPE_PID, find_get_pid(nr)
    elif nr != -1:
        kind, number = PIDTYPE_PGID, find_get_pid(-nr) if nr else _own_group()
    wo = wait_opts(kind, number, options | WEXITED)
    ret = _finish(wo)
    return ret if isinstance(ret, Errno) else (ret, wo.wo_stat)


def _whom(which: int, upid: int, options: int) -> wait_opts | Errno:
    """Understand the arguments of ``waitid()``."""
    if options & ~(_OF_BOTH | WNOWAIT | WEXITED | WSTOPPED):
        return -EINVAL
    if not options & (WEXITED | WSTOPPED | WCONTINUED):
        return -EINVAL
    if which == P_ALL:
        return wait_opts(PIDTYPE_MAX, None, options)
    if which == P_PID and upid > 0:
        return wait_opts(PIDTYPE_PID, find_get_pid(upid), options)
    if which == P_PGID and upid >= 0:
        group = find_get_pid(upid) if upid else _own_group()
        return wait_opts(PIDTYPE_PGID, group, options)
    if which == P_PIDFD and upid >= 0:
        pinned = pidfd_get_pid(upid)
        if isinstance(pinned, Errno):
            return pinned
        flags = WNOHANG if pinned[1] & PIDFD_NONBLOCK else 0
        return wait_opts(PIDTYPE_PID, pinned[0], options | flags)
    return -EINVAL


@mirrors("kernel/exit.c", checked="v7.2", abridged="no rusage")
def kernel_waitid(which: int, upid: int, options: int) -> kernel_siginfo | Errno:
    """Wait for what *options* say of the children that *which* and *upid* say.

    Context: May sleep, interruptibly. Takes tasklist_lock.
    Return: What happened, all zero if nothing has yet (WNOHANG); -ECHILD, -EINVAL,
        -EBADF; -EAGAIN where a pidfd says that nobody waits; -ERESTARTSYS.
    """
    wo = _whom(which, upid, options)
    if isinstance(wo, Errno):
        return wo
    ret = _finish(wo)
    if ret == 0 and not options & WNOHANG and wo.wo_flags & WNOHANG:
        return -EAGAIN
    return ret if isinstance(ret, Errno) else wo.wo_info
