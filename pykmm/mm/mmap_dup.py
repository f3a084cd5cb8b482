# SPDX-License-Identifier: GPL-2.0-only
"""Copying all mappings for a child — part of ``mm/mmap.c``.

The tree is copied as a whole first, with the parent's mappings in it; then they are
replaced by copies, one by one from low to high. Whoever fails in between has to take
down what is the child's already, and must not touch the rest.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINTR, ENOMEM
from ..lib.maple_tree import __mt_destroy, __mt_dup, mas_store
from ..linux.fs import get_file, i_mmap_lock_write, i_mmap_unlock_write
from ..linux.gfp_types import GFP_KERNEL
from ..linux.maple_tree import MA_STATE, ULONG_MAX, mt_clear_in_rcu, mt_set_in_rcu
from ..linux.mm import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_HUGETLB,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_WIPEONFORK,
    mm_flags_set,
    vma_iter_set,
    vma_next,
    vma_pages,
)
from ..linux.mm_types import (
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    VMA_ITERATOR,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ..linux.mman import vm_unacct_memory
from ..linux.mmap_lock import (
    mmap_write_lock_killable,
    mmap_write_lock_nested,
    mmap_write_unlock,
    vma_mark_attached,
    vma_start_write,
    vma_start_write_killable,
)
from ..linux.sched.mm import might_alloc
from ..linux.security import security_vm_enough_memory_mm
from .hugetlb_resv import hugetlb_dup_vma_private
from .memory_copy import copy_page_range
from .mmap import tear_down_vmas
from .mmap_limits import vm_stat_account
from .rmap import anon_vma_fork
from .vma import unmap_region
from .vma_file import __vma_link_file
from .vma_init import vm_area_dup, vm_area_free
from .vma_unmap import unmap_desc

__all__ = ["dup_mmap"]

_SINGLE_DEPTH_NESTING = 1


def _store(mm: mm_struct, at: vm_area_struct, new: vm_area_struct | None) -> None:
    """Put *new* where the parent's *at* stands in the child's tree."""
    mas_store(MA_STATE(mm.mm_mt, at.vm_start, at.vm_end - 1), new)


def _dup_vma(mm: mm_struct, mpnt: vm_area_struct) -> int:
    """Put a copy of the parent's *mpnt* into the child, and map its pages there.

    Return: 0, or an error: if *mpnt* is in the child's tree still, nothing was done.
    """
    charge = vma_pages(mpnt) if mpnt.vm_flags & VM_ACCOUNT else 0
    if charge and security_vm_enough_memory_mm(mpnt.vm_mm, charge):
        return -ENOMEM
    tmp = vm_area_dup(mpnt)
    tmp.vm_mm = mm
    error = 0
    if tmp.vm_flags & VM_WIPEONFORK:
        tmp.anon_vma = None
    else:
        error = anon_vma_fork(tmp, mpnt)
    if error:
        vm_area_free(tmp)
        vm_unacct_memory(charge)
        return -ENOMEM
    vma_start_write(tmp)
    tmp.vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT)
    _store(mm, mpnt, tmp)
    vma_mark_attached(tmp)
    mm.map_count += 1
    if tmp.vm_flags & VM_HUGETLB:
        hugetlb_dup_vma_private(tmp)
    if tmp.vm_ops is not None and tmp.vm_ops.open is not None:
        tmp.vm_ops.open(tmp)
    if tmp.vm_file is not None:
        mapping = get_file(tmp.vm_file).f_mapping
        i_mmap_lock_write(mapping)
        __vma_link_file(tmp, mapping)
        i_mmap_unlock_write(mapping)
    return 0 if tmp.vm_flags & VM_WIPEONFORK else copy_page_range(tmp, mpnt)


def _dup_vmas(mm: mm_struct, vmi: vma_iterator) -> tuple[int, vm_area_struct | None]:
    """Replace the parent's mappings in the child's tree, from low to high.

    Return: 0, or an error with the first mapping that is the parent's still.
    """
    while (mpnt := vma_next(vmi)) is not None:
        if vma_start_write_killable(mpnt):
            return -EINTR, mpnt
        if mpnt.vm_flags & VM_DONTCOPY:
            _store(mm, mpnt, None)
            vm_stat_account(mm, mpnt.vm_flags, -vma_pages(mpnt))
            continue
        count = mm.map_count
        error = _dup_vma(mm, mpnt)
        if error:
            return error, mpnt if mm.map_count == count else vma_next(vmi)
    return 0, None


def _undo(mm: mm_struct, vmi: vma_iterator, first_left: vm_area_struct | None) -> None:
    """Take down what the child has of its own, and forget all mappings."""
    # Hides it from the killer, for which there is nothing to be had.
    mm_flags_set(MMF_OOM_SKIP, mm)
    if mm.map_count:
        end = ULONG_MAX if first_left is None else first_left.vm_start
        vma_iter_set(vmi, 0)
        first = vma_next(vmi)
        assert first is not None  # it has been counted
        unmap_region(
            unmap_desc(
                mas=vmi.mas,
                first=first,
                pg_start=0,
                pg_end=0,
                vma_start=0,
                vma_end=end,
                tree_end=end,
                tree_reset=first.vm_end,
                mm_wr_locked=True,
            )
        )
        vm_unacct_memory(tear_down_vmas(mm, vmi, first, end))
    __mt_destroy(mm.mm_mt)
    mm_flags_set(MMF_UNSTABLE, mm)


@mirrors(
    "mm/mmap.c",
    checked="v7.2",
    abridged="no uprobes, userfaultfd, KSM or khugepaged; stores need no memory",
)
def dup_mmap(mm: mm_struct, oldmm: mm_struct) -> int:
    """Copy all mappings of *oldmm* into the empty *mm*.

    A failure leaves no mapping behind, and ``MMF_OOM_SKIP`` and ``MMF_UNSTABLE``.

    Context: May sleep; takes ``mmap_lock`` of both for writing.
    Return: 0, -EINTR or -ENOMEM.
    """
    if mmap_write_lock_killable(oldmm):
        return -EINTR
    mmap_write_lock_nested(mm, _SINGLE_DEPTH_NESTING)
    mm.total_vm = oldmm.total_vm
    mm.data_vm = oldmm.data_vm
    mm.exec_vm = oldmm.exec_vm
    mm.stack_vm = oldmm.stack_vm
    might_alloc(GFP_KERNEL)
    error = __mt_dup(oldmm.mm_mt, mm.mm_mt, GFP_KERNEL)
    if not error:
        vmi = VMA_ITERATOR(mm, 0)
        mt_clear_in_rcu(mm.mm_mt)
        error, first_left = _dup_vmas(mm, vmi)
        if error:
            _undo(mm, vmi, first_left)
        else:
            mt_set_in_rcu(mm.mm_mt)
    mmap_write_unlock(mm)
    mmap_write_unlock(oldmm)
    return error
