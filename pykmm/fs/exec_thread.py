# SPDX-License-Identifier: GPL-2.0-only
"""Becoming the only thread of a group — part of ``fs/exec.c``.

A thread that execs survives alone, and as the process: whoever it was, from then on
it is found by the process's number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.objects import Named
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..errno import EAGAIN
from ..kernel.cgroup.cgroup import _replace_leader
from ..kernel.exit_release import release_task
from ..kernel.pid import exchange_tids, transfer_pid
from ..kernel.signal_deliver import zap_other_threads
from ..kernel.signal_queue import _ptrace
from ..linux._waiting import look_at_signals, or_signal
from ..linux.bug import BUG_ON
from ..linux.compiler import READ_ONCE, data_race
from ..linux.pid import PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_TGID
from ..linux.rculist import list_replace_rcu
from ..linux.sched import (
    EXIT_DEAD,
    EXIT_ZOMBIE,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    sighand_struct,
    signal_struct,
    thread_group_empty,
    thread_group_leader,
)
from ..linux.spinlock import (
    read_lock,
    read_unlock,
    spin_lock_irq,
    spin_unlock_irq,
    write_lock_irq,
    write_unlock_irq,
)
from ..linux.uapi import SIGCHLD, SIGKILL
from ..linux.wait import wake_up_interruptible

__all__ = ["de_thread"]

_SIGLOCK = (
    "holds siglock, too, where Linux relies on tasklist_lock or on being alone; "
    "who is waited for wakes by its state, so a lost wake-up cannot be found"
)


def _nobody_left(sig: signal_struct) -> bool:
    return not sig.__dict__["notify_count"]


def _is_dead(leader: task_struct) -> bool:
    return bool(leader.__dict__["exit_state"])


def _schedule(obj: Named, ready: Callable[[], bool]) -> None:
    """Sleep killably until what *obj* tells is *ready*."""
    if look_at_signals(Sleep.KILLABLE):
        return
    guard = or_signal(obj, ready, Sleep.KILLABLE)
    t = enter(obj, "schedule", guard, Sleep.KILLABLE)
    leave(t, obj, Access.READ, None, blocking=True)


def _is_killed(tsk: task_struct) -> bool:
    """Look for SIGKILL in current's own set, as ``__fatal_signal_pending()`` does."""
    return SIGKILL in data_race(tsk).pending


def _sighand(tsk: task_struct) -> sighand_struct:
    sighand: sighand_struct | None = tsk.__dict__["sighand"]
    assert sighand is not None  # it is alive
    return sighand


def _set_notify_count(tsk: task_struct, count: int) -> None:
    sig, lock = tsk.signal, _sighand(tsk).siglock
    spin_lock_irq(lock)
    sig.notify_count = count
    spin_unlock_irq(lock)


def _forget_exec(tsk: task_struct) -> None:
    sig, lock = tsk.signal, _sighand(tsk).siglock
    spin_lock_irq(lock)
    sig.group_exec_task = None
    sig.notify_count = 0
    spin_unlock_irq(lock)


def _kill_others(tsk: task_struct, sig: signal_struct) -> bool:
    """Kill the other threads, and wait until all but a leader have been released.

    Return: False if the group dies or another thread execs, or if current is killed.
    """
    lock = _sighand(tsk).siglock
    spin_lock_irq(lock)
    if sig.flags & SIGNAL_GROUP_EXIT or sig.group_exec_task is not None:
        spin_unlock_irq(lock)
        return False
    sig.group_exec_task = tsk
    others = zap_other_threads(tsk)
    sig.notify_count = others if thread_group_leader(tsk) else others - 1
    while sig.notify_count:
        spin_unlock_irq(lock)
        _schedule(field_of(sig, "notify_count"), partial(_nobody_left, sig))
        if _is_killed(tsk):
            _give_up(tsk)
            return False
        spin_lock_irq(lock)
    spin_unlock_irq(lock)
    return True


def _give_up(tsk: task_struct) -> None:
    """Forget the exec, against threads that are just being released."""
    read_lock(tasklist_lock())
    _forget_exec(tsk)
    read_unlock(tasklist_lock())


def _lock_dead_leader(tsk: task_struct, leader: task_struct) -> bool:
    """Wait until the leader is a zombie, and return with tasklist_lock held.

    Return: False, without the lock, if current was killed instead.
    """
    while True:
        write_lock_irq(tasklist_lock())
        _set_notify_count(tsk, -1)
        if leader.exit_state:
            return True
        write_unlock_irq(tasklist_lock())
        _schedule(field_of(leader, "exit_state"), partial(_is_dead, leader))
        if _is_killed(tsk):
            _give_up(tsk)
            return False


def _take_place(tsk: task_struct, leader: task_struct) -> None:
    """Make current the leader, in all places where the old one was found.

    Context: tasklist_lock held for writing.
    """
    BUG_ON(leader.signal is not tsk.signal, f"{leader.name} leads somebody else")
    exchange_tids(tsk, leader)
    for kind in (PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID):
        transfer_pid(leader, tsk, kind)
    list_replace_rcu(leader.tasks, tsk.tasks)
    parent = tsk.real_parent
    if parent is not None:
        parent.children = [tsk if c is leader else c for c in parent.children]
    tsk.group_leader = tsk
    leader.group_leader = tsk
    tsk.exit_signal = SIGCHLD
    leader.exit_signal = -1
    BUG_ON(leader.exit_state != EXIT_ZOMBIE, f"{leader.name} is no zombie")
    leader.exit_state = EXIT_DEAD
    if _ptrace(leader) and leader.parent is not None:
        wake_up_interruptible(leader.parent.signal.wait_chldexit)


@mirrors("fs/exec.c", checked="v7.2", abridged=_SIGLOCK)
def de_thread(tsk: task_struct) -> int:
    """Make current the only thread of its group, and its leader.

    Context: May sleep, killably; takes siglock, and tasklist_lock for writing.
    Return: 0; -EAGAIN if the group dies, or another thread execs, or for SIGKILL.
    """
    sig = tsk.signal
    if not thread_group_empty(tsk):
        if not _kill_others(tsk, sig):
            return -EAGAIN
        if not thread_group_leader(tsk):
            leader = tsk.group_leader
            if not _lock_dead_leader(tsk, leader):
                return -EAGAIN
            _take_place(tsk, leader)
            write_unlock_irq(tasklist_lock())
            _replace_leader(leader, tsk)
            release_task(leader)
        _forget_exec(tsk)
    if READ_ONCE(tsk).exit_signal != SIGCHLD:
        write_lock_irq(tasklist_lock())
        tsk.exit_signal = SIGCHLD
        write_unlock_irq(tasklist_lock())
    BUG_ON(not thread_group_leader(tsk), f"{tsk.name} leads nobody")
    return 0
