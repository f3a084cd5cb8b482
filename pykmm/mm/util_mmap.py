# SPDX-License-Identifier: GPL-2.0-only
"""Mapping with the lock taken, and populating without it — part of ``mm/util.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINTR
from ..linux.mm_types import file
from ..linux.mmap_lock import mmap_write_lock_killable, mmap_write_unlock
from ..linux.sched import current
from .gup import __mm_populate
from .mmap_do import do_mmap

__all__ = ["vm_mmap_pgoff"]


@mirrors("mm/util.c", checked="v7.2", abridged="no LSM, no fsnotify, no userfaultfd")
def vm_mmap_pgoff(
    file: file | None, addr: int, length: int, prot: int, flag: int, pgoff: int
) -> int:
    """Map for current; what has to be populated is, as far as it goes.

    Context: Takes ``mmap_lock``, first for writing, then for reading. May sleep.
    Return: As :func:`do_mmap`, or -EINTR.
    """
    mm = current().mm
    assert mm is not None  # a program has one
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret, populate = do_mmap(file, addr, length, prot, flag, 0, pgoff)
    mmap_write_unlock(mm)
    if populate:
        __mm_populate(ret, populate, True)
    return ret
