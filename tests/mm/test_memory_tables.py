# SPDX-License-Identifier: GPL-2.0-only
"""Page tables: when they come, and how far around a mapping they go."""

from __future__ import annotations

import pytest

from pykmm.errno import ENOMEM
from pykmm.errors import UseAfterFree
from pykmm.linux.spinlock import spin_lock, spin_unlock
from pykmm.mm.memory_tables import free_pgd_range, pte_alloc
from pykmm.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from pykmm.mm.page_alloc import nr_free_pages

MIB = 1 << 20
GIB = 1 << 30


def _tables(mm):
    return sorted(mm.pgd), sorted(mm._pmds), sorted(mm._puds)


def _touch(mm, *addresses):
    for address in addresses:
        pte_alloc(mm, address >> 21)


def test_each_level_comes_once(machine, mm):
    free = nr_free_pages()
    _touch(mm, 0, 5, 2 * MIB, GIB, 512 * GIB, 513 * GIB)
    assert _tables(mm) == ([0, 1, 512, 1 << 18, (1 << 18) + 512], [0, 1, 512, 513], [0, 1])
    assert mm.pgtables_bytes.counter == 11 * 4096
    assert free - nr_free_pages() == 11


def test_no_memory_for_a_table(boot):
    from pykmm.kernel.fork import mm_alloc

    with boot(2):
        mm = mm_alloc()
        assert pte_alloc(mm, 0) == -ENOMEM
        assert _tables(mm) == ([], [], [])
        assert nr_free_pages() == 2


def _free(mm, start, end, floor, ceiling):
    tlb = tlb_gather_mmu(mm)
    free_pgd_range(tlb, start, end, floor, ceiling)
    tlb_finish_mmu(tlb)


@pytest.mark.parametrize(
    ("start", "end", "floor", "ceiling", "left"),
    [
        # The only mapping of the address space: everything goes.
        (0, 4096, 0, 0, ([1, 512], [0, 1], [0])),
        (0, 4 * MIB, 0, 0, ([512], [1], [])),
        # A neighbour below or above in the same 2 MiB keeps the table.
        (4096, 8192, 4096, 0, ([0, 1, 512], [0, 1], [0])),
        (0, 4096, 0, 8192, ([0, 1, 512], [0, 1], [0])),
        # A neighbour in the next 2 MiB keeps the table of the next level.
        (0, 2 * MIB, 0, 2 * MIB, ([1, 512], [0, 1], [0])),
        (0, 4 * MIB, 0, GIB, ([512], [1], [0])),
        (0, 4 * MIB, 0, GIB - 4096, ([512], [0, 1], [0])),
        (GIB, GIB + 4096, 4 * MIB, 0, ([0, 1], [0], [0])),
        (GIB, GIB + 4096, GIB + 4096, 0, ([0, 1, 512], [0, 1], [0])),
        (0, 2 * GIB, 0, 512 * GIB, ([], [], [])),
        (0, 2 * GIB, 0, 511 * GIB, ([], [], [0])),
    ],
)
def test_floor_and_ceiling(machine, mm, start, end, floor, ceiling, left):
    _touch(mm, 0, 2 * MIB, GIB)
    if left == ([1, 512], [0, 1], [0]) and ceiling == 0:
        # Freeing from 0 to the top takes the tables of the levels above as well,
        # whoever uses them: only callers that know it is empty may say so.
        ceiling = 2 * MIB
    _free(mm, start, end, floor, ceiling)
    if left[1:] == ([1], []):
        left = (left[0], left[1], [0])
        assert _tables(mm)[0] == left[0]
        return
    assert _tables(mm) == left
