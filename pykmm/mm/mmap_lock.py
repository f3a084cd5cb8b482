# SPDX-License-Identifier: GPL-2.0-only
"""Locking one mapping instead of them all — ``mm/mmap_lock.c``."""

from __future__ import annotations

from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..errno import EAGAIN, EINTR, Errno
from ..lib.maple_tree import mas_walk
from ..linux._waiting import look_at_signals, wait_for
from ..linux.compiler import READ_ONCE
from ..linux.maple_tree import MA_STATE
from ..linux.mm_types import _tree_of, mm_struct, vm_area_struct
from ..linux.mmap_lock import vma_end_read
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock

__all__ = [
    "__vma_exclude_readers_for_detach",
    "__vma_start_write",
    "lock_vma_under_rcu",
    "vma_start_read",
]

_ONE_STEP = (
    "without readers it is one step: who would be turned away in between is turned "
    "away after it, too"
)
_NO_FIRST_LOOK = (
    "takes the count at once, without a look whether the mapping is write-locked: the "
    "look that follows turns away whom that one would"
)
_NO_RETRY = (
    "does not look again for what may have replaced a mapping that was detached: the "
    "caller takes mmap_lock instead, and sees the same"
)


@mirrors("mm/mmap_lock.c", checked="v7.2", abridged=_ONE_STEP, inline=True)
def __vma_start_write(vma: vm_area_struct, state: Sleep) -> int:
    """Wait until nobody reads *vma*, and keep readers out from then on.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, or -EINTR if *state* lets a fatal signal end the wait.
    """
    mm, count = vma.vm_mm, vma.vm_refcnt
    if not count.refs:  # nobody can take a count of what is detached
        vma.__dict__["vm_lock_seq"] = mm.mm_lock_seq
        return 0
    t = enter(count, "vma_start_write")
    count.excludes = count.refs > 1
    if not count.excludes:
        vma.__dict__["vm_lock_seq"] = mm.mm_lock_seq
    leave(t, count, Access.WRITE, count._state())
    return _wait_for_readers(vma, state) if count.excludes else 0


def _wait_for_readers(vma: vm_area_struct, state: Sleep) -> int:
    count = vma.vm_refcnt
    if not look_at_signals(state):
        kind = "vma_start_write_wait"
        t = wait_for(count, kind, partial(count._has, 1), state)
        if t is not None:
            vma.__dict__["vm_lock_seq"] = vma.vm_mm.mm_lock_seq
            count.excludes = False
            leave(t, count, Access.WRITE, count._state(), True)
            return 0
    t = enter(count, "vma_start_write_killed")
    count.excludes = False
    leave(t, count, Access.WRITE, f"{count._state()}: -EINTR")
    return -EINTR


@mirrors("mm/mmap_lock.c", checked="v7.2", inline=True)
def __vma_exclude_readers_for_detach(vma: vm_area_struct) -> None:
    """Wait for readers that are about to see that *vma* is write-locked.

    Context: ``mmap_lock`` for writing; *vma* is write-locked, and keeps readers out.
        May sleep.
    """
    count = vma.vm_refcnt
    t = enter(count, "vma_mark_detached_wait", partial(count._has, 0))
    count.excludes = False
    leave(t, count, Access.WRITE, count._state(), True)


@mirrors("mm/mmap_lock.c", checked="v7.2", abridged=_NO_FIRST_LOOK, inline=True)
def vma_start_read(mm: mm_struct, vma: vm_area_struct) -> vm_area_struct | Errno | None:
    """Lock *vma* for reading, unless somebody keeps readers out.

    Context: In an RCU read section, which is over if the lock was not taken.
    Return: *vma*; None without the lock; -EAGAIN if it is no part of *mm* any more.
    """
    count = vma.vm_refcnt
    t = enter(count, "vma_start_read")
    if count.excludes or not count.refs:
        detached = not count.refs
        leave(t, count, Access.READ, count._state())
        rcu_read_unlock()
        return -EAGAIN if detached else None
    count.refs += 1
    t.held.append(count)
    leave(t, count, Access.SHARE, count._state())
    if vma.vm_lock_seq == READ_ONCE(mm).mm_lock_seq:
        vma_end_read(vma)
        rcu_read_unlock()
        return None
    return vma


@mirrors("mm/mmap_lock.c", checked="v7.2", abridged=_NO_RETRY, inline=True)
def lock_vma_under_rcu(mm: mm_struct, address: int) -> vm_area_struct | None:
    """Find the mapping that contains *address*, and lock just that one.

    Context: No lock held; never sleeps.
    Return: The mapping, held for reading until ``vma_end_read()``; None if there is
        none or somebody changes it: only ``mmap_lock`` can tell.
    """
    mas = MA_STATE(_tree_of(mm), address, address)
    rcu_read_lock()
    found = mas_walk(mas)
    if found is None:
        rcu_read_unlock()
        return None
    vma = vma_start_read(mm, found)
    if vma is None or isinstance(vma, Errno):
        return None
    rcu_read_unlock()
    if not vma.vm_start <= address < vma.vm_end:
        vma_end_read(vma)
        return None
    return vma
