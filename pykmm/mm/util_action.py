# SPDX-License-Identifier: GPL-2.0-only
"""What drivers want done with a new mapping — part of ``mm/util.c``."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..linux._vma_desc import mmap_action, vm_area_desc
from ..linux.mm_types import mm_struct, vm_area_struct
from ..linux.sched import current
from .memory_remap import remap_pfn_range_complete, remap_pfn_range_prepare

__all__ = ["mmap_action_complete", "mmap_action_prepare"]

_ONE_ACTION = "page frames are all that is ever mapped so"

_do_munmap: Callable[[mm_struct, int, int], int] = extern(
    "pykmm.mm.mmap_sys", "do_munmap"
)


@mirrors("mm/util.c", checked="v7.2", abridged=_ONE_ACTION)
def mmap_action_prepare(desc: vm_area_desc) -> int:
    """Have the mapping be made as its driver's wish needs it.

    Context: ``mmap_lock`` for writing.
    Return: 0 or an error.
    """
    return 0 if desc.action is None else remap_pfn_range_prepare(desc, desc.action)


@mirrors("mm/util.c", checked="v7.2", abridged=_ONE_ACTION)
def mmap_action_complete(vma: vm_area_struct, action: mmap_action | None) -> int:
    """Do with the mapping what its driver wanted; unmap it again if that fails.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, or the error that the driver wants the program to see.
    """
    error = 0 if action is None else remap_pfn_range_complete(vma, action)
    if action is None or not error:
        return 0
    mm = current().mm
    assert mm is not None  # whoever maps has one
    _do_munmap(mm, vma.vm_start, vma.vm_end - vma.vm_start)
    return action.error_override or error
