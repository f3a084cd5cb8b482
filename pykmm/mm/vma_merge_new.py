# SPDX-License-Identifier: GPL-2.0-only
"""Merging what is about to be mapped — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux.bug import WARN_ON_ONCE
from ..linux.mm import VM_SPECIAL, vma_prev
from ..linux.mm_types import vm_area_struct, vma_iterator
from ..linux.mmap_lock import mmap_assert_write_locked, vma_start_write
from ..linux.vm_flags import VM_STICKY_FLAGS
from .rmap import unlink_anon_vmas
from .vma_iter import vma_iter_next_rewind
from .vma_merge import (
    VmaMergeState,
    can_merge_remove_vma,
    can_vma_merge_left,
    can_vma_merge_right,
    commit_merge,
    dup_anon_vma,
    vma_merge_struct,
    vmg_vma_state,
)

__all__ = [
    "vma_expand",
    "vma_merge_copied_range",
    "vma_merge_extend",
    "vma_merge_new_range",
]


@mirrors("mm/vma.c", checked="v7.2", abridged="no khugepaged")
def vma_merge_new_range(vmg: vma_merge_struct) -> vm_area_struct | None:
    """Make a free range a part of the mapping before it, after it, or both::

             |*****|        |*****|             |*****|
        |----|         or         |----|   or   |----|*****|----|
          prev                     next          prev        next
         extend                   extend        extend      delete

    *vmg* has the neighbours, and its iterator stands at or before the range.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The mapping that has grown, or None.
    """
    prev, following, end = vmg.prev, vmg.next, vmg.end
    mmap_assert_write_locked(vmg.mm)
    vmg.state = VmaMergeState.VMA_MERGE_NOMERGE
    if vmg.vm_flags & VM_SPECIAL or (prev is None and following is None):
        return None
    left = can_vma_merge_left(vmg)
    right = not vmg.just_expand and can_vma_merge_right(vmg, left)
    if right:
        assert following is not None
        vmg.end = following.vm_end
        vmg.target = following
    if left:
        assert prev is not None
        vmg.start = prev.vm_start
        vmg.target = prev
        vmg.pgoff = prev.vm_pgoff
        if right and following is not None and not can_merge_remove_vma(following):
            vmg.end = end
        if not vmg.just_expand:
            vma_prev(vmg.vmi)
    if vmg.target is not None and not vma_expand(vmg):
        vmg.state = VmaMergeState.VMA_MERGE_SUCCESS
        return vmg.target
    return None


@mirrors("mm/vma.c", checked="v7.2")
def vma_merge_copied_range(vmg: vma_merge_struct) -> vm_area_struct | None:
    """Do the same for a range to which ``mremap()`` copies *middle*.

    Context: As :func:`vma_merge_new_range`.
    Return: As there.
    """
    vmg.copied_from = vmg.middle
    vmg.middle = None
    return vma_merge_new_range(vmg)


@mirrors("mm/vma.c", checked="v7.2")
def vma_expand(vmg: vma_merge_struct) -> int:
    """Let *target* take all of the range, and *next* too if that ends with it.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, or -ENOMEM with nothing done.
    """
    target, following = vmg.target, vmg.next
    assert target is not None
    mmap_assert_write_locked(vmg.mm)
    vma_start_write(target)
    removes = (
        following is not None
        and target is not following
        and vmg.end == following.vm_end
    )
    WARN_ON_ONCE(
        target.vm_start < vmg.start or target.vm_end > vmg.end,
        f"{target.name} would shrink",
    )
    sticky = (vmg.vm_flags | target.vm_flags) & VM_STICKY_FLAGS
    sources = [following] if removes else []
    sources.append(vmg.copied_from)
    anon_dup = None
    for source in sources:
        if source is not None:
            ret, dup = dup_anon_vma(target, source)
            if ret:
                return ret
            anon_dup = anon_dup or dup
    if removes and following is not None:
        vma_start_write(following)
        vmg.remove_next = True
        sticky |= following.vm_flags & VM_STICKY_FLAGS
    if commit_merge(vmg):
        if anon_dup is not None:
            unlink_anon_vmas(anon_dup)
        vmg.state = VmaMergeState.VMA_MERGE_ERROR_NOMEM
        return -ENOMEM
    target.vm_flags |= sticky
    return 0


@mirrors("mm/vma.c", checked="v7.2")
def vma_merge_extend(
    vmi: vma_iterator, vma: vm_area_struct, delta: int
) -> vm_area_struct | None:
    """Make *vma* longer by *delta* bytes, which are free; maybe up to its neighbour.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The mapping, or None.
    """
    vmg = vmg_vma_state(vmi, vma, vma, vma.vm_end, vma.vm_end + delta)
    vmg.next, _ = vma_iter_next_rewind(vmi)
    vmg.middle = None
    return vma_merge_new_range(vmg)
