# SPDX-License-Identifier: GPL-2.0-only
"""Moving a mapping with its pages — part of ``mm/mremap.c``."""

from __future__ import annotations

from enum import Enum, auto

import attrs

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux.mm import (
    PAGE_SHIFT,
    VM_ACCOUNT,
    VM_LOCKED,
    VM_MAYSHARE,
    vma_is_anonymous,
    vma_next,
    vma_prev,
)
from ..linux.mm_types import VMA_ITERATOR, mm_struct, vm_area_struct
from ..linux.mman import mmap_sysctls, vm_acct_memory, vm_unacct_memory
from ..linux.mmap_lock import mmap_assert_write_locked, vma_start_write
from ..linux.security import security_vm_enough_memory_mm
from ..linux.uapi_mman import (
    MAP_FIXED,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
)
from ..linux.vm_flags import VM_LOCKED_MASK, _reset_flags_once
from .hugetlb_resv import fixup_hugetlb_reservations
from .mmap_area import get_unmapped_area
from .mmap_limits import vm_stat_account
from .mremap import move_page_tables, pagetable_move_control
from .rmap import unlink_anon_vmas
from .vma_copy import copy_vma
from .vma_munmap import do_vmi_munmap
from .vma_split import split_vma

__all__ = [
    "MremapType",
    "check_map_count_against_split_early",
    "move_vma",
    "vma_remap_struct",
    "vrm_calc_charge",
    "vrm_implies_new_addr",
    "vrm_set_new_addr",
    "vrm_stat_account",
    "vrm_uncharge",
]


class MremapType(Enum):
    """What happens to the length: Linux's ``enum mremap_type``."""

    MREMAP_INVALID = auto()
    MREMAP_NO_RESIZE = auto()
    MREMAP_SHRINK = auto()
    MREMAP_EXPAND = auto()


@attrs.define(eq=False)
class vma_remap_struct:
    """What ``mremap()`` was asked for, and how far it has come."""

    mm: mm_struct
    addr: int
    old_len: int
    new_len: int
    flags: int
    new_addr: int
    vma: vm_area_struct | None = None
    delta: int = 0
    populate_expand: bool = False
    remap_type: MremapType = MremapType.MREMAP_INVALID
    mmap_locked: bool = False
    charged: int = 0
    #: Whether an iterator over the mappings has to search again.
    vmi_needs_invalidate: bool = False

    @property
    def target(self) -> vm_area_struct:
        """Return the mapping that the range is a part of."""
        assert self.vma is not None  # it has been looked up
        return self.vma


@mirrors("mm/mremap.c", checked="v7.2", inline=True)
def vrm_implies_new_addr(vrm: vma_remap_struct) -> bool:
    """Tell whether the caller says where the mapping goes."""
    return bool(vrm.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))


@mirrors("mm/mremap.c", checked="v7.2")
def vrm_set_new_addr(vrm: vma_remap_struct) -> int:
    """Choose where the mapping goes.

    Context: ``mmap_lock``.
    Return: 0 or an error.
    """
    vma = vrm.target
    map_flags = MAP_FIXED if vrm.flags & MREMAP_FIXED else 0
    if vma.vm_flags & VM_MAYSHARE:
        map_flags |= MAP_SHARED
    wish = vrm.new_addr if vrm_implies_new_addr(vrm) else 0
    res = get_unmapped_area(vma.vm_file, wish, vrm.new_len, map_flags)
    if res < 0:
        return res
    vrm.new_addr = res
    return 0


@mirrors("mm/mremap.c", checked="v7.2")
def vrm_calc_charge(vrm: vma_remap_struct) -> bool:
    """Promise memory to what is new; tell whether the machine may.

    Context: ``mmap_lock`` for writing.
    """
    if not vrm.target.vm_flags & VM_ACCOUNT:
        return True
    grown = vrm.new_len if vrm.flags & MREMAP_DONTUNMAP else vrm.delta
    if security_vm_enough_memory_mm(vrm.mm, grown >> PAGE_SHIFT):
        return False
    vrm.charged = grown >> PAGE_SHIFT
    return True


@mirrors("mm/mremap.c", checked="v7.2")
def vrm_uncharge(vrm: vma_remap_struct) -> None:
    """Take the promise back.

    Context: ``mmap_lock`` for writing.
    """
    if vrm.target.vm_flags & VM_ACCOUNT:
        vm_unacct_memory(vrm.charged)
        vrm.charged = 0


@mirrors("mm/mremap.c", checked="v7.2")
def vrm_stat_account(vrm: vma_remap_struct, bytes: int) -> None:
    """Count what has been mapped.

    Context: ``mmap_lock`` for writing.
    """
    pages, vma = bytes >> PAGE_SHIFT, vrm.target
    vm_stat_account(vrm.mm, vma.vm_flags, pages)
    if vma.vm_flags & VM_LOCKED:
        vrm.mm.locked_vm += pages


# -- the number of mappings ------------------------------------------------------------


@mirrors("mm/mremap.c", checked="v7.2")
def __check_map_count_against_split(
    mm: mm_struct, pre_split: bool, before_unmaps: bool
) -> bool:
    """Tell whether the move could not end with too many mappings, come what may.

    Context: ``mmap_lock`` for writing.
    """
    limit = mmap_sysctls().max_map_count
    mmap_assert_write_locked(mm)
    return mm.map_count + 2 + 2 * before_unmaps + pre_split <= limit


@mirrors("mm/mremap.c", checked="v7.2", inline=True)
def needs_pre_split(vrm: vma_remap_struct) -> bool:
    """Tell whether the part has to be cut out first: what stays is unlocked."""
    return bool(vrm.flags & MREMAP_DONTUNMAP and vrm.target.vm_flags & VM_LOCKED)


