# SPDX-License-Identifier: GPL-2.0-only
"""Memory that only looks anonymous: a file without a name — ``mm/shmem.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EOPNOTSUPP
from ..linux.fs import inode_lock, inode_unlock
from ..linux.mm import PAGE_SHIFT, PAGE_SIZE, VM_NORESERVE
from ..linux.mm_types import address_space, file, vm_area_struct
from ..linux.sched import current
from ..linux.security import security_vm_enough_memory_mm
from ..linux.uapi_falloc import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
from .truncate import truncate_pagecache_range
from .vma_ops import shmem_vm_ops

__all__ = ["shmem_fallocate", "shmem_file_setup", "shmem_zero_setup"]


@mirrors("mm/shmem.c", checked="v7.2", abridged="the whole size is promised at once")
def shmem_file_setup(name: str, size: int, flags: int) -> file | int:
    """Make a file of *size* bytes that lives as long as somebody refers to it.

    Context: May sleep.
    Return: The file, with a reference for the caller; or -ENOMEM if the machine may
        not promise so much.
    """
    promised = 0
    if not flags & VM_NORESERVE:
        mm = current().mm
        assert mm is not None  # whoever maps has one
        promised = size + PAGE_SIZE - 1 >> PAGE_SHIFT
        error = security_vm_enough_memory_mm(mm, promised)
        if error:
            return error
    mapping = address_space(
        is_linked=False, is_shmem=True, promised=promised, _i_size=size
    )
    return file(f_path=f"{name} (deleted)", f_mapping=mapping)


@mirrors("mm/shmem.c", checked="v7.2")
def shmem_zero_setup(vma: vm_area_struct) -> int:
    """Give a shared mapping without a file one of its own.

    Context: Nobody else knows *vma*. May sleep.
    Return: 0 or -ENOMEM.
    """
    made = shmem_file_setup("/dev/zero", vma.vm_end - vma.vm_start, vma.vm_flags)
    if isinstance(made, int):
        return made
    vma.vm_file = made
    vma.vm_ops = shmem_vm_ops
    return 0


@mirrors(
    "mm/shmem.c",
    checked="v7.2",
    abridged="only holes: nothing is allocated ahead; no seals; who faults in the hole "
    "does not wait for the end, and may be unmapped again",
)
def shmem_fallocate(f: file, mode: int, offset: int, length: int) -> int:
    """Punch a hole into a file in memory; private copies of its pages stay.

    Context: Takes ``i_rwsem``. May sleep.
    Return: 0, or -EOPNOTSUPP for anything else than a hole.
    """
    if mode != FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
        return -EOPNOTSUPP
    inode_lock(f.f_mapping)
    truncate_pagecache_range(f.f_mapping, offset, offset + length - 1)
    inode_unlock(f.f_mapping)
    return 0
