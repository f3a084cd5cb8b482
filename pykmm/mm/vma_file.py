# SPDX-License-Identifier: GPL-2.0-only
"""Finding the mappings of a file — part of ``mm/vma.c``.

Whoever cuts a file, or punches a hole into it, has to unmap its pages everywhere. So
a file knows its mappings, from before they have pages until their page tables go.
"""

from __future__ import annotations

import attrs

from ..engine.annotate import mirrors
from ..linux.fs import i_mmap_lock_write, i_mmap_unlock_write
from ..linux.mm_types import address_space, vm_area_struct

__all__ = [
    "__remove_shared_vm_struct",
    "__vma_link_file",
    "unlink_file_vma_batch_add",
    "unlink_file_vma_batch_final",
    "unlink_vma_file_batch",
    "vma_link_file",
]

_NO_COUNT = "how many of them are shared and writable is not counted: no file asks"
_BATCH = 8


@mirrors("mm/vma.c", checked="v7.2", abridged=_NO_COUNT)
def __vma_link_file(vma: vm_area_struct, mapping: address_space) -> None:
    """Let *vma* be found as a mapping of its file.

    Context: ``i_mmap_rwsem`` for writing.
    """
    mapping.i_mmap[vma] = None


@mirrors("mm/vma.c", checked="v7.2", abridged=_NO_COUNT)
def __remove_shared_vm_struct(vma: vm_area_struct, mapping: address_space) -> None:
    """Let *vma* be found no more.

    Context: ``i_mmap_rwsem`` for writing.
    """
    del mapping.i_mmap[vma]


@mirrors("mm/vma.c", checked="v7.2", abridged="no driver hides a mapping for longer")
def vma_link_file(vma: vm_area_struct) -> None:
    """Let a new mapping be found by its file, if it has one.

    Context: ``mmap_lock`` for writing. May sleep.
    """
    if vma.vm_file is not None:
        mapping = vma.vm_file.f_mapping
        i_mmap_lock_write(mapping)
        __vma_link_file(vma, mapping)
        i_mmap_unlock_write(mapping)


@attrs.define(eq=False)
class unlink_vma_file_batch:
    """Mappings of one open file that are about to go."""

    vmas: list[vm_area_struct] = attrs.field(factory=list)


@mirrors("mm/vma.c", checked="v7.2")
def unlink_file_vma_batch_process(vb: unlink_vma_file_batch) -> None:
    """Let the mappings of the batch be found no more.

    Context: ``mmap_lock``. May sleep.
    """
    first = vb.vmas[0].vm_file
    assert first is not None  # only such are added
    mapping = first.f_mapping
    i_mmap_lock_write(mapping)
    for vma in vb.vmas:
        __remove_shared_vm_struct(vma, mapping)
    i_mmap_unlock_write(mapping)
    vb.vmas.clear()


@mirrors("mm/vma.c", checked="v7.2")
def unlink_file_vma_batch_add(vb: unlink_vma_file_batch, vma: vm_area_struct) -> None:
    """Put a mapping into the batch, if it has a file.

    Context: As :func:`unlink_file_vma_batch_process`.
    """
    if vma.vm_file is None:
        return
    if vb.vmas and (vb.vmas[0].vm_file is not vma.vm_file or len(vb.vmas) == _BATCH):
        unlink_file_vma_batch_process(vb)
    vb.vmas.append(vma)


@mirrors("mm/vma.c", checked="v7.2")
def unlink_file_vma_batch_final(vb: unlink_vma_file_batch) -> None:
    """See that nothing of the batch is found any more.

    Context: As :func:`unlink_file_vma_batch_process`.
    """
    if vb.vmas:
        unlink_file_vma_batch_process(vb)
