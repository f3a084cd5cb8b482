# SPDX-License-Identifier: GPL-2.0-only
"""The lock of an address space's mappings — ``include/linux/mmap_lock.h``.

For writing it keeps everybody out of the VMA tree. For reading it keeps the tree
as it is, while pages may come and go: that is how the reaper and the exiting
task can unmap the same memory at the same time.

A fault needs just one mapping, and takes that one's own lock where it can. So whoever
changes a mapping under ``mmap_lock`` also write-locks the mapping; all such locks end
together when ``mmap_lock`` is given back, because ``mm_lock_seq`` moves on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ._primitive import let_go
from .compiler import WRITE_ONCE
from .lockdep import lockdep_assert, lockdep_assert_held, lockdep_assert_held_write
from .rwsem import (
    down_read,
    down_read_killable,
    down_read_trylock,
    down_write,
    down_write_killable,
    down_write_nested,
    downgrade_write,
    rwsem_is_contended,
    up_read,
    up_write,
)

if TYPE_CHECKING:
    from .mm_types import mm_struct, vm_area_struct

__all__ = [
    "mmap_assert_locked",
    "mmap_assert_write_locked",
    "mmap_lock_is_contended",
    "mmap_read_lock",
    "mmap_read_lock_killable",
    "mmap_read_trylock",
    "mmap_read_unlock",
    "mmap_write_downgrade",
    "mmap_write_lock",
    "mmap_write_lock_killable",
    "mmap_write_lock_nested",
    "mmap_write_unlock",
    "vma_assert_write_locked",
    "vma_end_read",
    "vma_end_write_all",
    "vma_mark_attached",
    "vma_mark_detached",
    "vma_start_write",
    "vma_start_write_killable",
]

__vma_start_write = extern("pykmm.mm.mmap_lock", "__vma_start_write")
__vma_exclude_readers_for_detach = extern(
    "pykmm.mm.mmap_lock", "__vma_exclude_readers_for_detach"
)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_assert_locked(mm: mm_struct) -> None:
    """Report the caller unless it holds the lock in either way.

    Context: Any; no step.
    """
    lockdep_assert_held(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_assert_write_locked(mm: mm_struct) -> None:
    """Report the caller unless it holds the lock for writing.

    Context: Any; no step.
    """
    lockdep_assert_held_write(mm.mmap_lock)


# -- the lock of one mapping -----------------------------------------------------------


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mm_lock_seqcount_begin(mm: mm_struct) -> None:
    """Tell those who look without a lock that a writer is at the mappings.

    Context: ``mmap_lock`` has just been taken for writing.
    """
    WRITE_ONCE(mm).mm_lock_seq = mm.mm_lock_seq + 1


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mm_lock_seqcount_end(mm: mm_struct) -> None:
    """End what :func:`mm_lock_seqcount_begin` began, and with it all write locks.

    Context: ``mmap_lock`` is held for writing.
    """
    WRITE_ONCE(mm).mm_lock_seq = mm.mm_lock_seq + 1


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_end_write_all(mm: mm_struct) -> None:
    """Give all mappings of *mm* back that were write-locked, in one step.

    Context: ``mmap_lock`` is held for writing.
    """
    mmap_assert_write_locked(mm)
    mm_lock_seqcount_end(mm)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def __is_vma_write_locked(vma: vm_area_struct) -> bool:
    """Tell whether faults are kept out of *vma* already.

    Context: ``mmap_lock`` for writing; no step.
    """
    mmap_assert_write_locked(vma.vm_mm)
    return vma.vm_lock_seq == vma.vm_mm.mm_lock_seq


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_start_write(vma: vm_area_struct) -> None:
    """Keep faults out of *vma* until ``mmap_lock`` is given back or downgraded.

    Context: ``mmap_lock`` for writing. May sleep, until readers have left.
    """
    if not __is_vma_write_locked(vma):
        __vma_start_write(vma, Sleep.UNINTERRUPTIBLE)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_start_write_killable(vma: vm_area_struct) -> int:
    """Keep faults out of *vma*, or give up when killed while readers are there.

    Context: As :func:`vma_start_write`.
    Return: 0, or -EINTR without the lock.
    """
    if __is_vma_write_locked(vma):
        return 0
    return int(__vma_start_write(vma, Sleep.KILLABLE))


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_assert_write_locked(vma: vm_area_struct) -> None:
    """Report the caller unless faults are kept out of *vma*.

    Context: ``mmap_lock`` for writing; no step.
    """
    lockdep_assert(__is_vma_write_locked(vma), f"{vma.name} is not write-locked")


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_mark_attached(vma: vm_area_struct) -> None:
    """Let faults use *vma*, which is about to be in the tree.

    Context: ``mmap_lock`` for writing; *vma* is write-locked and detached.
    """
    vma_assert_write_locked(vma)
    count = vma.vm_refcnt
    t = enter(count, "vma_mark_attached")
    lockdep_assert(not count.refs, f"{vma.name} is attached already")
    count.refs = 1
    leave(t, count, Access.WRITE, count._state())


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_mark_detached(vma: vm_area_struct) -> None:
    """Let nobody use *vma* any more; waits for who is about to find it locked.

    Context: ``mmap_lock`` for writing; *vma* is write-locked and attached. May sleep.
    """
    vma_assert_write_locked(vma)
    count = vma.vm_refcnt
    t = enter(count, "vma_mark_detached")
    lockdep_assert(count.refs > 0, f"{vma.name} is detached already")
    count.refs -= 1
    count.excludes = readers = count.refs > 0
    leave(t, count, Access.WRITE, count._state())
    if readers:
        __vma_exclude_readers_for_detach(vma)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def vma_end_read(vma: vm_area_struct) -> None:
    """Give back what ``lock_vma_under_rcu()`` gave; the last one lets a writer in.

    Context: The mapping is held for reading by its own lock.
    """
    count = vma.vm_refcnt
    t = enter(count, "vma_end_read")
    let_go(t, count, holds=count.refs > 0)
    count.refs -= 1
    wakes = count.excludes and count.refs <= 1
    leave(t, count, Access.RELEASE if wakes else Access.UNSHARE, count._state())


# -- the lock of all mappings ----------------------------------------------------------


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_read_lock(mm: mm_struct) -> None:
    """Keep the mappings as they are; no signal ends the wait.

    Context: May sleep.
    """
    down_read(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_read_lock_killable(mm: mm_struct) -> int:
    """Keep the mappings as they are, or give up when killed while waiting.

    Context: May sleep.
    Return: 0, or -EINTR without the lock.
    """
    return down_read_killable(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_read_trylock(mm: mm_struct) -> bool:
    """Keep the mappings as they are if nobody writes and nobody waits.

    Context: Any; never sleeps.
    """
    return down_read_trylock(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_read_unlock(mm: mm_struct) -> None:
    """Let writers in again.

    Context: The lock is held for reading.
    """
    up_read(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_write_lock(mm: mm_struct) -> None:
    """Have the mappings alone; no signal ends the wait.

    Context: May sleep.
    """
    down_write(mm.mmap_lock)
    mm_lock_seqcount_begin(mm)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_write_lock_nested(mm: mm_struct, subclass: int) -> None:
    """Have the mappings of a second address space alone, as fork does.

    Context: May sleep. Another address space's lock is held for writing.
    """
    down_write_nested(mm.mmap_lock, subclass)
    mm_lock_seqcount_begin(mm)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_write_lock_killable(mm: mm_struct) -> int:
    """Have the mappings alone, or give up when killed while waiting.

    Context: May sleep.
    Return: 0, or -EINTR without the lock.
    """
    ret = down_write_killable(mm.mmap_lock)
    if not ret:
        mm_lock_seqcount_begin(mm)
    return ret


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_write_unlock(mm: mm_struct) -> None:
    """Let others at the mappings again, and at each that was write-locked.

    Context: The lock is held for writing.
    """
    vma_end_write_all(mm)
    up_write(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_write_downgrade(mm: mm_struct) -> None:
    """Go on with the mappings as a reader, with no writer in between.

    Context: The lock is held for writing.
    """
    vma_end_write_all(mm)
    downgrade_write(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_lock_is_contended(mm: mm_struct) -> bool:
    """Tell whether anybody waits for the lock.

    Context: Any; may be old when it arrives.
    """
    return rwsem_is_contended(mm.mmap_lock)
