# SPDX-License-Identifier: GPL-2.0-only
"""Small things of ``mm/internal.h``."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from ..engine.annotate import extern, mirrors
from ..engine.machine import current_machine
from ..linux.atomic import atomic_dec_and_test, atomic_inc
from ..linux.compiler import READ_ONCE
from ..linux.mm import VM_HUGETLB, VM_SPECIAL
from ..linux.mm_types import vm_area_struct
from ..linux.rmap import anon_vma
from ..linux.rwsem import down_read, down_write, up_read, up_write
from ..linux.vm_flags import VM_DROPPABLE
from .vma_ops import vma_dummy_vm_ops

__all__ = [
    "VMA_OP_FORK",
    "VMA_OP_MERGE_UNFAULTED",
    "VMA_OP_REMAP",
    "VMA_OP_SPLIT",
    "K",
    "__anon_vma_prepare",
    "__put_anon_vma",
    "anon_vma_lock_read",
    "anon_vma_lock_write",
    "anon_vma_prepare",
    "anon_vma_unlock_read",
    "anon_vma_unlock_write",
    "get_anon_vma",
    "put_anon_vma",
    "vma_close",
    "vma_operation",
    "vma_supports_mlock",
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


__anon_vma_prepare: Callable[[vm_area_struct], int] = extern(
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
    return __anon_vma_prepare(vma)


@mirrors("mm/internal.h", checked="v7.2")
def vma_close(vma: vm_area_struct) -> None:
    """Tell whoever made the mapping that it goes; nobody is told twice.

    Context: ``mmap_lock``, and nobody can find *vma* any more. May sleep.
    """
    if vma.vm_ops is not None and vma.vm_ops.close is not None:
        vma.vm_ops.close(vma)
        # The lock may be held for reading only: the mapping is the caller's own.
        vma.__dict__["vm_ops"] = vma_dummy_vm_ops


@mirrors("mm/internal.h", checked="v7.2", abridged="no DAX, no gate", inline=True)
def vma_supports_mlock(vma: vm_area_struct) -> bool:
    """Tell whether locking *vma* would mean anything.

    Context: ``mmap_lock``.
    """
    return not vma.vm_flags & (VM_SPECIAL | VM_DROPPABLE | VM_HUGETLB)


__put_anon_vma: Callable[[anon_vma], None] = extern("pykmm.mm.rmap", "__put_anon_vma")


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def get_anon_vma(anon_vma: anon_vma) -> None:
    """Keep *anon_vma*.

    Context: Any; something else keeps it so far.
    """
    atomic_inc(anon_vma.refcount)


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def put_anon_vma(anon_vma: anon_vma) -> None:
    """Let *anon_vma* go; the last one frees it.

    Context: May sleep.
    """
    if atomic_dec_and_test(anon_vma.refcount):
        __put_anon_vma(anon_vma)


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def anon_vma_lock_write(anon_vma: anon_vma) -> None:
    """Keep everybody else out of the whole tree.

    Context: May sleep.
    """
    down_write(anon_vma.root.rwsem)


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def anon_vma_unlock_write(anon_vma: anon_vma) -> None:
    """Let the others in again.

    Context: As :func:`anon_vma_lock_write`.
    """
    up_write(anon_vma.root.rwsem)


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def anon_vma_lock_read(anon_vma: anon_vma) -> None:
    """Keep the mappings that can be found.

    Context: May sleep.
    """
    down_read(anon_vma.root.rwsem)


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def anon_vma_unlock_read(anon_vma: anon_vma) -> None:
    """Let mappings go again.

    Context: As :func:`anon_vma_lock_read`.
    """
    up_read(anon_vma.root.rwsem)
