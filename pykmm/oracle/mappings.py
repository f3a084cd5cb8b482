# SPDX-License-Identifier: GPL-2.0-only
"""The mappings of a world's address spaces, and who refuses changes of them.

A world says how many pages an address space has, but not where: the mappings come
without page tables, and zapping one finds nothing in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lib.maple_tree import mas_store
from ..linux.maple_tree import MA_STATE
from ..linux.mm import VM_HUGETLB, VM_PFNMAP, VM_SHARED
from ..linux.mm_types import _tree_of, mm_struct, vm_area_struct
from ..linux.mmu_notifier import (
    mmu_interval_notifier,
    mmu_interval_notifier_ops,
    mmu_notifier_range,
    mmu_notifier_range_blockable,
    mmu_notifier_subscriptions,
)
from ..mm.vma_ops import generic_file_vm_ops

if TYPE_CHECKING:
    from .world import Vma

__all__ = ["add_mappings"]

_FLAGS: Final = {"hugetlb": VM_HUGETLB, "pfnmap": VM_PFNMAP}


def _would_block(_: mmu_interval_notifier, range: mmu_notifier_range, __: int) -> bool:
    """Be a subscriber that has to wait before it can stop using the pages."""
    return mmu_notifier_range_blockable(range)


_BLOCKS: Final = mmu_interval_notifier_ops(_would_block)


def add_mappings(mm: mm_struct, vmas: list[Vma]) -> None:
    """Give *mm*, which nobody looks at yet, its mappings."""
    tree = _tree_of(mm)
    for vma in vmas:
        start, end = vma["start"], vma["end"]
        made = vm_area_struct(
            vm_mm=mm,
            vm_start=start,
            vm_end=end,
            vm_flags=_FLAGS.get(vma["kind"], 0) | (VM_SHARED if vma["shared"] else 0),
            vm_ops=None if vma["kind"] == "anon" else generic_file_vm_ops,
        )
        made.vm_refcnt.refs = 1
        mas_store(MA_STATE(tree, start, end - 1), made)
    mm.__dict__["map_count"] = len(vmas)
    refusing = [vma for vma in vmas if vma["notifier"] == "blocks"]
    if refusing:
        _subscribe(mm, sorted(refusing, key=lambda vma: vma["start"]))


def _subscribe(mm: mm_struct, vmas: list[Vma]) -> None:
    """Subscribe to *vmas*; the world counts no reference of a subscriber."""
    mm.__dict__["notifier_subscriptions"] = mmu_notifier_subscriptions(
        has_itree=True,
        itree=tuple(
            mmu_interval_notifier(
                ops=_BLOCKS, mm=mm, start=vma["start"], last=vma["end"] - 1
            )
            for vma in vmas
        ),
    )
