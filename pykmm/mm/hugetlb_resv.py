# SPDX-License-Identifier: GPL-2.0-only
"""Who has been promised huge pages, and who gets one — part of ``mm/hugetlb.c``.

A mapping reserves what it may need when it is made, or is refused; so a fault finds a
page. Private mappings keep book of what they have consumed, shared ones of what their
file has been promised. A fault without a reservation gets what nobody else is promised.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..linux._huge_folio import HugeFolio
from ..linux.compiler import READ_ONCE
from ..linux.mm import PAGE_SHIFT, PMD_SHIFT, VM_MAYSHARE, VM_NORESERVE
from ..linux.mm_types import address_space, vm_area_struct
from ..linux.mutex import mutex_lock, mutex_unlock
from .hugetlb_pool import _dequeue, hstate, hugetlb_acct_memory, the_hstate
from .vma_ops import _hugetlb_may_split, vm_operations_struct

__all__ = [
    "HPAGE_RESV_UNMAPPED",
    "_hugetlb_offset",
    "_unused",
    "alloc_hugetlb_folio",
    "fixup_hugetlb_reservations",
    "hugetlb_dup_vma_private",
    "hugetlb_reserve_pages",
    "hugetlb_unreserve_pages",
    "hugetlb_vm_ops",
    "restore_reserve_on_error",
    "resv_map",
]

_ONE_POOL = "one size, no limits of mounts or cgroups"


#: What ``vm_private_data`` of a private mapping is that has no reservation, and whose
#: page was taken away because the one that has could not be given another.
HPAGE_RESV_UNMAPPED: Final = "HPAGE_RESV_UNMAPPED"


@attrs.define(eq=False)
class resv_map:
    """Which pages of its reservation a private mapping has consumed, by offset.

    A mapping has one, in ``vm_private_data``, if it made the reservation.
    """

    consumed: set[int] = attrs.field(factory=set)


def _hugetlb_offset(vma: vm_area_struct, address: int) -> int:
    """Return which huge page of its file is at *address* of *vma*."""
    state = vma.__dict__
    offset: int = state["vm_pgoff"] + (address - state["vm_start"] >> PAGE_SHIFT)
    return offset >> PMD_SHIFT - PAGE_SHIFT


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def alloc_hugetlb_folio(
    vma: vm_area_struct, offset: int, cow_from_owner: bool
) -> HugeFolio | None:
    """Take a page out of the pool, as *vma* was promised, or as there is one left.

    *cow_from_owner*: the promise was kept before, with the page that is to be copied.

    Context: The fault mutex. Takes hugetlb_lock.
    Return: The page, with a reference; or None.
    """
    own: object = READ_ONCE(vma).vm_private_data
    noted: set[int] | None = None
    if isinstance(own, resv_map):
        noted = None if cow_from_owner else own.consumed
        reserved = noted is not None and offset not in noted
    elif vma.vm_flags & VM_MAYSHARE and vma.vm_file is not None:
        noted = vma.vm_file.f_mapping._huge_resv
        reserved = offset in noted
    else:
        reserved = False
    nid = _dequeue(the_hstate(), reserved=reserved)
    if nid is None:
        return None
    if noted is not None:
        noted.add(offset)
    return HugeFolio(nid=nid, restore_reserve=reserved)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="of private mappings only")
def restore_reserve_on_error(
    vma: vm_area_struct, offset: int, folio: HugeFolio
) -> None:
    """Let a mapping that cannot use a page after all have its reservation again.

    Context: The fault mutex. The caller gives *folio* back.
    """
    own: object = READ_ONCE(vma).vm_private_data
    if folio.restore_reserve and isinstance(own, resv_map):
        own.consumed.discard(offset)


def _unused(vma: vm_area_struct) -> int:
    """Count the pages that a mapping was promised and has not consumed."""
    state = vma.__dict__
    own = state["vm_private_data"]
    if not isinstance(own, resv_map):
        return 0
    first = _hugetlb_offset(vma, state["vm_start"])
    nr = state["vm_end"] - state["vm_start"] >> PMD_SHIFT
    return sum(offset not in own.consumed for offset in range(first, first + nr))


# -- promises --------------------------------------------------------------------------


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_reserve_pages(
    mapping: address_space, vma: vm_area_struct, vma_flags: int
) -> int:
    """Reserve what *vma* may need, unless it was made with MAP_NORESERVE.

    Context: ``mmap_lock`` for writing; nobody knows *vma* yet. Takes the mutex of
        faults, because a file's promises are others', too.
    Return: 0, or -ENOMEM.
    """
    if vma_flags & VM_NORESERVE:
        return 0
    h = the_hstate()
    mutex_lock(h.hugetlb_fault_mutex_table)
    ret = _reserve(h, mapping, vma, vma_flags)
    mutex_unlock(h.hugetlb_fault_mutex_table)
    return ret


def _reserve(
    h: hstate, mapping: address_space, vma: vm_area_struct, vma_flags: int
) -> int:
    first = _hugetlb_offset(vma, vma.vm_start)
    wanted = range(first, first + (vma.vm_end - vma.vm_start >> PMD_SHIFT))
    if not vma_flags & VM_MAYSHARE:
        ret = hugetlb_acct_memory(h, len(wanted))
        if not ret:
            vma.vm_private_data = resv_map()
        return ret
    new = set(wanted) - mapping._huge_resv
    ret = hugetlb_acct_memory(h, len(new))
    if not ret:
        mapping._huge_resv.update(new)
    return ret


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="no locks of mappings", inline=True)
def hugetlb_dup_vma_private(vma: vm_area_struct) -> None:
    """Let a copy of a mapping have no reservation: it is the original's.

    Context: ``mmap_lock`` for writing.
    """
    vma.vm_private_data = None


@mirrors(
    "mm/hugetlb.c",
    checked="v7.2",
    abridged="what of a mapping stays behind gives its promise back",
)
def fixup_hugetlb_reservations(vma: vm_area_struct, new: vm_area_struct) -> None:
    """Let a mapping that was moved keep no reservation: *new* has it.

    Context: ``mmap_lock`` for writing.
    """
    own: object = READ_ONCE(vma).vm_private_data
    if not isinstance(own, resv_map):
        return
    left = _unused(vma) - _unused(new)
    hugetlb_dup_vma_private(vma)
    if left:
        hugetlb_acct_memory(the_hstate(), -left)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged="of a whole file only")
def hugetlb_unreserve_pages(mapping: address_space) -> None:
    """Take back what a file was promised and has not used.

    Context: Nobody can map or open the file any more.
    """
    unused = len(mapping._huge_resv - mapping._huge.keys())
    mapping._huge_resv.clear()
    if unused:
        hugetlb_acct_memory(the_hstate(), -unused)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_vm_op_close(vma: vm_area_struct) -> None:
    """Take back what a private mapping was promised and has not consumed.

    Context: ``mmap_lock``; nobody can find *vma* any more.
    """
    own: object = READ_ONCE(vma).vm_private_data
    if isinstance(own, resv_map):
        hugetlb_acct_memory(the_hstate(), -_unused(vma))


hugetlb_vm_ops = vm_operations_struct(
    may_split=_hugetlb_may_split, close=hugetlb_vm_op_close
)
