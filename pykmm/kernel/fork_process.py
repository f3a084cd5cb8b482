# SPDX-License-Identifier: GPL-2.0-only
"""Making a task out of current — part of ``kernel/fork.c``.

Everything that can fail comes first. From the moment at which the task is attached
to its numbers and lists others find it, and nothing fails any more.
"""

from __future__ import annotations

from contextlib import ExitStack

from ..engine.annotate import mirrors
from ..engine.fields import step_read
from ..errno import EAGAIN, EINTR, ENOMEM, ERESTARTNOINTR, Errno
from ..fs.file import fd_install, filp_close, get_unused_fd_flags, put_unused_fd
from ..linux.atomic import atomic_inc
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.fdtable import pidfd_file
from ..linux.pid import (
    PIDTYPE_PGID,
    PIDTYPE_PID,
    PIDTYPE_SID,
    PIDTYPE_TGID,
    get_pid,
    is_child_reaper,
    ns_of_pid,
    pid,
    pid_nr,
)
from ..linux.pid_namespace import PIDNS_ADDING, init_pid_ns
from ..linux.rculist import list_add_tail_rcu
from ..linux.rcupdate import call_rcu
from ..linux.refcount import refcount_inc
from ..linux.resource import RLIMIT_NPROC
from ..linux.sched import (
    PF_FORKNOEXEC,
    PF_KTHREAD,
    PF_NPROC_EXCEEDED,
    PF_WQ_WORKER,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import (
    SIGNAL_UNKILLABLE,
    fatal_signal_pending,
    init_tasks,
    multiprocess_signals,
    rlimit,
    signal_pending,
)
from ..linux.sched.task import kernel_clone_args
from ..linux.spinlock import (
    spin_lock,
    spin_lock_irq,
    spin_unlock,
    spin_unlock_irq,
    write_lock_irq,
    write_unlock_irq,
)
from ..linux.uaccess import put_user
from ..linux.uapi import CAP_SYS_ADMIN, CAP_SYS_RESOURCE, O_CLOEXEC, PIDFD_THREAD
from ..linux.uapi_sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_PARENT,
    CLONE_PIDFD,
    CLONE_THREAD,
)
from .capability import capable
from .cgroup.cgroup import cgroup_post_fork
from .cgroup.pids import pids_can_fork, pids_cancel_fork
from .cred import copy_creds, exit_creds
from .fork_copy import (
    __cleanup_sighand,
    copy_exec_state,
    copy_files,
    copy_mm,
    copy_sighand,
    copy_signal,
    dup_task_struct,
    exit_copied_files,
    exit_copied_mm,
)
from .fork_flags import _check_clone_flags
from .fork_limit import count_threads, too_many_threads
from .fork_oom import copy_oom_score_adj
from .fork_task import free_signal_struct, init_task_pid
from .nsproxy import copy_namespaces
from .pid import attach_pid, task_active_pid_ns
from .pid_alloc import alloc_pid, free_pid
from .signal_queue import recalc_sigpending
from .signal_stop import task_join_group_stop
from .ucount import is_rlimit_overlimit

__all__ = ["copy_process"]


def _hold_signals(clone_flags: int) -> multiprocess_signals:
    """Have signals to several processes wait for the fork; look at all others now."""
    delayed = multiprocess_signals()
    own = current()
    sighand = own.sighand
    assert sighand is not None  # it is alive
    spin_lock_irq(sighand.siglock)
    if not clone_flags & CLONE_THREAD:
        own.signal.multiprocess = (delayed, *own.signal.multiprocess)
    recalc_sigpending()
    spin_unlock_irq(sighand.siglock)
    return delayed


def _forget(delayed: multiprocess_signals) -> None:
    """Take *delayed* off the list, where it may not be any more; siglock is held."""
    signal = current().signal
    if delayed in signal.multiprocess:
        signal.multiprocess = tuple(d for d in signal.multiprocess if d is not delayed)


def _let_signals(delayed: multiprocess_signals) -> None:
    sighand = current().sighand
    assert sighand is not None  # it is alive
    spin_lock_irq(sighand.siglock)
    _forget(delayed)
    spin_unlock_irq(sighand.siglock)
    delayed._free()


