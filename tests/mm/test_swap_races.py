# SPDX-License-Identifier: GPL-2.0-only
"""Faults, reclaim and unmapping of one swapped page, in any order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Scenario, explore
from pykmm.engine import Config, Timers
from pykmm.kernel.fork import mm_alloc
from pykmm.linux.mm_types import mm_struct, vm_area_struct
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from pykmm.mm._conservation import _books
from pykmm.mm.internal import anon_vma_lock_read, anon_vma_unlock_read
from pykmm.mm.memory import zap_vma_range
from pykmm.mm.memory_copy import copy_page_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.rmap import anon_vma_fork
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.mm.vmscan_anon import _isolate_from, shrink_folio_list
from pykmm.workbench import Machine

PAGE = 4096
SLOTS = 16
CONFIG = Config(node_pages=(256,), total_swap_pages=SLOTS, timers=Timers.IDLE)

#: Of parent and child, how many pages are in memory and in swap; and slots in use.
Outcome = tuple[tuple[int, int], tuple[int, int], int]
Work = Callable[[vm_area_struct, vm_area_struct], None]


def fork(pvma: vm_area_struct) -> vm_area_struct:
    mm = mm_alloc()
    vma = _map_region(mm, 0, PAGE, kind="anon")
    mmap_write_lock(pvma.vm_mm)
    mmap_write_lock(mm)
    assert anon_vma_fork(vma, pvma) == 0
    assert copy_page_range(vma, pvma) == 0
    mmap_write_unlock(mm)
    mmap_write_unlock(pvma.vm_mm)
    return vma


def fault(vma: vm_area_struct, *, write: bool) -> None:
    mmap_read_lock(vma.vm_mm)
    assert _fault_in_range(vma, 0, PAGE, write=write) == 0
    mmap_read_unlock(vma.vm_mm)


def parent_reads(parent: vm_area_struct, _: vm_area_struct) -> None:
    fault(parent, write=False)


def parent_writes(parent: vm_area_struct, _: vm_area_struct) -> None:
    fault(parent, write=True)


def child_reads(_: vm_area_struct, child: vm_area_struct) -> None:
    fault(child, write=False)


def child_writes(_: vm_area_struct, child: vm_area_struct) -> None:
    fault(child, write=True)


def child_unmaps(_: vm_area_struct, child: vm_area_struct) -> None:
    mmap_read_lock(child.vm_mm)
    zap_vma_range(child, 0, PAGE)
    mmap_read_unlock(child.vm_mm)


def reclaim(_: vm_area_struct, __: vm_area_struct) -> None:
    try_to_free_pages(1, frozenset({0}))


def rss(mm: mm_struct) -> tuple[int, int]:
    return mm.rss_stat[1].counter, mm.rss_stat[2].counter


def outcome(m: Machine, works: tuple[Work, ...]) -> Outcome:
    """Let *works* meet at a page in swap that parent and child share."""
    parent = _map_region(mm_alloc(), 0, PAGE, kind="anon", swapped_pages=1)
    child = fork(parent)
    for work in works:
        m.thread(work.__name__, lambda work=work: work(parent, child))
    m.run()
    assert _books() == []
    used = SLOTS - nr_swap_pages().counter
    return rss(parent.vm_mm), rss(child.vm_mm), used


EITHER = {
    (parent_reads, child_unmaps): {((1, 0), (0, 0), 1)},
    # Who writes alone keeps the page, and needs no slot.
    (parent_writes, child_unmaps): {((1, 0), (0, 0), 0)},
    (parent_reads, child_reads): {((1, 0), (1, 0), 1)},
    (parent_writes, child_writes): {((1, 0), (1, 0), 0)},
}

MET = {
    # Who reads takes the page in; the slot stays, because the other one names it.
    (parent_reads, reclaim): {((1, 0), (0, 1), 1), ((0, 1), (0, 1), 1)},
    # Who writes gets a copy: of that nothing was in swap before.
    (parent_writes, reclaim): {((1, 0), (0, 1), 1), ((0, 1), (0, 1), 2)},
}


def name(works: tuple[Work, ...]) -> str:
    return "-".join(work.__name__ for work in works)


def scenario(works: tuple[Work, ...]) -> Scenario:
    return Scenario(name="swap", function=lambda m: outcome(m, works), config=CONFIG)


@pytest.mark.parametrize("works", EITHER, ids=name)
def test_every_order_of_two(works: tuple[Work, ...]) -> None:
    result = explore(scenario(works))
    assert result.complete
    assert not result.reports
    assert {found.value for found in result.outcomes} == EITHER[works]


@pytest.mark.parametrize("works", MET, ids=name)
def test_every_order_of_a_fault_and_reclaim(works: tuple[Work, ...]) -> None:
    result = explore(scenario(works))
    assert result.complete
    assert not result.reports
    assert {found.value for found in result.outcomes} == MET[works]


@pytest.mark.parametrize(
    "works",
    [
        (parent_reads, child_writes, reclaim),
        (parent_writes, child_unmaps, reclaim),
        (parent_reads, child_reads, reclaim),
    ],
    ids=name,
)
def test_orders_of_three(works: tuple[Work, ...]) -> None:
    result = explore(scenario(works), scheduler="pct", executions=300)
    assert not result.reports


def test_a_page_that_is_unmapped_in_the_hands_of_reclaim_is_freed_by_it() -> None:
    with Machine(CONFIG):
        vma = _map_region(mm_alloc(), 0, 4 * PAGE, kind="anon", populate_pages=4)
        table, found = vma.vm_mm.pgd[0], vma.anon_vma
        assert found is not None
        (pages,), _ = _isolate_from(vma, table, 0b1111, lambda _: True)
        free = nr_free_pages()
        zap_vma_range(vma, 0, 4 * PAGE)
        assert nr_free_pages() == free
        anon_vma_lock_read(found)
        assert shrink_folio_list(pages) == (4, 0)
        anon_vma_unlock_read(found)
        assert (nr_free_pages() - free, SLOTS - nr_swap_pages().counter) == (4, 0)
        assert _books() == []
