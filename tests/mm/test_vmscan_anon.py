# SPDX-License-Identifier: GPL-2.0-only
"""Swapping out: who has to give pages, who must not, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.kernel.fork import mm_alloc
from pykmm.linux.mm import VM_LOCKED, mm_flags_set
from pykmm.linux.mm_types import MMF_UNSTABLE
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.syscalls import kill, pause, touch
from pykmm.workbench import Machine

from .shortages import NODE, PAGE, booted, hog, killed, rss


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    """A machine of 4 MiB with as much swap."""
    with booted(swap=1024) as machine:
        yield machine


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
    with booted(swap=20):
        mm = mm_alloc()
        _map_region(mm, 0, 1 << 20, kind="anon", populate_pages=100)
        assert try_to_free_pages(50, NODE) == 20
        assert try_to_free_pages(50, NODE) == 0


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


def test_a_sleeper_is_swapped_out_before_anybody_is_killed(m: Machine) -> None:
    sleeper = m.spawn("sleeper", anon="2M")
    other = hog(m, 800)
    m.run()
    assert (other.result, killed()) == ("done", [])
    swapped = rss(sleeper.mm)[2] + rss(other.mm)[2]
    assert swapped >= 512 + 800 - 1024


def test_when_swap_is_full_somebody_is_killed() -> None:
    with booted(swap=100) as m:
        m.spawn("sleeper", anon="2M")
        other = hog(m, 1000)
        m.run()
        assert (other.result, killed()) == (None, ["hog"])


@pytest.mark.parametrize("seed", range(25))
def test_two_hogs_and_an_exit_beside_each_other(seed: int) -> None:
    with booted(seed, swap=2048) as m:
        sleeper = m.spawn("sleeper", anon="1M")
        hogs = [hog(m, 500, f"hog{n}") for n in range(2)]
        killer = m.spawn("killer")
        killer.runs(lambda: kill(sleeper.pid, SIGKILL))
        m.run()
        assert [each.result for each in hogs] == ["done", "done"]
        assert (killed(), sleeper.mm) == ([], None)


@pytest.mark.parametrize("seed", range(10))
def test_a_limit_swaps_out_too(seed: int) -> None:
    with booted(seed, swap=1024) as m:
        app = hog(m, 200, "app", memcg=m.cgroup("box", memory_max=64 * PAGE))
        m.run()
        assert rss(app.mm)[1] + rss(app.mm)[2] == 200
        assert killed() == []
