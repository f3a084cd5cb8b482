# SPDX-License-Identifier: GPL-2.0-only
"""Moving pages: entries, whole tables, and what is shared with a child."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykmm.engine import Config, Machine
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.mm_types import mm_struct, vm_area_struct
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.mm._conservation import _books
from pykmm.mm.memory import zap_vma_range
from pykmm.mm.memory_copy import copy_page_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.mremap import move_page_tables, pagetable_move_control
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.rmap import anon_vma_fork

PAGE = 4096
MIB = 1 << 20
GIB = 1 << 30


def _move(vma: vm_area_struct, to: vm_area_struct, length: int) -> int:
    mmap_write_lock(vma.vm_mm)
    done = move_page_tables(
        pagetable_move_control(vma, to, vma.vm_start, to.vm_start, length, True)
    )
    mmap_write_unlock(vma.vm_mm)
    return done


def _entries(mm: mm_struct) -> dict[int, int]:
    """Return by page number what each entry maps."""
    return dict(_each(mm))


def _each(mm: mm_struct) -> Iterator[tuple[int, int]]:
    for index, table in mm.pgd.items():
        for member, bits in enumerate(table.present):
            for at in range(512):
                if bits >> at & 1:
                    yield (index << 9) + at, member


def test_a_whole_table_hangs_elsewhere(machine: Machine) -> None:
    mm = mm_alloc()
    vma = _map_region(mm, 2 * MIB, 4 * MIB, kind="anon", populate_pages=1024)
    to = _map_region(mm, 4 * GIB, 4 * MIB, kind="anon")
    tables = [*mm.pgd.values()]
    assert _move(vma, to, 4 * MIB) == 4 * MIB
    assert [*mm.pgd.items()] == [*zip((2048, 2049), tables, strict=True)]
    assert tables[0].ptl.name == "mm_struct#1.pte[0x800].ptl"
    # Two page-table pages, a PMD for the old place and one for the new one, a PUD.
    assert mm.pgtables_bytes.counter == 5 * PAGE


def test_a_table_at_the_new_place_is_filled(machine: Machine) -> None:
    mm = mm_alloc()
    vma = _map_region(mm, 0, 2 * MIB, kind="anon", populate_pages=512)
    to = _map_region(mm, 4 * MIB, 2 * MIB, kind="anon", populate_pages=1)
    zap_vma_range(to, 4 * MIB, PAGE)
    assert _move(vma, to, 2 * MIB) == 2 * MIB
    assert [table.present[1].bit_count() for table in mm.pgd.values()] == [0, 512]


@given(
    first=st.integers(0, 1023),
    nr=st.integers(1, 700),
    at=st.integers(2048, 3000),
    swapped=st.integers(0, 40),
    fork=st.booleans(),
    written=st.integers(0, 300),
)
def test_entries_move_page_by_page(
    first: int, nr: int, at: int, swapped: int, fork: bool, written: int
) -> None:
    with Machine(Config(node_pages=(1 << 14,), total_swap_pages=100)):
        free = nr_free_pages()
        mm, child = mm_alloc(), mm_alloc()
        swapped = min(swapped, nr)
        vma = _map_region(
            mm,
            first * PAGE,
            nr * PAGE,
            kind="anon",
            populate_pages=nr - swapped,
            swapped_pages=swapped,
        )
        to = _map_region(mm, at * PAGE, nr * PAGE, kind="anon")
        mmap_write_lock(mm)
        to.anon_vma, chain = vma.anon_vma, to.anon_vma_chain
        mmap_write_unlock(mm)
        assert chain == ()
        if fork:
            _fork(child, vma)
        before = _entries(mm)
        assert _move(vma, to, nr * PAGE) == nr * PAGE
        assert _entries(mm) == {
            page - first + at: kind for page, kind in before.items()
        }
        assert _books() == []
        _fault_in_range(to, at * PAGE, (at + min(written, nr)) * PAGE)
        assert _books() == []
        to.__dict__["anon_vma"] = None
        mmput(mm)
        assert _books() == []
        mmput(child)
        assert free == nr_free_pages()


def _fork(child: mm_struct, pvma: vm_area_struct) -> None:
    size = pvma.vm_end - pvma.vm_start
    vma = _map_region(child, pvma.vm_start, size, kind="anon")
    mmap_write_lock(pvma.vm_mm)
    mmap_write_lock(child)
    anon_vma_fork(vma, pvma)
    assert copy_page_range(vma, pvma) == 0
    mmap_write_unlock(child)
    mmap_write_unlock(pvma.vm_mm)


@pytest.mark.parametrize(
    ("free", "done"),
    [(0, 0), (2, 2 * MIB - PAGE), (3, 4 * MIB - PAGE), (4, 4 * MIB)],
)
def test_no_memory_for_tables(
    boot: Callable[..., object], free: int, done: int
) -> None:
    # A PMD, and a table for each 2 MiB of the new place, which begins in their middle;
    # one page is below the watermark.
    with boot(1024 + 4 + 1 + free):  # type: ignore[attr-defined]  # a context manager
        mm = mm_alloc()
        vma = _map_region(mm, 0, 4 * MIB, kind="anon", populate_pages=1024)
        to = _map_region(mm, GIB + PAGE, 4 * MIB, kind="anon")
        assert nr_free_pages() == free + 1
        assert _move(vma, to, 4 * MIB) == done
