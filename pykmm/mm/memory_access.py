# SPDX-License-Identifier: GPL-2.0-only
"""Reading and writing somebody else's memory — part of ``mm/memory.c``.

There is no content: what an access comes to is how many bytes it reached.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..linux.mm import PAGE_SIZE, vma_lookup
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ..linux.sched import task_struct
from .gup_pages import get_user_pages_remote, unpin_user_pages
from .mmap_stack import expand_stack

__all__ = ["__access_remote_vm", "access_process_vm", "access_remote_vm"]

_get_task_mm: Callable[[task_struct], mm_struct | None] = extern(
    "pykmm.kernel.fork_mm", "get_task_mm"
)
_mmput: Callable[[mm_struct], None] = extern("pykmm.kernel.fork", "mmput")


@mirrors(
    "mm/memory.c",
    checked="v7.2",
    abridged="no device has memory of its own to access",
)
def __access_remote_vm(mm: mm_struct, addr: int, length: int, gup_flags: int) -> int:
    """Access *length* bytes of *mm* from *addr* on, page by page.

    Context: Takes ``mmap_lock`` for reading. May sleep.
    Return: How many bytes were reached before the first error; 0 also for a thread
        that is killed while it waits for the lock.
    """
    if mmap_read_lock_killable(mm):
        return 0
    at, end = addr, addr + length
    while at < end:
        if vma_lookup(mm, at) is None and expand_stack(mm, at) is None:
            return at - addr  # without the lock
        pages = get_user_pages_remote(mm, at, 1, gup_flags)
        if isinstance(pages, int):
            break
        at = min(end, (at | PAGE_SIZE - 1) + 1)
        unpin_user_pages(pages)
    mmap_read_unlock(mm)
    return at - addr


@mirrors("mm/memory.c", checked="v7.2")
def access_remote_vm(mm: mm_struct, addr: int, length: int, gup_flags: int) -> int:
    """Access memory of *mm*, which the caller keeps in use.

    Context: As :func:`__access_remote_vm`.
    Return: As there.
    """
    return __access_remote_vm(mm, addr, length, gup_flags)


@mirrors("mm/memory.c", checked="v7.2")
def access_process_vm(tsk: task_struct, addr: int, length: int, gup_flags: int) -> int:
    """Access memory of *tsk*, as a tracer does.

    Context: May sleep.
    Return: As :func:`__access_remote_vm`; 0 if *tsk* has no memory any more.
    """
    mm = _get_task_mm(tsk)
    if mm is None:
        return 0
    done = __access_remote_vm(mm, addr, length, gup_flags)
    _mmput(mm)
    return done
