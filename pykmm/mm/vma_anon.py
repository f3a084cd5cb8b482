# SPDX-License-Identifier: GPL-2.0-only
"""Whose ``anon_vma`` a mapping may share — part of ``mm/vma.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..lib.maple_tree import mas_prev, mtree_load
from ..linux.compiler import READ_ONCE
from ..linux.maple_tree import MA_STATE
from ..linux.mm import (
    PAGE_SHIFT,
    VM_EXEC,
    VM_READ,
    VM_SOFTDIRTY,
    VM_WRITE,
)
from ..linux.mm_types import _tree_of, vm_area_struct
from ..linux.rmap import anon_vma

__all__ = ["anon_vma_compatible", "find_mergeable_anon_vma", "reusable_anon_vma"]

_MAY_DIFFER: Final = VM_READ | VM_WRITE | VM_EXEC | VM_SOFTDIRTY


@mirrors("mm/vma.c", checked="v7.2", abridged="mappings have no memory policy")
def anon_vma_compatible(a: vm_area_struct, b: vm_area_struct) -> bool:
    """Tell whether *a* and *b* are one mapping but for what may be accessed how.

    Context: ``mmap_lock``.
    """
    return (
        a.vm_end == b.vm_start
        and a.vm_file is b.vm_file
        and not (a.vm_flags ^ b.vm_flags) & ~_MAY_DIFFER
        and b.vm_pgoff == a.vm_pgoff + (b.vm_start - a.vm_start >> PAGE_SHIFT)
    )


@mirrors("mm/vma.c", checked="v7.2")
def reusable_anon_vma(
    old: vm_area_struct, a: vm_area_struct, b: vm_area_struct
) -> anon_vma | None:
    """Return the ``anon_vma`` of *old*, which is *a* or *b*, if the other may have it.

    One that came through a fork stays with whom it belongs to.

    Context: ``mmap_lock``; another fault may be setting it up, which then is fine.
    """
    if not anon_vma_compatible(a, b):
        return None
    found = READ_ONCE(old).anon_vma
    # A chain changes with the first fault, and then has one link.
    return found if len(old.__dict__["anon_vma_chain"]) == 1 else None


@mirrors("mm/vma.c", checked="v7.2")
def find_mergeable_anon_vma(vma: vm_area_struct) -> anon_vma | None:
    """Return the ``anon_vma`` of a neighbour that could be one with *vma* one day.

    Context: ``mmap_lock``.
    """
    tree = _tree_of(vma.vm_mm)
    following = mtree_load(tree, vma.vm_end)
    if following is not None:
        found = reusable_anon_vma(following, vma, following)
        if found is not None:
            return found
    mas = MA_STATE(tree, vma.vm_start, vma.vm_start)
    before = mas_prev(mas, 0)
    return None if before is None else reusable_anon_vma(before, before, vma)
