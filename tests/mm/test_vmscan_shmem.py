# SPDX-License-Identifier: GPL-2.0-only
"""Swapping shared memory out: what becomes of the file, its mappings, and its slots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.boot import Region
from pykmm.linux.mm_types import address_space
from pykmm.linux.mmzone import NODE_DATA
from pykmm.linux.uapi import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    SIGKILL,
)
from pykmm.mm.vmscan import try_to_free_pages, zone_reclaimable_pages
from pykmm.syscalls import (
    exit_group,
    fork,
    ftruncate,
    kill,
    memfd_create,
    mlock,
    mmap,
    munmap,
    pause,
    touch,
)
from pykmm.workbench import Machine, Process

from .shortages import BOTH, NODE, PAGE, booted, hog, killed, rss, two_reclaim, used

#: As much as there is memory.
SWAP = 1024


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with booted(swap=SWAP) as machine:
        yield machine


def sharer(m: Machine, pages: int = 100) -> Process:
    return m.spawn("sharer", regions=[Region("shmem", pages * PAGE, shared=True)])


def shmem(m: Machine) -> address_space:
    return next(x for x in m.alive if isinstance(x, address_space) and x.is_shmem)


def test_pages_go_to_swap_and_come_back(m: Machine) -> None:
    p = sharer(m)
    assert try_to_free_pages(32, NODE) == 32
    # The mapping has no entries for them: where they are, the file knows.
    assert (rss(p.mm), used()) == ((0, 0, 0, 68), 32)
    assert shmem(m)._swapped == {0: (1 << 32) - 1}
    p.runs(lambda: touch(p.memory[0].start, 8 * PAGE) or pause())
    m.run()
    assert (rss(p.mm), used()) == ((0, 0, 0, 76), 24)


def test_two_find_the_same_page_in_swap(m: Machine) -> None:
    p = m.spawn("parent")

    @p.runs
    def _() -> None:
        at = mmap(0, 8 * PAGE, BOTH, MAP_SHARED | MAP_ANONYMOUS)
        touch(at, 8 * PAGE)
        fork(lambda: touch(at, 8 * PAGE, False) or pause())
        assert try_to_free_pages(100, NODE) >= 8
        touch(at, 8 * PAGE, False)
        pause()

    m.run()
    mapping = shmem(m)
    assert (mapping.i_pages, mapping._swapped) == ({0: 0xFF}, {})
    assert used() == 0


def test_without_room_in_swap_they_stay() -> None:
    with booted(swap=20) as m:
        p = sharer(m)
        assert try_to_free_pages(100, NODE) == 20
        assert rss(p.mm) == (0, 0, 0, 80)
        assert zone_reclaimable_pages(NODE_DATA(0)) == 0


def test_a_cgroup_without_swap_keeps_them(m: Machine) -> None:
    box = m.cgroup("box")
    box.swappiness = 0
    p = m.spawn("p", regions=[Region("shmem", 64 * PAGE, shared=True)], memcg=box)
    assert try_to_free_pages(100, NODE) == 0
    box.swappiness = 60
    before = box.memory.usage
    assert try_to_free_pages(64, NODE) == 64
    assert (rss(p.mm)[3], before - box.memory.usage) == (0, 64)


def test_locked_memory_stays(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = mmap(0, 8 * PAGE, BOTH, MAP_SHARED | MAP_ANONYMOUS)
        touch(at, 8 * PAGE)
        mlock(at, 2 * PAGE)
        pause()

    m.run()
    assert try_to_free_pages(100, NODE) == 6
    assert rss(p.mm) == (0, 0, 0, 2)


def test_what_is_cut_off_leaves_swap(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        fd = memfd_create("buffer", 0)
        ftruncate(fd, 8 * PAGE)
        touch(mmap(0, 8 * PAGE, BOTH, MAP_SHARED, fd), 8 * PAGE)
        assert try_to_free_pages(100, NODE) == 8
        assert used() == 8
        ftruncate(fd, 3 * PAGE)
        assert used() == 3
        pause()

    m.run()


def test_swap_is_free_again_when_the_last_sharer_goes(m: Machine) -> None:
    p = sharer(m)
    assert try_to_free_pages(50, NODE) == 50
    p.runs(lambda: exit_group(0))
    m.run()
    assert used() == 0


def test_who_shares_memory_is_not_killed_for_what_swap_can_hold() -> None:
    with booted(swap=SWAP) as m:
        sharer(m, 600)
        other = hog(m, 600)
        m.run()
        assert (other.result, killed()) == ("done", [])


@pytest.mark.parametrize(("limit", "kills"), [(4, ["p"]), (5, [])])
def test_a_copy_and_what_it_is_copied_from_have_to_fit(
    limit: int, kills: list[str]
) -> None:
    """Making room for one by taking the other away would go on for ever."""
    with booted(swap=SWAP) as m:
        box = m.cgroup("box", memory_max=limit * PAGE)
        p = m.spawn("p", memcg=box)

        @p.runs
        def _() -> str:
            fd = memfd_create("buffer", 0)
            ftruncate(fd, PAGE)
            touch(mmap(0, PAGE, BOTH, MAP_PRIVATE, fd), PAGE)
            pause()
            return "woken"

        m.run()
        assert killed() == kills


@pytest.mark.parametrize("seed", range(60))
def test_faults_reclaim_truncation_and_exits_meet_in_any_order(seed: int) -> None:
    with booted(seed, swap=SWAP) as m:
        owner = m.spawn("owner")

        @owner.runs
        def _() -> None:
            fd = memfd_create("buffer", 0)
            ftruncate(fd, 8 * PAGE)
            at = mmap(0, 8 * PAGE, BOTH, MAP_SHARED, fd)
            touch(at, 8 * PAGE)
            fork(lambda: touch(at, 3 * PAGE, False) or munmap(at, 8 * PAGE))
            ftruncate(fd, 5 * PAGE)
            touch(at, 5 * PAGE, False)
            exit_group(0)

        two_reclaim(m, 5)
        m.spawn("killer").runs(lambda: kill(owner.pid, SIGKILL))
        m.run()
