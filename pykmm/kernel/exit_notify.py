# SPDX-License-Identifier: GPL-2.0-only
"""Telling the family of a dead task — part of ``kernel/exit.c``.

All of it happens with tasklist_lock held for writing, under which nobody else
changes who belongs to whom; so most of it takes no steps.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.annotate import mirrors
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.pid import PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_TGID, is_global_init, pid
from ..linux.ptrace import ptrace_reparented
from ..linux.rculist import list_entries
from ..linux.sched import (
    EXIT_DEAD,
    EXIT_ZOMBIE,
    PF_EXITING,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import (
    SIGNAL_STOP_STOPPED,
    for_each_thread,
    same_thread_group,
    thread_group_empty,
)
from ..linux.signal import SEND_SIG_NOINFO, SEND_SIG_PRIV
from ..linux.spinlock import read_lock, read_unlock, write_lock_irq, write_unlock_irq
from ..linux.uapi import SIGCHLD, SIGCONT, SIGHUP
from .exit_release import release_task
from .pid import task_active_pid_ns
from .pid_namespace import zap_pid_ns_processes
from .ptrace_link import exit_ptrace
from .signal import __kill_pgrp_info, group_send_sig_info
from .signal_notify import do_notify_parent, do_notify_pidfd
from .signal_queue import _ptrace

__all__ = ["exit_notify", "forget_original_parent", "is_current_pgrp_orphaned"]


# -- process groups that nobody controls any more --------------------------------------


def _group_of(p: task_struct | None, kind: int) -> pid | None:
    return None if p is None else p.signal.pids[kind]


def _members(pgrp: pid) -> Iterator[task_struct]:
    return iter(list_entries(pgrp.tasks[PIDTYPE_PGID]))


def _has_exited(p: task_struct) -> bool:
    return bool(p.exit_state) and len(list_entries(p.signal.thread_head)) == 1


@mirrors("kernel/exit.c", checked="v7.2")
def will_become_orphaned_pgrp(pgrp: pid, ignored_task: task_struct | None) -> bool:
    """Tell whether no member's parent could control the group as a job of its own.

    Context: tasklist_lock.
    """
    for p in _members(pgrp):
        parent = p.real_parent
        if p is ignored_task or _has_exited(p) or parent is None:
            continue
        if is_global_init(parent):
            continue
        if _group_of(parent, PIDTYPE_PGID) is pgrp:
            continue
        if _group_of(parent, PIDTYPE_SID) is _group_of(p, PIDTYPE_SID):
            return False
    return True


@mirrors("kernel/exit.c", checked="v7.2")
def is_current_pgrp_orphaned() -> bool:
    """Tell whether nobody could continue current, if it stopped as a job does.

    Context: Takes tasklist_lock for reading.
    """
    read_lock(tasklist_lock())
    pgrp = _group_of(current(), PIDTYPE_PGID)
    orphaned = pgrp is None or will_become_orphaned_pgrp(pgrp, None)
    read_unlock(tasklist_lock())
    return orphaned


@mirrors("kernel/exit.c", checked="v7.2")
def has_stopped_jobs(pgrp: pid) -> bool:
    """Tell whether a member of the group stands still.

    Context: tasklist_lock.
    """
    return any(READ_ONCE(p.signal).flags & SIGNAL_STOP_STOPPED for p in _members(pgrp))


@mirrors("kernel/exit.c", checked="v7.2")
def kill_orphaned_pgrp(tsk: task_struct, parent: task_struct | None) -> None:
    """Hang up on a group that stands still, if *tsk* was its last tie to the others.

    *parent* is the father that dies, if *tsk* itself lives on.

    Context: tasklist_lock held for writing.
    """
    pgrp = _group_of(tsk, PIDTYPE_PGID)
    ignored = None
    if parent is None:
        parent, ignored = tsk.real_parent, tsk
    if pgrp is None or _group_of(parent, PIDTYPE_PGID) is pgrp:
        return
    if _group_of(parent, PIDTYPE_SID) is not _group_of(tsk, PIDTYPE_SID):
        return
    if will_become_orphaned_pgrp(pgrp, ignored) and has_stopped_jobs(pgrp):
        __kill_pgrp_info(SIGHUP, SEND_SIG_PRIV, pgrp)
        __kill_pgrp_info(SIGCONT, SEND_SIG_PRIV, pgrp)


# -- orphans ---------------------------------------------------------------------------


@mirrors("kernel/exit.c", checked="v7.2")
def find_alive_thread(p: task_struct) -> task_struct | None:
    """Return a thread of *p*'s process that is not on its way out.

    Context: tasklist_lock.
    """
    for t in for_each_thread(p):
        if not t.__dict__["flags"] & PF_EXITING:
            return t
    return None


@mirrors("kernel/exit.c", checked="v7.2")
def find_child_reaper(
    father: task_struct, dead: list[task_struct]
) -> task_struct | None:
    """Return who takes care of orphans in the namespace of *father*.

    If that is *father* itself, it hands that to another thread; the last one takes
    everybody else in the namespace with it.

    Context: tasklist_lock held for writing, but not in between.
    """
    ns = task_active_pid_ns(father)
    assert ns is not None  # it is not released yet
    reaper: task_struct | None = ns.__dict__["child_reaper"]
    if reaper is not father:
        return reaper
    thread = find_alive_thread(father)
    if thread is not None:
        WRITE_ONCE(ns).child_reaper = thread
        return thread
    write_unlock_irq(tasklist_lock())
    for p in reversed(dead):
        release_task(p)
    dead.clear()
    zap_pid_ns_processes(ns)
    write_lock_irq(tasklist_lock())
    return father


def _level(task: task_struct) -> int:
    ns = task_active_pid_ns(task)
    return -1 if ns is None else ns.level


@mirrors("kernel/exit.c", checked="v7.2")
def find_new_reaper(
    father: task_struct, child_reaper: task_struct | None
) -> task_struct | None:
    """Return who is to be the parent of the children of *father*.

    Context: tasklist_lock held for writing.
    Return: A thread of its process, else of the next ancestor that takes orphans
        in, else *child_reaper*.
    """
    thread = find_alive_thread(father)
    if thread is not None:
        return thread
    if READ_ONCE(father.signal).has_child_subreaper:
        # Nobody leaves the namespace, except into the one of a foreign parent.
        reaper = father.real_parent
        while reaper is not None and _level(reaper) == _level(father):
            if READ_ONCE(reaper.signal).is_child_subreaper:
                thread = find_alive_thread(reaper)
                if thread is not None:
                    return thread
            reaper = reaper.real_parent
    return child_reaper


def _reparent_leader(
    father: task_struct, p: task_struct, dead: list[task_struct]
) -> None:
    """Give a child to another process, which is told of it if it is a zombie."""
    if p.exit_state == EXIT_DEAD:
        return
    if p.exit_signal != SIGCHLD:
        p.exit_signal = SIGCHLD
    if not _ptrace(p) and p.exit_state == EXIT_ZOMBIE and thread_group_empty(p):
        if do_notify_parent(p, p.exit_signal):
            p.exit_state = EXIT_DEAD
            dead.append(p)
    kill_orphaned_pgrp(p, father)


def _tell_of_death(t: task_struct) -> None:
    """Send *t* what it wants when its parent's thread dies.

    Only if it has ever asked is there a step: to ask it needs tasklist_lock.
    """
    if t.__dict__["pdeath_signal"] is not None:
        sig = READ_ONCE(t).pdeath_signal
        if sig:
            group_send_sig_info(sig, SEND_SIG_NOINFO, t, PIDTYPE_TGID)


@mirrors("kernel/exit.c", checked="v7.2")
def forget_original_parent(father: task_struct, dead: list[task_struct]) -> None:
    """Give the children of a dead task away, and set free whom it traced.

    Context: tasklist_lock held for writing. Zombies that nobody wants go to *dead*.
    """
    if father.ptraced:
        exit_ptrace(father, dead)
    reaper = find_child_reaper(father, dead)
    if not father.children:
        return
    reaper = find_new_reaper(father, reaper)
    for p in list(father.children):
        for t in list_entries(p.signal.thread_head):
            t.real_parent = reaper
            if not _ptrace(t):
                t.parent = reaper
            _tell_of_death(t)
        if reaper is not None and not same_thread_group(reaper, father):
            _reparent_leader(father, p, dead)
    if reaper is not None:
        reaper.children = reaper.children + father.children
    father.children = []


# -- the dead task itself --------------------------------------------------------------


def _notify(tsk: task_struct) -> bool:
    """Tell of the death of *tsk*, now that there is something to tell.

    Return: Whether nobody is going to reap it.
    """
    if _ptrace(tsk):
        own = thread_group_empty(tsk) and not ptrace_reparented(tsk)
        return do_notify_parent(tsk, tsk.exit_signal if own else SIGCHLD)
    if tsk.exit_signal >= 0:  # thread_group_leader(), under its lock
        return thread_group_empty(tsk) and do_notify_parent(tsk, tsk.exit_signal)
    do_notify_pidfd(tsk)
    return True


@mirrors("kernel/exit.c", checked="v7.2")
def exit_notify(tsk: task_struct, group_dead: bool) -> None:
    """Become a zombie and tell the parent, or be released at once.

    A thread that execs and waits for its leader to get here sees ``exit_state``.

    Context: Takes tasklist_lock for writing; may sleep afterwards.
    """
    dead: list[task_struct] = []
    write_lock_irq(tasklist_lock())
    forget_original_parent(tsk, dead)
    if group_dead:
        kill_orphaned_pgrp(tsk.group_leader, None)
    tsk.exit_state = EXIT_ZOMBIE
    if _notify(tsk):
        tsk.exit_state = EXIT_DEAD
        dead.append(tsk)
    write_unlock_irq(tasklist_lock())
    for p in reversed(dead):
        release_task(p)
