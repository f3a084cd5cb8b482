# SPDX-License-Identifier: GPL-2.0-only
"""Which counters a kernel's badness reads."""

from __future__ import annotations

import pytest
from attrs import evolve

from pykmm.predict.pages import Counting, Pages, counted, counting_of, other_counts
from pykmm.predict.parse import Memory, Stat
from pykmm.predict.tasks import TaskReading

STAT = Stat("x", "S", 1, 0, 1, 0, 0, 0, ())
MEMORY = Memory(size=9000, anon=4000, file=400, shmem=40, swap=4, tables=12)
TASK = TaskReading(2, STAT, 0, MEMORY, 1100, 0, 666, 666)


@pytest.mark.parametrize(
    ("release", "counting"),
    [
        ("5.10.0", Counting.BATCHES),
        ("6.19.14", Counting.BATCHES),
        ("7.0.0", Counting.SUMS),
        ("7.2", Counting.SUMS),
        ("unknown", Counting.SUMS),
        (None, Counting.SUMS),
    ],
)
def test_kernels_add_up_since_7_0(release: str | None, counting: Counting) -> None:
    assert counting_of(release) is counting


def test_sums_are_those_of_status() -> None:
    pages = counted(TASK, Counting.SUMS, 4096)
    assert pages == Pages(file=100, anon=1000, shmem=10, swap=1, tables=12288)
    assert pages.rss == 1110


def test_batches_have_the_rss_of_stat_and_the_largest_kind_is_off() -> None:
    pages = counted(TASK, Counting.BATCHES, 4096)
    assert pages == Pages(file=100, anon=990, shmem=10, swap=1, tables=12288)


def test_small_processes_can_show_next_to_nothing() -> None:
    memory = evolve(MEMORY, anon=200, file=200, shmem=0)
    pages = counted(evolve(TASK, memory=memory, rss=3), Counting.BATCHES, 4096)
    assert (pages.file, pages.anon, pages.shmem) == (0, 3, 0)


def test_pages_can_be_larger() -> None:
    memory = Memory(size=64000, anon=6400, file=640, shmem=64, swap=128, tables=192)
    pages = counted(evolve(TASK, memory=memory), Counting.SUMS, 1 << 16)
    assert pages == Pages(file=10, anon=100, shmem=1, swap=2, tables=192 << 10)


def test_a_task_without_memory_has_no_pages() -> None:
    assert counted(evolve(TASK, memory=None), Counting.BATCHES, 4096) == Pages()


def test_swap_entries_may_be_held_back_by_each_cpu() -> None:
    memory = evolve(MEMORY, swap=4000)
    found = other_counts(evolve(TASK, memory=memory), Counting.BATCHES, 4096, 100)
    # 100 CPUs pass on 200 at once, so that 20,000 may be missing, or too many.
    assert [pages.swap for pages in found] == [1000, 0, 21000]
    assert [pages.rss for pages in found] == [1110, 1100, 1100]


def test_what_is_not_swapped_is_not_held_back() -> None:
    memory = evolve(MEMORY, swap=0)
    found = other_counts(evolve(TASK, memory=memory), Counting.BATCHES, 4096, 100)
    assert {pages.swap for pages in found} == {0}


def test_newer_kernels_hold_nothing_back() -> None:
    found = other_counts(TASK, Counting.SUMS, 4096, 100)
    assert [(pages.rss, pages.swap) for pages in found] == [(1100, 1)]
