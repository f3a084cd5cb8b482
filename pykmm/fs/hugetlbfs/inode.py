# SPDX-License-Identifier: GPL-2.0-only
"""Files of huge pages — ``fs/hugetlbfs/inode.c``."""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...errno import ENOMEM
from ...linux.fs import i_size_write
from ...linux.mm import PAGE_SHIFT, VM_WRITE
from ...linux.mm_types import address_space, file, vm_area_struct
from ...mm.hugetlb_pool import huge_folio_put
from ...mm.hugetlb_resv import (
    hugetlb_reserve_pages,
    hugetlb_unreserve_pages,
    hugetlb_vm_ops,
)

__all__ = ["hugetlb_file_setup", "hugetlbfs_evict_inode", "hugetlbfs_file_mmap"]


@mirrors("fs/hugetlbfs/inode.c", checked="v7.2", abridged="one size of pages, no seals")
def hugetlbfs_file_mmap(opened: file, vma: vm_area_struct) -> int:
    """Reserve the pages of a new mapping, which may make the file larger.

    Context: ``mmap_lock`` for writing; nobody knows *vma* yet.
    Return: 0, or -ENOMEM.
    """
    mapping = opened.f_mapping
    vma.vm_ops = hugetlb_vm_ops
    if hugetlb_reserve_pages(mapping, vma, vma.vm_flags):
        return -ENOMEM
    end = vma.vm_end - vma.vm_start + (vma.vm_pgoff << PAGE_SHIFT)
    if vma.vm_flags & VM_WRITE and mapping._i_size < end:
        i_size_write(mapping, end)
    return 0


@mirrors("fs/hugetlbfs/inode.c", checked="v7.2", abridged="all pages at once")
def hugetlbfs_evict_inode(mapping: address_space) -> None:
    """Put the pages of a file that nobody can open any more back into the pool.

    Context: No mapping is left.
    """
    hugetlb_unreserve_pages(mapping)
    for folio in mapping._huge.values():
        huge_folio_put(folio)
    mapping._huge.clear()


@mirrors("fs/hugetlbfs/inode.c", checked="v7.2", abridged="as large as it is mapped")
def hugetlb_file_setup(name: str) -> file:
    """Make a file of huge pages that lives as long as somebody refers to it.

    Context: May sleep. The caller gets the reference.
    """
    return file(
        f_path=f"{name} (deleted)",
        is_hugetlb=True,
        f_mapping=address_space(is_linked=False),
    )