@mirrors("mm/mremap.c", checked="v7.2", inline=True)
def check_map_count_against_split(vrm: vma_remap_struct) -> bool:
    """Do the check right before the move."""
    return __check_map_count_against_split(vrm.mm, needs_pre_split(vrm), False)


@mirrors("mm/mremap.c", checked="v7.2", inline=True)
def check_map_count_against_split_early(vrm: vma_remap_struct) -> bool:
    """Do the check before anything is unmapped."""
    return __check_map_count_against_split(
        vrm.mm, bool(vrm.flags & MREMAP_DONTUNMAP), True
    )


# -- moving ----------------------------------------------------------------------------


@mirrors("mm/mremap.c", checked="v7.2", abridged="no KSM")
def prep_move_vma(vrm: vma_remap_struct) -> int:
    """See whether the mapping can be moved, and cut it out if it stays.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or an error.
    """
    vma = vrm.target
    start, end = vrm.addr, vrm.addr + vrm.old_len
    if not check_map_count_against_split(vrm):
        return -ENOMEM
    cuts = [at for at in (start, end) if vma.vm_start < at < vma.vm_end]
    may_split = None if vma.vm_ops is None else vma.vm_ops.may_split
    for at in cuts if may_split is not None else ():
        err = may_split(vma, at) if may_split is not None else 0
        if err:
            return err
    if not needs_pre_split(vrm):
        return 0
    vmi = VMA_ITERATOR(vrm.mm, start)
    err = 0
    for at in cuts:
        err = err or split_vma(vmi, vma, at, at == start)
    vrm.vmi_needs_invalidate = True
    return err


@mirrors("mm/mremap.c", checked="v7.2", abridged="no userfaultfd")
def unmap_source_vma(vrm: vma_remap_struct) -> None:
    """Unmap where the pages were, without taking the promise of memory back.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    mm, addr, length, vma = vrm.mm, vrm.addr, vrm.old_len, vrm.target
    vmi = VMA_ITERATOR(mm, addr)
    keeps = bool(vma.vm_flags & VM_ACCOUNT) and not vrm.flags & MREMAP_DONTUNMAP
    vm_start, vm_end = vma.vm_start, vma.vm_end
    if keeps:
        vma_start_write(vma)
        vma.vm_flags &= ~VM_ACCOUNT
    err = do_vmi_munmap(vmi, mm, addr, length, False)
    vrm.vma = None
    vrm.vmi_needs_invalidate = True
    if err:
        vm_acct_memory(length >> PAGE_SHIFT)
        return
    if keeps and vm_start < addr:
        left = vma_prev(vmi)
        assert left is not None  # the rest in front of the range
        vma_start_write(left)
        left.vm_flags |= VM_ACCOUNT
    if keeps and vm_end > addr + length:
        right = vma_next(vmi)
        assert right is not None  # the rest behind the range
        vma_start_write(right)
        right.vm_flags |= VM_ACCOUNT


@mirrors("mm/mremap.c", checked="v7.2", abridged="no driver wants to know")
def copy_vma_and_data(vrm: vma_remap_struct) -> tuple[int, vm_area_struct | None]:
    """Make the new mapping, and move the pages; or move them back.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or -ENOMEM; and the new mapping. After an error it is what has to be
        unmapped, if it is there.
    """
    vma = vrm.target
    pgoff = vma.vm_pgoff + (vrm.addr - vma.vm_start >> PAGE_SHIFT)
    keep = bool(vrm.flags & MREMAP_DONTUNMAP)
    copied = copy_vma(vma, vrm.new_addr, vrm.new_len, pgoff, keep)
    if copied is None:
        vrm_uncharge(vrm)
        return -ENOMEM, None
    new, vma, locks = copied
    if vma is not vrm.vma:
        vrm.vmi_needs_invalidate = True
    vrm.vma = vma
    moved = move_page_tables(
        pagetable_move_control(vma, new, vrm.addr, vrm.new_addr, vrm.old_len, locks)
    )
    if moved >= vrm.old_len:
        fixup_hugetlb_reservations(vma, new)
        return 0, new
    move_page_tables(
        pagetable_move_control(new, vma, vrm.new_addr, vrm.addr, moved, True)
    )
    fixup_hugetlb_reservations(vma, new)
    vrm.vma = new
    vrm.old_len, vrm.addr = vrm.new_len, vrm.new_addr
    return -ENOMEM, new


@mirrors("mm/mremap.c", checked="v7.2")
def dontunmap_complete(vrm: vma_remap_struct) -> None:
    """Leave the old mapping as if nobody had touched it, and unlocked.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    vma = vrm.target
    vma_start_write(vma)
    _reset_flags_once(vma, vma.vm_flags & ~VM_LOCKED_MASK)
    if (vrm.addr, vrm.addr + vrm.old_len) == (vma.vm_start, vma.vm_end):
        unlink_anon_vmas(vma)
        if vma_is_anonymous(vma) and vma.vm_file is None:
            vma.vm_pgoff = vma.vm_start >> PAGE_SHIFT


@mirrors("mm/mremap.c", checked="v7.2")
def move_vma(vrm: vma_remap_struct) -> int:
    """Move the range to its new address.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The address, or an error.
    """
    err = prep_move_vma(vrm)
    if err:
        return err
    if not vrm_calc_charge(vrm):
        return -ENOMEM
    vma_start_write(vrm.target)  # no fault may come between a page and its move
    err, new = copy_vma_and_data(vrm)
    if err and new is None:
        return err
    dontunmap = bool(vrm.flags & MREMAP_DONTUNMAP)
    if dontunmap and not err:
        dontunmap_complete(vrm)
    vrm_stat_account(vrm, vrm.new_len)
    if not dontunmap or err:
        unmap_source_vma(vrm)
    return err or vrm.new_addr
