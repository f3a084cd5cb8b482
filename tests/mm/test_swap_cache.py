# SPDX-License-Identifier: GPL-2.0-only
"""The swap cache: pages that are in memory and in swap, and slots that several name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.linux.mm_types import mm_struct
from pykmm.linux.mmzone import NODE_DATA
from pykmm.linux.printk import console
from pykmm.linux.sched import current
from pykmm.linux.uapi import PROT_READ, PROT_WRITE, SIGKILL
from pykmm.linux.uapi_mman import MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT
from pykmm.mm._conservation import _books
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.show_mem import __show_mem
from pykmm.mm.vmscan import try_to_free_pages, zone_reclaimable_pages
from pykmm.mm.vmstat import memory_by_use
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    madvise,
    mlock,
    mmap,
    mprotect,
    mremap,
    munmap,
    pause,
    touch,
)
from pykmm.workbench import Machine

from .shortages import NODE, PAGE, booted, killed, two_reclaim, used

SWAP = 256


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with booted(swap=SWAP) as machine:
        yield machine


def cached() -> int:
    return memory_by_use(lambda _: True)["NR_SWAPCACHE"]


def rss() -> tuple[int, int]:
    """Return how many pages current has in memory, and in swap."""
    mm = current().mm
    assert mm is not None
    return mm.rss_stat[1].counter, mm.rss_stat[2].counter


def test_what_is_read_stays_in_swap_until_it_is_written(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        assert try_to_free_pages(8, NODE) == 8
        assert (rss(), used(), cached()) == ((0, 8), 8, 0)
        touch(at, 8 * PAGE, False)
        assert (rss(), used(), cached()) == ((8, 0), 8, 8)
        munmap(at, 2 * PAGE)
        assert (rss(), used(), cached()) == ((6, 0), 6, 6)
        # Its page is there already, and free again without another slot.
        assert try_to_free_pages(6, NODE) == 6
        assert (rss(), used(), cached()) == ((0, 6), 6, 0)
        touch(at + 2 * PAGE, 6 * PAGE)
        assert (rss(), used(), cached()) == ((6, 0), 0, 0)
        pause()

    m.run()


def test_the_second_who_reads_a_slot_finds_the_page(m: Machine) -> None:
    p = m.spawn("p")
    seen = []

    def child(at: int) -> None:
        free = nr_free_pages()
        touch(at, 8 * PAGE, False)
        seen.append((free - nr_free_pages(), rss(), used(), cached()))
        pause()

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        assert try_to_free_pages(8, NODE) == 8
        fork(lambda: child(at))
        touch(at, 8 * PAGE, False)
        pause()

    m.run()
    # The parent reads while the child is being made.
    assert seen == [(0, (8, 0), 8, 8)]


def test_pages_that_fork_shares_go_to_one_slot(m: Machine) -> None:
    p = m.spawn("p")
    free = nr_free_pages()

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        fork(pause)
        assert zone_reclaimable_pages(NODE_DATA(0)) == 8
        before = nr_free_pages()
        assert try_to_free_pages(100, NODE) == 8
        assert (nr_free_pages() - before, rss(), used()) == (8, (0, 8), 8)
        touch(at, PAGE)
        # The other one still needs what was there.
        assert (rss(), used(), cached()) == ((1, 7), 8, 1)
        madvise(at, 4 * PAGE, MADV_DONTNEED)
        assert (rss(), used(), cached()) == ((0, 4), 8, 1)
        pause()

    m.run()
    _, child = family(m)
    assert [child.rss_stat[n].counter for n in (1, 2)] == [0, 8]
    for task in m.tasks():
        if task.comm == "p":
            kill(task.pid, SIGKILL)
    m.run()
    assert (used(), nr_free_pages()) == (0, free)


def family(m: Machine) -> tuple[mm_struct, mm_struct]:
    parent, child = (t.mm for t in m.tasks() if t.comm == "p")
    assert parent is not None
    assert child is not None
    return parent, child


def test_who_writes_last_keeps_the_page_and_frees_the_slot(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(4 * PAGE)
        touch(at, 4 * PAGE)
        fork(lambda: touch(at, 4 * PAGE) or pause())
        assert try_to_free_pages(100, NODE) == 4
        pause()

    m.run()
    # The child has copies, and the cache has what they were copied from.
    assert (used(), cached()) == (4, 4)
    kill(p.pid, SIGKILL)
    m.run()
    assert (used(), cached()) == (0, 0)


@pytest.mark.parametrize(("swap", "slots"), [(32, 16), (31, 0)])
def test_swap_that_is_getting_full_is_freed_at_once(swap: int, slots: int) -> None:
    with booted(swap=swap) as m:
        p = m.spawn("p")

        @p.runs
        def _() -> None:
            at = mmap(16 * PAGE)
            touch(at, 16 * PAGE)
            assert try_to_free_pages(16, NODE) == 16
            touch(at, 16 * PAGE, False)
            assert used() == slots
            pause()

        m.run()


def test_a_locked_mapping_keeps_a_page_for_all(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        fork(pause)
        mlock(at, 3 * PAGE)
        pause()

    m.run()
    # Locking wants pages of one's own: the child has the old ones, alone.
    assert try_to_free_pages(100, NODE) == 8
    parent, child = family(m)
    assert parent.rss_stat[1].counter == 3
    assert child.rss_stat[1].counter == 0


def test_a_locked_parent_keeps_pages_for_its_child(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        mlock(at, 3 * PAGE)
        fork(pause)
        pause()

    m.run()
    assert zone_reclaimable_pages(NODE_DATA(0)) == 5
    assert try_to_free_pages(100, NODE) == 5
    _, child = family(m)
    assert child.rss_stat[1].counter == 3


def test_what_a_child_uses_is_spared_once(m: Machine) -> None:
    p = m.spawn("p", anon="32K")
    at = p.memory[0].start

    @p.runs
    def _() -> None:
        fork(lambda: touch(at + 4 * PAGE, 4 * PAGE, False) or pause())
        pause()

    m.run()
    assert try_to_free_pages(4, NODE) == 4
    _, child = family(m)
    assert [bin(t.present[1]).count("1") for t in child.pgd.values()] == [4]
    (table,) = child.pgd.values()
    assert table.present[2] << 4 == table.present[1]


def test_a_mapping_that_moved_is_found(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        fork(pause)
        moved = mremap(at, 8 * PAGE, 8 * PAGE, 3, 1 << 30)
        assert moved == 1 << 30
        assert try_to_free_pages(100, NODE) == 8
        assert rss() == (0, 8)
        touch(moved, 8 * PAGE)
        pause()

    m.run()
    assert used() == 8


def test_advice_leaves_alone_what_others_map(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        fork(pause)
        touch(at, 2 * PAGE)
        assert madvise(at, 8 * PAGE, MADV_PAGEOUT) == 0
        assert (rss(), used()) == ((6, 2), 2)
        assert madvise(at, 8 * PAGE, MADV_FREE) == 0
        assert (rss(), used()) == ((6, 0), 0)
        pause()

    m.run()


def test_a_page_of_a_read_only_mapping_stays_in_the_cache(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(4 * PAGE)
        touch(at, 4 * PAGE)
        assert try_to_free_pages(4, NODE) == 4
        mprotect(at, 4 * PAGE, PROT_READ)
        touch(at, 4 * PAGE, False)
        mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE)
        free = nr_free_pages()
        touch(at, 4 * PAGE)
        # It was never shared, so it is not copied; nor is its slot looked at.
        assert (free - nr_free_pages(), used(), cached()) == (0, 4, 4)
        pause()

    m.run()


def test_the_summary_of_memory_tells_of_the_swap_cache(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(8 * PAGE)
        touch(at, 8 * PAGE)
        assert try_to_free_pages(8, NODE) == 8
        touch(at, 8 * PAGE, False)
        __show_mem(0, None, 0)
        pause()

    m.run()
    lines = [line for _, line in console().lines]
    assert "8 pages in swap cache" in lines
    assert "Free swap  = 992kB" in lines
    assert "8 total pagecache pages" in lines


@pytest.mark.parametrize(("limit", "kills"), [(7, 1), (8, 0)])
def test_a_copy_and_the_page_that_fork_shares_have_to_fit(
    limit: int, kills: int
) -> None:
    """Swapping one out for the other would go on for ever."""
    with booted(swap=SWAP) as m:
        # Two address spaces of three tables each, and the page.
        box = m.cgroup("box", memory_max=limit * PAGE)
        p = m.spawn("p", memcg=box)

        @p.runs
        def _() -> None:
            at = mmap(PAGE)
            touch(at, PAGE)
            fork(lambda: touch(at, PAGE) or pause())
            pause()

        m.run()
        assert len(killed()) == kills


@pytest.mark.parametrize("seed", range(60))
def test_faults_reclaim_forks_and_exits_meet_in_any_order(seed: int) -> None:
    with booted(seed, swap=SWAP) as m:
        free = nr_free_pages()
        p = m.spawn("p")

        def child(at: int) -> None:
            touch(at, 4 * PAGE, False)
            touch(at + 2 * PAGE, 4 * PAGE)
            munmap(at, 3 * PAGE)
            pause()

        @p.runs
        def _() -> None:
            at = mmap(8 * PAGE)
            touch(at, 8 * PAGE)
            fork(lambda: child(at))
            touch(at, 3 * PAGE)
            fork(lambda: child(at))
            touch(at, 8 * PAGE, False)
            exit_group(0)

        two_reclaim(m, 3)
        m.spawn("killer").runs(lambda: kill(p.pid, SIGKILL))
        m.run()
        assert _books() == []
        for task in m.tasks():
            if task.comm in ("p", "short", "too", "killer"):
                kill(task.pid, SIGKILL)
        m.run()
        assert (used(), nr_free_pages()) == (0, free)
