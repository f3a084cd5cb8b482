# SPDX-License-Identifier: GPL-2.0-only
"""The parent's wait — part of ``kernel/exit.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import enter, leave
from ..errno import ECHILD, EINTR, Errno
from ..linux.compiler import READ_ONCE
from ..linux.sched import EXIT_DEAD, EXIT_ZOMBIE, current, task_struct, tasklist_lock
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    for_each_thread,
    thread_group_empty,
    thread_group_leader,
)
from ..linux.spinlock import read_lock, read_unlock
from ..linux.uapi import WNOHANG
from ..linux.wait import wait_event_interruptible
from .exit_release import release_task

__all__ = ["kernel_wait4", "wait_task_zombie"]


def _status(p: task_struct) -> int:
    if READ_ONCE(p.signal).flags & SIGNAL_GROUP_EXIT:
        return READ_ONCE(p.signal).group_exit_code
    return READ_ONCE(p).exit_code


@mirrors("kernel/exit.c", checked="v7.2", abridged="no rusage, nobody is traced")
def wait_task_zombie(p: task_struct) -> tuple[int, int] | None:
    """Claim a zombie child and release it; of several waiters one wins.

    Context: tasklist_lock held for reading; dropped if the claim succeeds.
    Return: Its number and wait status, or None if somebody else was faster.
    """
    nr = p.pid
    if _cmpxchg_exit_state(p, EXIT_ZOMBIE, EXIT_DEAD) != EXIT_ZOMBIE:
        return None
    read_unlock(tasklist_lock())
    status = _status(p)
    release_task(p)
    return nr, status


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


def _do_wait(nr: int) -> tuple[int, int] | Errno | None:
    """Look once: a reaped child, -ECHILD, or None if one may come later."""
    found = -ECHILD
    waitable = False
    read_lock(tasklist_lock())
    for t in for_each_thread(current()):
        for p in list(t.children):
            if nr > 0 and p.pid != nr:
                continue
            state = READ_ONCE(p).exit_state
            if state == EXIT_DEAD:
                continue
            if (
                state == EXIT_ZOMBIE
                and thread_group_leader(p)
                and thread_group_empty(p)
            ):
                reaped = wait_task_zombie(p)
                if reaped is not None:
                    return reaped
                continue
            waitable = True
    read_unlock(tasklist_lock())
    return None if waitable else found


@mirrors(
    "kernel/exit.c", checked="v7.2", abridged="waits for one child or any, no groups"
)
def kernel_wait4(nr: int, options: int = 0) -> tuple[int, int] | Errno:
    """Wait for a child to end, and release it.

    Context: May sleep, interruptibly. Takes tasklist_lock.
    Return: Number and status; with WNOHANG (0, 0) if none is ready yet; -ECHILD
        without a child to wait for; -EINTR for a signal.
    """
    found: list[tuple[int, int] | Errno] = []

    def look() -> bool:
        got = _do_wait(nr)
        if got is not None:
            found.append(got)
        return got is not None or bool(options & WNOHANG)

    ret = wait_event_interruptible(current().signal.wait_chldexit, look)
    if found:
        return found[0]
    return (0, 0) if ret == 0 else -EINTR
