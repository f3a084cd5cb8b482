# SPDX-License-Identifier: GPL-2.0-only
"""Whether neighbours can be one mapping, and making them one — part of ``mm/vma.c``.

Two mappings that touch are one if nothing tells them apart. ``vma_merge_new`` asks
about a range that is about to be mapped, ``vma_merge_existing`` about a part of a
mapping that is about to change; both come here.
"""

from __future__ import annotations

from enum import Enum, auto

import attrs

from ..engine.annotate import mirrors
from ..errno import ENOMEM
from ..linux.mm import PAGE_SHIFT, vma_pages
from ..linux.mm_types import file, mm_struct, vm_area_struct, vma_iterator
from ..linux.rmap import anon_vma
from ..linux.vm_flags import VM_STICKY_FLAGS
from .internal import VMA_OP_MERGE_UNFAULTED
from .rmap import anon_vma_clone
from .vma_iter import vma_iter_config, vma_iter_prealloc, vma_iter_store_overwrite
from .vma_prepare import VmaPrepare, vma_complete, vma_prepare, vma_set_range

__all__ = [
    "VmaMergeState",
    "can_merge_remove_vma",
    "can_vma_merge_left",
    "can_vma_merge_right",
    "commit_merge",
    "dup_anon_vma",
    "vma_merge_struct",
    "vmg_nomem",
    "vmg_vma_state",
]


class VmaMergeState(Enum):
    """What a merge has come to: Linux's ``enum vma_merge_state``."""

    VMA_MERGE_START = auto()
    VMA_MERGE_ERROR_NOMEM = auto()
    VMA_MERGE_NOMERGE = auto()
    VMA_MERGE_SUCCESS = auto()


@attrs.define(eq=False)
class vma_merge_struct:
    """A range that wants to be part of a neighbour, and what it is like.

    If it is a part of a mapping that changes, that is *middle*. A merge widens
    *start*, *end* and *pgoff* to what comes of it, which is *target*.
    """

    mm: mm_struct
    vmi: vma_iterator
    start: int
    end: int
    vm_flags: int
    pgoff: int
    prev: vm_area_struct | None = None
    middle: vm_area_struct | None = None
    next: vm_area_struct | None = None
    target: vm_area_struct | None = None
    file: file | None = None
    anon_vma: anon_vma | None = None
    policy: object = None
    uffd_ctx: object = None
    anon_name: str | None = None
    state: VmaMergeState = VmaMergeState.VMA_MERGE_START
    #: From where ``mremap()`` copies.
    copied_from: vm_area_struct | None = None
    #: Nothing follows, and the iterator stands at *prev*: the heap grows.
    just_expand: bool = False
    # What happens to the neighbours.
    adjust_middle_start: bool = False
    adjust_next_start: bool = False
    remove_middle: bool = False
    remove_next: bool = False


def vmg_vma_state(
    vmi: vma_iterator,
    prev: vm_area_struct | None,
    vma: vm_area_struct,
    start: int,
    end: int,
) -> vma_merge_struct:
    """Describe [start, end), which is a part of *vma*: Linux's ``VMG_VMA_STATE``.

    Context: ``mmap_lock``.
    """
    return vma_merge_struct(
        vma.vm_mm,
        vmi,
        start,
        end,
        vma.vm_flags,
        vma.vm_pgoff + (start - vma.vm_start >> PAGE_SHIFT),
        prev=prev,
        middle=vma,
        file=vma.vm_file,
        anon_vma=vma.anon_vma,
        policy=vma.vm_policy,
        uffd_ctx=vma.vm_userfaultfd_ctx,
        anon_name=vma.anon_name,
    )


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vmg_nomem(vmg: vma_merge_struct) -> bool:
    """Tell whether a merge was possible, but there was no memory for it."""
    return vmg.state is VmaMergeState.VMA_MERGE_ERROR_NOMEM


# -- whether ---------------------------------------------------------------------------


@mirrors("mm/vma.c", checked="v7.2")
def vma_is_fork_child(vma: vm_area_struct | None) -> bool:
    """Tell whether *vma* may map pages of a parent's: it leads to several anon_vmas.

    Merging such mappings would have everybody wait for the same lock.
    """
    return vma is not None and vma.anon_vma is not None and len(vma.anon_vma_chain) != 1


@mirrors("mm/vma.c", checked="v7.2")
def is_mergeable_vma(vmg: vma_merge_struct, vma: vm_area_struct) -> bool:
    """Tell whether the range and its neighbour *vma* are alike, pages apart."""
    return (
        vmg.policy == vma.vm_policy
        and not (vma.vm_flags ^ vmg.vm_flags) & ~VM_STICKY_FLAGS
        and vma.vm_file is vmg.file
        and vma.vm_userfaultfd_ctx is vmg.uffd_ctx
        and vma.anon_name == vmg.anon_name
    )


@mirrors("mm/vma.c", checked="v7.2")
def is_mergeable_anon_vma(vmg: vma_merge_struct, tgt: vm_area_struct) -> bool:
    """Tell whether one anon_vma can do for the range and its neighbour *tgt*."""
    tgt_anon, src_anon = tgt.anon_vma, vmg.anon_vma
    if tgt_anon is None and src_anon is not None:
        return not vma_is_fork_child(vmg.middle) and not vma_is_fork_child(
            vmg.copied_from
        )
    if tgt_anon is not None and src_anon is None:
        return not vma_is_fork_child(tgt)
    return src_anon is tgt_anon


