# SPDX-License-Identifier: GPL-2.0-only
"""Advice about memory — ``mm/madvise.c``.

Some of it changes flags of mappings, for which they split and merge; some is carried
out on the pages at once, beside others who read the mappings. Holes in a range are
passed over, and reported at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import mirrors
from ..errno import EFAULT, EINTR, EINVAL, ENOMEM, EPERM
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import PAGE_MASK, PAGE_SIZE
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock_killable,
    mmap_write_unlock,
)
from ..linux.sched import current
from ..linux.uapi_mman import (
    MADV_COLD,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MADV_WILLNEED,
)
from .gup import faultin_page_range
from .madvise_flags import FLAG_ADVICE, can_madvise_modify, madvise_flags
from .madvise_pages import (
    madvise_cold,
    madvise_dontneed_free,
    madvise_pageout,
    madvise_remove,
    madvise_willneed,
)
from .madvise_state import madvise_behavior
from .mmap_find import find_vma, find_vma_prev
from .mmu_gather import tlb_finish_mmu, tlb_gather_mmu

__all__ = ["check_input_range", "do_madvise", "madvise", "madvise_behavior_valid"]

_POPULATE: Final = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)

#: What is done about the pages of a mapping, by advice.
_PAGE_ADVICE: Final[dict[int, Callable[[madvise_behavior], int]]] = {
    MADV_WILLNEED: madvise_willneed,
    MADV_COLD: madvise_cold,
    MADV_PAGEOUT: madvise_pageout,
    MADV_REMOVE: madvise_remove,
    MADV_FREE: madvise_dontneed_free,
    MADV_DONTNEED: madvise_dontneed_free,
    MADV_DONTNEED_LOCKED: madvise_dontneed_free,
}

_KINDS = "no KSM, no transparent huge pages, no guard pages, no memory failures"


@mirrors("mm/madvise.c", checked="v7.2", abridged=_KINDS)
def madvise_behavior_valid(behavior: int) -> bool:
    """Tell whether the advice means anything."""
    return behavior in _PAGE_ADVICE or behavior in FLAG_ADVICE or behavior in _POPULATE


@mirrors("mm/madvise.c", checked="v7.2", abridged="never only a mapping's own lock")
def madvise_lock(mm: mm_struct, behavior: int) -> int:
    """Take the lock as the advice needs it: for writing if flags change.

    Context: May sleep.
    Return: 0, or -EINTR while waiting to write.
    """
    if behavior in FLAG_ADVICE:
        return mmap_write_lock_killable(mm)
    mmap_read_lock(mm)
    return 0


@mirrors("mm/madvise.c", checked="v7.2", abridged="never only a mapping's own lock")
def madvise_unlock(mm: mm_struct, behavior: int) -> None:
    """Let go of what :func:`madvise_lock` took."""
    if behavior in FLAG_ADVICE:
        mmap_write_unlock(mm)
    else:
        mmap_read_unlock(mm)


@mirrors("mm/madvise.c", checked="v7.2")
def madvise_populate(madv: madvise_behavior) -> int:
    """Fault all pages of the range in.

    Context: ``mmap_lock`` for reading. May sleep.
    Return: 0, -ENOMEM, -EINVAL, -EFAULT or -EINTR.
    """
    start, write = madv.start, madv.behavior == MADV_POPULATE_WRITE
    while start < madv.end:
        pages = faultin_page_range(madv.mm, start, madv.end, write)
        if pages < 0:
            known = pages in (-EINTR, -EINVAL, -EFAULT)
            return pages if known else -ENOMEM
        start += pages * PAGE_SIZE
    return 0


@mirrors("mm/madvise.c", checked="v7.2", abridged=_KINDS)
def madvise_vma_behavior(madv: madvise_behavior) -> int:
    """Carry the advice out on one mapping.

    Context: ``mmap_lock`` as the advice needs it. May sleep.
    Return: 0 or an error, which ends the walk.
    """
    if not can_madvise_modify(madv):
        return -EPERM
    does = _PAGE_ADVICE.get(madv.behavior)
    return madvise_flags(madv) if does is None else does(madv)


@mirrors("mm/madvise.c", checked="v7.2", abridged="never only a mapping's own lock")
def madvise_walk_vmas(madv: madvise_behavior) -> int:
    """Carry the advice out on one mapping of the range after the other.

    Context: ``mmap_lock`` as the advice needs it; may be let go of and taken again.
    Return: The first error; -ENOMEM at the end if there were holes.
    """
    last_end, unmapped_error = madv.end, 0
    vma, prev = find_vma_prev(madv.mm, madv.start)
    if vma is not None and madv.start > vma.vm_start:
        prev = vma
    while True:
        if vma is None:
            return -ENOMEM
        if madv.start < vma.vm_start:
            unmapped_error = -ENOMEM
            madv.start = vma.vm_start
            if madv.start >= last_end:
                break
        madv.end = min(vma.vm_end, last_end)
        madv.prev, madv.vma = prev, vma
        error = madvise_vma_behavior(madv)
        if error:
            return error
        prev = None if madv.lock_dropped else madv.vma
        madv.lock_dropped = False
        if prev is not None and madv.end < prev.vm_end:
            madv.end = prev.vm_end
        if madv.end >= last_end:
            break
        vma = find_vma(madv.mm, madv.end if prev is None else prev.vm_end)
        madv.start = madv.end
    return unmapped_error


@mirrors("mm/madvise.c", checked="v7.2")
def check_input_range(start: int, len_in: int) -> int:
    """Return 0 if the range can be one, or -EINVAL."""
    if start & ~PAGE_MASK:
        return -EINVAL
    length = len_in + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    if (len_in and not length) or start + length > ULONG_MAX:
        return -EINVAL
    return 0


@mirrors("mm/madvise.c", checked="v7.2")
def madvise_do_behavior(madv: madvise_behavior, start: int, len_in: int) -> int:
    """Carry the advice out on a range.

    Context: ``mmap_lock`` as the advice needs it. May sleep.
    Return: As :func:`madvise_walk_vmas`.
    """
    madv.start = start
    madv.end = start + (len_in + PAGE_SIZE - 1 & PAGE_MASK)
    if madv.behavior in _POPULATE:
        return madvise_populate(madv)
    return madvise_walk_vmas(madv)


@mirrors("mm/madvise.c", checked="v7.2")
def do_madvise(mm: mm_struct, start: int, len_in: int, behavior: int) -> int:
    """Carry advice out on a range of *mm*.

    Context: Takes ``mmap_lock``. May sleep.
    Return: 0; -EINVAL for what cannot be, -EINTR, or what the advice says.
    """
    if not madvise_behavior_valid(behavior):
        return -EINVAL
    error = check_input_range(start, len_in)
    if error or not len_in:
        return error
    error = madvise_lock(mm, behavior)
    if error:
        return error
    madv = madvise_behavior(mm, behavior, tlb_gather_mmu(mm))
    error = madvise_do_behavior(madv, start, len_in)
    tlb_finish_mmu(madv.tlb)
    madvise_unlock(mm, behavior)
    return error


def madvise(start: int, len_in: int, behavior: int) -> int:
    """System call: see :func:`do_madvise`."""
    mm = current().mm
    assert mm is not None  # a program has one
    return do_madvise(mm, start, len_in, behavior)
