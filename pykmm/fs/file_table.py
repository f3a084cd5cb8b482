# SPDX-License-Identifier: GPL-2.0-only
"""References on open files — ``fs/file_table.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm_types import file
from ..linux.mman import vm_unacct_memory
from ..linux.refcount import refcount_dec_and_test
from ..mm.truncate import truncate_inode_pages_final
from .hugetlbfs.inode import hugetlbfs_evict_inode

__all__ = ["fput"]


@mirrors(
    "fs/file_table.c",
    checked="v7.2",
    abridged="the last reference ends the file here and now, not on the way back to "
    "user mode: memory of a shmem file without a name becomes free a little too early",
)
def fput(f: file) -> None:
    """Give a reference back; the last one closes the file.

    Context: May sleep.
    """
    if not refcount_dec_and_test(f.f_ref):
        return
    mapping = f.f_mapping
    if not mapping.is_linked:
        if mapping.promised:
            vm_unacct_memory(mapping.promised)
        if f.is_hugetlb:
            hugetlbfs_evict_inode(mapping)
        truncate_inode_pages_final(mapping)
        mapping._free()
    f._free()
