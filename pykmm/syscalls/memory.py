# SPDX-License-Identifier: GPL-2.0-only
"""System calls about memory, and touching it."""

from __future__ import annotations

from ..kernel.entry.fault import touch
from ..mm import mmap_do as _mmap_do
from ..mm import oom_kill as _oom_kill
from ..mm import vma_munmap as _vma_munmap
from ._return import syscall

__all__ = ["mmap", "munmap", "process_mrelease", "touch"]

process_mrelease = syscall(_oom_kill.process_mrelease)


@syscall
def mmap(length: int) -> int:
    """Map *length* bytes of private memory: the address, or a negative errno.

    No page is there until it is touched (:func:`touch`).
    """
    return _mmap_do.vm_mmap(length)


@syscall
def munmap(addr: int, length: int) -> int:
    """Unmap whole mappings: 0, or a negative errno."""
    return _vma_munmap.__vm_munmap(addr, length)
