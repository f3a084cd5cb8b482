# SPDX-License-Identifier: GPL-2.0-only
"""Checking a request for a mapping — part of ``mm/mmap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import (
    EACCES,
    EAGAIN,
    EEXIST,
    EINVAL,
    ENOMEM,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    ETXTBSY,
)
from ..linux.fs import FMODE_READ, FMODE_WRITE, S_APPEND, S_SWAPFILE
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_DONTDUMP,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_SHARED,
    VM_WIPEONFORK,
)
from ..linux.mm_types import file, mm_struct
from ..linux.mman import (
    LEGACY_MAP_MASK,
    OVERCOMMIT_NEVER,
    calc_vm_flag_bits,
    calc_vm_prot_bits,
    mmap_sysctls,
)
from ..linux.mmap_lock import mmap_assert_write_locked
from ..linux.sched import current
from ..linux.security import mmap_min_addr
from ..linux.uapi_mman import (
    MAP_DROPPABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_TYPE,
    PROT_WRITE,
)
from ..linux.vm_flags import VM_DROPPABLE
from .mlock_can import can_do_mlock
from .mmap_area import __get_unmapped_area
from .mmap_find import find_vma_intersection
from .mmap_limits import mlock_future_ok
from .vma_mmap import mmap_region

__all__ = ["do_mmap"]

_MAX_LFS_FILESIZE = 2**63 - 1


@mirrors("mm/mmap.c", checked="v7.2", inline=True)
def round_hint_to_min(hint: int) -> int:
    """Raise a wished-for address to the lowest one that everybody may have."""
    hint &= PAGE_MASK
    if hint and hint < mmap_min_addr:
        return mmap_min_addr + PAGE_SIZE - 1 & PAGE_MASK
    return hint


@mirrors("mm/mmap.c", checked="v7.2", abridged="regular files only", inline=True)
def file_mmap_ok(pgoff: int, length: int) -> bool:
    """Tell whether a file can reach so far."""
    left = _MAX_LFS_FILESIZE - length
    return left >= 0 and pgoff <= left >> PAGE_SHIFT


def _shared_file(file: file, prot: int, flags: int, vm_flags: int) -> tuple[int, int]:
    """Check a shared mapping of a file: an error, or 0 and the flags."""
    if flags & MAP_TYPE == MAP_SHARED:
        flags &= LEGACY_MAP_MASK
    if flags & ~LEGACY_MAP_MASK:
        return -EOPNOTSUPP, 0
    writable = bool(file.f_mode & FMODE_WRITE)
    if prot & PROT_WRITE:
        if not writable:
            return -EACCES, 0
        if file.f_mapping.i_flags & S_SWAPFILE:
            return -ETXTBSY, 0
    if file.f_mapping.i_flags & S_APPEND and writable:
        return -EACCES, 0
    vm_flags |= VM_SHARED | VM_MAYSHARE
    if not writable:
        vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
    return 0, vm_flags


def _map_file(
    file: file, prot: int, flags: int, vm_flags: int, pgoff: int, length: int
) -> tuple[int, int]:
    """Check a mapping of a file: an error, or 0 and the flags."""
    if not file_mmap_ok(pgoff, length):
        return -EOVERFLOW, 0
    error = 0
    if flags & MAP_TYPE in (MAP_SHARED, MAP_SHARED_VALIDATE):
        error, vm_flags = _shared_file(file, prot, flags, vm_flags)
    elif flags & MAP_TYPE != MAP_PRIVATE:
        error = -EINVAL
    if error:
        return error, 0
    if not file.f_mode & FMODE_READ:
        return -EACCES, 0
    if file.path_noexec:
        if vm_flags & VM_EXEC:
            return -EPERM, 0
        vm_flags &= ~VM_MAYEXEC
    return (-EINVAL, 0) if vm_flags & VM_GROWSDOWN else (0, vm_flags)


def _map_anonymous(flags: int, vm_flags: int, addr: int) -> tuple[int, int, int]:
    """Check a mapping without a file: an error, or 0; the flags, and the offset."""
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED:
        error = -EINVAL if vm_flags & VM_GROWSDOWN else 0
        return error, vm_flags | VM_SHARED | VM_MAYSHARE, 0
    if kind == MAP_DROPPABLE:
        if flags & (MAP_LOCKED | MAP_HUGETLB) or vm_flags & VM_GROWSDOWN:
            return -EINVAL, 0, 0
        vm_flags |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP
    elif kind != MAP_PRIVATE:
        return -EINVAL, 0, 0
    return 0, vm_flags, addr >> PAGE_SHIFT


def _place(mm: mm_struct, file: file | None, addr: int, length: int, flags: int) -> int:
    """Choose the address: an error, or where to map."""
    if mm.map_count > mmap_sysctls().max_map_count:
        return -ENOMEM
    addr = __get_unmapped_area(file, addr, length, flags)
    if (
        addr >= 0
        and flags & MAP_FIXED_NOREPLACE
        and find_vma_intersection(mm, addr, addr + length) is not None
    ):
        return -EEXIST
    return addr


@mirrors(
    "mm/mmap.c",
    checked="v7.2",
    abridged="PROT_READ never implies PROT_EXEC; no protection keys; all files that "
    "come here can be mapped",
)
def do_mmap(
    file: file | None,
    addr: int,
    length: int,
    prot: int,
    flags: int,
    vm_flags: int,
    pgoff: int,
) -> tuple[int, int]:
    """Map *length* bytes of *file* from page *pgoff* on, or anonymous memory.

    Context: ``mmap_lock`` of current's address space for writing. May sleep.
    Return: The address, or an error; and how many bytes the caller has to populate
        when it has let go of the lock.
    """
    mm = current().mm
    assert mm is not None  # whoever maps has one
    mmap_assert_write_locked(mm)
    if not length:
        return -EINVAL, 0
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    if not flags & MAP_FIXED:
        addr = round_hint_to_min(addr)
    length = length + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    if not length:
        return -ENOMEM, 0
    if pgoff + (length >> PAGE_SHIFT) > ULONG_MAX:
        return -EOVERFLOW, 0
    addr = _place(mm, file, addr, length, flags)
    if addr < 0:
        return addr, 0
    vm_flags |= calc_vm_prot_bits(prot) | calc_vm_flag_bits(flags) | mm.def_flags
    vm_flags |= VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    if flags & MAP_LOCKED and not can_do_mlock():
        return -EPERM, 0
    if not mlock_future_ok(mm, bool(vm_flags & VM_LOCKED), length):
        return -EAGAIN, 0
    if file is not None:
        error, vm_flags = _map_file(file, prot, flags, vm_flags, pgoff, length)
    else:
        error, vm_flags, pgoff = _map_anonymous(flags, vm_flags, addr)
    if error:
        return error, 0
    if flags & MAP_NORESERVE and (
        (file is not None and file.is_hugetlb)
        or mmap_sysctls().overcommit_memory != OVERCOMMIT_NEVER
    ):
        vm_flags |= VM_NORESERVE
    addr = mmap_region(file, addr, length, vm_flags, pgoff)
    wanted = flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE
    populate = addr >= 0 and (wanted or vm_flags & VM_LOCKED)
    return addr, length if populate else 0