def _delayed_free_task(p: task_struct) -> None:
    """Free a task that never was, when nobody can be looking at it as an owner."""
    call_rcu(p._free, "free_task")


def _copy_parts(p: task_struct, args: kernel_clone_args, undo: ExitStack) -> int:
    """Copy or share part by part, and note how to take each back.

    Return: 0 or the error of the first part that failed.
    """
    flags = args.flags
    error = copy_creds(p, flags)
    if error:
        return error
    undo.callback(exit_creds, p)
    if is_rlimit_overlimit(p.__dict__["cred"].uid, rlimit(RLIMIT_NPROC)):
        if not capable(CAP_SYS_RESOURCE) and not capable(CAP_SYS_ADMIN):
            return -EAGAIN
    if current().flags & PF_NPROC_EXCEEDED:
        current().flags &= ~PF_NPROC_EXCEEDED
    if too_many_threads():
        return -EAGAIN
    p.__dict__["flags"] &= ~(PF_KTHREAD | PF_WQ_WORKER | PF_NPROC_EXCEEDED)
    p.__dict__["flags"] |= PF_FORKNOEXEC
    if flags & CLONE_CHILD_SETTID:
        p.__dict__["set_child_tid"] = args.child_tid
    if flags & CLONE_CHILD_CLEARTID:
        p.__dict__["clear_child_tid"] = args.child_tid
    copy_files(flags, p)
    undo.callback(exit_copied_files, p)
    copy_sighand(flags, p)
    undo.callback(__cleanup_sighand, p.__dict__["sighand"])
    copy_signal(flags, p)
    if not flags & CLONE_THREAD:
        undo.callback(free_signal_struct, p.signal)
    error = copy_mm(flags, p)
    if error:
        return error
    undo.callback(exit_copied_mm, p)
    copy_exec_state(flags, p)
    return copy_namespaces(flags, p)


def _prepare_pidfd(
    number: pid, args: kernel_clone_args, undo: ExitStack
) -> tuple[int, pidfd_file] | Errno | None:
    """Reserve a descriptor of the child's pid, and tell the program its number."""
    if not args.flags & CLONE_PIDFD:
        return None
    fd = get_unused_fd_flags(O_CLOEXEC)
    if isinstance(fd, Errno):
        return fd
    flags = PIDFD_THREAD if args.flags & CLONE_THREAD else 0
    pidfile = pidfd_file(pid=get_pid(number), f_flags=flags)
    undo.callback(put_unused_fd, fd)
    undo.callback(filp_close, pidfile)
    error = put_user(fd, args.pidfd)
    return error if isinstance(error, Errno) else (fd, pidfile)


def _take_parents(p: task_struct, args: kernel_clone_args) -> None:
    """Say whose child *p* is, and what it tells of its end; tasklist_lock is held."""
    own, state = current(), p.__dict__
    state["real_parent"] = own
    state["exit_signal"] = args.exit_signal
    if args.flags & (CLONE_PARENT | CLONE_THREAD):
        state["real_parent"] = own.real_parent
        state["exit_signal"] = own.group_leader.exit_signal
        if args.flags & CLONE_THREAD:
            state["exit_signal"] = -1
    state["parent"] = state["real_parent"]


def _attach_leader(p: task_struct, number: pid, delayed: multiprocess_signals) -> None:
    """Put a new process into all tables but that of its own number."""
    own = current()
    init_task_pid(p, PIDTYPE_TGID, number)
    for kind in (PIDTYPE_PGID, PIDTYPE_SID):
        theirs = own.signal.pids[kind]
        assert theirs is not None  # it is alive
        init_task_pid(p, kind, theirs)
    if is_child_reaper(number):
        WRITE_ONCE(ns_of_pid(number)).child_reaper = p
        p.signal.__dict__["flags"] |= SIGNAL_UNKILLABLE
    p.signal.__dict__["shared_pending"] = frozenset(delayed.signal)
    parent = p.real_parent
    assert parent is not None  # the first process has been made by then
    orphans = READ_ONCE(parent.signal)
    if orphans.has_child_subreaper or orphans.is_child_subreaper:
        p.signal.__dict__["has_child_subreaper"] = True
    parent.children = [*parent.children, p]
    list_add_tail_rcu(p.tasks, init_tasks())
    for kind in (PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID):
        attach_pid(p, kind)


