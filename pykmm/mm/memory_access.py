# SPDX-License-Identifier: GPL-2.0-only
"""Reading and writing somebody else's memory — part of ``mm/memory.c``.

There is no content: what an access comes to is how many bytes it reached.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..errno import EINVAL
from ..linux.mm import PAGE_MASK, PAGE_SIZE, PMD_SHIFT, vma_lookup
from ..linux.mm_types import MM_SWAPENTS, mm_struct, vm_area_struct
from ..linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ..linux.sched import task_struct
from .gup_pages import FOLL_WRITE, get_user_pages_remote, unpin_user_pages
from .memory import _pte_mask
from .mmap_stack import expand_stack

__all__ = [
    "__access_remote_vm",
    "access_process_vm",
    "access_remote_vm",
    "generic_access_phys",
]

_get_task_mm: Callable[[task_struct], mm_struct | None] = extern(
    "pykmm.kernel.fork_mm", "get_task_mm"
)
_mmput: Callable[[mm_struct], None] = extern("pykmm.kernel.fork", "mmput")


@mirrors("mm/memory.c", checked="v7.2", abridged="a device is accessed at once")
def generic_access_phys(
    vma: vm_area_struct, addr: int, length: int, write: bool
) -> int:
    """Access memory of a device that *vma* maps at *addr*.

    Context: ``mmap_lock``.
    Return: *length*, or -EINVAL if nothing is mapped there, or not to be written.
    """
    table = vma.vm_mm.pgd.get(addr >> PMD_SHIFT)
    if table is None:
        return -EINVAL
    bit = _pte_mask(addr & PAGE_MASK, (addr & PAGE_MASK) + PAGE_SIZE)
    t = table.ptl.look("ptep_get")
    there = table._mapped() & ~table.present[MM_SWAPENTS] & bit
    allowed = there and not (write and table.readonly & bit)
    table.ptl.looked(t, bool(there))
    return length if allowed else -EINVAL


@mirrors("mm/memory.c", checked="v7.2")
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
            done = _access_device(mm, at, end - at, gup_flags)
            if done <= 0:
                break
            at += done
            continue
        at = min(end, (at | PAGE_SIZE - 1) + 1)
        unpin_user_pages(pages)
    mmap_read_unlock(mm)
    return at - addr


def _access_device(mm: mm_struct, addr: int, length: int, gup_flags: int) -> int:
    """Access what has no pages, if whoever made the mapping can."""
    vma = vma_lookup(mm, addr)
    if vma is None or vma.vm_ops is None or vma.vm_ops.access is None:
        return 0
    return vma.vm_ops.access(vma, addr, length, bool(gup_flags & FOLL_WRITE))


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
