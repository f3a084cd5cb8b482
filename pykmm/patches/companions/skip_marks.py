# SPDX-License-Identifier: GPL-2.0-only
"""Patch 2/3: unmapping a victim's pages of files does not mark them as used.

Unless somebody else may have them mapped, if the address space is marked as being
reaped.
"""

from __future__ import annotations

from ...linux.mm import mm_flags_test
from ...linux.mm_inline import vma_has_recency
from ...linux.mm_types import (
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MMF_UNSTABLE,
    _Folios,
    pgtable_t,
    vm_area_struct,
)
from ...mm import memory
from ...mm.filemap_cache import _add_folios, _of_window, _offset
from ...mm.mmu_gather import mmu_gather
from ...mm.page_writeback import folio_mark_dirty
from ...mm.rmap_file import _mapped_by
from ...mm.swap import folio_mark_accessed
from ..patch import Patch

patch = Patch(
    "leave-unmarked",
    kind="design",
    summary="unmapping marked memory does not mark pages of files as used (2/3)",
    origin="patch 2/3 of the series of 2026-04-21",
)


def _maybe_mapped_shared(vma: vm_area_struct, pages: _Folios) -> _Folios:
    """Return which of *pages* somebody maps elsewhere than in *vma*, without a step."""
    found: _Folios = {}
    assert vma.vm_file is not None  # it maps pages of one
    for other in list(vma.vm_file.f_mapping.__dict__["i_mmap"]):
        if other is not vma:
            for part in _mapped_by(other, pages):
                _add_folios(found, part)
    return found


@patch.replaces(memory.zap_present_folio_ptes)
def zap_present_folio_ptes(
    tlb: mmu_gather, vma: vm_area_struct, table: pgtable_t, mask: int
) -> None:
    """Mark what was written, and what not only a victim has used; queue all.

    Context: The table's lock.
    """
    file, present = vma.vm_file, table.present
    mapped = (present[MM_FILEPAGES] | present[MM_SHMEMPAGES]) & mask
    if file is None or not mapped:
        return
    offset = _offset(vma, table)
    dirty = mapped & table.dirty
    if dirty:
        folio_mark_dirty(file.f_mapping, _of_window(dirty, offset))
    used = _of_window(mapped & table.young, offset)
    if used and vma_has_recency(vma):
        if mm_flags_test(MMF_UNSTABLE, tlb.mm):
            used = _maybe_mapped_shared(vma, used)
        if used:
            folio_mark_accessed(file.f_mapping, used)
    tlb._cached.append((file.f_mapping, _of_window(mapped, offset)))
