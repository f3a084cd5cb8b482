# SPDX-License-Identifier: GPL-2.0-only
"""Making and freeing mappings — ``mm/vma_init.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm_types import file, mm_struct, vm_area_struct

__all__ = ["vm_area_alloc", "vm_area_free"]


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
    vm_ops: bool = False,
) -> vm_area_struct:
    """Make a mapping of *mm* that is in no tree yet.

    Context: May sleep.
    """
    return vm_area_struct(
        vm_mm=mm,
        vm_start=start,
        vm_end=end,
        vm_flags=vm_flags,
        vm_file=vm_file,
        vm_ops=vm_ops,
    )


@mirrors(
    "mm/vma_init.c", checked="v7.2", abridged="freed at once; none is found under RCU"
)
def vm_area_free(vma: vm_area_struct) -> None:
    """Free a mapping that is in no tree any more.

    Context: Any.
    """
    vma._free()
