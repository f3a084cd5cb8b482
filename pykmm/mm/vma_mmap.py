# SPDX-License-Identifier: GPL-2.0-only
"""Mapping a range that has been chosen — part of ``mm/vma.c``."""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..errno import EACCES, ENOMEM
from ..fs.hugetlbfs.inode import hugetlbfs_file_mmap
from ..lib.maple_tree import mas_destroy
from ..linux._vma_desc import mmap_action, vm_area_desc
from ..linux.fs import get_file
from ..linux.gfp_types import GFP_KERNEL
from ..linux.mm import (
    PAGE_SHIFT,
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_LOCKED,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
    vma_find,
)
from ..linux.mm_types import (
    VMA_ITERATOR,
    file,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ..linux.mman import mmap_sysctls, vm_unacct_memory
from ..linux.mmap_lock import mmap_assert_write_locked, vma_start_write
from ..linux.sched import current
from ..linux.security import security_vm_enough_memory_mm
from ..linux.vm_flags import VM_DATA_DEFAULT_FLAGS, VM_LOCKED_MASK
from .internal import vma_supports_mlock
from .mmap_limits import may_expand_vm, vm_stat_account
from .shmem import shmem_zero_setup
from .util_action import mmap_action_complete, mmap_action_prepare
from .vma import map_deny_write_exec
from .vma_file import vma_link_file
from .vma_init import vm_area_alloc, vm_area_free
from .vma_iter import (
    vma_iter_config,
    vma_iter_next_range,
    vma_iter_next_rewind,
    vma_iter_prealloc,
    vma_iter_store_gfp,
    vma_iter_store_new,
)
from .vma_merge import vma_merge_struct, vmg_nomem
from .vma_merge_new import vma_merge_new_range
from .vma_munmap import (
    init_vma_munmap,
    vma_munmap_struct,
    vms_abort_munmap_vmas,
    vms_clean_up_area,
    vms_complete_munmap_vmas,
    vms_gather_munmap_vmas,
)
from .vma_ops import (
    generic_file_vm_ops,
    shmem_vm_ops,
    vm_operations_struct,
    vma_dummy_vm_ops,
)

__all__ = ["do_brk_flags", "mmap_region"]


@attrs.define(eq=False)
class mmap_state:
    """A mapping in the making."""

    mm: mm_struct
    vmi: vma_iterator
    addr: int
    end: int
    pgoff: int
    vm_flags: int
    file: file | None
    vms: vma_munmap_struct = attrs.field(init=False)
    charged: int = 0
    #: What a driver wants to be told of, and done.
    vm_ops: vm_operations_struct | None = None
    action: mmap_action | None = None
    prev: vm_area_struct | None = None
    next: vm_area_struct | None = None

    @property
    def pglen(self) -> int:
        """Return the length in pages."""
        return self.end - self.addr >> PAGE_SHIFT


@mirrors("mm/vma.c", checked="v7.2")
def accountable_mapping(map: mmap_state) -> bool:
    """Tell whether the mapping is a promise of memory: private, and to write to."""
    if map.file is not None and map.file.is_hugetlb:
        return False
    return map.vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE


@mirrors("mm/vma.c", checked="v7.2", abridged="no userfaultfd")
def __mmap_setup(map: mmap_state) -> int:
    """Gather what is in the way, check the limits, and promise the memory.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0; -EPERM or -ENOMEM, with nothing unmapped.
    """
    vms = map.vms = init_vma_munmap(
        map.mm, map.vmi, vma_find(map.vmi, map.end), map.addr, map.end, False
    )
    if vms.vma is not None:
        error = vms_gather_munmap_vmas(vms)
        if error:
            vms.nr_pages = 0
            return error
        map.next, map.prev = vms.next, vms.prev
    else:
        map.next, map.prev = vma_iter_next_rewind(map.vmi)
    if not may_expand_vm(map.mm, map.vm_flags, map.pglen - vms.nr_pages):
        return -ENOMEM
    if accountable_mapping(map):
        charged = map.pglen - vms.nr_accounted
        if charged:
            error = security_vm_enough_memory_mm(map.mm, charged)
            if error:
                return error
        map.charged = charged
        vms.nr_accounted = 0
        map.vm_flags |= VM_ACCOUNT
    vms_clean_up_area(vms)
    return 0


@mirrors("mm/vma.c", checked="v7.2", abridged="no file system does more than this")
def call_mmap_prepare(map: mmap_state) -> int:
    """Let the file's kind have its say, before anything merges.

    Return: 0, or the error of a driver.
    """
    if map.file is None or map.file.f_op is None:
        if map.file is not None and map.file.is_hugetlb:
            map.vm_flags |= VM_HUGETLB | VM_DONTEXPAND
        return 0
    desc = vm_area_desc(
        map.mm, map.file, map.addr, map.end, map.pgoff, map.vm_flags, vma_dummy_vm_ops
    )
    error = map.file.f_op.mmap_prepare(desc) or mmap_action_prepare(desc)
    if not error:
        map.pgoff, map.vm_flags = desc.pgoff, desc.vm_flags
        map.vm_ops, map.action = desc.vm_ops, desc.action
    return error


@mirrors("mm/vma.c", checked="v7.2", abridged="a driver has had its say before")
def __mmap_new_file_vma(map: mmap_state, vma: vm_area_struct) -> int:
    """Let a mapping keep its file, and have its kind's operations.

    Return: 0, or -ENOMEM if there are not enough huge pages to promise.
    """
    assert map.file is not None
    if map.file.is_hugetlb:
        error = hugetlbfs_file_mmap(map.file, vma)
        if error:
            return error
    elif map.file.f_op is not None:
        vma.vm_ops = map.vm_ops
    else:
        vma.vm_ops = shmem_vm_ops if map.file.is_shmem else generic_file_vm_ops
    vma.vm_file = get_file(map.file)
    return 0


@mirrors("mm/vma.c", checked="v7.2", abridged="neither KSM nor khugepaged")
def __mmap_new_vma(map: mmap_state) -> vm_area_struct | int:
    """Make a mapping, because no neighbour took the range.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: The mapping, in the tree; or an error with nothing done.
    """
    vma = vm_area_alloc(map.mm, map.addr, map.end, map.vm_flags)
    vma_iter_config(map.vmi, map.addr, map.end)
    vma.vm_pgoff = map.pgoff
    if vma_iter_prealloc(map.vmi, vma):
        vm_area_free(vma)
        return -ENOMEM
    error = 0
    if map.file is not None:
        error = __mmap_new_file_vma(map, vma)
    elif map.vm_flags & VM_SHARED:
        error = shmem_zero_setup(vma)
    if error:
        mas_destroy(map.vmi.mas)
        vm_area_free(vma)
        return error
    vma_start_write(vma)
    vma_iter_store_new(map.vmi, vma)
    map.mm.map_count += 1
    vma_link_file(vma)
    return vma


@mirrors("mm/vma.c", checked="v7.2", abridged="no soft-dirty bits, no uprobes")
def __mmap_complete(map: mmap_state, vma: vm_area_struct) -> None:
    """Free what was in the way, and count what is there instead.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    vms_complete_munmap_vmas(map.vms)
    vm_stat_account(map.mm, vma.vm_flags, map.pglen)
    if vma.vm_flags & VM_LOCKED:
        if vma_supports_mlock(vma):
            map.mm.locked_vm += map.pglen
        else:
            vma_start_write(vma)
            vma.vm_flags &= ~VM_LOCKED_MASK


def _give_up(map: mmap_state, error: int) -> int:
    """Leave all as it was before :func:`__mmap_setup`, and return *error*."""
    if map.charged:
        vm_unacct_memory(map.charged)
    vms_abort_munmap_vmas(map.vms)
    return error


def _merge(map: mmap_state) -> vm_area_struct | None:
    """Let a neighbour have the range, if there is one that can."""
    if map.prev is None and map.next is None:
        return None
    return vma_merge_new_range(
        vma_merge_struct(
            map.mm,
            map.vmi,
            map.addr,
            map.end,
            map.vm_flags,
            map.pgoff,
            prev=map.prev,
            next=map.next,
            file=map.file,
        )
    )


@mirrors("mm/vma.c", checked="v7.2", abridged="no driver puts another file in place")
def __mmap_region(
    file: file | None, addr: int, length: int, vm_flags: int, pgoff: int
) -> int:
    """Do what :func:`mmap_region` promises."""
    mm = current().mm
    assert mm is not None  # whoever maps has one
    map = mmap_state(
        mm, VMA_ITERATOR(mm, addr), addr, addr + length, pgoff, vm_flags, file
    )
    error = __mmap_setup(map)
    if error:
        vms_abort_munmap_vmas(map.vms)
        return error
    error = call_mmap_prepare(map)
    if error:
        return _give_up(map, error)
    merged = _merge(map)
    vma = __mmap_new_vma(map) if merged is None else merged
    if isinstance(vma, int):
        return _give_up(map, vma)
    __mmap_complete(map, vma)
    if merged is None:
        error = mmap_action_complete(vma, map.action)
    return error or addr


@mirrors("mm/vma.c", checked="v7.2", abridged="no sealed files")
def mmap_region(
    file: file | None, addr: int, length: int, vm_flags: int, pgoff: int
) -> int:
    """Map [addr, addr + length) for current; what is there is unmapped.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: *addr*, or an error. A failure before the new mapping leaves all as it
        was; a later one leaves a gap.
    """
    mm = current().mm
    assert mm is not None  # whoever maps has one
    mmap_assert_write_locked(mm)
    if map_deny_write_exec(vm_flags, vm_flags):
        return -EACCES
    return __mmap_region(file, addr, length, vm_flags, pgoff)


@mirrors("mm/vma.c", checked="v7.2", abridged="neither KSM nor soft-dirty bits")
def do_brk_flags(
    vmi: vma_iterator,
    vma: vm_area_struct | None,
    addr: int,
    length: int,
    vm_flags: int,
) -> int:
    """Map *length* bytes of heap at *addr*, if possible as a part of *vma* before it.

    Context: ``mmap_lock`` for writing. May sleep. *vmi* stands at *vma*, if any.
    Return: 0 or -ENOMEM.
    """
    mm = current().mm
    assert mm is not None  # whoever maps has one
    pages = length >> PAGE_SHIFT
    vm_flags |= VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | mm.def_flags
    if not may_expand_vm(mm, vm_flags, pages):
        return -ENOMEM
    if mm.map_count > mmap_sysctls().max_map_count:
        return -ENOMEM
    if security_vm_enough_memory_mm(mm, pages):
        return -ENOMEM
    if not _extend_heap(vmi, vma, addr, length, vm_flags):
        vm_unacct_memory(pages)
        return -ENOMEM
    mm.total_vm += pages
    mm.data_vm += pages
    if vm_flags & VM_LOCKED:
        mm.locked_vm += pages
    return 0


def _extend_heap(
    vmi: vma_iterator,
    vma: vm_area_struct | None,
    addr: int,
    length: int,
    vm_flags: int,
) -> bool:
    """Let *vma* have the range if it ends there, else a new mapping."""
    mm = current().mm
    assert mm is not None  # whoever maps has one
    pgoff = addr >> PAGE_SHIFT
    if vma is not None and vma.vm_end == addr:
        vmg = vma_merge_struct(mm, vmi, addr, addr + length, vm_flags, pgoff, prev=vma)
        vmg.just_expand = True
        if vma_merge_new_range(vmg) is not None:
            return True
        if vmg_nomem(vmg):
            return False
    if vma is not None:
        vma_iter_next_range(vmi)
    new = vm_area_alloc(mm, addr, addr + length, vm_flags)
    new.vm_pgoff = pgoff
    vma_start_write(new)
    if vma_iter_store_gfp(vmi, new, GFP_KERNEL):
        vm_area_free(new)
        return False
    mm.map_count += 1
    return True
