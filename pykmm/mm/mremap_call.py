# SPDX-License-Identifier: GPL-2.0-only
"""Making a mapping longer, shorter, or another place's — part of ``mm/mremap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM
from ..lib.maple_tree import mas_pause
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SIZE,
    TASK_SIZE,
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SHARED,
    for_each_vma_range,
    vma_lookup,
)
from ..linux.mm_types import VMA_ITERATOR, vm_area_struct
from ..linux.mmap_lock import mmap_write_lock_killable, mmap_write_unlock
from ..linux.sched import current
from ..linux.uapi_mman import (
    MAP_FIXED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from .gup import __mm_populate
from .mmap_area import get_unmapped_area
from .mmap_find import find_vma_intersection
from .mmap_limits import may_expand_vm, mlock_future_ok
from .mmap_sys import do_munmap
from .mremap_move import (
    MremapType,
    check_map_count_against_split_early,
    move_vma,
    vma_remap_struct,
    vrm_calc_charge,
    vrm_implies_new_addr,
    vrm_set_new_addr,
    vrm_stat_account,
    vrm_uncharge,
)
from .vma import vma_is_sealed
from .vma_merge_new import vma_merge_extend
from .vma_munmap import do_vmi_munmap

__all__ = ["mremap"]


@mirrors("mm/mremap.c", checked="v7.2")
def shrink_vma(vrm: vma_remap_struct, drop_lock: bool) -> int:
    """Unmap the end of the range.

    Context: ``mmap_lock`` for writing; with *drop_lock* it is let go of on success.
    Return: 0 or an error.
    """
    start = vrm.addr + vrm.new_len
    vmi = VMA_ITERATOR(vrm.mm, start)
    res = do_vmi_munmap(vmi, vrm.mm, start, vrm.delta, drop_lock)
    vrm.vma = None
    if res:
        return res
    if drop_lock:
        vrm.mmap_locked = False
        return 0
    vrm.vma = vma_lookup(vrm.mm, vrm.addr)
    return -EFAULT if vrm.vma is None else 0


@mirrors("mm/mremap.c", checked="v7.2")
def mremap_to(vrm: vma_remap_struct) -> int:
    """Move the range to where the caller says; what is there is unmapped.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The address, or an error.
    """
    if vrm.flags & MREMAP_FIXED:
        err = do_munmap(vrm.mm, vrm.new_addr, vrm.new_len)
        vrm.vma = None
        vrm.vmi_needs_invalidate = True
        if err:
            return err
        vrm.vma = vma_lookup(vrm.mm, vrm.addr)
        if vrm.vma is None:
            return -EFAULT
    if vrm.remap_type is MremapType.MREMAP_SHRINK:
        err = shrink_vma(vrm, False)
        if err:
            return err
        vrm.old_len = vrm.new_len
    if vrm.flags & MREMAP_DONTUNMAP and not may_expand_vm(
        vrm.mm, vrm.target.vm_flags, vrm.old_len >> PAGE_SHIFT
    ):
        return -ENOMEM
    return vrm_set_new_addr(vrm) or move_vma(vrm)


@mirrors("mm/mremap.c", checked="v7.2")
def vma_expandable(vma: vm_area_struct, delta: int) -> bool:
    """Tell whether the addresses behind *vma* are free.

    Context: ``mmap_lock``.
    """
    end = vma.vm_end + delta
    if end > ULONG_MAX or find_vma_intersection(vma.vm_mm, vma.vm_end, end) is not None:
        return False
    length = end - vma.vm_start
    return not get_unmapped_area(None, vma.vm_start, length, MAP_FIXED) & ~PAGE_MASK


@mirrors("mm/mremap.c", checked="v7.2")
def vrm_can_expand_in_place(vrm: vma_remap_struct) -> bool:
    """Tell whether the range ends with its mapping, and there is room behind.

    Context: ``mmap_lock``.
    """
    vma = vrm.target
    return vma.vm_end - vrm.addr == vrm.old_len and vma_expandable(vma, vrm.delta)


@mirrors("mm/mremap.c", checked="v7.2")
def expand_vma_in_place(vrm: vma_remap_struct) -> int:
    """Make the mapping longer.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or -ENOMEM.
    """
    vma = vrm.target
    vmi = VMA_ITERATOR(vrm.mm, vma.vm_end)
    if not vrm_calc_charge(vrm):
        return -ENOMEM
    longer = vma_merge_extend(vmi, vma, vrm.delta)
    if longer is None:
        vrm_uncharge(vrm)
        return -ENOMEM
    vrm.vma = longer
    vrm_stat_account(vrm, vrm.delta)
    return 0


@mirrors("mm/mremap.c", checked="v7.2")
def align_hugetlb(vrm: vma_remap_struct) -> bool:
    """Round to huge pages; tell whether they can be moved so."""
    vrm.old_len = vrm.old_len + PMD_SIZE - 1 & -PMD_SIZE
    vrm.new_len = vrm.new_len + PMD_SIZE - 1 & -PMD_SIZE
    aligned = not (vrm.addr | vrm.new_addr) % PMD_SIZE
    return aligned and vrm.new_len <= vrm.old_len


@mirrors("mm/mremap.c", checked="v7.2")
def expand_vma(vrm: vma_remap_struct) -> int:
    """Make the range longer, where it is or somewhere else.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The address, or an error.
    """
    if vrm_can_expand_in_place(vrm):
        return expand_vma_in_place(vrm) or vrm.addr
    if not vrm.flags & MREMAP_MAYMOVE:
        return -ENOMEM
    return vrm_set_new_addr(vrm) or move_vma(vrm)


@mirrors("mm/mremap.c", checked="v7.2")
def mremap_at(vrm: vma_remap_struct) -> int:
    """Change the length; the mapping moves only if it has to.

    Context: ``mmap_lock`` for writing, which a shrink lets go of. May sleep.
    Return: The address, or an error.
    """
    if vrm.remap_type is MremapType.MREMAP_SHRINK:
        return shrink_vma(vrm, True) or vrm.addr
    if vrm.remap_type is MremapType.MREMAP_EXPAND:
        return expand_vma(vrm)
    return vrm.addr


# -- checks ----------------------------------------------------------------------------


def _set_type(vrm: vma_remap_struct) -> None:
    """See what happens to the length: ``vrm_set_delta()``, ``vrm_remap_type()``."""
    vrm.delta = abs(vrm.new_len - vrm.old_len)
    if vrm.new_len == vrm.old_len:
        vrm.remap_type = MremapType.MREMAP_NO_RESIZE
    elif vrm.new_len < vrm.old_len:
        vrm.remap_type = MremapType.MREMAP_SHRINK
    else:
        vrm.remap_type = MremapType.MREMAP_EXPAND


@mirrors("mm/mremap.c", checked="v7.2")
def check_prep_vma(vrm: vma_remap_struct) -> int:
    """See whether the mapping at the old address allows what is asked for.

    Context: ``mmap_lock`` for writing.
    Return: 0 or an error.
    """
    vma = vrm.vma
    if vma is None:
        return -EFAULT
    if vma_is_sealed(vma):
        return -EPERM
    if vma.vm_flags & VM_HUGETLB and not align_hugetlb(vrm):
        return -EINVAL
    _set_type(vrm)
    moves = vrm_implies_new_addr(vrm)
    if not moves:
        vrm.new_addr = vrm.addr
    if not moves and vrm.remap_type is not MremapType.MREMAP_EXPAND:
        return 0
    if not vrm.old_len and not vma.vm_flags & (VM_SHARED | VM_MAYSHARE):
        return -EINVAL
    fixed_size = vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP)
    if vrm.flags & MREMAP_DONTUNMAP and fixed_size:
        return -EINVAL
    return _check_growth(vrm, vma)


def _check_growth(vrm: vma_remap_struct, vma: vm_area_struct) -> int:
    """See whether the range lies in *vma*, and may become so long."""
    shrinks = vrm.remap_type is MremapType.MREMAP_SHRINK
    old_len = vrm.new_len if shrinks else vrm.old_len
    if old_len > vma.vm_end - vrm.addr:
        return -EFAULT
    if vrm.new_len == old_len:
        return 0
    if vma.vm_flags & VM_LOCKED:
        vrm.populate_expand = True
    pgoff = vma.vm_pgoff + (vrm.addr - vma.vm_start >> PAGE_SHIFT)
    if pgoff + (vrm.new_len >> PAGE_SHIFT) > ULONG_MAX:
        return -EINVAL
    if vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
        return -EFAULT
    if not mlock_future_ok(vrm.mm, bool(vma.vm_flags & VM_LOCKED), vrm.delta):
        return -EAGAIN
    if not may_expand_vm(vrm.mm, vma.vm_flags, vrm.delta >> PAGE_SHIFT):
        return -ENOMEM
    return 0


@mirrors("mm/mremap.c", checked="v7.2")
def check_mremap_params(vrm: vma_remap_struct) -> int:
    """See whether the arguments mean anything: 0, or -EINVAL."""
    flags = vrm.flags
    if flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP):
        return -EINVAL
    if vrm.addr & ~PAGE_MASK or not vrm.new_len or vrm.new_len > TASK_SIZE:
        return -EINVAL
    if not vrm_implies_new_addr(vrm):
        return 0
    if vrm.new_addr > TASK_SIZE - vrm.new_len or vrm.new_addr & ~PAGE_MASK:
        return -EINVAL
    if not flags & MREMAP_MAYMOVE:
        return -EINVAL
    if flags & MREMAP_DONTUNMAP and vrm.old_len != vrm.new_len:
        return -EINVAL
    overlaps = (
        vrm.addr + vrm.old_len > vrm.new_addr and vrm.new_addr + vrm.new_len > vrm.addr
    )
    return -EINVAL if overlaps else 0


# -- the call --------------------------------------------------------------------------


@mirrors(
    "mm/mremap.c", checked="v7.2", abridged="no userfaultfd; all kinds may be many"
)
def remap_move(vrm: vma_remap_struct) -> int:
    """Move all mappings of the range, with the gaps between them.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The new address of the first, or an error: those before are moved.
    """
    start, end = vrm.addr, vrm.addr + vrm.old_len
    target, res, last_end = vrm.new_addr, int(-EFAULT), 0
    seen = False
    vmi = VMA_ITERATOR(vrm.mm, start)
    for vma in for_each_vma_range(vmi, end):
        if not seen and start < vma.vm_start:
            return -EFAULT
        addr = max(vma.vm_start, start)
        offset = vma.vm_start - last_end if seen else 0
        last_end = vma.vm_end
        vrm.vma, vrm.addr, vrm.new_addr = vma, addr, target + offset
        vrm.old_len = vrm.new_len = min(end, vma.vm_end) - addr
        err = check_prep_vma(vrm)
        moved = err or mremap_to(vrm)
        if moved < 0:
            return moved
        if not seen:
            res = moved
        if vrm.vmi_needs_invalidate:
            mas_pause(vmi.mas)
            vrm.vmi_needs_invalidate = False
        seen = True
        target = moved + vrm.new_len
    return res


def _remap(vrm: vma_remap_struct) -> int:
    """Do the work under the lock."""
    if not check_map_count_against_split_early(vrm):
        return -ENOMEM
    if vrm.flags & MREMAP_FIXED and vrm.old_len == vrm.new_len:
        return remap_move(vrm)
    vrm.vma = vma_lookup(vrm.mm, vrm.addr)
    error = check_prep_vma(vrm)
    if error:
        return error
    return mremap_to(vrm) if vrm_implies_new_addr(vrm) else mremap_at(vrm)


@mirrors("mm/mremap.c", checked="v7.2", abridged="no userfaultfd")
def do_mremap(vrm: vma_remap_struct) -> int:
    """Change the length or the place of a range.

    Context: Takes ``mmap_lock`` for writing. May sleep.
    Return: The address, or an error.
    """
    vrm.old_len = vrm.old_len + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    vrm.new_len = vrm.new_len + PAGE_SIZE - 1 & ULONG_MAX & PAGE_MASK
    error = check_mremap_params(vrm)
    if error:
        return error
    if mmap_write_lock_killable(vrm.mm):
        return -EINTR
    vrm.mmap_locked = True
    res = _remap(vrm)
    if vrm.mmap_locked:
        mmap_write_unlock(vrm.mm)
    if res >= 0 and vrm.populate_expand:
        __mm_populate(vrm.new_addr + vrm.old_len, vrm.delta, True)
    return res


def mremap(
    addr: int, old_len: int, new_len: int, flags: int = 0, new_addr: int = 0
) -> int:
    """System call: see :func:`do_mremap`."""
    mm = current().mm
    assert mm is not None  # a program has one
    return do_mremap(vma_remap_struct(mm, addr, old_len, new_len, flags, new_addr))
