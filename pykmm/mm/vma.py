# SPDX-License-Identifier: GPL-2.0-only
"""Changing the mappings of an address space — ``mm/vma.c``, ``mm/vma.h``.

This file has the ends: what a mapping is counted as, and how it goes. A change of
an existing one takes its locks in ``vma_prepare``; ``vma_merge`` and ``vma_split``
are built on it, ``vma_modify`` on those two; ``vma_munmap`` and ``vma_mmap`` are
what system calls come to.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..fs.file_table import fput
from ..linux.kernel import might_sleep
from ..linux.maple_tree import mas_set
from ..linux.mm import (
    VM_EXEC,
    VM_GROWSDOWN,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
    mm_flags_test,
)
from ..linux.mm_types import MMF_HAS_MDWE, vm_area_struct
from ..linux.sched import current
from .internal import vma_close
from .memory import unmap_vmas
from .memory_tables import free_pgtables
from .mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from .vma_init import vm_area_free
from .vma_unmap import unmap_desc

__all__ = [
    "is_data_mapping",
    "is_exec_mapping",
    "is_stack_mapping",
    "map_deny_write_exec",
    "remove_vma",
    "unmap_region",
    "vma_is_sealed",
]


@mirrors("mm/vma.c", checked="v7.2")
def unmap_region(unmap: unmap_desc) -> None:
    """Unmap mappings that are out of the tree, and free their page tables.

    Context: ``mmap_lock``. May sleep.
    """
    tlb = tlb_gather_mmu(unmap.first.vm_mm)
    unmap_vmas(tlb, unmap)
    mas_set(unmap.mas, unmap.tree_reset)
    free_pgtables(tlb, unmap)
    tlb_finish_mmu(tlb)


@mirrors("mm/vma.c", checked="v7.2", abridged="memory policies are not counted")
def remove_vma(vma: vm_area_struct) -> None:
    """Free a mapping that nobody can find any more, and let go of its file.

    Context: May sleep.
    """
    might_sleep()
    vma_close(vma)
    vm_file = vma.vm_file
    if vm_file is not None:
        fput(vm_file)
    vm_area_free(vma)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def is_exec_mapping(flags: int) -> bool:
    """Tell whether a mapping with *flags* is code."""
    return flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN) == VM_EXEC


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def is_stack_mapping(flags: int) -> bool:
    """Tell whether a mapping with *flags* is a stack."""
    return bool(flags & VM_GROWSDOWN)


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def is_data_mapping(flags: int) -> bool:
    """Tell whether a mapping with *flags* is private memory to write to."""
    return flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE


@mirrors("mm/vma.h", checked="v7.2", inline=True)
def vma_is_sealed(vma: vm_area_struct) -> bool:
    """Tell whether ``mseal()`` has forbidden to change the mapping.

    Context: ``mmap_lock``.
    """
    return bool(vma.vm_flags & VM_SEALED)


@mirrors(
    "mm/vma.h",
    checked="v7.2",
    abridged="the flag comes last, as most mappings are not executable and then take "
    "no step",
    inline=True,
)
def map_deny_write_exec(old: int, new: int) -> bool:
    """Tell whether a mapping must not go from the flags *old* to *new*.

    Who asked for that with ``PR_SET_MDWE`` can execute only what was executable when
    it was mapped, and could not be written then.
    """
    if not new & VM_EXEC or not (new & VM_WRITE or not old & VM_EXEC):
        return False
    mm = current().mm
    assert mm is not None  # whoever maps has one
    return mm_flags_test(MMF_HAS_MDWE, mm)
