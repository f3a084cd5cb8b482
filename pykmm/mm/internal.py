# SPDX-License-Identifier: GPL-2.0-only
"""Small things of ``mm/internal.h``."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from ..engine.annotate import extern, mirrors
from ..engine.machine import current_machine
from ..linux.compiler import READ_ONCE
from ..linux.mm_types import vm_area_struct

__all__ = [
    "VMA_OP_FORK",
    "VMA_OP_MERGE_UNFAULTED",
    "VMA_OP_REMAP",
    "VMA_OP_SPLIT",
    "K",
    "anon_vma_prepare",
    "vma_operation",
]


class vma_operation(IntEnum):
    """Why a mapping is made from another one."""

    VMA_OP_SPLIT = 0
    VMA_OP_MERGE_UNFAULTED = 1
    VMA_OP_REMAP = 2
    VMA_OP_FORK = 3


VMA_OP_SPLIT: Final = vma_operation.VMA_OP_SPLIT
VMA_OP_MERGE_UNFAULTED: Final = vma_operation.VMA_OP_MERGE_UNFAULTED
VMA_OP_REMAP: Final = vma_operation.VMA_OP_REMAP
VMA_OP_FORK: Final = vma_operation.VMA_OP_FORK


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def K(x: int) -> int:  # noqa: N802 -- Linux's name
    """Return the size of *x* pages in KiB, as reports print it."""
    return x * current_machine().config.page_size >> 10


_prepare: Callable[[vm_area_struct], int] = extern(
    "pykmm.mm.rmap", "__anon_vma_prepare"
)


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def anon_vma_prepare(vma: vm_area_struct) -> int:
    """See that *vma* has an ``anon_vma`` before it gets an anonymous page.

    Context: ``mmap_lock``. May sleep.
    Return: 0.
    """
    if READ_ONCE(vma).anon_vma is not None:
        return 0
    return _prepare(vma)
