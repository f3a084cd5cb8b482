# SPDX-License-Identifier: GPL-2.0-only
"""``vm_refcnt``: whether a mapping is in the tree, who reads it, who keeps them out.

0 is a mapping that is detached, 1 one that is attached and idle; every reader adds
one. A writer that finds readers excludes further ones until those have left. It
looks like a lock for reading: a thread that faults holds it in place of
``mmap_lock``, and whoever holds either may look at the mapping.

Linux allocates mappings from memory that stays a mapping's, so that a reader under
RCU may look at the count of one that was freed. Here the count lives as long as the
address space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ._primitive import Lock

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..engine.objects import Struct
    from ..engine.thread import Thread
    from .mm_types import vm_area_struct
    from .rwsem import rw_semaphore

__all__ = ["vma_refcnt"]


class vma_refcnt(Lock):
    """The count of one mapping; ``refs`` is for looking without a step."""

    def __init__(self, vma: Struct) -> None:
        self.vma = cast("vm_area_struct", vma)
        self.owner = self.vma.vm_mm
        self.refs = 0
        #: The bit that keeps new readers out.
        self.excludes = False

    @property
    def mmap_lock(self) -> rw_semaphore:
        """The lock that the mapping's owner holds to write."""
        return self.vma.vm_mm.mmap_lock

    def held_by(self, thread: Thread) -> bool:
        """Tell whether *thread* may look at the mapping.

        Who comes to it through its file may, too: its range does not change then.
        """
        if self in thread.held or self.mmap_lock.held_by(thread):
            return True
        file = self.vma.__dict__["vm_file"]
        return file is not None and file.f_mapping.i_mmap_rwsem.held_by(thread)

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* may change the mapping: no fault can be at it."""
        vma = self.vma.__dict__
        alone = (
            not self.refs or vma["vm_lock_seq"] == self.owner.__dict__["mm_lock_seq"]
        )
        return alone and self.mmap_lock.held_exclusively_by(thread)

    @property
    def uid(self) -> Hashable:
        return (self.vma.uid, "vm_refcnt")

    @property
    def name(self) -> str:
        return f"{self.vma.name}.vm_refcnt"

    def _field(self) -> str:
        return "vm_refcnt"

    def _has(self, refs: int) -> bool:
        """Be the guard of who waits until only so many are left."""
        return self.refs == refs

    def _state(self) -> str:
        """Spell the count."""
        return f"{self.refs}, readers excluded" if self.excludes else str(self.refs)
