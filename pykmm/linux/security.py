# SPDX-License-Identifier: GPL-2.0-only
"""What capabilities decide about memory — ``include/linux/security.h``."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..errno import EPERM
from .mm_types import mm_struct
from .uapi import CAP_SYS_ADMIN, CAP_SYS_RAWIO

__all__ = ["mmap_min_addr", "security_mmap_addr", "security_vm_enough_memory_mm"]

#: vm.mmap_min_addr: what lies below is for whoever has CAP_SYS_RAWIO.
mmap_min_addr = 65536

_capable: Callable[[int], bool] = extern("pykmm.kernel.capability", "capable")
_enough: Callable[[mm_struct, int, bool], int] = extern(
    "pykmm.mm.util", "__vm_enough_memory"
)


@mirrors("include/linux/security.h", checked="v7.2", abridged="no LSM but capabilities")
def security_vm_enough_memory_mm(mm: mm_struct, pages: int) -> int:
    """Promise *pages* to a mapping of *mm*, if the machine may promise so much.

    Context: ``mmap_lock``.
    Return: 0 or -ENOMEM.
    """
    return _enough(mm, pages, _capable(CAP_SYS_ADMIN))


@mirrors("include/linux/security.h", checked="v7.2", abridged="no LSM but capabilities")
def security_mmap_addr(addr: int) -> int:
    """Tell whether current may map at *addr*.

    Context: Any.
    Return: 0 or -EPERM.
    """
    if addr < mmap_min_addr and not _capable(CAP_SYS_RAWIO):
        return -EPERM
    return 0
