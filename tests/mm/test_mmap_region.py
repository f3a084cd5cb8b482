# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces as they boot: what each kind of mapping holds and counts."""

from __future__ import annotations

import pytest

from pykmm.errors import UsageError
from pykmm.kernel.fork import mm_alloc
from pykmm.linux import mm as lm
from pykmm.linux.mm_types import file
from pykmm.linux.mman import vm_committed_as
from pykmm.mm._conservation import _books
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages

MIB = 1 << 20


def test_anonymous_memory_is_private_accounted_and_has_no_file(machine, mm, rss):
    free = nr_free_pages()
    vma = _map_region(mm, 0x1000, 4 * MIB, kind="anon", populate_pages=700)
    assert lm.vma_is_anonymous(vma)
    assert vma.vm_flags & lm.VM_ACCOUNT
    assert not vma.vm_flags & lm.VM_SHARED
    assert (vma.vm_start, vma.vm_end, vma.vm_pgoff) == (0x1000, 0x401000, 1)
    assert rss(mm) == (0, 700, 0, 0)
    # Two page-table pages, and one page for each level above them.
    assert mm.pgtables_bytes.counter == 4 * 4096
    assert free - nr_free_pages() == 700 + 4
    assert (mm.map_count, mm.total_vm, mm.data_vm) == (1, 1024, 1024)
    assert vm_committed_as().counter == 1024


def test_one_page_takes_three_tables(machine, mm):
    _map_region(mm, 0, 4096, kind="anon", populate_pages=1)
    assert lm.mm_pgtables_bytes(mm) == 12288


def test_an_untouched_mapping_takes_nothing(machine, mm, rss):
    free = nr_free_pages()
    _map_region(mm, 0, 1 << 40, kind="anon")
    assert rss(mm) == (0, 0, 0, 0)
    assert nr_free_pages() == free
    assert mm.total_vm == 1 << 28


@pytest.mark.parametrize(
    ("kind", "shared", "counts", "anonymous"),
    [
        ("anon", False, (0, 10, 0, 0), True),
        ("anon", True, (0, 0, 0, 10), False),
        ("file", False, (10, 0, 0, 0), False),
        ("file", True, (10, 0, 0, 0), False),
        ("shmem", False, (0, 0, 0, 10), False),
        ("shmem", True, (0, 0, 0, 10), False),
        ("pfnmap", False, (0, 0, 0, 0), False),
    ],
)
def test_kinds(machine, mm, rss, kind, shared, counts, anonymous):
    vma = _map_region(mm, 0, MIB, kind=kind, shared=shared, populate_pages=10)
    assert rss(mm) == counts
    assert lm.vma_is_anonymous(vma) is anonymous
    assert bool(vma.vm_flags & lm.VM_SHARED) is shared
    assert bool(vma.vm_flags & lm.VM_PFNMAP) is (kind == "pfnmap")


def test_huge_pages_count_on_their_own(machine, mm, rss):
    free = nr_free_pages()
    vma = _map_region(mm, 2 * MIB, 8 * MIB, kind="hugetlb", populate_pages=1024)
    assert vma.vm_flags & lm.VM_HUGETLB
    assert rss(mm) == (0, 0, 0, 0)
    assert mm.hugetlb_usage.counter == 1024
    assert mm.pgtables_bytes.counter == 2 * 4096
    assert free - nr_free_pages() == 1024 + 2


def test_copies_of_file_pages_and_swapped_pages(machine, mm, rss):
    free, slots = nr_free_pages(), nr_swap_pages().counter
    _map_region(
        mm, 0, MIB, kind="file", populate_pages=5, copied_pages=2, swapped_pages=3
    )
    assert rss(mm) == (3, 2, 3, 0)
    assert slots - nr_swap_pages().counter == 3
    # Five in the page cache, two copies, three tables.
    assert free - nr_free_pages() == 5 + 2 + 3


def test_two_mappings_of_a_file_share_its_pages(machine, mm, rss):
    shared_file = file(f_path="/usr/lib/libc.so")
    free = nr_free_pages()
    for start in (0, 16 * MIB):
        _map_region(
            mm, start, 4 * MIB, kind="file", populate_pages=600, vm_file=shared_file
        )
    assert rss(mm) == (1200, 0, 0, 0)
    assert shared_file.f_ref.refs == 3
    assert free - nr_free_pages() == 600 + 4 + 2


def test_neighbours_share_a_page_table_page(machine, mm, rss):
    for page in range(4):
        _map_region(mm, page << 12, 4096, kind="anon", populate_pages=1)
    assert (mm.map_count, len(mm.pgd), rss(mm)) == (4, 1, (0, 4, 0, 0))


def test_locked_and_stack_and_code_are_counted(machine, mm):
    _map_region(mm, 0, MIB, kind="anon", extra_flags=lm.VM_LOCKED)
    _map_region(mm, MIB, MIB, kind="anon", extra_flags=lm.VM_GROWSDOWN)
    assert (mm.locked_vm, mm.stack_vm, mm.data_vm) == (256, 256, 256)


def test_a_big_mapping_spreads_over_nodes(boot):
    with boot(1000, 3000):
        mm = mm_alloc()
        _map_region(mm, 0, 8 * MIB, kind="anon", populate_pages=2048)
        origins = [origin for table in mm.pgd.values() for origin in table.pages]
        assert {nid for nid, _ in origins} == {0, 1}


BAD = {
    "kind='heap' is no kind": {"kind": "heap"},
    "start=0x800": {"start": 0x800},
    "length=0x0": {"length": 0},
    "multiples of 2097152": {"kind": "hugetlb", "length": 4096},
    "end at or below": {"start": lm.TASK_SIZE},
    "populate_pages=257": {"populate_pages": 257},
    "populate_pages=-1": {"populate_pages": -1},
    "swapped_pages=200": {"populate_pages": 100, "swapped_pages": 200},
    "copied_pages=1 must": {"populate_pages": 1, "copied_pages": 1},
    "copied_pages=2 must": {"kind": "file", "populate_pages": 1, "copied_pages": 2},
    "not a shared file": {"kind": "file", "shared": True, "swapped_pages": 1},
    "not a pfnmap": {"kind": "pfnmap", "swapped_pages": 1},
}


@pytest.mark.parametrize("says", BAD)
def test_mistakes_are_named_and_change_nothing(machine, mm, says):
    arguments = {"start": 0, "length": MIB, "kind": "anon"} | BAD[says]
    free = nr_free_pages()
    with pytest.raises(UsageError, match=says):
        _map_region(mm, arguments.pop("start"), arguments.pop("length"), **arguments)
    assert (mm.map_count, nr_free_pages(), _books()) == (0, free, [])
    assert not mm.mmap_lock.writer


def test_overlap_is_refused(machine, mm):
    _map_region(mm, MIB, MIB, kind="anon")
    with pytest.raises(UsageError, match="overlaps a mapping"):
        _map_region(mm, 2 * MIB - 4096, MIB, kind="anon")
    assert mm.map_count == 1


def test_too_much_is_refused(boot):
    with boot(1000, audit=False):
        with pytest.raises(UsageError, match="does not fit"):
            _map_region(mm_alloc(), 0, 4 * MIB, kind="anon", populate_pages=1000)


def test_swap_too_small_is_refused(boot):
    with boot(swap=10, audit=False):
        with pytest.raises(UsageError, match="has 10 free of 10"):
            _map_region(mm_alloc(), 0, MIB, kind="anon", swapped_pages=11)
