# SPDX-License-Identifier: GPL-2.0-only
"""Swapping out: who has to give pages, who must not, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.kernel.fork import mm_alloc
from pykmm.linux.mm import VM_LOCKED, mm_flags_set
from pykmm.linux.mm_types import MMF_UNSTABLE, mm_struct
from pykmm.linux.printk import console
from pykmm.linux.uapi import SIGKILL
from pykmm.mm._conservation import _books
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import kill, pause, touch
from pykmm.workbench import Machine, Process

PAGE = 4096
NODE = frozenset([0])


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    """A machine of 4 MiB with as much swap."""
    with _boot() as machine:
        yield machine
        assert _books() == []


def _boot(seed: int | None = None, pages: int = 1024, swap: int = 1024) -> Machine:
    config = Config(node_pages=(pages,), total_swap_pages=swap, timers=Timers.IDLE)
    return Machine(config, scheduler=None if seed is None else RandomWalk(seed))


def rss(mm: mm_struct | None) -> tuple[int, ...]:
    assert mm is not None
    return tuple(counter.counter for counter in mm.rss_stat)


def test_pages_go_to_swap_and_come_back(m: Machine) -> None:
    mm = mm_alloc()
    vma = _map_region(mm, 0, 1 << 20, kind="anon", populate_pages=100)
    free, slots = nr_free_pages(), nr_swap_pages().counter
    assert try_to_free_pages(30, NODE) == 30
    assert rss(mm) == (0, 70, 30, 0)
    assert (nr_free_pages() - free, slots - nr_swap_pages().counter) == (30, 30)
    assert mm.pgd[0].present[2] == (1 << 30) - 1
    assert try_to_free_pages(1000, NODE) == 70
    assert rss(mm) == (0, 0, 100, 0)
    from pykmm.mm.memory_fault import _fault_in_range

    assert _fault_in_range(vma, 0, 40 * PAGE) == 0
    assert rss(mm) == (0, 40, 60, 0)
    assert slots - nr_swap_pages().counter == 60


def test_what_was_used_goes_last(m: Machine) -> None:
    p = m.spawn("p", anon="64K")
    p.runs(lambda: touch(p.memory[0].start, 4 * PAGE) or pause())
    m.run()
    assert p.mm is not None
    table = next(iter(p.mm.pgd.values()))
    assert try_to_free_pages(12, NODE) == 12
    # Nothing else is left: they are looked at a second time, and go.
    assert table.present[1].bit_count() == 4
    assert try_to_free_pages(4, NODE) == 4
    assert rss(p.mm) == (0, 0, 16, 0)


def test_full_swap_takes_no_more() -> None:
    with _boot(swap=20):
        mm = mm_alloc()
        _map_region(mm, 0, 1 << 20, kind="anon", populate_pages=100)
        assert try_to_free_pages(50, NODE) == 20
        assert try_to_free_pages(50, NODE) == 0
        assert _books() == []


def test_whose_memory_is_about_to_go_is_left_alone(m: Machine) -> None:
    locked, dying, other = mm_alloc(), mm_alloc(), mm_alloc()
    _map_region(
        locked, 0, 1 << 20, kind="anon", populate_pages=9, extra_flags=VM_LOCKED
    )
    for mm in (dying, other):
        _map_region(mm, 0, 1 << 20, kind="anon", populate_pages=9)
    mm_flags_set(MMF_UNSTABLE, dying)
    assert try_to_free_pages(99, NODE) == 9
    assert [rss(mm)[2] for mm in (locked, dying, other)] == [0, 0, 9]


def test_a_cgroup_may_keep_its_pages(m: Machine) -> None:
    box = m.cgroup("box")
    box.swappiness = 0
    app = m.spawn("app", anon="64K", memcg=box)
    assert try_to_free_pages(99, NODE) == 0
    box.swappiness = 60
    assert try_to_free_pages(99, NODE) == 16
    assert box.memory.usage == (app.mm.pgtables_bytes.counter >> 12 if app.mm else 0)


def _hog(m: Machine, pages: int, name: str = "hog") -> Process:
    region = Region("anon", pages * PAGE, populated=0)
    p = m.spawn(name, regions=[region])

    @p.runs
    def _() -> str:
        touch(p.memory[0].start, pages * PAGE)
        return "done"

    return p


def _killed() -> list[str]:
    lines = [line.partition("Killed process ")[2] for line in console().verdicts()]
    return [line.split("(")[1].split(")")[0] for line in lines if line]


def test_a_sleeper_is_swapped_out_before_anybody_is_killed(m: Machine) -> None:
    sleeper = m.spawn("sleeper", anon="2M")
    hog = _hog(m, 800)
    m.run()
    assert (hog.result, _killed()) == ("done", [])
    swapped = rss(sleeper.mm)[2] + rss(hog.mm)[2]
    assert swapped >= 512 + 800 - 1024


def test_when_swap_is_full_somebody_is_killed() -> None:
    with _boot(swap=100) as m:
        m.spawn("sleeper", anon="2M")
        hog = _hog(m, 1000)
        m.run()
        assert (hog.result, _killed()) == (None, ["hog"])
        assert _books() == []


@pytest.mark.parametrize("seed", range(25))
def test_two_hogs_and_an_exit_beside_each_other(seed: int) -> None:
    with _boot(seed, swap=2048) as m:
        sleeper = m.spawn("sleeper", anon="1M")
        hogs = [_hog(m, 500, f"hog{n}") for n in range(2)]
        killer = m.spawn("killer")
        killer.runs(lambda: kill(sleeper.pid, SIGKILL))
        m.run()
        assert [hog.result for hog in hogs] == ["done", "done"]
        assert (_killed(), sleeper.mm) == ([], None)
        assert _books() == []


@pytest.mark.parametrize("seed", range(10))
def test_a_limit_swaps_out_too(seed: int) -> None:
    with _boot(seed) as m:
        box = m.cgroup("box", memory_max=64 * PAGE)
        region = Region("anon", 200 * PAGE, populated=0)
        app = m.spawn("app", regions=[region], memcg=box)
        app.runs(lambda: touch(app.memory[0].start, 200 * PAGE))
        m.run()
        assert app.mm is not None
        assert rss(app.mm)[1] + rss(app.mm)[2] == 200
        assert _killed() == []
        assert _books() == []
