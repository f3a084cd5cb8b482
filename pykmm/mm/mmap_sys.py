# SPDX-License-Identifier: GPL-2.0-only
"""System calls that map and unmap — part of ``mm/mmap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EAGAIN, EBADF, EINTR, EINVAL, ENODEV
from ..fs.file import fdget, fdput
from ..fs.file_table import fput
from ..fs.hugetlbfs.inode import hugetlb_file_setup
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SIZE,
    PMD_SIZE,
    VM_LOCKED,
    vma_find,
)
from ..linux.mm_types import VMA_ITERATOR, file, mm_struct
from ..linux.mmap_lock import mmap_write_lock_killable, mmap_write_unlock
from ..linux.proc_fs import ProcFile
from ..linux.resource import RLIM_INFINITY, RLIMIT_DATA
from ..linux.sched import current
from ..linux.sched.signal import rlimit
from ..linux.uapi_mman import MAP_ANONYMOUS, MAP_FIXED, MAP_HUGETLB
from .gup import __mm_populate
from .mmap_area import get_unmapped_area
from .mmap_limits import mlock_future_ok
from .util_mmap import vm_mmap_pgoff
from .vma_area import stack_guard_gap, vm_start_gap
from .vma_iter import vma_prev_limit
from .vma_mmap import do_brk_flags
from .vma_munmap import __vm_munmap, do_vmi_align_munmap, do_vmi_munmap

__all__ = ["brk", "do_munmap", "ksys_mmap_pgoff", "munmap"]

_FILES = (
    "huge pages of 2 MiB only; of a file that cannot be mapped, no other mistake that "
    "was made is reported"
)


@mirrors("mm/mmap.c", checked="v7.2", abridged=_FILES)
def ksys_mmap_pgoff(
    addr: int, length: int, prot: int, flags: int, fd: int, pgoff: int
) -> int:
    """System call: map a file, or anonymous memory.

    Return: The address; -EBADF for no file, -EINVAL, or what :func:`do_mmap` says.
    """
    if flags & MAP_ANONYMOUS:
        if not flags & MAP_HUGETLB:
            return vm_mmap_pgoff(None, addr, length, prot, flags, pgoff)
        length = length + PMD_SIZE - 1 & -PMD_SIZE
        made = hugetlb_file_setup("/anon_hugepage")
        ret = vm_mmap_pgoff(made, addr, length, prot, flags, pgoff)
        fput(made)
        return ret
    found = fdget(fd)
    if found is None:
        return -EBADF
    if not isinstance(found, file):
        if isinstance(found, ProcFile):
            fdput(found)
        return -ENODEV
    if found.is_hugetlb:
        length = length + PMD_SIZE - 1 & -PMD_SIZE
    ret = int(-EINVAL)
    if found.is_hugetlb or not flags & MAP_HUGETLB:
        ret = vm_mmap_pgoff(found, addr, length, prot, flags, pgoff)
    fdput(found)
    return ret


@mirrors("mm/mmap.c", checked="v7.2", abridged="no userfaultfd")
def do_munmap(mm: mm_struct, start: int, length: int) -> int:
    """Unmap a part of *mm*, for whoever has no iterator.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: As :func:`do_vmi_munmap`.
    """
    return do_vmi_munmap(VMA_ITERATOR(mm, start), mm, start, length, False)


def munmap(addr: int, length: int) -> int:
    """System call: unmap a range; what is free there already does not matter.

    Return: 0; -EINVAL, -EINTR, -ENOMEM, or -EPERM for a sealed mapping.
    """
    return __vm_munmap(addr, length, True)


# -- the heap --------------------------------------------------------------------------


@mirrors("mm/mmap.c", checked="v7.2")
def check_brk_limits(mm: mm_struct, addr: int, length: int) -> int:
    """See whether the heap may grow to [addr, addr + length).

    Context: ``mmap_lock``.
    Return: 0 or an error.
    """
    mapped = get_unmapped_area(None, addr, length, MAP_FIXED)
    if mapped < 0:
        return mapped
    locked = bool(mm.def_flags & VM_LOCKED)
    return 0 if mlock_future_ok(mm, locked, length) else -EAGAIN


def _within_data_limit(mm: mm_struct, brk: int) -> bool:
    """Tell whether heap and data are below RLIMIT_DATA: ``check_data_rlimit()``."""
    limit = rlimit(RLIMIT_DATA)
    if limit >= RLIM_INFINITY:
        return True
    return brk - mm.start_brk + mm.end_data - mm.start_data <= limit


def brk(brk: int) -> int:
    """System call: move the end of the heap.

    Context: Takes ``mmap_lock`` for writing. May sleep.
    Return: Where the end is now: where it was, if anything failed. -EINTR.
    """
    mm = current().mm
    assert mm is not None  # a program has one
    if mmap_write_lock_killable(mm):
        return -EINTR
    origbrk = mm.brk
    if brk >= mm.start_brk and _within_data_limit(mm, brk):
        newbrk = brk + PAGE_SIZE - 1 & PAGE_MASK
        oldbrk = origbrk + PAGE_SIZE - 1 & PAGE_MASK
        if brk <= origbrk and oldbrk != newbrk:
            if _shrink(mm, brk, newbrk, oldbrk):
                return brk
        elif oldbrk == newbrk or _grow(mm, oldbrk, newbrk):
            mm.brk = brk
            populate = oldbrk != newbrk and bool(mm.def_flags & VM_LOCKED)
            mmap_write_unlock(mm)
            if populate:
                __mm_populate(oldbrk, newbrk - oldbrk, True)
            return brk
    mm.brk = origbrk
    mmap_write_unlock(mm)
    return origbrk


def _shrink(mm: mm_struct, brk: int, newbrk: int, oldbrk: int) -> bool:
    """Unmap the end of the heap; the lock has been let go of if that worked."""
    vmi = VMA_ITERATOR(mm, newbrk)
    brkvma = vma_find(vmi, oldbrk)
    if brkvma is None or brkvma.vm_start >= oldbrk:
        return False
    mm.brk = brk
    return not do_vmi_align_munmap(vmi, brkvma, mm, newbrk, oldbrk, True)


def _grow(mm: mm_struct, oldbrk: int, newbrk: int) -> bool:
    """Map more heap, if nothing is there, and no stack right above."""
    if check_brk_limits(mm, oldbrk, newbrk - oldbrk):
        return False
    vmi = VMA_ITERATOR(mm, oldbrk)
    above = vma_find(vmi, newbrk + PAGE_SIZE + stack_guard_gap)
    if above is not None and newbrk + PAGE_SIZE > vm_start_gap(above):
        return False
    brkvma = vma_prev_limit(vmi, mm.start_brk)
    return do_brk_flags(vmi, brkvma, oldbrk, newbrk - oldbrk, 0) >= 0
