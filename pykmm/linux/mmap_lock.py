# SPDX-License-Identifier: GPL-2.0-only
"""The lock of an address space's mappings — ``include/linux/mmap_lock.h``.

For writing it keeps everybody out of the VMA tree. For reading it keeps the tree
as it is, while pages may come and go: that is how the reaper and the exiting
task can unmap the same memory at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from .lockdep import lockdep_assert_held, lockdep_assert_held_write
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
    from .mm_types import mm_struct

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
]

_NO_VMA_LOCKS = (
    "no per-VMA locks: a fault here waits for a writer that Linux's would not meet"
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


@mirrors(
    "include/linux/mmap_lock.h", checked="v7.2", abridged=_NO_VMA_LOCKS, inline=True
)
def mmap_write_lock(mm: mm_struct) -> None:
    """Have the mappings alone; no signal ends the wait.

    Context: May sleep.
    """
    down_write(mm.mmap_lock)


@mirrors(
    "include/linux/mmap_lock.h", checked="v7.2", abridged=_NO_VMA_LOCKS, inline=True
)
def mmap_write_lock_nested(mm: mm_struct, subclass: int) -> None:
    """Have the mappings of a second address space alone, as fork does.

    Context: May sleep. Another address space's lock is held for writing.
    """
    down_write_nested(mm.mmap_lock, subclass)


@mirrors(
    "include/linux/mmap_lock.h", checked="v7.2", abridged=_NO_VMA_LOCKS, inline=True
)
def mmap_write_lock_killable(mm: mm_struct) -> int:
    """Have the mappings alone, or give up when killed while waiting.

    Context: May sleep.
    Return: 0, or -EINTR without the lock.
    """
    return down_write_killable(mm.mmap_lock)


@mirrors(
    "include/linux/mmap_lock.h", checked="v7.2", abridged=_NO_VMA_LOCKS, inline=True
)
def mmap_write_unlock(mm: mm_struct) -> None:
    """Let others at the mappings again.

    Context: The lock is held for writing.
    """
    up_write(mm.mmap_lock)


@mirrors(
    "include/linux/mmap_lock.h", checked="v7.2", abridged=_NO_VMA_LOCKS, inline=True
)
def mmap_write_downgrade(mm: mm_struct) -> None:
    """Go on with the mappings as a reader, with no writer in between.

    Context: The lock is held for writing.
    """
    downgrade_write(mm.mmap_lock)


@mirrors("include/linux/mmap_lock.h", checked="v7.2", inline=True)
def mmap_lock_is_contended(mm: mm_struct) -> bool:
    """Tell whether anybody waits for the lock.

    Context: Any; may be old when it arrives.
    """
    return rwsem_is_contended(mm.mmap_lock)