@mirrors("mm/vma.c", checked="v7.2")
def can_vma_merge_before(vmg: vma_merge_struct, next: vm_area_struct) -> bool:
    """Tell whether the range can be put in front of *next*, which it touches."""
    return (
        is_mergeable_vma(vmg, next)
        and is_mergeable_anon_vma(vmg, next)
        and next.vm_pgoff == vmg.pgoff + (vmg.end - vmg.start >> PAGE_SHIFT)
    )


@mirrors("mm/vma.c", checked="v7.2")
def can_vma_merge_after(vmg: vma_merge_struct, prev: vm_area_struct) -> bool:
    """Tell whether the range can be put behind *prev*, which it touches."""
    return (
        is_mergeable_vma(vmg, prev)
        and is_mergeable_anon_vma(vmg, prev)
        and prev.vm_pgoff + vma_pages(prev) == vmg.pgoff
    )


@mirrors("mm/vma.c", checked="v7.2")
def can_vma_merge_left(vmg: vma_merge_struct) -> bool:
    """Tell whether the range can become a part of the mapping before it."""
    prev = vmg.prev
    return (
        prev is not None and prev.vm_end == vmg.start and can_vma_merge_after(vmg, prev)
    )


@mirrors("mm/vma.c", checked="v7.2")
def can_vma_merge_right(vmg: vma_merge_struct, can_merge_left: bool) -> bool:
    """Tell whether the range can become a part of the mapping after it.

    Where it can also be a part of the one before, these two must get along.
    """
    following, prev = vmg.next, vmg.prev
    if (
        following is None
        or vmg.end != following.vm_start
        or not can_vma_merge_before(vmg, following)
    ):
        return False
    if not can_merge_left:
        return True
    assert prev is not None  # there is something on the left
    left, right = prev.anon_vma, following.anon_vma
    return left is None or right is None or left is right


@mirrors("mm/vma.c", checked="v7.2")
def can_merge_remove_vma(vma: vm_area_struct) -> bool:
    """Tell whether *vma* may just vanish: nobody wants to know when it closes."""
    return vma.vm_ops is None or vma.vm_ops.close is None


# -- doing it --------------------------------------------------------------------------


@mirrors("mm/vma.c", checked="v7.2")
def dup_anon_vma(
    dst: vm_area_struct, src: vm_area_struct
) -> tuple[int, vm_area_struct | None]:
    """Let the pages of *src* be found through *dst*, which has none of its own.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0 or an error; and *dst* if something was done that can be undone.
    """
    if src.anon_vma is None or dst.anon_vma is not None:
        return 0, None
    dst.anon_vma = src.anon_vma
    ret = anon_vma_clone(dst, src, VMA_OP_MERGE_UNFAULTED)
    return (ret, None) if ret else (0, dst)


@mirrors("mm/vma.c", checked="v7.2")
def init_multi_vma_prep(vma: vm_area_struct, vmg: vma_merge_struct) -> VmaPrepare:
    """Describe a merge, in which *vma* changes, to vma_prepare()."""
    remove = [
        gone
        for gone, does in (
            (vmg.middle, vmg.remove_middle),
            (vmg.next, vmg.remove_next),
        )
        if does
    ]
    adjust = None
    if vmg.adjust_middle_start:
        adjust = vmg.middle
    elif vmg.adjust_next_start:
        adjust = vmg.next
    anon = vma.anon_vma
    if anon is None and adjust is not None:
        anon = adjust.anon_vma
    return VmaPrepare(vma, vma.vm_file, anon, None, *remove)


@mirrors("mm/vma.c", checked="v7.2")
def vmg_adjust_set_range(vmg: vma_merge_struct) -> None:
    """Move the start of the neighbour that becomes shorter or longer."""
    adjust = vmg.middle if vmg.adjust_middle_start else vmg.next
    if adjust is None or not (vmg.adjust_middle_start or vmg.adjust_next_start):
        return
    # Down or up: the shift keeps the sign.
    pgoff = adjust.vm_pgoff + (vmg.end - adjust.vm_start >> PAGE_SHIFT)
    vma_set_range(adjust, vmg.end, adjust.vm_end, pgoff)


@mirrors("mm/vma.c", checked="v7.2", abridged="no huge pages to be split")
def commit_merge(vmg: vma_merge_struct) -> int:
    """Give the mappings the ranges that *vmg* says by now.

    Context: ``mmap_lock`` for writing. May sleep.
    Return: 0, or -ENOMEM with nothing done.
    """
    assert vmg.target is not None  # somebody takes the range
    vma = vmg.target
    if vmg.adjust_next_start:
        assert vmg.middle is not None
        assert vmg.next is not None
        vma = vmg.middle
        vma_iter_config(vmg.vmi, vmg.end, vmg.next.vm_end)
    else:
        vma_iter_config(vmg.vmi, vmg.start, vmg.end)
    vp = init_multi_vma_prep(vma, vmg)
    if vma_iter_prealloc(vmg.vmi, vma):
        return -ENOMEM
    vma_prepare(vp)
    vma_set_range(vma, vmg.start, vmg.end, vmg.pgoff)
    vmg_adjust_set_range(vmg)
    vma_iter_store_overwrite(vmg.vmi, vmg.target)
    vma_complete(vp, vmg.vmi, vma.vm_mm)
    return 0
