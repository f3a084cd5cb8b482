# SPDX-License-Identifier: GPL-2.0-only
"""Turning swap off: what comes back, what it takes, and who dies for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import Scenario, explore
from pykmm.engine import Config, Timers
from pykmm.errno import EBUSY, EINTR, EINVAL, ENOENT, ENOMEM, EPERM
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.printk import console
from pykmm.linux.sched import current
from pykmm.linux.uapi import O_CREAT, O_RDWR, SIGKILL, SIGUSR1
from pykmm.linux.uapi_mman import (
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_SHARED,
)
from pykmm.mm._conservation import _books
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.show_mem import __show_mem
from pykmm.mm.swapfile import SWAP_FILE, _swap, nr_swap_pages, total_swap_pages
from pykmm.mm.swapfile_off import try_to_unuse
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    madvise,
    mmap,
    munmap,
    open,
    pause,
    pidfd_open,
    process_mrelease,
    sigaction,
    swapoff,
    swapon,
    touch,
    write,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call

PAGE = 4096
SLOTS = 64
RW = 3


def boot(pages: int = 1024, swap: int = SLOTS) -> Machine:
    config = Config(node_pages=(pages,), total_swap_pages=swap, timers=Timers.IDLE)
    return Machine(config)


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with boot() as machine:
        yield machine
        assert _books() == []


def swapped(pages: int = 4) -> int:
    """Map some memory, and have it swapped out; return where it is."""
    at = mmap(pages * PAGE)
    touch(at, pages * PAGE)
    assert madvise(at, pages * PAGE, MADV_PAGEOUT) == 0
    return at


def rss(mm: mm_struct | None) -> tuple[int, int]:
    """Look how many pages are in memory, and in swap."""
    assert mm is not None
    return mm.rss_stat[1].counter, mm.rss_stat[2].counter


def sleeper(m: Machine, pages: int = 4, **facts: object) -> Process:
    """Spawn a process that sleeps while its memory is in swap."""
    p = m.spawn("sleeper", **facts)  # type: ignore[arg-type]  # spawn's
    p.runs(lambda: (swapped(pages), pause()))
    m.run()
    assert rss(p.mm) == (0, pages)
    return p


def slots() -> tuple[int, int]:
    """Look how many slots are free, and how many there are."""
    return nr_swap_pages().counter, total_swap_pages()


def test_the_list_of_address_spaces_is_looked_at_and_given_back(m: Machine) -> None:
    sleeper(m)
    call(m, "root", lambda: swapoff(SWAP_FILE))
    mmlist = _swap().mmlist
    steps = [event.kind for event in m.events if event.obj is mmlist]
    assert steps == ["list_add", "mmlist_lock", "mmlist_unlock"]


def test_everything_comes_back_and_nothing_goes_any_more(m: Machine) -> None:
    p = sleeper(m)

    def root() -> object:
        off = swapoff(SWAP_FILE)
        at = mmap(PAGE)
        touch(at, PAGE)
        madvise(at, PAGE, MADV_PAGEOUT)
        return off, slots(), rss(current().mm), current().signal.oom_flag_origin

    assert call(m, "root", root) == (0, (0, 0), (1, 0), False)
    assert rss(p.mm) == (4, 0)
    assert try_to_free_pages(4, frozenset({0})) == 0
    __show_mem(0, None, 0)
    assert "Total swap = 0kB" in [line for _, line in console().lines]
    assert call(m, "root", lambda: (swapon(SWAP_FILE), slots())) == (0, (SLOTS, SLOTS))
    assert try_to_free_pages(4, frozenset({0})) == 4


def test_who_may_turn_off_what(m: Machine) -> None:
    def root() -> list[int]:
        open("/plain", O_CREAT | O_RDWR)
        return [
            swapon(SWAP_FILE),
            swapon(SWAP_FILE, 1 << 30),
            swapoff("/nothing"),
            swapoff("/plain"),
            swapon("/plain"),
            swapoff("/proc/vmstat"),
            swapoff(SWAP_FILE),
            swapoff(SWAP_FILE),
            swapon(SWAP_FILE),
            swapoff(SWAP_FILE),
        ]

    assert call(m, "root", root) == [
        -EBUSY,
        -EINVAL,
        -ENOENT,
        -EINVAL,
        -EINVAL,
        -EINVAL,
        0,
        -EINVAL,
        0,
        0,
    ]
    anybody = lambda: (swapoff(SWAP_FILE), swapon(SWAP_FILE))  # noqa: E731
    assert call(m, "anybody", anybody, uid=1000) == (-EPERM, -EPERM)


def test_a_machine_without_swap_has_no_file_for_it() -> None:
    with boot(swap=0) as m:
        assert call(m, "root", lambda: swapoff(SWAP_FILE)) == -ENOENT


def test_what_was_promised_needs_swap() -> None:
    with boot() as m:

        def root() -> list[int]:
            for name, value in (("memory", "2"), ("ratio", "0")):
                fd = open(f"/proc/sys/vm/overcommit_{name}", O_RDWR)
                assert write(fd, value) == 1
            mmap(8 * PAGE)
            return [swapoff(SWAP_FILE), *slots()]

        assert call(m, "root", root) == [-ENOMEM, SLOTS, SLOTS]


def test_pages_that_fork_shares_come_back_for_all(m: Machine) -> None:
    family: list[mm_struct | None] = []

    def child() -> None:
        family.append(current().mm)
        pause()

    def parent() -> None:
        at = mmap(4 * PAGE)
        touch(at, 4 * PAGE)
        family.append(current().mm)
        fork(child)
        pause()

    m.spawn("parent").runs(parent)
    m.run()
    assert try_to_free_pages(4, frozenset({0})) == 4
    free = nr_free_pages()
    assert [rss(mm) for mm in family] == [(0, 4)] * 2
    assert call(m, "root", lambda: (swapoff(SWAP_FILE), slots())) == (0, (0, 0))
    assert [rss(mm) for mm in family] == [(4, 0)] * 2
    assert free - nr_free_pages() == 4


def test_a_child_has_the_swap_entries_of_its_parent(m: Machine) -> None:
    children: list[mm_struct | None] = []

    def child() -> None:
        children.append(current().mm)
        pause()

    def parent() -> None:
        swapped()
        fork(child)
        exit_group(0)

    m.spawn("parent").runs(parent)
    m.run()
    assert rss(children[0]) == (0, 4)
    assert call(m, "root", lambda: swapoff(SWAP_FILE)) == 0
    assert rss(children[0]) == (4, 0)


def test_slots_that_only_the_swap_cache_has_are_freed(m: Machine) -> None:
    p = m.spawn("reader")

    @p.runs
    def _() -> None:
        touch(swapped(), 4 * PAGE, False)
        pause()

    m.run()
    assert (rss(p.mm), slots()) == ((4, 0), (SLOTS - 4, SLOTS))
    assert call(m, "root", lambda: swapoff(SWAP_FILE)) == 0
    assert (rss(p.mm), slots()) == ((4, 0), (0, 0))


def test_shared_memory_comes_back_into_the_cache(m: Machine) -> None:
    p = m.spawn("sharer")

    def program() -> None:
        at = mmap(0, 8 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
        touch(at, 3 * PAGE)
        touch(at + 5 * PAGE, 2 * PAGE)
        while slots()[0] == SLOTS:
            try_to_free_pages(5, frozenset({0}))
        pause()

    p.runs(program)
    m.run()
    assert slots() == (SLOTS - 5, SLOTS)
    free = nr_free_pages()
    assert call(m, "root", lambda: swapoff(SWAP_FILE)) == 0
    assert (slots(), free - nr_free_pages()) == ((0, 0), 5)


def test_who_turns_swap_off_is_the_first_to_go() -> None:
    """Its own memory is nothing beside the other's, but what is short is its doing."""
    with boot(pages=256, swap=256) as m:
        p = sleeper(m, pages=200)
        big = m.spawn("big")

        @big.runs
        def _() -> None:
            touch(mmap(100 * PAGE), 100 * PAGE)
            pause()

        m.run()
        root = m.spawn("root")
        root.runs(lambda: swapoff(SWAP_FILE))
        m.run()
        assert root.task.__dict__["exit_code"] & 0x7F == SIGKILL
        killed = [line for line in console().verdicts() if "Killed process" in line]
        assert [f"({root.task.comm})" in line for line in killed] == [True]
        assert big.mm is not None
        assert slots()[1] == 256
        assert sum(rss(p.mm)) == 200
        assert _books() == []


