# SPDX-License-Identifier: GPL-2.0-only
"""Leaving an OOM to user space — ``mm/memcontrol-v1.c``.

In version 1 the killer can be switched off for a cgroup. A task that meets the limit
in a fault then sleeps at the end of the fault, with no lock held, until somebody has
freed memory, raised the limit or killed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep, current_thread
from ..errno import EINVAL
from ..linux._waiting import or_signal
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.kernel import might_sleep
from ..linux.memcontrol import (
    for_each_mem_cgroup_tree,
    mem_cgroup,
    memcg_oom_lock,
)
from ..linux.sched import current
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.wait import wait_queue_entry, wake_up_all

__all__ = [
    "mem_cgroup_oom_control_write",
    "mem_cgroup_oom_synchronize",
    "memcg1_oom_finish",
    "memcg1_oom_prepare",
    "memcg1_oom_recover",
]

_LEGACY = "only for cgroups of version 1; nobody listens for the event"


# -- a subtree's state -----------------------------------------------------------------


@mirrors("mm/memcontrol-v1.c", checked="v7.2")
def mem_cgroup_oom_trylock(memcg: mem_cgroup) -> bool:
    """Mark the subtree of *memcg* as being dealt with, unless a part of it is.

    Context: Takes memcg_oom_lock.
    """
    tree = list(for_each_mem_cgroup_tree(memcg))
    spin_lock(memcg_oom_lock())
    free = not any(each.oom_lock for each in tree)
    if free:
        for each in tree:
            each.oom_lock = True
    spin_unlock(memcg_oom_lock())
    return free


@mirrors("mm/memcontrol-v1.c", checked="v7.2")
def mem_cgroup_oom_unlock(memcg: mem_cgroup) -> None:
    """Undo :func:`mem_cgroup_oom_trylock`.

    Context: Takes memcg_oom_lock.
    """
    spin_lock(memcg_oom_lock())
    for each in for_each_mem_cgroup_tree(memcg):
        each.oom_lock = False
    spin_unlock(memcg_oom_lock())


def _count_under_oom(memcg: mem_cgroup, change: int) -> None:
    spin_lock(memcg_oom_lock())
    for each in for_each_mem_cgroup_tree(memcg):
        each.under_oom += change
    spin_unlock(memcg_oom_lock())


@mirrors("mm/memcontrol-v1.c", checked="v7.2")
def mem_cgroup_mark_under_oom(memcg: mem_cgroup) -> None:
    """Have whoever frees memory of the subtree wake the sleepers.

    Context: Takes memcg_oom_lock.
    """
    _count_under_oom(memcg, 1)


@mirrors("mm/memcontrol-v1.c", checked="v7.2", abridged="no cgroup comes meanwhile")
def mem_cgroup_unmark_under_oom(memcg: mem_cgroup) -> None:
    """Undo :func:`mem_cgroup_mark_under_oom`.

    Context: Takes memcg_oom_lock.
    """
    _count_under_oom(memcg, -1)


# -- in the middle of a charge ---------------------------------------------------------


@mirrors("mm/memcontrol-v1.c", checked="v7.2", abridged=_LEGACY)
def memcg1_oom_prepare(memcg: mem_cgroup) -> tuple[bool, bool]:
    """See whether the killer may be called for *memcg*.

    Context: The charge path, with whatever locks its caller holds.
    Return: Whether it may, and what :func:`memcg1_oom_finish` needs to know. If it
        may not, a user fault remembers the cgroup, to sleep when it is over.
    """
    if not memcg.legacy:
        return True, False
    if READ_ONCE(memcg).oom_kill_disable:
        task = current()
        if task.__dict__["in_user_fault"]:
            task.__dict__["memcg_in_oom"] = memcg
        return False, False
    mem_cgroup_mark_under_oom(memcg)
    locked = mem_cgroup_oom_trylock(memcg)
    mem_cgroup_unmark_under_oom(memcg)
    return True, locked


@mirrors("mm/memcontrol-v1.c", checked="v7.2")
def memcg1_oom_finish(memcg: mem_cgroup, locked: bool) -> None:
    """Undo :func:`memcg1_oom_prepare`.

    Context: As there.
    """
    if locked:
        mem_cgroup_oom_unlock(memcg)


# -- sleeping, and being woken ---------------------------------------------------------


def _relatives(memcg: mem_cgroup) -> Iterator[mem_cgroup]:
    above = memcg.parent
    while above is not None:
        yield above
        above = above.parent
    yield from for_each_mem_cgroup_tree(memcg)


@mirrors(
    "mm/memcontrol-v1.c",
    checked="v7.2",
    abridged="a queue for each cgroup, not one whose entries know theirs",
)
def memcg1_oom_recover(memcg: mem_cgroup) -> None:
    """Wake who waits for memory of *memcg*, of one above or of one below it.

    Context: Any; never sleeps.
    """
    if memcg.legacy and READ_ONCE(memcg).under_oom:
        for each in _relatives(memcg):
            wake_up_all(each._oom_waitq)


def _queue(memcg: mem_cgroup) -> None:
    wq = memcg._oom_waitq
    t = enter(wq, "prepare_to_wait")
    wq.entries[t] = wait_queue_entry(t, Sleep.KILLABLE)
    leave(t, wq, Access.WRITE, len(wq.entries))


def _sleep(memcg: mem_cgroup) -> None:
    """Sleep until woken or killed.

    User space may take its time, so a machine at rest may have such a sleeper.
    """
    wq = memcg._oom_waitq
    guard = or_signal(wq, partial(wq._lets_go, current_thread()), Sleep.KILLABLE)
    t = enter(wq, "schedule", guard, Sleep.INTERRUPTIBLE)
    leave(t, wq, Access.WAIT, len(wq.entries), True)


def _leave_queue(memcg: mem_cgroup) -> None:
    wq = memcg._oom_waitq
    t = enter(wq, "finish_wait")
    queued = wq.entries.pop(t, None)
    leave(t, wq, Access.WRITE if queued else Access.READ, len(wq.entries))


@mirrors("mm/memcontrol-v1.c", checked="v7.2", abridged="nobody listens for the event")
def mem_cgroup_oom_synchronize(handle: bool) -> bool:
    """Settle the OOM that a charge of this fault ran into, if it did.

    Context: The end of a fault; no lock held, may sleep. With *handle* it sleeps
        until somebody has helped; without, the fault got along by itself.
    Return: Whether there was one to settle, so that the fault is worth a retry.
    """
    task = current()
    memcg: mem_cgroup | None = task.__dict__["memcg_in_oom"]
    if memcg is None:
        return False
    if handle:
        might_sleep()
        _queue(memcg)
        mem_cgroup_mark_under_oom(memcg)
        locked = mem_cgroup_oom_trylock(memcg)
        _sleep(memcg)
        mem_cgroup_unmark_under_oom(memcg)
        _leave_queue(memcg)
        if locked:
            mem_cgroup_oom_unlock(memcg)
    task.__dict__["memcg_in_oom"] = None
    return True


@mirrors("mm/memcontrol-v1.c", checked="v7.2", abridged="takes a number, no text")
def mem_cgroup_oom_control_write(memcg: mem_cgroup | None, val: int) -> int:
    """Switch the killer of a cgroup off (1) or on (0): ``memory.oom_control``.

    Context: May be called by the host and by programs.
    Return: 0, or -EINVAL for the root, and for another value.
    """
    if memcg is None or not memcg.legacy or val not in (0, 1):
        return -EINVAL
    WRITE_ONCE(memcg).oom_kill_disable = bool(val)
    if not val:
        memcg1_oom_recover(memcg)
    return 0
