# SPDX-License-Identifier: GPL-2.0-only
"""Copying between two processes — ``mm/process_vm_access.c``.

There is no content: a call tells how many bytes went over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from ..engine.annotate import extern, mirrors
from ..errno import EACCES, EFAULT, EINVAL, EPERM, ESRCH, Errno
from ..linux.mm import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from ..linux.sched import task_struct
from ..linux.sched.task import put_task_struct
from ..linux.uaccess import copy_from_user, copy_to_user
from .gup_pages import FOLL_WRITE, pin_user_pages_remote, unpin_user_pages

__all__ = ["process_vm_readv", "process_vm_writev"]

#: Ranges of memory: address and length.
_Iovec: TypeAlias = Sequence[tuple[int, int]]

#: So many pages are pinned at once.
_PVM_MAX_USER_PAGES: Final = 1024

_find_get_task_by_vpid: Callable[[int], task_struct | None] = extern(
    "pykmm.kernel.pid", "find_get_task_by_vpid"
)
_mm_access: Callable[[task_struct], mm_struct | Errno] = extern(
    "pykmm.kernel.fork_mm", "mm_access"
)
_mmput: Callable[[mm_struct], None] = extern("pykmm.kernel.fork", "mmput")


class _Iter:
    """How far the copying has come in the caller's own memory."""

    def __init__(self, ranges: _Iovec) -> None:
        self.left = [(addr, length) for addr, length in ranges if length]
        self.copied = 0

    def count(self) -> int:
        """Return how many bytes there is still room for."""
        return sum(length for _, length in self.left)

    def copy(self, nr: int, *, vm_write: bool) -> int:
        """Copy *nr* bytes, or what there is room for; return 0 or -EFAULT."""
        access = copy_from_user if vm_write else copy_to_user
        while nr and self.left:
            addr, length = self.left.pop(0)
            part = min(nr, length)
            done = part - access(addr, part)
            self.copied += done
            nr -= done
            if done < length:
                self.left.insert(0, (addr + done, length - done))
            if done < part:
                return -EFAULT
        return 0


@mirrors("mm/process_vm_access.c", checked="v7.2")
def process_vm_rw_single_vec(
    addr: int, length: int, local: _Iter, mm: mm_struct, *, vm_write: bool
) -> int:
    """Copy one range of the other process's memory.

    Context: Takes ``mmap_lock`` of *mm* for reading. May sleep.
    Return: 0 or -EFAULT.
    """
    if not length:
        return 0
    pa, offset = addr & PAGE_MASK, addr & ~PAGE_MASK
    nr_pages = (addr + length - 1 >> PAGE_SHIFT) - (addr >> PAGE_SHIFT) + 1
    rc = 0
    while not rc and nr_pages and local.count():
        mmap_read_lock(mm)
        pages = pin_user_pages_remote(
            mm, pa, min(nr_pages, _PVM_MAX_USER_PAGES), FOLL_WRITE if vm_write else 0
        )
        mmap_read_unlock(mm)
        if isinstance(pages, int):
            return -EFAULT
        part = min(len(pages) * PAGE_SIZE - offset, length)
        rc = local.copy(part, vm_write=vm_write)
        length, offset = length - part, 0
        nr_pages -= len(pages)
        pa += len(pages) * PAGE_SIZE
        unpin_user_pages(pages)
    return rc


@mirrors("mm/process_vm_access.c", checked="v7.2")
def process_vm_rw_core(
    pid: int, local: _Iter, remote: _Iovec, *, vm_write: bool
) -> int:
    """Copy between current and the process *pid*.

    Context: May sleep.
    Return: How many bytes were copied, if any; or -ESRCH, -EPERM, -EINTR, -EFAULT.
    """
    if not any(length for _, length in remote):
        return 0
    task = _find_get_task_by_vpid(pid)
    if task is None:
        return -ESRCH
    mm = _mm_access(task)
    if isinstance(mm, int):
        put_task_struct(task)
        return -EPERM if mm == -EACCES else mm
    rc = 0
    for addr, length in remote:
        if rc or not local.count():
            break
        rc = process_vm_rw_single_vec(addr, length, local, mm, vm_write=vm_write)
    _mmput(mm)
    put_task_struct(task)
    return local.copied or rc


@mirrors("mm/process_vm_access.c", checked="v7.2", abridged="ranges come as numbers")
def process_vm_readv(pid: int, lvec: _Iovec, rvec: _Iovec, flags: int) -> int:
    """Copy from the ranges *rvec* of another process to *lvec* of one's own.

    Context: May sleep.
    Return: As :func:`process_vm_rw_core`, or -EINVAL.
    """
    if flags:
        return -EINVAL
    return process_vm_rw_core(pid, _Iter(lvec), rvec, vm_write=False)


@mirrors("mm/process_vm_access.c", checked="v7.2", abridged="ranges come as numbers")
def process_vm_writev(pid: int, lvec: _Iovec, rvec: _Iovec, flags: int) -> int:
    """Copy from the ranges *lvec* of one's own to *rvec* of another process.

    Context: May sleep.
    Return: As :func:`process_vm_rw_core`, or -EINVAL.
    """
    if flags:
        return -EINVAL
    return process_vm_rw_core(pid, _Iter(lvec), rvec, vm_write=True)
