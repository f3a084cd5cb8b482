# SPDX-License-Identifier: GPL-2.0-only
"""Merging a part of a mapping that changes — part of ``mm/vma.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm import PAGE_SHIFT, VM_SPECIAL, vma_iter_set, vma_prev
from ..linux.mm_types import vm_area_struct
from ..linux.mmap_lock import mmap_assert_write_locked, vma_start_write
from ..linux.vm_flags import VM_STICKY_FLAGS
from .rmap import unlink_anon_vmas
from .vma_iter import vma_iter_load, vma_iter_next_range, vma_iter_prev_range
from .vma_merge import (
    VmaMergeState,
    can_merge_remove_vma,
    can_vma_merge_left,
    can_vma_merge_right,
    commit_merge,
    dup_anon_vma,
    vma_merge_struct,
)

__all__ = ["vma_merge_existing_range"]


def _sides(vmg: vma_merge_struct, middle: vm_area_struct) -> tuple[bool, bool] | None:
    """Decide on which sides the range can merge; None: it has to stay alone.

    The iterator is moved to the mapping before if that takes the range.
    """
    left_side, right_side = vmg.start == middle.vm_start, vmg.end == middle.vm_end
    if vmg.vm_flags & VM_SPECIAL or not (left_side or right_side):
        return None
    left = left_side and can_vma_merge_left(vmg)
    right = False
    if right_side:
        vmg.next = vma_iter_next_range(vmg.vmi)
        vma_iter_prev_range(vmg.vmi)
        right = can_vma_merge_right(vmg, left)
    if left:
        vma_prev(vmg.vmi)
    elif not right:
        return None
    vmg.remove_middle = left_side and right_side
    if vmg.remove_middle and not can_merge_remove_vma(middle):
        return None
    if left and right and vmg.next is not None and not can_merge_remove_vma(vmg.next):
        right = False
    vmg.remove_next = left and right
    return left, right


def _plan_both(
    vmg: vma_merge_struct, middle: vm_area_struct
) -> tuple[int, vm_area_struct | None]:
    """Plan that the mapping before takes all::

    |-------********-------|
      prev   middle   next
     extend  delete  delete
    """
    prev, following = vmg.prev, vmg.next
    assert prev is not None
    assert following is not None
    vmg.start, vmg.end, vmg.pgoff = prev.vm_start, following.vm_end, prev.vm_pgoff
    return dup_anon_vma(prev, middle if following.anon_vma is None else following)


def _plan_left(
    vmg: vma_merge_struct, middle: vm_area_struct
) -> tuple[int, vm_area_struct | None]:
    """Plan that the mapping before takes the range::

    |-------*************
      prev     middle
     extend shrink/delete
    """
    prev = vmg.prev
    assert prev is not None
    vmg.start, vmg.pgoff = prev.vm_start, prev.vm_pgoff
    vmg.adjust_middle_start = not vmg.remove_middle
    return dup_anon_vma(prev, middle)


def _plan_right(
    vmg: vma_merge_struct, middle: vm_area_struct
) -> tuple[int, vm_area_struct | None]:
    """Plan that the mapping after takes the range::

    *************-------|
       middle     next
    shrink/delete extend
    """
    following = vmg.next
    assert following is not None
    if vmg.remove_middle:
        vmg.pgoff = following.vm_pgoff - (vmg.end - vmg.start >> PAGE_SHIFT)
        vmg.end = following.vm_end
    else:
        vmg.adjust_next_start = True
        vmg.start, vmg.end = middle.vm_start, vmg.start
        vmg.pgoff = middle.vm_pgoff
    return dup_anon_vma(following, middle)


@mirrors("mm/vma.c", checked="v7.2", abridged="no khugepaged")
def vma_merge_existing_range(vmg: vma_merge_struct) -> vm_area_struct | None:
    """Make the part of *middle* that changes a part of its neighbours.

    Only a part at one end can be, and only of a neighbour that is as it will be.
    *vmg* has *prev*, and its iterator stands in *middle*.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The mapping that the range belongs to now, or None.
    """
    middle, start = vmg.middle, vmg.start
    assert middle is not None
    mmap_assert_write_locked(vmg.mm)
    vmg.state = VmaMergeState.VMA_MERGE_NOMERGE
    sides = _sides(vmg, middle)
    if sides is None:
        return None
    left, right = sides
    sticky = vmg.vm_flags
    vma_start_write(middle)
    if right and vmg.next is not None:
        vma_start_write(vmg.next)
        vmg.target = vmg.next
        sticky |= vmg.next.vm_flags
    if left and vmg.prev is not None:
        vma_start_write(vmg.prev)
        vmg.target = vmg.prev
        sticky |= vmg.prev.vm_flags
    plan = _plan_both if left and right else _plan_left if left else _plan_right
    err, anon_dup = plan(vmg, middle)
    assert vmg.target is not None
    if not err and not commit_merge(vmg):
        vmg.target.vm_flags |= sticky & VM_STICKY_FLAGS
        vmg.state = VmaMergeState.VMA_MERGE_SUCCESS
        return vmg.target
    vma_iter_set(vmg.vmi, start)
    vma_iter_load(vmg.vmi)
    if anon_dup is not None:
        unlink_anon_vmas(anon_dup)
    vmg.state = VmaMergeState.VMA_MERGE_ERROR_NOMEM
    return None
