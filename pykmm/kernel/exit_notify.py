# SPDX-License-Identifier: GPL-2.0-only
"""Telling the family of a dead task — part of ``kernel/exit.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.pid import is_global_init
from ..linux.sched import (
    EXIT_DEAD,
    EXIT_ZOMBIE,
    PF_EXITING,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import for_each_process, for_each_thread, thread_group_empty
from ..linux.spinlock import write_lock_irq, write_unlock_irq
from .exit_release import release_task
from .pid import wake_pidfd
from .signal_deliver import do_notify_parent

__all__ = ["exit_notify", "forget_original_parent"]


@mirrors("kernel/exit.c", checked="v7.2", abridged="no subreapers, one namespace")
def forget_original_parent(father: task_struct, dead: list[task_struct]) -> None:
    """Give the children of a dead task to a living thread of it, or to init.

    Context: tasklist_lock held for writing. Zombies whose new parent ignores
        them go to *dead*.
    """
    if not father.children:
        return
    reaper = _find_new_reaper(father)
    for child in list(father.children):
        child.real_parent = reaper
        child.parent = reaper
        if reaper is not None and reaper.signal is not father.signal:
            _reparent_leader(child, dead)
    if reaper is not None:
        reaper.children = reaper.children + father.children
    father.children = []


def _find_new_reaper(father: task_struct) -> task_struct | None:
    for t in for_each_thread(father):
        if t is not father and not t.__dict__["flags"] & PF_EXITING:
            return t
    return next((t for t in for_each_process() if is_global_init(t)), None)


def _reparent_leader(child: task_struct, dead: list[task_struct]) -> None:
    if child.exit_state == EXIT_ZOMBIE and thread_group_empty(child):
        if do_notify_parent(child, child.exit_signal):
            child.exit_state = EXIT_DEAD
            dead.append(child)


@mirrors(
    "kernel/exit.c", checked="v7.2", abridged="nobody is traced, no process groups"
)
def exit_notify(tsk: task_struct, group_dead: bool) -> None:
    """Become a zombie and tell the parent, or be released at once.

    Context: Takes tasklist_lock for writing; may sleep afterwards.
    """
    del group_dead
    dead: list[task_struct] = []
    write_lock_irq(tasklist_lock())
    forget_original_parent(tsk, dead)
    tsk.exit_state = EXIT_ZOMBIE
    if tsk.exit_signal >= 0:  # thread_group_leader(), under its lock
        autoreap = thread_group_empty(tsk) and do_notify_parent(tsk, tsk.exit_signal)
    else:
        autoreap = True
        if tsk.thread_pid is not None:
            wake_pidfd(tsk.thread_pid)
    if autoreap:
        tsk.exit_state = EXIT_DEAD
        dead.append(tsk)
    write_unlock_irq(tasklist_lock())
    for p in dead:
        release_task(p)
