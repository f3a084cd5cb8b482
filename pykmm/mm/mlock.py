# SPDX-License-Identifier: GPL-2.0-only
"""Keeping pages in memory — ``mm/mlock.c``.

A locked mapping is populated, and reclaim leaves it alone. The limit counts the size
of locked mappings, not their pages.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM
from ..kernel.capability import capable
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    TASK_SIZE,
    VM_LOCKED,
    VM_LOCKONFAULT,
    for_each_vma,
    for_each_vma_range,
    vma_prev,
)
from ..linux.mm_types import VMA_ITERATOR, mm_struct, vm_area_struct, vma_iterator
from ..linux.mmap_lock import (
    mmap_write_lock_killable,
    mmap_write_unlock,
    vma_start_write,
)
from ..linux.resource import RLIMIT_MEMLOCK
from ..linux.sched import current
from ..linux.sched.signal import rlimit
from ..linux.uapi import CAP_IPC_LOCK
from ..linux.uapi_mman import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT
from ..linux.vm_flags import VM_LOCKED_MASK, _reset_flags_once
from .gup import __mm_populate
from .internal import vma_supports_mlock
from .mlock_can import can_do_mlock
from .vma_iter import vma_iter_end, vma_iter_load
from .vma_modify import vma_modify_flags

__all__ = ["can_do_mlock", "mlock", "mlock2", "mlockall", "munlock", "munlockall"]


def _mm() -> mm_struct:
    mm = current().mm
    assert mm is not None  # a program has one
    return mm


@mirrors("mm/mlock.c", checked="v7.2", abridged="pages are not marked one by one")
def mlock_fixup(
    vmi: vma_iterator,
    vma: vm_area_struct,
    prev: vm_area_struct | None,
    start: int,
    end: int,
    newflags: int,
) -> tuple[int, vm_area_struct]:
    """Lock or unlock [start, end) of *vma*, and count it.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or -ENOMEM; and the mapping that the range belongs to now.
    """
    mm, old_flags = vma.vm_mm, vma.vm_flags
    if newflags == old_flags or not vma_supports_mlock(vma):
        return 0, vma
    modified = vma_modify_flags(vmi, prev, vma, start, end, newflags)
    if isinstance(modified, int):
        return modified, vma
    vma, newflags = modified
    pages = end - start >> PAGE_SHIFT
    mm.locked_vm += pages * (bool(newflags & VM_LOCKED) - bool(old_flags & VM_LOCKED))
    vma_start_write(vma)
    _reset_flags_once(vma, newflags)
    return 0, vma


@mirrors("mm/mlock.c", checked="v7.2")
def apply_vma_lock_flags(start: int, length: int, flags: int) -> int:
    """Give all mappings in a range the flags of locking that *flags* are.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0; -EINVAL for a range that wraps; -ENOMEM for a hole, before which all is
        done, and for too many mappings.
    """
    end = start + length
    if end > ULONG_MAX:
        return -EINVAL
    if end == start:
        return 0
    vmi = VMA_ITERATOR(_mm(), start)
    vma = vma_iter_load(vmi)
    if vma is None:
        return -ENOMEM
    prev = vma_prev(vmi)
    if start > vma.vm_start:
        prev = vma
    nstart, reached = start, vma.vm_start
    for vma in for_each_vma_range(vmi, end):
        if vma.vm_start != reached:
            return -ENOMEM
        newflags = vma.vm_flags & ~VM_LOCKED_MASK | flags
        reached = min(vma.vm_end, end)
        error, prev = mlock_fixup(vmi, vma, prev, nstart, reached, newflags)
        if error:
            return error
        nstart = reached = vma_iter_end(vmi)
    return -ENOMEM if reached < end else 0


@mirrors("mm/mlock.c", checked="v7.2")
def count_mm_mlocked_page_nr(mm: mm_struct, start: int, length: int) -> int:
    """Count the pages of a range that are locked already.

    Context: ``mmap_lock``.
    """
    end = start + length
    locked = (
        min(end, vma.vm_end) - max(start, vma.vm_start)
        for vma in for_each_vma_range(VMA_ITERATOR(mm, start), end)
        if vma.vm_flags & VM_LOCKED
    )
    return sum(locked) >> PAGE_SHIFT


@mirrors("mm/mlock.c", checked="v7.2", inline=True)
def __mlock_posix_error_return(retval: int) -> int:
    """Say what ``mlock()`` says when populating failed."""
    if retval == -EFAULT:
        return -ENOMEM
    return -EAGAIN if retval == -ENOMEM else retval


@mirrors("mm/mlock.c", checked="v7.2")
def do_mlock(start: int, length: int, flags: int) -> int:
    """Lock a range, and populate it.

    Context: Takes ``mmap_lock``, first for writing, then for reading. May sleep.
    Return: 0; -EPERM if current may lock nothing, -EINTR, -EINVAL for a range that
        wraps, -ENOMEM beyond the limit and for a hole, -EAGAIN for no memory.
    """
    if not can_do_mlock():
        return -EPERM
    length = length + (start & ~PAGE_MASK) + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    start &= PAGE_MASK
    lock_limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT
    mm = _mm()
    if mmap_write_lock_killable(mm):
        return -EINTR
    locked = (length >> PAGE_SHIFT) + mm.locked_vm
    if locked > lock_limit and not capable(CAP_IPC_LOCK):
        locked -= count_mm_mlocked_page_nr(mm, start, length)
    error: int = -ENOMEM
    if locked <= lock_limit or capable(CAP_IPC_LOCK):
        error = apply_vma_lock_flags(start, length, flags)
    mmap_write_unlock(mm)
    return error or __mlock_posix_error_return(__mm_populate(start, length, False))


def mlock(start: int, length: int) -> int:
    """System call: lock a range. See :func:`do_mlock`."""
    return do_mlock(start, length, VM_LOCKED)


def mlock2(start: int, length: int, flags: int) -> int:
    """System call: lock a range; with MLOCK_ONFAULT page by page, as it is touched.

    Return: As :func:`do_mlock`; -EINVAL for any other flag.
    """
    if flags & ~MLOCK_ONFAULT:
        return -EINVAL
    return do_mlock(
        start, length, VM_LOCKED | (VM_LOCKONFAULT if flags & MLOCK_ONFAULT else 0)
    )


def munlock(start: int, length: int) -> int:
    """System call: unlock a range.

    Context: Takes ``mmap_lock`` for writing. May sleep.
    Return: As :func:`apply_vma_lock_flags`, or -EINTR.
    """
    length = length + (start & ~PAGE_MASK) + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    start &= PAGE_MASK
    mm = _mm()
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret = apply_vma_lock_flags(start, length, 0)
    mmap_write_unlock(mm)
    return ret


@mirrors("mm/mlock.c", checked="v7.2")
def apply_mlockall_flags(flags: int) -> int:
    """Lock or unlock all mappings, and decide about those to come.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0: what cannot be locked is left out.
    """
    mm = _mm()
    on_fault = VM_LOCKONFAULT if flags & MCL_ONFAULT else 0
    mm.def_flags &= ~VM_LOCKED_MASK
    if flags & MCL_FUTURE:
        mm.def_flags |= VM_LOCKED | on_fault
        if not flags & MCL_CURRENT:
            return 0
    to_add = VM_LOCKED | on_fault if flags & MCL_CURRENT else 0
    prev = None
    vmi = VMA_ITERATOR(mm, 0)
    for vma in for_each_vma(vmi):
        newflags = vma.vm_flags & ~VM_LOCKED_MASK | to_add
        _, prev = mlock_fixup(vmi, vma, prev, vma.vm_start, vma.vm_end, newflags)
    return 0


def mlockall(flags: int) -> int:
    """System call: lock all mappings, those to come, or both.

    Context: Takes ``mmap_lock``, first for writing, then for reading. May sleep.
    Return: 0; -EINVAL for flags that mean nothing, -EPERM, -EINTR, -ENOMEM.
    """
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT):
        return -EINVAL
    if flags == MCL_ONFAULT:
        return -EINVAL
    if not can_do_mlock():
        return -EPERM
    lock_limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT
    mm = _mm()
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret: int = -ENOMEM
    if not flags & MCL_CURRENT or mm.total_vm <= lock_limit or capable(CAP_IPC_LOCK):
        ret = apply_mlockall_flags(flags)
    mmap_write_unlock(mm)
    if not ret and flags & MCL_CURRENT:
        __mm_populate(0, TASK_SIZE, True)
    return ret


def munlockall() -> int:
    """System call: unlock all mappings, also those to come.

    Context: Takes ``mmap_lock`` for writing. May sleep.
    Return: 0 or -EINTR.
    """
    mm = _mm()
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret = apply_mlockall_flags(0)
    mmap_write_unlock(mm)
    return ret
