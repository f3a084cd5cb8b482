# SPDX-License-Identifier: GPL-2.0-only
"""The pool of huge pages, and who has been promised some — part of ``mm/hugetlb.c``.

A mapping reserves what it may need when it is made, or is refused; so a fault finds a
page. Private mappings keep book of what they have consumed, shared ones of what their
file has been promised. A fault without a reservation gets what nobody else is promised.
"""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.machine import MachineLocal, current_machine
from ..engine.objects import Struct
from ..errno import ENOMEM
from ..errors import UsageError
from ..linux.mm import PAGE_SHIFT, PMD_SHIFT, PTRS_PER_PTE, VM_MAYSHARE, VM_NORESERVE
from ..linux.mm_types import address_space, vm_area_struct
from ..linux.mmzone import NODE_DATA, nr_online_nodes
from ..linux.mutex import mutex, mutex_lock, mutex_unlock
from ..linux.spinlock import spin_lock, spin_unlock, spinlock_t
from .vma_ops import _hugetlb_may_split, vm_operations_struct

__all__ = [
    "_hugetlb_offset",
    "_unused",
    "alloc_hugetlb_folio",
    "fixup_hugetlb_reservations",
    "free_huge_folio",
    "hstate",
    "hugetlb_dup_vma_private",
    "hugetlb_init",
    "hugetlb_reserve_pages",
    "hugetlb_unreserve_pages",
    "hugetlb_vm_ops",
    "restore_reserve",
    "resv_map",
    "the_hstate",
]

_ONE_POOL = "one size, no surplus pages, no limits of mounts or cgroups"


@kernel_struct
class hstate(Struct):
    """The pool."""

    nr_huge_pages: int = const(default=0)
    nr_huge_pages_node: tuple[int, ...] = const(default=())
    hugetlb_lock: spinlock_t = embedded(spinlock_t)
    free_huge_pages: list[int] = guarded(by="hugetlb_lock", factory=list)
    resv_huge_pages: int = guarded(by="hugetlb_lock", default=0)
    #: Keeps out whoever faults for the same page; here for any.
    hugetlb_fault_mutex_table: mutex = embedded(mutex)


@attrs.define(eq=False)
class resv_map:
    """Which pages of its reservation a private mapping has consumed, by offset."""

    consumed: set[int] = attrs.field(factory=set)


def _take_pool() -> hstate:
    """Take the pool out of free memory, from all nodes in turn."""
    nr = current_machine().config.nr_hugepages
    nodes = [NODE_DATA(nid) for nid in range(nr_online_nodes())]
    free = [0 for _ in nodes]
    for n in range(nr):
        for at in range(n, n + len(nodes)):
            node = nodes[at % len(nodes)]
            if node.nr_free_pages.take(1, PTRS_PER_PTE):
                free[at % len(nodes)] += 1
                break
        else:
            raise UsageError(
                f"Config: nr_hugepages={nr!r} do not fit into memory: make "
                "node_pages larger, or the pool smaller"
            )
    return hstate(
        nr_huge_pages=nr, nr_huge_pages_node=tuple(free), free_huge_pages=free
    )


the_hstate = MachineLocal(_take_pool)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_init() -> None:
    """Fill the pool, before anybody takes memory.

    Context: Boot.
    """
    if current_machine().config.nr_hugepages:
        the_hstate()


def _hugetlb_offset(vma: vm_area_struct, address: int) -> int:
    """Return which huge page of its file is at *address* of *vma*."""
    state = vma.__dict__
    offset: int = state["vm_pgoff"] + (address - state["vm_start"] >> PAGE_SHIFT)
    return offset >> PMD_SHIFT - PAGE_SHIFT


# -- pages -----------------------------------------------------------------------------


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_acct_memory(h: hstate, delta: int) -> int:
    """Promise *delta* pages of the pool to somebody, or take a promise back.

    Context: Takes hugetlb_lock.
    Return: 0, or -ENOMEM with nothing done.
    """
    if not delta:
        return 0
    spin_lock(h.hugetlb_lock)
    ret: int = 0
    if delta > sum(h.free_huge_pages) - h.resv_huge_pages:
        ret = -ENOMEM
    else:
        h.resv_huge_pages += delta
    spin_unlock(h.hugetlb_lock)
    return ret


def _dequeue(h: hstate, *, reserved: bool) -> int | None:
    """Take a page, one that is *reserved* or one that nobody is promised."""
    spin_lock(h.hugetlb_lock)
    nid = None
    if reserved or sum(h.free_huge_pages) > h.resv_huge_pages:
        nid = next(nid for nid, free in enumerate(h.free_huge_pages) if free)
        h.free_huge_pages[nid] -= 1
        h.resv_huge_pages -= reserved
    spin_unlock(h.hugetlb_lock)
    return nid


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def alloc_hugetlb_folio(vma: vm_area_struct, offset: int) -> int | None:
    """Take a page out of the pool, as *vma* was promised, or as there is one left.

    Context: The fault mutex. Takes hugetlb_lock.
    Return: The node that it is from, or None.
    """
    own = vma.vm_private_data
    if isinstance(own, resv_map):
        nid = _dequeue(the_hstate(), reserved=offset not in own.consumed)
        if nid is not None:
            own.consumed.add(offset)
        return nid
    if not vma.vm_flags & VM_MAYSHARE or vma.vm_file is None:
        return _dequeue(the_hstate(), reserved=False)
    promised = vma.vm_file.f_mapping._huge_resv
    nid = _dequeue(the_hstate(), reserved=offset in promised)
    if nid is not None:
        promised.add(offset)
    return nid


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def free_huge_folio(nid: int, restore_reserve: bool) -> None:
    """Put a page back into the pool, and its reservation with it if wanted.

    Context: Takes hugetlb_lock.
    """
    h = the_hstate()
    spin_lock(h.hugetlb_lock)
    h.free_huge_pages[nid] += 1
    h.resv_huge_pages += restore_reserve
    spin_unlock(h.hugetlb_lock)


def restore_reserve(vma: vm_area_struct, offset: int) -> bool:
    """Give a private mapping its reservation back for a page that it loses.

    Return: Whether it has one.
    """
    own = vma.__dict__["vm_private_data"]
    if not isinstance(own, resv_map) or offset not in own.consumed:
        return False
    own.consumed.discard(offset)
    return True


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
    if not isinstance(vma.vm_private_data, resv_map):
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
    unused = len(mapping._huge_resv) - len(mapping._huge)
    mapping._huge_resv.clear()
    if unused:
        hugetlb_acct_memory(the_hstate(), -unused)


@mirrors("mm/hugetlb.c", checked="v7.2", abridged=_ONE_POOL)
def hugetlb_vm_op_close(vma: vm_area_struct) -> None:
    """Take back what a private mapping was promised and has not consumed.

    Context: ``mmap_lock``; nobody can find *vma* any more.
    """
    if isinstance(vma.vm_private_data, resv_map):
        hugetlb_acct_memory(the_hstate(), -_unused(vma))


hugetlb_vm_ops = vm_operations_struct(
    may_split=_hugetlb_may_split, close=hugetlb_vm_op_close
)
