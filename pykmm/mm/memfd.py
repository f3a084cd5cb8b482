# SPDX-License-Identifier: GPL-2.0-only
"""Files without a name — ``mm/memfd.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINVAL, EMFILE
from ..fs.file import fd_install
from ..fs.file_table import fput
from ..fs.hugetlbfs.inode import hugetlb_file_setup
from ..linux.mm import VM_NORESERVE
from ..linux.mm_types import file
from ..linux.uapi import O_CLOEXEC
from .shmem import shmem_file_setup

__all__ = ["MFD_CLOEXEC", "MFD_HUGETLB", "memfd_create"]

MFD_CLOEXEC: Final = 1
MFD_HUGETLB: Final = 4
_MFD_NAME_MAX_LEN: Final = 249


@mirrors("mm/memfd.c", checked="v7.2", abridged="no seals")
def memfd_alloc_file(name: str, flags: int) -> file | int:
    """Make the file, with a reference for the caller; or -ENOMEM."""
    if flags & MFD_HUGETLB:
        return hugetlb_file_setup(name)
    return shmem_file_setup(name, 0, VM_NORESERVE)


def memfd_create(name: str, flags: int) -> int:
    """System call: make a file in memory, as long as anybody maps it.

    It has no page before ``ftruncate()`` gives it a size.

    Context: May sleep.
    Return: The descriptor; -EINVAL for unknown flags or too long a name, -EMFILE.
    """
    if flags & ~(MFD_CLOEXEC | MFD_HUGETLB) or len(name) > _MFD_NAME_MAX_LEN:
        return -EINVAL
    made = memfd_alloc_file(f"memfd:{name}", flags)
    if isinstance(made, int):
        return made
    fd = fd_install(made, flags=O_CLOEXEC if flags & MFD_CLOEXEC else 0)
    if fd == -EMFILE:
        fput(made)
    return fd
