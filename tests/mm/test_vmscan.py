# SPDX-License-Identifier: GPL-2.0-only
"""Reclaiming pages of files: who gets a second chance, who must not go, and races."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pykmm import Scenario, explore
from pykmm.boot import Region
from pykmm.engine import Config
from pykmm.engine.events import conflict
from pykmm.linux.mm_types import address_space
from pykmm.linux.mmzone import NODE_DATA
from pykmm.linux.page_flags import PG_active, PG_locked, PG_referenced
from pykmm.linux.uapi import (
    MAP_PRIVATE,
    MAP_SHARED,
    O_RDWR,
    PROT_READ,
)
from pykmm.linux.uapi_mman import MADV_DONTNEED, MADV_RANDOM, PROT_EXEC
from pykmm.mm._conservation import _books
from pykmm.mm.vmscan import (
    shrink_lruvec,
    try_to_free_mem_cgroup_pages,
    try_to_free_pages,
    zone_reclaimable_pages,
)
from pykmm.mm.vmscan_file import scan_control
from pykmm.syscalls import (
    exit_group,
    fork,
    ftruncate,
    madvise,
    mlock,
    mmap,
    munmap,
    open,
    pause,
    touch,
)
from pykmm.workbench import Machine, Process

from .shortages import BOTH, NODE, PAGE, booted, hog, killed

NR = 8


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with boot() as machine:
        yield machine


@contextmanager
def boot(seed: int | None = None) -> Iterator[Machine]:
    """Have a machine without swap, and with a file."""
    with booted(seed) as m:
        m.file("/file", NR * PAGE)
        yield m


def map_file(
    prot: int = PROT_READ, flags: int = MAP_SHARED, *, write: bool = False
) -> int:
    """Map the file and use all of its pages; return where."""
    at = mmap(0, NR * PAGE, prot, flags, open("/file", O_RDWR))
    touch(at, NR * PAGE, write)
    return at


def reader(m: Machine, name: str = "reader", *args: int) -> Process:
    """Spawn a process that maps the file and lives on."""
    p = m.spawn(name)

    @p.runs
    def _() -> None:
        map_file(*args)
        pause()

    m.run()
    return p


def cache(m: Machine) -> address_space:
    """Return the cache of the file that was made last."""
    files = [x for x in m.alive if isinstance(x, address_space)]
    return [f for f in files if not f.is_shmem][-1]


def flags(m: Machine) -> tuple[int, int, int]:
    """Return which pages are referenced and active, and how many are cached."""
    mapping = cache(m)
    pages = mapping.i_pages.get(0, 0).bit_count()
    found = [mapping._flags[flag].get(0, 0) for flag in (PG_referenced, PG_active)]
    assert not mapping._flags[PG_locked]
    return found[0], found[1], pages


def one_round(nr: int = 100) -> int:
    """Go once through all pages; return how many went."""
    sc = scan_control(nr, lambda origin: True)
    shrink_lruvec(sc)
    return sc.nr_reclaimed


def rss(p: Process) -> int:
    assert p.mm is not None
    return p.mm.rss_stat[0].counter


ALL = (1 << NR) - 1


# -- second chances --------------------------------------------------------------------


def test_a_used_page_is_kept_once_and_goes_the_next_time(m: Machine) -> None:
    p = reader(m)
    assert flags(m) == (0, 0, NR)
    assert one_round() == 0
    assert (flags(m), rss(p)) == ((ALL, 0, NR), NR)
    assert one_round() == NR
    assert (flags(m), rss(p)) == ((0, 0, 0), 0)


def test_a_page_that_is_used_again_becomes_active(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        assert one_round() == 0
        touch(at, 2 * PAGE, False)
        assert one_round() == NR - 2
        pause()

    m.run()
    assert (flags(m), rss(p)) == ((3, 3, 2), 2)
    # Nothing inactive is left: they become inactive, and go with the next round.
    assert (one_round(), flags(m)) == (0, (3, 0, 2))
    assert (one_round(), rss(p)) == (2, 0)


def test_a_page_that_two_use_becomes_active_at_once(m: Machine) -> None:
    reader(m, "first")
    reader(m, "second")
    assert one_round() == 0
    assert flags(m) == (ALL, ALL, NR)


def test_a_page_that_is_run_becomes_active_at_once(m: Machine) -> None:
    reader(m, "program", PROT_READ | PROT_EXEC, MAP_PRIVATE)
    assert (one_round(), flags(m)) == (0, (ALL, ALL, NR))


def test_what_is_run_stays_active_as_long_as_it_is(m: Machine) -> None:
    p = m.spawn("program")

    @p.runs
    def _() -> None:
        at = map_file(PROT_READ | PROT_EXEC, MAP_PRIVATE)
        one_round()
        touch(at, PAGE, False)
        assert one_round() == 0
        assert flags(m) == (ALL, 1, NR)
        pause()

    m.run()


def test_use_through_a_mapping_for_random_reads_does_not_count(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        madvise(at, NR * PAGE, MADV_RANDOM)
        touch(at, NR * PAGE, False)
        assert one_round() == NR
        pause()

    m.run()
    assert rss(p) == 0


def test_a_cgroup_does_not_mind_whether_others_use_its_pages(m: Machine) -> None:
    box = m.cgroup("box")
    mine = m.spawn("mine", memcg=box)
    mine.runs(lambda: map_file() and exit_group(0))
    m.run()
    p = reader(m, "other")
    assert box.memory.usage == NR
    sc = scan_control(100, lambda origin: origin[1] is box, box)
    shrink_lruvec(sc)
    assert (sc.nr_reclaimed, rss(p), box.memory.usage) == (NR, 0, 0)


def test_the_pages_of_a_closed_file_go_at_once(m: Machine) -> None:
    """That they were used once, as unmapping them noted, does not save them."""
    p = m.spawn("p")
    p.runs(lambda: map_file() and exit_group(0))
    m.run()
    assert flags(m) == (ALL, 0, NR)
    assert (try_to_free_pages(3, NODE), flags(m)) == (3, (ALL & ~7, 0, NR - 3))
    assert cache(m).i_pages == {0: ALL & ~7}


def test_who_unmaps_what_was_used_before_makes_it_active(m: Machine) -> None:
    for name in ("first", "second"):
        p = m.spawn(name)
        p.runs(lambda: map_file() and exit_group(0))
        m.run()
    assert flags(m) == (0, ALL, NR)
    assert one_round() == 0
    p = m.spawn("third")
    p.runs(lambda: map_file() and exit_group(0))
    m.run()
    assert flags(m) == (ALL, 0, NR)


def test_unmapping_what_was_not_used_or_is_read_in_any_order_notes_nothing(
    m: Machine,
) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        madvise(at, NR * PAGE, MADV_RANDOM)
        exit_group(0)

    m.run()
    assert flags(m) == (0, 0, NR)


# -- what stays, and what counts -------------------------------------------------------


def test_locked_memory_stays_and_does_not_count(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        mlock(at, 3 * PAGE)
        pause()

    m.run()
    assert zone_reclaimable_pages(NODE_DATA(0)) == NR - 3
    assert try_to_free_pages(100, NODE) == NR - 3
    assert (rss(p), zone_reclaimable_pages(NODE_DATA(0))) == (3, 0)


def test_private_copies_stay(m: Machine) -> None:
    p = m.spawn("p")
    p.runs(lambda: touch(map_file(BOTH, MAP_PRIVATE), 2 * PAGE) or pause())
    m.run()
    assert try_to_free_pages(100, NODE) == NR
    assert p.mm is not None
    assert (rss(p), p.mm.rss_stat[1].counter) == (0, 2)


def test_a_page_that_went_is_read_again(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        assert try_to_free_pages(100, NODE) == NR
        touch(at, NR * PAGE, False)
        pause()

    m.run()
    assert (rss(p), flags(m)) == (NR, (0, 0, NR))


def test_reclaim_takes_what_is_missing_and_no_more(m: Machine) -> None:
    p = m.spawn("p", regions=[Region("file", 100 * PAGE, shared=True)])
    assert try_to_free_pages(32, NODE) == 32
    assert rss(p) == 68
    assert cache(m).i_pages == {0: (1 << 100) - (1 << 32)}


def test_a_cgroup_takes_its_own_pages_by_32(m: Machine) -> None:
    box = m.cgroup("box")
    p = m.spawn("p", regions=[Region("file", 100 * PAGE, shared=True)], memcg=box)
    other = m.spawn("other", regions=[Region("file", 100 * PAGE, shared=True)])
    assert try_to_free_mem_cgroup_pages(box, 1) == 32
    assert (rss(p), rss(other)) == (68, 100)


@pytest.mark.parametrize("shared", [True, False])
def test_who_maps_a_clean_file_is_not_killed_for_its_pages(shared: bool) -> None:
    """The kernel killed here as long as pages of open files could not be reclaimed."""
    with boot() as m:
        files = m.spawn("files", regions=[Region("file", 3 << 20, shared=shared)])
        other = hog(m, 512)
        m.run()
        assert (other.result, rss(files) < 512, killed()) == ("done", True, [])


def test_a_program_reads_a_file_larger_than_memory() -> None:
    with boot() as m:
        p = m.spawn("p", regions=[Region("file", 16 << 20, shared=True, populated=0)])
        p.runs(lambda: touch(p.memory[0].start, 16 << 20, False) or "done")
        m.run()
        assert p.result == "done"


def test_a_page_that_went_to_make_room_for_the_next_is_read_again(m: Machine) -> None:
    box = m.cgroup("box", memory_max=4 * PAGE)  # a page, and what maps it
    p = m.spawn("p", memcg=box)

    @p.runs
    def _() -> str:
        at = mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, open("/file", O_RDWR))
        touch(at, PAGE, False)
        madvise(at, PAGE, MADV_DONTNEED)
        touch(at, 2 * PAGE, False)
        return "done"

    m.run()
    assert p.result == "done"
    assert cache(m).i_pages == {0: 0b10}
    assert box.memory.usage == 4


# -- races -----------------------------------------------------------------------------


def test_whether_a_file_has_pages_before_reclaim_looks_is_a_race(m: Machine) -> None:
    """Both look at one list, so their steps are on it, and conflict."""
    m.spawn("first").runs(lambda: map_file() and exit_group(0))
    m.spawn("short").runs(lambda: try_to_free_pages(100, NODE))
    m.run()
    steps = {event.kind: event for event in m.events if "Lru" in event.obj.name}
    assert conflict(steps["folio_add_lru"], steps["isolate_lru_folios"])


@pytest.mark.parametrize("seed", range(60))
def test_faults_reclaim_and_truncation_meet_in_any_order(seed: int) -> None:
    with boot(seed) as m:
        for n in range(2):
            p = m.spawn(f"user{n}")

            @p.runs
            def _() -> None:
                at = map_file(BOTH, MAP_PRIVATE)
                touch(at, NR * PAGE, False)
                child = fork(lambda: touch(at, NR * PAGE, False))
                touch(at, PAGE)
                munmap(at, 2 * PAGE)
                assert child > 0

        m.spawn("short").runs(lambda: [try_to_free_pages(9, NODE) for _ in range(3)])
        m.spawn("too").runs(lambda: [try_to_free_pages(99, NODE) for _ in range(3)])

        @m.spawn("cutter").runs
        def _() -> None:
            fd = open("/file", O_RDWR)
            assert isinstance(fd, int)
            ftruncate(fd, 5 * PAGE)
            ftruncate(fd, 50 * PAGE)

        m.run()
        assert not cache(m)._flags[PG_locked]


def _one_page(m: Machine) -> tuple[int, int]:
    """Let somebody use a page while it is being reclaimed."""
    p = m.spawn("user", regions=[Region("file", PAGE, shared=True)])
    p.runs(lambda: touch(p.memory[0].start, PAGE, False) or pause())
    short = m.spawn("short")
    short.runs(lambda: one_round())
    m.run()
    assert _books() == []
    return int(str(short.result)), rss(p)


def test_every_order_of_a_use_and_reclaim() -> None:
    """Used before, it is kept; used behind, it is read again, but not in between."""
    result = explore(
        Scenario(name="reclaim", function=_one_page, config=Config(node_pages=(64,)))
    )
    assert result.complete
    assert {outcome.value for outcome in result.outcomes} == {(0, 1), (1, 0), (1, 1)}
