# SPDX-License-Identifier: GPL-2.0-only
"""What reclaim may learn from a mapping — ``include/linux/mm_inline.h``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from .mm_types import vm_area_struct
from .vm_flags import VM_RAND_READ, VM_SEQ_READ

__all__ = ["vma_has_recency"]


@mirrors(
    "include/linux/mm_inline.h",
    checked="v7.2",
    abridged="no hint that a file is read only once",
    inline=True,
)
def vma_has_recency(vma: vm_area_struct) -> bool:
    """Tell whether it counts that somebody uses a page through *vma*.

    Context: ``mmap_lock``, or the lock of what *vma* maps.
    """
    return not vma.__dict__["vm_flags"] & (VM_SEQ_READ | VM_RAND_READ)
