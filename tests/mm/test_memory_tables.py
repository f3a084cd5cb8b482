# SPDX-License-Identifier: GPL-2.0-only
"""Page tables: when they come, and how far around a mapping they go."""

from __future__ import annotations

import pytest

from pykmm.errno import ENOMEM
from pykmm.errors import UseAfterFree
from pykmm.kernel.fork import mm_alloc
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
    assert _tables(mm) == (
        [0, 1, 512, 1 << 18, (1 << 18) + 512],
        [0, 1, 512, 513],
        [0, 1],
    )
    assert mm.pgtables_bytes.counter == 11 * 4096
    assert free - nr_free_pages() == 11


def test_no_memory_for_a_table(boot):
    with boot(2):
        mm = mm_alloc()
        assert pte_alloc(mm, 0) == -ENOMEM
        assert _tables(mm) == ([], [], [])
        assert nr_free_pages() == 2


def _free(mm, start, end, floor, ceiling):
    tlb = tlb_gather_mmu(mm)
    free_pgd_range(tlb, start, end, floor, ceiling)
    tlb_finish_mmu(tlb)


ALL = ([0, 1, 512], [0, 1], [0])


@pytest.mark.parametrize(
    ("start", "end", "floor", "ceiling", "left"),
    [
        # All of the address space, and nothing else in it.
        (0, 2 * GIB, 0, 0, ([], [], [])),
        (0, GIB + 4096, 0, 0, ([], [], [])),
        # A neighbour in the same 2 MiB, below or above, keeps everything.
        (4096, 8192, 4096, 0, ([0, 1, 512], [0, 1], [0])),
        (0, 4096, 0, 8192, ALL),
        # One in the next 2 MiB keeps the levels above.
        (0, 4096, 0, 2 * MIB, ([1, 512], [0, 1], [0])),
        (2 * MIB, 4 * MIB, 4096, GIB, ([0, 512], [0, 1], [0])),
        # One in the next 1 GiB keeps the top level.
        (0, 4 * MIB, 0, GIB, ([512], [1], [0])),
        (0, 4 * MIB, 0, GIB + 4096, ([512], [1], [0])),
        (GIB, GIB + 4096, 4 * MIB, 0, ([0, 1], [0], [0])),
        (0, GIB, 0, GIB, ([512], [1], [0])),
        # One in the rest of the 1 GiB, or of the 512 GiB.
        (0, 4 * MIB, 0, GIB - 4096, ([512], [0, 1], [0])),
        (0, 2 * GIB, 0, 512 * GIB, ([], [], [])),
        (0, 2 * GIB, 0, 511 * GIB, ([], [], [0])),
        # Nothing but pieces of tables that others use.
        (4096, 2 * MIB - 4096, 4096, 2 * MIB - 4096, ALL),
    ],
)
def test_floor_and_ceiling(machine, mm, start, end, floor, ceiling, left):
    _touch(mm, 0, 2 * MIB, GIB)
    _free(mm, start, end, floor, ceiling)
    assert _tables(mm) == left


def test_the_counter_falls_once_for_a_range(machine, mm):
    _touch(mm, 0, 2 * MIB, GIB)
    machine.thread("freer", lambda: _free(mm, 0, 2 * GIB, 0, 0))
    machine.run()
    steps = [(e.kind, e.value) for e in machine.events[1:]]
    assert steps == [("atomic_long_add", 0), ("__free_pages", nr_free_pages())]


@pytest.mark.parametrize("met_before", [False, True])
def test_a_freed_table_must_not_be_touched(machine, mm, met_before):
    _touch(mm, 0)
    table = mm.pgd[0]
    if met_before:
        spin_lock(table.ptl)
        spin_unlock(table.ptl)
    _free(mm, 0, 4096, 0, 0)
    with pytest.raises(UseAfterFree, match=r"mm_struct#1\.pte was touched"):
        spin_lock(table.ptl)


def test_two_faults_make_one_table(boot):
    for seed in range(40):
        with boot(seed=seed) as machine:
            mm = mm_alloc()
            free = nr_free_pages()
            found = []
            for name in ("a", "b"):
                machine.thread(
                    name, lambda mm=mm, found=found: found.append(pte_alloc(mm, 7))
                )
            machine.run()
            assert found == [mm.pgd[7]] * 2
            assert free - nr_free_pages() == 3
