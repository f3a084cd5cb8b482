# SPDX-License-Identifier: GPL-2.0-only
"""Advice that changes the flags of mappings — part of ``mm/madvise.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EAGAIN, EINVAL, ENOMEM
from ..linux.mm import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_HUGETLB,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
    vma_is_anonymous,
)
from ..linux.mm_types import VMA_ITERATOR
from ..linux.mmap_lock import vma_start_write
from ..linux.uapi_mman import (
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_WIPEONFORK,
)
from ..linux.vm_flags import (
    VM_DROPPABLE,
    VM_RAND_READ,
    VM_SEQ_READ,
    _reset_flags_once,
)
from .madvise_state import madvise_behavior
from .vma import vma_is_sealed
from .vma_modify import vma_modify_flags

__all__ = [
    "FLAG_ADVICE",
    "can_madvise_modify",
    "madvise_flags",
    "madvise_update_vma",
]

#: By advice: the flags that it takes away, and those that it gives.
FLAG_ADVICE: Final = {
    MADV_NORMAL: (VM_RAND_READ | VM_SEQ_READ, 0),
    MADV_SEQUENTIAL: (VM_RAND_READ, VM_SEQ_READ),
    MADV_RANDOM: (VM_SEQ_READ, VM_RAND_READ),
    MADV_DONTFORK: (0, VM_DONTCOPY),
    MADV_DOFORK: (VM_DONTCOPY, 0),
    MADV_WIPEONFORK: (0, VM_WIPEONFORK),
    MADV_KEEPONFORK: (VM_WIPEONFORK, 0),
    MADV_DONTDUMP: (0, VM_DONTDUMP),
    MADV_DODUMP: (VM_DONTDUMP, 0),
}

#: What throws contents away.
_DISCARD: Final = (
    MADV_FREE,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_REMOVE,
    MADV_DONTFORK,
    MADV_WIPEONFORK,
)


@mirrors("mm/madvise.c", checked="v7.2")
def can_madvise_modify(madv: madvise_behavior) -> bool:
    """Tell whether a sealed mapping allows the advice: no loss that is no write.

    Context: ``mmap_lock``.
    """
    vma = madv.target
    if not vma_is_sealed(vma) or madv.behavior not in _DISCARD:
        return True
    return not vma_is_anonymous(vma) or bool(vma.vm_flags & VM_WRITE)


def _refuses(madv: madvise_behavior) -> bool:
    """Tell whether the advice makes no sense for the kind of mapping."""
    vma, behavior = madv.target, madv.behavior
    flags = vma.vm_flags
    if behavior == MADV_DOFORK:
        return bool(flags & VM_SPECIAL)
    if behavior == MADV_WIPEONFORK:
        return vma.vm_file is not None or bool(flags & VM_SHARED)
    if behavior == MADV_KEEPONFORK:
        return bool(flags & VM_DROPPABLE)
    if behavior == MADV_DODUMP:
        special = not flags & VM_HUGETLB and flags & VM_SPECIAL
        return bool(special or flags & VM_DROPPABLE)
    return False


def madvise_flags(madv: madvise_behavior) -> int:
    """Carry an advice out that changes flags, as ``madvise_vma_behavior()`` does.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0; -EINVAL for the wrong kind of mapping, -EAGAIN for too many.
    """
    if _refuses(madv):
        return -EINVAL
    clear, add = FLAG_ADVICE[madv.behavior]
    error = madvise_update_vma(madv.target.vm_flags & ~clear | add, madv)
    return -EAGAIN if error == -ENOMEM else error


@mirrors("mm/madvise.c", checked="v7.2", abridged="names are set by themselves")
def madvise_update_vma(new_flags: int, madv: madvise_behavior) -> int:
    """Give the range other flags.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or -ENOMEM.
    """
    vma = madv.target
    if vma.vm_flags == new_flags:
        return 0
    modified = vma_modify_flags(
        VMA_ITERATOR(madv.mm, madv.start),
        madv.prev,
        vma,
        madv.start,
        madv.end,
        new_flags,
    )
    if isinstance(modified, int):
        return modified
    madv.vma, new_flags = modified
    vma_start_write(madv.vma)
    _reset_flags_once(madv.vma, new_flags)
    return 0
