# SPDX-License-Identifier: GPL-2.0-only
"""Giving mappings back — part of ``mm/vma.c``.

What goes is *gathered* first: split where the range ends within a mapping, and put
into a tree of its own. Until the mappings are out of the address space's tree all of
that can be called off; then it is *completed*: pages and page tables go, which may
happen beside readers of other mappings.
"""

from __future__ import annotations

from typing import cast

import attrs

from ..engine.annotate import mirrors
from ..errno import EINTR, EINVAL, ENOMEM, EPERM
from ..lib.maple_tree import __mt_destroy, mas_store_gfp
from ..linux.bug import WARN_ON_ONCE
from ..linux.compiler import WRITE_ONCE
from ..linux.gfp_types import GFP_KERNEL
from ..linux.maple_tree import (
    MA_STATE,
    MT_FLAGS_LOCK_MASK,
    ULONG_MAX,
    ma_state,
    maple_tree,
    mas_for_each,
    mas_set,
    mas_set_range,
)
from ..linux.mm import (
    PAGE_MASK,
    PAGE_SIZE,
    TASK_SIZE,
    VM_ACCOUNT,
    VM_LOCKED,
    for_each_vma_range,
    vma_find,
    vma_next,
    vma_pages,
    vma_prev,
)
from ..linux.mm_types import (
    MM_MT_FLAGS,
    VMA_ITERATOR,
    mm_struct,
    vm_area_struct,
    vma_iterator,
)
from ..linux.mman import mmap_sysctls, vm_unacct_memory
from ..linux.mmap_lock import (
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock_killable,
    mmap_write_unlock,
    vma_mark_attached,
    vma_mark_detached,
    vma_start_write,
)
from ..linux.sched import current
from ..linux.sched.mm import might_alloc
from .internal import vma_close
from .vma import (
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
    remove_vma,
    unmap_region,
    vma_is_sealed,
)
from .vma_iter import vma_iter_addr, vma_iter_clear_gfp, vma_iter_prev_range
from .vma_split import __split_vma
from .vma_unmap import unmap_desc

__all__ = [
    "__vm_munmap",
    "do_vmi_align_munmap",
    "do_vmi_munmap",
    "init_vma_munmap",
    "vma_munmap_struct",
    "vms_abort_munmap_vmas",
    "vms_clean_up_area",
    "vms_complete_munmap_vmas",
    "vms_gather_munmap_vmas",
]


def _detached() -> ma_state[vm_area_struct]:
    """Make a tree for mappings that are on their way out, by number."""
    tree: maple_tree[vm_area_struct] = maple_tree(MM_MT_FLAGS & MT_FLAGS_LOCK_MASK)
    return MA_STATE(tree, 0, 0)


@attrs.define(eq=False)
class vma_munmap_struct:
    """What is to be unmapped, and what of it has been found."""

    mm: mm_struct
    vmi: vma_iterator
    #: The first mapping in the range, if any.
    vma: vm_area_struct | None
    start: int
    end: int
    #: Whether the lock is let go of on success.
    unlock: bool
    mas_detach: ma_state[vm_area_struct] = attrs.field(init=False, factory=_detached)
    prev: vm_area_struct | None = None
    next: vm_area_struct | None = None
    #: How far page tables may go; 0 is the very bottom and the very top.
    unmap_start: int = 0
    unmap_end: int = 0
    vma_count: int = 0
    #: Whether pages are still to be unmapped.
    clear_ptes: bool = False
    nr_pages: int = 0
    locked_vm: int = 0
    nr_accounted: int = 0
    exec_vm: int = 0
    stack_vm: int = 0
    data_vm: int = 0

    def count(self, vma: vm_area_struct) -> None:
        """Count what *vma* adds to the numbers."""
        pages, flags = vma_pages(vma), vma.vm_flags
        self.vma_count += 1
        self.nr_pages += pages
        if flags & VM_LOCKED:
            self.locked_vm += pages
        if flags & VM_ACCOUNT:
            self.nr_accounted += pages
        if is_exec_mapping(flags):
            self.exec_vm += pages
        elif is_stack_mapping(flags):
            self.stack_vm += pages
        elif is_data_mapping(flags):
            self.data_vm += pages


