# SPDX-License-Identifier: GPL-2.0-only
"""What an advice is about — part of ``mm/madvise.c``."""

from __future__ import annotations

import attrs

from ..linux.mm_types import mm_struct, vm_area_struct
from .mmu_gather import mmu_gather

__all__ = ["madvise_behavior"]


@attrs.define(eq=False)
class madvise_behavior:
    """An advice, and where it stands: the range, and the mapping that it is at."""

    mm: mm_struct
    behavior: int
    tlb: mmu_gather
    start: int = 0
    end: int = 0
    prev: vm_area_struct | None = None
    vma: vm_area_struct | None = None
    #: Whether the lock was let go of meanwhile, so that no mapping is known any more.
    lock_dropped: bool = False
    anon_name: str | None = None

    @property
    def target(self) -> vm_area_struct:
        """Return the mapping, of which the range is a part."""
        assert self.vma is not None  # the walk stands at one
        return self.vma
