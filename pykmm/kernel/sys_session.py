# SPDX-License-Identifier: GPL-2.0-only
"""Process groups and sessions — part of ``kernel/sys.c``.

A shell makes a group of each of its jobs, and a session is what a terminal knows. A
group outlives whoever made it, as long as it has a member.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EACCES, EINVAL, EPERM, ESRCH
from ..linux.compiler import READ_ONCE
from ..linux.pid import PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_TGID, pid
from ..linux.rcupdate import rcu, rcu_read_lock, rcu_read_unlock
from ..linux.sched import PF_FORKNOEXEC, current, task_struct, tasklist_lock
from ..linux.sched.signal import (
    same_thread_group,
    task_pgrp,
    task_session,
    thread_group_leader,
)
from ..linux.spinlock import write_lock_irq, write_unlock_irq
from .pid import change_pid, find_task_by_vpid, find_vpid, free_pids, pid_task, pid_vnr

__all__ = ["getpgid", "getppid", "getsid", "ksys_setsid", "setpgid"]


def getppid() -> int:
    """System call: return the number of the parent, 0 if that is outside.

    Context: Enters an RCU read section.
    """
    with rcu():
        parent = READ_ONCE(current()).real_parent
        return 0 if parent is None else pid_vnr(_tgid_of(parent))


def _tgid_of(task: task_struct) -> pid | None:
    """Return the number of *task*'s process, which it bears until it is released."""
    own: pid | None = task.signal.__dict__["pids"][PIDTYPE_TGID]
    return own


def _of(nr: int, kind: int) -> int:
    """Return the number of the group or session of process *nr*, 0 is current's."""
    with rcu():
        task = find_task_by_vpid(nr) if nr else current()
        if task is None:
            return -ESRCH
        borne = task_pgrp(task) if kind == PIDTYPE_PGID else task_session(task)
        return -ESRCH if borne is None else pid_vnr(borne)


def getpgid(nr: int = 0) -> int:
    """System call: return the group of process *nr*; of current, if that is 0.

    Context: Enters an RCU read section.
    Return: Its number, 0 for one outside of current's namespace; -ESRCH.
    """
    return _of(nr, PIDTYPE_PGID)


def getsid(nr: int = 0) -> int:
    """System call: return the session of process *nr*; of current, if that is 0.

    Return: As :func:`getpgid`.
    """
    return _of(nr, PIDTYPE_SID)


# -- leaving the group or the session --------------------------------------------------


def _set_special_pids(pids: list[pid | None], own: pid) -> None:
    leader = current().group_leader
    if task_session(leader) is not own:
        change_pid(pids, leader, PIDTYPE_SID, own)
    if task_pgrp(leader) is not own:
        change_pid(pids, leader, PIDTYPE_PGID, own)


@mirrors("kernel/sys.c", checked="v7.2", abridged="no terminal")
def ksys_setsid() -> int:
    """System call: begin a session of one group of one process, current's.

    Context: Takes tasklist_lock for writing.
    Return: The number of the session; -EPERM for who leads one already, and where a
        group of the own number is left that current is no member of any more.
    """
    leader = current().group_leader
    pids: list[pid | None] = [None] * 4
    write_lock_irq(tasklist_lock())
    own = leader.thread_pid
    assert own is not None  # it is alive
    err: int = -EPERM
    if not leader.signal.leader and pid_task(own, PIDTYPE_PGID) is None:
        leader.signal.leader = True
        _set_special_pids(pids, own)
        err = pid_vnr(own)
    write_unlock_irq(tasklist_lock())
    free_pids(pids)
    return err


def _refuses_group(p: task_struct | None) -> int:
    """Tell why current may not move process *p* to another group; 0 if it may."""
    own = current().group_leader
    if p is None:
        return -ESRCH
    if not thread_group_leader(p):
        return -EINVAL
    parent = p.real_parent
    if parent is not None and same_thread_group(parent, own):
        if task_session(p) is not task_session(own):
            return -EPERM
        if not READ_ONCE(p).flags & PF_FORKNOEXEC:
            return -EACCES
    elif p is not own:
        return -ESRCH
    return -EPERM if p.signal.leader else 0


def _to_group(p: task_struct, nr: int, pids: list[pid | None]) -> int:
    """Move *p* to the group *nr*: its own, or one of current's session."""
    pgrp = p.thread_pid
    if pgrp is None or nr != pid_vnr(pgrp):
        pgrp = find_vpid(nr)
        member = pid_task(pgrp, PIDTYPE_PGID)
        if member is None:
            return -EPERM
        if task_session(member) is not task_session(current().group_leader):
            return -EPERM
    assert pgrp is not None  # it has a member
    if task_pgrp(p) is not pgrp:
        change_pid(pids, p, PIDTYPE_PGID, pgrp)
    return 0


@mirrors("kernel/sys.c", checked="v7.2", abridged="no LSM")
def setpgid(nr: int = 0, pgid: int = 0) -> int:
    """System call: move process *nr* to a group; 0 stands for current, and its own.

    Context: Takes tasklist_lock for writing, in an RCU read section.
    Return: 0; -EINVAL for a negative group, or a thread that leads no process; -ESRCH
        if it is neither current nor its child; -EACCES for a child that has run
        another program since; -EPERM for who leads a session, is in another one, or
        would have to go there.
    """
    nr = nr or pid_vnr(current().group_leader.__dict__["thread_pid"])
    pgid = pgid or nr
    if pgid < 0:
        return -EINVAL
    pids: list[pid | None] = [None] * 4
    rcu_read_lock()
    write_lock_irq(tasklist_lock())
    p = find_task_by_vpid(nr)
    err = _refuses_group(p)
    if p is not None and not err:
        err = _to_group(p, pgid, pids)
    write_unlock_irq(tasklist_lock())
    rcu_read_unlock()
    free_pids(pids)
    return err