@mirrors("mm/vma.c", checked="v7.2", abridged="no userfaultfd")
def init_vma_munmap(
    mm: mm_struct,
    vmi: vma_iterator,
    vma: vm_area_struct | None,
    start: int,
    end: int,
    unlock: bool,
) -> vma_munmap_struct:
    """Describe [start, end), in which *vma* is the first mapping."""
    if vma is None:
        start = end = 0
    return vma_munmap_struct(mm, vmi, vma, start, end, unlock)


# -- gathering -------------------------------------------------------------------------


@mirrors("mm/vma.c", checked="v7.2", abridged="no userfaultfd")
def vms_gather_munmap_vmas(vms: vma_munmap_struct) -> int:
    """Cut the mappings where the range ends, and collect those inside.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0; -ENOMEM if there are too many mappings to split one, -EPERM if one is
        sealed: what was collected is not, a cut that was made stays.
    """
    first, vmi = vms.vma, vms.vmi
    assert first is not None
    if vms.start > first.vm_start:
        error = _cut_first(vms, first)
        if error:
            return error
    vms.prev = vma_prev(vmi)
    if vms.prev is not None:
        vms.unmap_start = vms.prev.vm_end
    for vma in for_each_vma_range(vmi, vms.end):
        error = _gather(vms, vma)
        if error:
            reattach_vmas(vms.mas_detach)
            return error
    vms.next = vma_next(vmi)
    if vms.next is not None:
        vms.unmap_end = vms.next.vm_start
    while vma_iter_addr(vmi) > vms.start:
        vma_iter_prev_range(vmi)
    vms.clear_ptes = True
    return 0


def _cut_first(vms: vma_munmap_struct, vma: vm_area_struct) -> int:
    """Split the part before the range off *vma*.

    One mapping more than allowed may come to be for a moment, but not stay.
    """
    if vms.end < vma.vm_end and vms.mm.map_count >= mmap_sysctls().max_map_count:
        return -ENOMEM
    if vma_is_sealed(vma):
        return -EPERM
    return __split_vma(vms.vmi, vma, vms.start, True)


def _gather(vms: vma_munmap_struct, vma: vm_area_struct) -> int:
    """Collect *vma*, or the part of it that is in the range."""
    if vma_is_sealed(vma):
        return -EPERM
    if vma.vm_end > vms.end:
        error = __split_vma(vms.vmi, vma, vms.end, False)
        if error:
            return error
    vma_start_write(vma)
    mas_set(vms.mas_detach, vms.vma_count)
    might_alloc(GFP_KERNEL)
    error = mas_store_gfp(vms.mas_detach, vma, GFP_KERNEL)
    if error:
        return error
    vma_mark_detached(vma)
    vms.count(vma)
    return 0


@mirrors("mm/vma.c", checked="v7.2")
def reattach_vmas(mas_detach: ma_state[vm_area_struct]) -> None:
    """Call the gathering off: the mappings have never left their tree.

    Context: ``mmap_lock`` for writing.
    """
    mas_set(mas_detach, 0)
    for vma in mas_for_each(mas_detach, ULONG_MAX):
        vma_mark_attached(vma)
    __mt_destroy(mas_detach.tree)


# -- completing ------------------------------------------------------------------------


@mirrors("mm/vma.c", checked="v7.2")
def vms_clear_ptes(vms: vma_munmap_struct, mm_wr_locked: bool) -> None:
    """Unmap the pages, unless that has been done.

    Context: ``mmap_lock``. May sleep.
    """
    if not vms.clear_ptes:
        return
    first = vms.vma
    assert first is not None
    mas_set(vms.mas_detach, 1)
    unmap_region(
        unmap_desc(
            vms.mas_detach,
            first,
            vms.unmap_start,
            vms.unmap_end,
            vms.start,
            vms.end,
            tree_end=vms.vma_count,
            tree_reset=1,
            mm_wr_locked=mm_wr_locked,
        )
    )
    vms.clear_ptes = False