def _attach_thread(p: task_struct) -> None:
    """Count and list a new thread of current's group."""
    signal = current().signal
    signal.nr_threads += 1
    signal.quick_threads += 1
    atomic_inc(signal.live)
    refcount_inc(signal.sigcnt)
    task_join_group_stop(p)
    list_add_tail_rcu(p.thread_node, signal.thread_head)


def _publish(
    p: task_struct,
    number: pid,
    args: kernel_clone_args,
    delayed: multiprocess_signals,
) -> int:
    """Let the child be found, unless it or its maker must not go on.

    Context: Takes tasklist_lock for writing, and siglock in it.
    Return: 0; -ENOMEM in a dying namespace, -EINTR for a maker that is being killed.
    """
    own = current()
    sighand = own.sighand
    assert sighand is not None  # it is alive
    write_lock_irq(tasklist_lock())
    _take_parents(p, args)
    spin_lock(sighand.siglock)
    error = 0
    if not step_read(ns_of_pid(number), "pid_allocated", "read") & PIDNS_ADDING:
        error = -ENOMEM
    elif fatal_signal_pending(own):
        error = -EINTR
    else:
        init_task_pid(p, PIDTYPE_PID, number)
        if args.flags & CLONE_THREAD:
            _attach_thread(p)
        else:
            _attach_leader(p, number, delayed)
        attach_pid(p, PIDTYPE_PID)
        count_threads(1)
        _forget(delayed)
    spin_unlock(sighand.siglock)
    write_unlock_irq(tasklist_lock())
    return error


def _number(p: task_struct, number: pid, clone_flags: int) -> None:
    own = current()
    p.pid = p.tgid = pid_nr(number)
    p.group_leader = p
    p.__dict__["pid_ns_for_children"] = None  # it is in there now
    if clone_flags & CLONE_THREAD:
        p.group_leader = own.group_leader
        p.tgid = own.tgid


@mirrors(
    "kernel/fork.c",
    checked="v7.2",
    abridged="no tracer, and nothing of what has no part in memory and signals",
)
def copy_process(args: kernel_clone_args) -> task_struct | Errno:
    """Make a task that can be found, but does not run yet.

    Context: May sleep.
    Return: The task. An error leaves nothing behind: -EINVAL and -EPERM for what
        cannot be had, -ERESTARTNOINTR for a signal that comes first, -EAGAIN for
        limits, -ENOMEM, -EINTR when current is killed meanwhile.
    """
    refused = _check_clone_flags(args)
    if refused is not None:
        return refused
    with ExitStack() as undo:
        delayed = _hold_signals(args.flags)
        undo.callback(_let_signals, delayed)
        if signal_pending(current()):
            return -ERESTARTNOINTR
        p = dup_task_struct(current())
        undo.callback(_delayed_free_task, p)
        failed = _copy_parts(p, args, undo)
        if isinstance(failed, Errno):
            return failed
        ns = p.__dict__["pid_ns_for_children"] or task_active_pid_ns(current())
        number = alloc_pid(ns or init_pid_ns(), args.set_tid)
        if isinstance(number, Errno):
            return number
        undo.callback(free_pid, number)
        pidfd = _prepare_pidfd(number, args, undo)
        if isinstance(pidfd, Errno):
            return pidfd
        _number(p, number, args.flags)
        failed = pids_can_fork(p)
        if isinstance(failed, Errno):
            return failed
        undo.callback(pids_cancel_fork, p)
        failed = _publish(p, number, args, delayed)
        if isinstance(failed, Errno):
            return failed
        undo.pop_all()
    delayed._free()
    if pidfd is not None:
        fd_install(pidfd[1], pidfd[0])
    cgroup_post_fork(p)
    copy_oom_score_adj(args.flags, p)
    return p
