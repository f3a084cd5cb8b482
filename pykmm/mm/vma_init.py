# SPDX-License-Identifier: GPL-2.0-only
"""Making and freeing mappings — ``mm/vma_init.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.gfp_types import GFP_KERNEL
from ..linux.mm_types import file, mm_struct, vm_area_struct, vm_operations_struct
from ..linux.sched.mm import might_alloc

__all__ = ["vm_area_alloc", "vm_area_dup", "vm_area_free"]


@mirrors(
    "mm/vma_init.c", checked="v7.2", abridged="takes the fields that Linux sets later"
)
def vm_area_alloc(
    mm: mm_struct,
    start: int,
    end: int,
    vm_flags: int,
    vm_file: file | None = None,
    *,
    vm_ops: vm_operations_struct | None = None,
) -> vm_area_struct:
    """Make a mapping of *mm* that is in no tree yet.

    Context: May sleep.
    """
    might_alloc(GFP_KERNEL)
    return vm_area_struct(
        vm_mm=mm,
        vm_start=start,
        vm_end=end,
        vm_flags=vm_flags,
        vm_file=vm_file,
        vm_ops=vm_ops,
    )


@mirrors("mm/vma_init.c", checked="v7.2")
def vm_area_dup(orig: vm_area_struct) -> vm_area_struct:
    """Make a copy of *orig* that is in no tree, and that no page leads to yet.

    Context: ``mmap_lock`` of *orig*. May sleep.
    """
    might_alloc(GFP_KERNEL)
    return vm_area_struct(
        vm_mm=orig.vm_mm,
        vm_start=orig.vm_start,
        vm_end=orig.vm_end,
        vm_flags=orig.vm_flags,
        vm_pgoff=orig.vm_pgoff,
        vm_file=orig.vm_file,
        vm_ops=orig.vm_ops,
        vm_private_data=orig.vm_private_data,
        vm_policy=orig.vm_policy,
        vm_userfaultfd_ctx=orig.vm_userfaultfd_ctx,
        anon_name=orig.anon_name,
        anon_vma=orig.anon_vma,
    )


@mirrors(
    "mm/vma_init.c", checked="v7.2", abridged="freed at once; none is found under RCU"
)
def vm_area_free(vma: vm_area_struct) -> None:
    """Free a mapping that is in no tree any more.

    Context: Any.
    """
    vma._free()
