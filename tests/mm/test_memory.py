# SPDX-License-Identifier: GPL-2.0-only
"""Zapping: which entries go, what is counted, and in which steps."""

from __future__ import annotations

import pytest

from pykmm.errors import KernelWarning
from pykmm.linux._bitmaps import _through_nth
from pykmm.linux.mm import VM_HUGETLB, VM_LOCKED, VM_PFNMAP, VM_SHARED, get_mm_rss
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages

MIB = 1 << 20
PAGE = 4096


def _setup(mm):
    """Map one of everything; return the mappings in order of address."""
    kinds = [
        {"kind": "anon", "populate_pages": 4, "swapped_pages": 3},
        {"kind": "anon", "populate_pages": 2},
        {"kind": "anon", "populate_pages": 1},
        {"kind": "file", "populate_pages": 3},
        {"kind": "file", "populate_pages": 2, "copied_pages": 1},
        {"kind": "file", "populate_pages": 5, "shared": True},
        {"kind": "shmem", "populate_pages": 6, "shared": True},
        {"kind": "hugetlb", "populate_pages": 512},
        {"kind": "pfnmap", "populate_pages": 2},
        {"kind": "anon", "populate_pages": 2, "extra_flags": VM_LOCKED},
    ]
    return [
        _map_region(mm, (number + 1) * 4 * MIB, 2 * MIB, **kind)
        for number, kind in enumerate(kinds)
    ]


def _reapable(vma):
    flags = vma.vm_flags
    return not flags & (VM_HUGETLB | VM_PFNMAP) and not flags & VM_SHARED


def test_a_whole_pass_frees_private_memory_and_nothing_else(machine, mm, rss):
    vmas = _setup(mm)
    # The copied page is anonymous, and its file's page is mapped no more.
    assert rss(mm) == (9, 10, 3, 6)
    assert get_mm_rss(mm) == 25
    before = (mm.map_count, mm.total_vm, mm.locked_vm, mm.pgtables_bytes.counter)
    free, slots = nr_free_pages(), nr_swap_pages().counter
    for vma in reversed(vmas):
        if _reapable(vma):
            assert zap_vma_for_reaping(vma) == 0
    assert rss(mm) == (5, 0, 0, 6)
    assert get_mm_rss(mm) == 11
    assert nr_free_pages() - free == 10
    assert nr_swap_pages().counter - slots == 3
    assert mm.hugetlb_usage.counter == 512
    assert before == (
        mm.map_count,
        mm.total_vm,
        mm.locked_vm,
        mm.pgtables_bytes.counter,
    )


def test_reaping_twice_finds_nothing(machine, mm, rss):
    vma = _map_region(mm, 0, MIB, kind="anon", populate_pages=200)
    for _ in range(2):
        assert zap_vma_for_reaping(vma) == 0
        assert rss(mm) == (0, 0, 0, 0)


def test_a_hugetlb_mapping_must_not_be_reaped(machine, mm):
    vma = _map_region(mm, 0, 2 * MIB, kind="hugetlb", populate_pages=512)
    with pytest.raises(KernelWarning, match="hugetlb"):
        zap_vma_for_reaping(vma)


def test_a_range_is_cut_to_the_page(machine, mm, rss):
    vma = _map_region(mm, 0, 8 * MIB, kind="anon", populate_pages=2048)
    zap_vma_range(vma, 2 * MIB - PAGE, 2 * PAGE)
    assert rss(mm) == (0, 2046, 0, 0)
    assert mm.pgd[0].present[1] == (1 << 511) - 1
    assert mm.pgd[1].present[1] == (1 << 512) - 2
    zap_vma_range(vma, 5 * PAGE, 0)
    assert rss(mm) == (0, 2046, 0, 0)


def _on_thread(machine, mm, work):
    """Run *work* under the lock; return the steps in between."""

    def body():
        mmap_read_lock(mm)
        work()
        mmap_read_unlock(mm)

    machine.thread("zapper", body)
    machine.run()
    return [
        (e.kind, e.obj.name.removeprefix(f"{mm.name}.")) for e in machine.events[2:-1]
    ]


def test_steps_of_a_zap(machine, mm):
    # Three page-table pages exist, the second one has nothing in this mapping.
    _map_region(mm, 2 * MIB + 8 * PAGE, PAGE, kind="anon", populate_pages=1)
    vma = _map_region(mm, 4 * MIB, 8 * MIB, kind="anon", populate_pages=513)
    zap_vma_range(vma, 6 * MIB, 2 * MIB)
    steps = _on_thread(machine, mm, lambda: zap_vma_for_reaping(vma))
    assert steps == [
        ("pmd_none", "pgd"),
        ("spin_lock", "pte[0x2].ptl"),
        ("add_mm_counter", "rss_stat[1]"),
        ("spin_unlock", "pte[0x2].ptl"),
        # Nothing present, but the table is there.
        ("spin_lock", "pte[0x3].ptl"),
        ("spin_unlock", "pte[0x3].ptl"),
        ("__free_pages", "pglist_data#1.nr_free_pages"),
    ]


def test_counters_fall_before_memory_is_free(machine, mm):
    vma = _map_region(mm, 0, 4 * MIB, kind="anon", populate_pages=1024)
    kinds = [
        kind for kind, _ in _on_thread(machine, mm, lambda: zap_vma_for_reaping(vma))
    ]
    assert kinds.count("__free_pages") == 1
    assert kinds[-1] == "__free_pages"
    assert kinds.index("add_mm_counter") < kinds.index("__free_pages")


def test_a_huge_hole_costs_no_steps(machine, mm):
    vma = _map_region(mm, 0, 1 << 45, kind="anon", populate_pages=1)
    zap_vma_range(vma, 0, PAGE)
    steps = _on_thread(machine, mm, lambda: zap_vma_for_reaping(vma))
    assert len(steps) == 4


@pytest.mark.parametrize("boundary", [1 << 30, 1 << 39, 1 << 40])
@pytest.mark.parametrize("below", [0, 1, 512, 600])
@pytest.mark.parametrize("above", [0, 1, 512, 600])
def test_boundaries_of_upper_tables(machine, mm, rss, boundary, below, above):
    size = 1000 * PAGE
    vma = _map_region(mm, boundary - size, 2 * size, kind="anon", populate_pages=2000)
    zap_vma_range(vma, boundary - below * PAGE, (below + above) * PAGE)
    assert rss(mm) == (0, 2000 - below - above, 0, 0)


@pytest.mark.parametrize("bits", [0b1, 0b1011, (1 << 512) - 1, 0b1000001 << 300])
def test_nth_set_bit(bits):
    for nth in range(1, bits.bit_count() + 1):
        through = bits & _through_nth(bits, nth)
        assert through.bit_count() == nth
        assert _through_nth(bits, nth).bit_length() == through.bit_length()
