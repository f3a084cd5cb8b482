# SPDX-License-Identifier: GPL-2.0-only
"""Flags of mappings that only calls about mappings look at, and masks of flags.

In Linux they stand in ``include/linux/mm.h``, with the others.
"""

from __future__ import annotations

from typing import Final

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
