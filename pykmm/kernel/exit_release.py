# SPDX-License-Identifier: GPL-2.0-only
"""Taking a dead task out of the tables — part of ``kernel/exit.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.pid import (
    PIDTYPE_PGID,
    PIDTYPE_PID,
    PIDTYPE_SID,
    PIDTYPE_TGID,
    get_pid,
    pid,
)
from ..linux.rculist import list_del_rcu, list_entries
from ..linux.rcupdate import _put_and_call_rcu
from ..linux.refcount import refcount_dec_and_test
from ..linux.sched import EXIT_DEAD, EXIT_ZOMBIE, task_struct, tasklist_lock
from ..linux.sched.signal import SIGNAL_GROUP_EXIT, thread_group_empty
from ..linux.sched.task import put_task_struct
from ..linux.spinlock import spin_lock, spin_unlock, write_lock_irq, write_unlock_irq
from .cgroup.pids import pids_release
from .fork_limit import count_threads
from .pid import detach_pid, free_pids, put_pid, wake_pidfd
from .ptrace_link import ptrace_unlink
from .signal_notify import do_notify_parent
from .ucount import dec_rlimit_ucounts

__all__ = ["put_task_struct_rcu_user", "release_task"]


def _unhash_process(
    pids: list[pid | None], p: task_struct, *, group_dead: bool
) -> None:
    """Take *p* off its pids and lists, in ``__unhash_process()``'s order."""
    thread_pid = p.thread_pid
    assert thread_pid is not None  # released once
    count_threads(-1)
    detach_pid(pids, p, PIDTYPE_PID)
    wake_pidfd(thread_pid)
    if group_dead:
        for kind in (PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID):
            detach_pid(pids, p, kind)
        list_del_rcu(p.tasks)
        if p.real_parent is not None:
            p.real_parent.children = [c for c in p.real_parent.children if c is not p]
    list_del_rcu(p.thread_node)


@mirrors("kernel/exit.c", checked="v7.2", abridged="no timers, tty or accounting")
def __exit_signal(pids: list[pid | None], tsk: task_struct) -> None:
    """Take *tsk* out of its group; from now on it cannot be signalled.

    Context: tasklist_lock held for writing; takes siglock.
    """
    sig = tsk.signal
    group_dead = tsk.exit_signal >= 0
    sighand = tsk.sighand
    assert sighand is not None  # released once
    spin_lock(sighand.siglock)
    if not group_dead:
        if sig.notify_count > 0:
            sig.notify_count -= 1
        if tsk is sig.curr_target:
            threads = list_entries(sig.thread_head)
            sig.curr_target = threads[(threads.index(tsk) + 1) % len(threads)]
    sig.nr_threads -= 1
    _unhash_process(pids, tsk, group_dead=group_dead)
    WRITE_ONCE(tsk).sighand = None
    spin_unlock(sighand.siglock)
    if refcount_dec_and_test(sighand.count):
        # Whoever has read the pointer still takes the lock, and looks again.
        tsk._stale_sighand = sighand


def _zap_leader(p: task_struct) -> task_struct | None:
    """Decide on a zombie leader whose last thread is *p*: release it as well?"""
    leader = p.group_leader
    if (
        leader is p
        or not thread_group_empty(leader)
        or leader.exit_state != EXIT_ZOMBIE
    ):
        return None
    # The whole group is dead, so nobody changes its flags any more.
    if leader.signal.__dict__["flags"] & SIGNAL_GROUP_EXIT:
        leader.exit_code = leader.signal.__dict__["group_exit_code"]
    if not do_notify_parent(leader, leader.exit_signal):
        return None
    leader.exit_state = EXIT_DEAD
    return leader


@mirrors("kernel/exit.c", checked="v7.2", abridged="no pidfs or /proc")
def release_task(p: task_struct) -> None:
    """Take a dead task out of everything by which it could be found.

    Context: Takes tasklist_lock for writing; a leader comes after its threads.
    """
    following: task_struct | None = p
    while following is not None:
        p = following
        dec_rlimit_ucounts(p.__dict__["cred"].uid, 1)
        pids_release(p)
        pids: list[pid | None] = [None] * 4
        thread_pid = READ_ONCE(p).thread_pid
        assert thread_pid is not None  # released once
        get_pid(thread_pid)
        write_lock_irq(tasklist_lock())
        ptrace_unlink(p)
        __exit_signal(pids, p)
        following = _zap_leader(p)
        write_unlock_irq(tasklist_lock())
        put_pid(thread_pid)
        free_pids(pids)
        put_task_struct_rcu_user(p)


@mirrors("kernel/exit.c", checked="v7.2")
def put_task_struct_rcu_user(task: task_struct) -> None:
    """Drop one of the two visibility references; after both, RCU drops ``usage``."""
    _put_and_call_rcu(
        task.rcu_users, lambda: put_task_struct(task), "delayed_put_task_struct"
    )