def test_a_signal_turns_it_on_again(m: Machine) -> None:
    p = sleeper(m)
    root = m.spawn("root")
    seen: list[object] = []

    @root.runs
    def _() -> None:
        sigaction(SIGUSR1, lambda _: None)
        seen.append(swapoff(SWAP_FILE))
        seen.append(slots())
        pause()

    root.step_to(inside=try_to_unuse)
    call(m, "killer", lambda: kill(root.pid, SIGUSR1))
    root.thaw()
    m.run()
    assert seen == [-EINTR, (SLOTS - 4, SLOTS)]
    assert rss(p.mm) == (0, 4)


# -- in any order ----------------------------------------------------------------------

CONFIG = Config(node_pages=(256,), total_swap_pages=4, timers=Timers.IDLE)
Work = Callable[[Process, int], object]


def faults(_: Process, at: int) -> None:
    touch(at, PAGE)


def reads(_: Process, at: int) -> None:
    touch(at, PAGE, False)


def unmaps(_: Process, at: int) -> None:
    munmap(at, PAGE)


def forks(_: Process, __: int) -> None:
    fork(lambda: exit_group(0))


def kills(app: Process, _: int) -> None:
    kill(app.pid, SIGKILL)


def releases(app: Process, _: int) -> None:
    number = pidfd_open(app.pid, 0)
    kill(app.pid, SIGKILL)
    process_mrelease(number, 0)


