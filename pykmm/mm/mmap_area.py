# SPDX-License-Identifier: GPL-2.0-only
"""Where a mapping goes — part of ``mm/mmap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINVAL, ENOMEM
from ..linux.mm import PAGE_MASK, PAGE_SIZE, PMD_SIZE, TASK_SIZE
from ..linux.mm_types import file, mm_struct
from ..linux.sched import current
from ..linux.security import mmap_min_addr, security_mmap_addr
from ..linux.uapi_mman import MAP_FIXED
from .mmap_find import find_vma_prev
from .vma_area import (
    unmapped_area,
    unmapped_area_topdown,
    vm_start_gap,
    vm_unmapped_area_info,
)

__all__ = ["__get_unmapped_area", "get_unmapped_area"]

#: Where the search for room from below begins, if there is none from above.
_TASK_UNMAPPED_BASE = TASK_SIZE // 3 + PAGE_SIZE - 1 & PAGE_MASK


@mirrors("mm/mmap.c", checked="v7.2", abridged="always looked for from the top down")
def generic_get_unmapped_area_topdown(
    mm: mm_struct, filp: file | None, addr: int, length: int, flags: int
) -> int:
    """Choose an address: the one that is wished for if it is free, else the highest.

    Context: ``mmap_lock``.
    Return: The address, or -ENOMEM.
    """
    if length > TASK_SIZE - mmap_min_addr:
        return -ENOMEM
    if flags & MAP_FIXED:
        return addr
    if addr:
        addr = addr + PAGE_SIZE - 1 & PAGE_MASK
        if mmap_min_addr <= addr <= TASK_SIZE - length and _is_free(mm, addr, length):
            return addr
    mask = PMD_SIZE - 1 if filp is not None and filp.is_hugetlb else 0
    info = vm_unmapped_area_info(length, PAGE_SIZE, mm.mmap_base, mask)
    addr = unmapped_area_topdown(mm, info)
    if addr & ~PAGE_MASK:
        info = vm_unmapped_area_info(length, _TASK_UNMAPPED_BASE, TASK_SIZE, mask)
        addr = unmapped_area(mm, info)
    return addr


def _is_free(mm: mm_struct, addr: int, length: int) -> bool:
    vma, prev = find_vma_prev(mm, addr)
    return (vma is None or addr + length <= vm_start_gap(vma)) and (
        prev is None or addr >= prev.vm_end
    )


@mirrors("mm/mmap.c", checked="v7.2", abridged="no transparent huge pages to align for")
def __get_unmapped_area(file: file | None, addr: int, length: int, flags: int) -> int:
    """Choose an address in current's address space, or see whether *addr* will do.

    Context: ``mmap_lock``.
    Return: The address; -ENOMEM, -EINVAL or -EPERM.
    """
    if length > TASK_SIZE:
        return -ENOMEM
    mm = current().mm
    assert mm is not None  # whoever maps has one
    addr = generic_get_unmapped_area_topdown(mm, file, addr, length, flags)
    if addr < 0:
        return addr
    if addr > TASK_SIZE - length:
        return -ENOMEM
    if addr & ~PAGE_MASK:
        return -EINVAL
    return security_mmap_addr(addr) or addr


#: The same without flags of the mapping, on which nothing depends here.
get_unmapped_area = __get_unmapped_area
