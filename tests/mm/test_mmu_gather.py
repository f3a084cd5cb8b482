# SPDX-License-Identifier: GPL-2.0-only
"""Pages become free after the flush, in batches of a known size."""

from __future__ import annotations

import pytest

from pykmm.linux.gfp_types import GFP_KERNEL
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.mm.mmap import _map_region
from pykmm.mm.mmu_gather import (
    _GATHER_CAPACITY,
    __tlb_remove_folio_pages,
    tlb_finish_mmu,
    tlb_flush_mmu,
    tlb_gather_mmu,
    tlb_gather_mmu_fullmm,
)
from pykmm.mm.page_alloc import Pages, __alloc_pages, nr_free_pages


def test_capacity_is_eight_slots_and_nineteen_pages_of_slots():
    # The last slot of each batch is never used.
    assert _GATHER_CAPACITY == 7 + 19 * 509 == 9678


def test_nothing_is_free_before_the_flush(machine, mm):
    before = nr_free_pages()
    assert __alloc_pages(GFP_KERNEL, 0, 0, None, want=10) == Pages(10, 0)
    tlb = tlb_gather_mmu(mm)
    assert not __tlb_remove_folio_pages(tlb, 10, {(0, None): 7})
    assert nr_free_pages() == before - 10
    tlb_flush_mmu(tlb)
    assert nr_free_pages() == before - 3
    tlb_flush_mmu(tlb)
    assert not __tlb_remove_folio_pages(tlb, 3, {(0, None): 3})
    tlb_finish_mmu(tlb)
    assert nr_free_pages() == before


def test_full_means_that_a_flush_is_due(machine, mm):
    tlb = tlb_gather_mmu_fullmm(mm)
    assert tlb.fullmm
    assert not __tlb_remove_folio_pages(tlb, _GATHER_CAPACITY - 1, {})
    assert __tlb_remove_folio_pages(tlb, 1, {})
    tlb_flush_mmu(tlb)
    assert not __tlb_remove_folio_pages(tlb, 1, {})


@pytest.mark.parametrize("extra", [0, 1, 600])
def test_a_full_gather_interrupts_the_work_on_a_table(machine, mm, extra):
    pages = _GATHER_CAPACITY + extra
    vma = _map_region(mm, 0, 42 << 20, kind="anon", populate_pages=pages)

    def body():
        mmap_read_lock(mm)
        zap_vma_for_reaping(vma)
        mmap_read_unlock(mm)

    machine.thread("reaper", body)
    machine.run()
    frees = [e.value for e in machine.events if e.kind == "__free_pages"]
    # Within the table where the gather fills, whose lock is taken once more for
    # what is left of it, be that pages or empty entries.
    full_at = frees[0]
    assert len(frees) == (2 if extra else 1)
    assert frees[-1] - full_at == extra
    tables = -(-pages // 512)
    locks = [e for e in machine.events if e.kind == "spin_lock"]
    assert len(locks) == tables + 1
    twice = f"{mm.name}.pte[{_GATHER_CAPACITY // 512:#x}].ptl"
    assert [e.obj.name for e in locks].count(twice) == 2