def meet(m: Machine, work: Work) -> object:
    """Let *work* of a process whose one page is in swap meet who turns it off."""
    app, root = m.spawn("app"), m.spawn("root")
    places: list[int] = []

    @app.runs
    def _() -> None:
        places.append(swapped(1))
        pause()

    m.run()
    alone = work in (kills, releases)
    other = m.spawn("other") if alone else m.spawn("other", shares_mm=app)
    other.runs(lambda: work(app, places[0]))
    root.runs(lambda: swapoff(SWAP_FILE))
    m.run()
    assert _books() == []
    return root.result, slots(), app.mm and rss(app.mm)


def scenario(work: Work) -> Scenario:
    return Scenario(name="swapoff", function=lambda m: meet(m, work), config=CONFIG)


MET: dict[Work, tuple[int, int]] = {
    faults: (1, 0),
    reads: (1, 0),
    unmaps: (0, 0),
    forks: (1, 0),
}


@pytest.mark.parametrize("work", [*MET, kills, releases])
def test_whatever_it_meets_nothing_is_left_in_swap(work: Work) -> None:
    result = explore(scenario(work), scheduler="pos", executions=60)
    assert not result.reports
    assert {found.value for found in result.outcomes} == {(0, (0, 0), MET.get(work))}


@pytest.mark.parametrize("work", [faults, reads, unmaps])
def test_every_order_of_it_and_a_fault_or_munmap(work: Work) -> None:
    result = explore(scenario(work))
    assert result.complete
    assert not result.reports
    assert {found.value for found in result.outcomes} == {(0, (0, 0), MET[work])}
