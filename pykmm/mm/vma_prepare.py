# SPDX-License-Identifier: GPL-2.0-only
"""The locks around a change of mappings, and its loose ends — part of ``mm/vma.c``."""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..fs.file_table import fput
from ..linux.bug import WARN_ON_ONCE
from ..linux.fs import i_mmap_lock_write, i_mmap_unlock_write
from ..linux.mm_types import file, mm_struct, vm_area_struct, vma_iterator
from ..linux.mmap_lock import vma_mark_detached
from ..linux.rmap import anon_vma
from .internal import anon_vma_lock_write, anon_vma_unlock_write
from .rmap import unlink_anon_vmas
from .vma_file import __remove_shared_vm_struct, __vma_link_file
from .vma_init import vm_area_free
from .vma_iter import vma_iter_store_new

__all__ = [
    "VmaPrepare",
    "init_vma_prep",
    "vma_complete",
    "vma_prepare",
    "vma_set_range",
]


@attrs.define(eq=False)
class VmaPrepare:
    """Which mappings a change is about: Linux's ``struct vma_prepare``.

    *vma* changes; *insert* is new, the others go. That a neighbour changes with it
    matters only where mappings are found by their addresses.
    """

    vma: vm_area_struct
    file: file | None = None
    anon_vma: anon_vma | None = None
    insert: vm_area_struct | None = None
    remove: vm_area_struct | None = None
    remove2: vm_area_struct | None = None


@mirrors("mm/vma.c", checked="v7.2")
def init_vma_prep(vma: vm_area_struct) -> VmaPrepare:
    """Describe a change of *vma* alone."""
    return VmaPrepare(vma, vma.vm_file, vma.anon_vma)


@mirrors(
    "mm/vma.c",
    checked="v7.2",
    abridged="files and anon_vmas list their mappings in no order, so none is taken "
    "out to be put in at its new place",
)
def vma_prepare(vp: VmaPrepare) -> None:
    """Keep out whoever finds the mappings by their pages, until vma_complete().

    Context: ``mmap_lock`` for writing. May sleep.
    """
    if vp.file is not None:
        i_mmap_lock_write(vp.file.f_mapping)
        if vp.insert is not None:
            __vma_link_file(vp.insert, vp.file.f_mapping)
    if vp.anon_vma is not None:
        anon_vma_lock_write(vp.anon_vma)


@mirrors("mm/vma.c", checked="v7.2", abridged="no uprobes; policies are not counted")
def vma_complete(vp: VmaPrepare, vmi: vma_iterator, mm: mm_struct) -> None:
    """Let others find the mappings as they are now; free those that were merged.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    if vp.remove is not None and vp.file is not None:
        __remove_shared_vm_struct(vp.remove, vp.file.f_mapping)
        if vp.remove2 is not None:
            __remove_shared_vm_struct(vp.remove2, vp.file.f_mapping)
    elif vp.insert is not None:
        vma_iter_store_new(vmi, vp.insert)
        mm.map_count += 1
    if vp.anon_vma is not None:
        anon_vma_unlock_write(vp.anon_vma)
    if vp.file is not None:
        i_mmap_unlock_write(vp.file.f_mapping)
    for gone in (vp.remove, vp.remove2):
        if gone is not None:
            vma_mark_detached(gone)
            _free_merged(vp, gone, mm)


def _free_merged(vp: VmaPrepare, gone: vm_area_struct, mm: mm_struct) -> None:
    """Free a mapping whose range is another one's now."""
    if vp.file is not None:
        fput(vp.file)
    if gone.anon_vma is not None:
        unlink_anon_vmas(gone)
    mm.map_count -= 1
    WARN_ON_ONCE(
        gone is (vp.remove2 or vp.remove) and vp.vma.vm_end < gone.vm_end,
        f"{gone.name} is merged into {vp.vma.name}, which does not reach so far",
    )
    vm_area_free(gone)


def vma_set_range(vma: vm_area_struct, start: int, end: int, pgoff: int) -> None:
    """Give a mapping other addresses, and another place in its file.

    Context: ``mmap_lock`` for writing, or nobody else knows it.
    """
    vma.vm_start = start
    vma.vm_end = end
    vma.vm_pgoff = pgoff