@mirrors("mm/vma.c", checked="v7.2")
def vms_clean_up_area(vms: vma_munmap_struct) -> None:
    """Empty the mappings that something new is about to replace, and close them.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    if not vms.nr_pages:
        return
    vms_clear_ptes(vms, True)
    mas_set(vms.mas_detach, 0)
    for vma in mas_for_each(vms.mas_detach, ULONG_MAX):
        vma_close(vma)


@mirrors("mm/vma.c", checked="v7.2")
def vms_complete_munmap_vmas(vms: vma_munmap_struct) -> None:
    """Finish what cannot be called off any more; maybe let go of the lock.

    Context: ``mmap_lock`` for writing, which is downgraded and then let go of if
        *vms* says so. May sleep.
    """
    mm = vms.mm
    mm.map_count -= vms.vma_count
    mm.locked_vm -= vms.locked_vm
    if vms.unlock:
        mmap_write_downgrade(mm)
    if not vms.nr_pages:
        return
    vms_clear_ptes(vms, not vms.unlock)
    _uncount(vms)
    mas_set(vms.mas_detach, 0)
    for vma in mas_for_each(vms.mas_detach, ULONG_MAX):
        remove_vma(vma)
    vm_unacct_memory(vms.nr_accounted)
    if vms.unlock:
        mmap_read_unlock(mm)
    __mt_destroy(vms.mas_detach.tree)


def _uncount(vms: vma_munmap_struct) -> None:
    """Lower the address space's counters.

    Who has downgraded the lock is the only one to write them, because whoever else
    does needs the lock for writing; readers without any lock see each step.
    """
    mm = WRITE_ONCE(vms.mm)
    state = vms.mm.__dict__
    mm.total_vm = state["total_vm"] - vms.nr_pages
    for name in ("exec_vm", "stack_vm", "data_vm"):
        pages = cast("int", getattr(vms, name))
        WARN_ON_ONCE(pages > state[name], f"{vms.mm.name}.{name} would be negative")
        state[name] -= pages


@mirrors("mm/vma.c", checked="v7.2")
def vms_abort_munmap_vmas(vms: vma_munmap_struct) -> None:
    """Give up on replacing mappings; if they are empty already, leave a gap.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    if not vms.nr_pages:
        return
    if vms.clear_ptes:
        reattach_vmas(vms.mas_detach)
        return
    mas_set_range(vms.vmi.mas, vms.start, vms.end - 1)
    might_alloc(GFP_KERNEL)
    mas_store_gfp(vms.vmi.mas, None, GFP_KERNEL)
    vms_complete_munmap_vmas(vms)


# -- from outside ----------------------------------------------------------------------


@mirrors("mm/vma.c", checked="v7.2", abridged="no userfaultfd")
def do_vmi_align_munmap(
    vmi: vma_iterator,
    vma: vm_area_struct,
    mm: mm_struct,
    start: int,
    end: int,
    unlock: bool,
) -> int:
    """Unmap [start, end), in which *vma* is the first mapping.

    Context: ``mmap_lock`` for writing; with *unlock* it is let go of on success. May
        sleep.
    Return: As :func:`vms_gather_munmap_vmas`.
    """
    vms = init_vma_munmap(mm, vmi, vma, start, end, unlock)
    error = vms_gather_munmap_vmas(vms)
    if error:
        return error
    error = vma_iter_clear_gfp(vmi, start, end, GFP_KERNEL)
    if error:
        reattach_vmas(vms.mas_detach)
        return error
    vms_complete_munmap_vmas(vms)
    return 0


@mirrors("mm/vma.c", checked="v7.2", abridged="no userfaultfd")
def do_vmi_munmap(
    vmi: vma_iterator, mm: mm_struct, start: int, length: int, unlock: bool
) -> int:
    """Unmap [start, start + length); what is free there already does not matter.

    Context: As :func:`do_vmi_align_munmap`.
    Return: As there; -EINVAL for a range that cannot be.
    """
    if start & ~PAGE_MASK or start > TASK_SIZE or length > TASK_SIZE - start:
        return -EINVAL
    end = start + (length + PAGE_SIZE - 1 & PAGE_MASK)
    if end == start:
        return -EINVAL
    vma = vma_find(vmi, end)
    if vma is None:
        if unlock:
            mmap_write_unlock(mm)
        return 0
    return do_vmi_align_munmap(vmi, vma, mm, start, end, unlock)


@mirrors("mm/vma.c", checked="v7.2", abridged="no userfaultfd")
def __vm_munmap(start: int, length: int, unlock: bool) -> int:
    """Unmap a part of current's address space.

    Context: May sleep; takes ``mmap_lock`` for writing.
    Return: As :func:`do_vmi_munmap`, or -EINTR.
    """
    mm = current().mm
    assert mm is not None  # a program has one
    vmi = VMA_ITERATOR(mm, start)
    if mmap_write_lock_killable(mm):
        return -EINTR
    ret = do_vmi_munmap(vmi, mm, start, length, unlock)
    if ret or not unlock:
        mmap_write_unlock(mm)
    return ret
