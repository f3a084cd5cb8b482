# SPDX-License-Identifier: GPL-2.0-only
"""Flags of mappings that only calls about mappings look at, and masks of flags.

In Linux they stand in ``include/linux/mm.h``, with the others. Whoever comes from a
page to a mapping holds none of the locks that guard its flags, so what reclaim looks
at is read, and changed, in steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from ..engine.fields import step_read, step_write
from .mm import (
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    VM_SOFTDIRTY,
    VM_WRITE,
)
from .mmap_lock import vma_assert_write_locked

if TYPE_CHECKING:
    from .mm_types import vm_area_struct

__all__ = [
    "VM_ACCESS_FLAGS",
    "VM_DATA_DEFAULT_FLAGS",
    "VM_DROPPABLE",
    "VM_LOCKED_MASK",
    "VM_MAYBE_GUARD",
    "VM_RAND_READ",
    "VM_SEQ_READ",
    "VM_STARTGAP_FLAGS",
    "VM_STICKY_FLAGS",
    "_read_flags_once",
    "_reset_flags_once",
]

VM_MAYBE_GUARD: Final = 1 << 11
VM_SEQ_READ: Final = 1 << 15
VM_RAND_READ: Final = 1 << 16
VM_DROPPABLE: Final = 1 << 40

VM_ACCESS_FLAGS: Final = VM_READ | VM_WRITE | VM_EXEC
VM_LOCKED_MASK: Final = VM_LOCKED | VM_LOCKONFAULT
#: What a merged mapping has if either part had it; no reason not to merge.
VM_STICKY_FLAGS: Final = VM_SOFTDIRTY | VM_MAYBE_GUARD
#: What keeps its distance from the mapping below.
VM_STARTGAP_FLAGS: Final = VM_GROWSDOWN
#: What the heap is mapped with.
VM_DATA_DEFAULT_FLAGS: Final = (
    VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
)


def _read_flags_once(vma: vm_area_struct) -> int:
    """Return the flags of *vma*, which may be changing, in a step.

    Context: What keeps *vma*.
    """
    return cast("int", step_read(vma, "vm_flags"))


def _reset_flags_once(vma: vm_area_struct, flags: int) -> None:
    """Change the flags of *vma* under the eyes of reclaim, in a step.

    Context: ``mmap_lock`` for writing; *vma* is write-locked.
    """
    vma_assert_write_locked(vma)
    step_write(vma, "vm_flags", flags)
