# SPDX-License-Identifier: GPL-2.0-only
"""A program touches its memory: what it gets, and what becomes of it if it cannot."""

from __future__ import annotations

import pytest

from pykmm.boot import Region
from pykmm.engine import Backend, Config, Timers
from pykmm.errno import EINVAL, ENOMEM
from pykmm.errors import UsageError
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_UNSTABLE
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.printk import console
from pykmm.linux.uapi import SIG_IGN, SIGBUS, SIGKILL, SIGSEGV, SIGUSR1
from pykmm.mm._conservation import _books
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.mm.mmap import find_vma
from pykmm.mm.oom_kill import __oom_reap_task_mm, oom
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.runner import explore
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import kill, mmap, munmap, pause, touch
from pykmm.workbench import Machine, Process

PAGE = 4096
MIB = 1 << 20


@pytest.fixture
def m():
    """A machine of 16 MiB whose books must balance in the end."""
    with Machine(Config(node_pages=(4096,), timers=Timers.IDLE)) as machine:
        yield machine
        assert _books() == []


def rss(process: Process) -> int:
    mm = process.mm
    assert mm is not None
    return mm.rss_stat[MM_ANONPAGES].counter


class Caught(Exception):
    """How a handler leaves an access that would fault again, like ``longjmp()``."""


def catches(process: Process, sig: int, got: list[int]) -> None:
    """Have the process handle a signal by leaving what it does."""

    def handler(number: int) -> None:
        got.append(number)
        raise Caught

    process.task.__dict__["sighand"].action = {sig: handler}


# -- memory that is there, or comes ----------------------------------------------------


def test_the_addresses_of_a_spawned_process(m):
    p = m.spawn("p", anon="64K", file="8K")
    sharer = m.spawn("sharer", shares_mm=p)
    assert [len(area) for area in p.memory] == [64 << 10, 8 << 10]
    assert sharer.memory == p.memory
    assert m.spawn("empty").memory == ()


@pytest.mark.parametrize(
    ("first", "length", "pages"),
    [(0, 1, 1), (PAGE - 1, 2, 2), (5, PAGE, 2), (0, 3 * PAGE, 3), (MIB, 4 * MIB, 1024)],
)
def test_whole_pages_are_touched(m, first, length, pages):
    p = m.spawn("p", regions=[Region("anon", 8 * MIB, populated=0)])
    p.runs(lambda: touch(p.memory[0].start + first, length))
    m.run()
    assert rss(p) == pages


def test_an_access_to_what_is_there_raises_no_fault(m):
    p = m.spawn("p", anon="2M")
    p.runs(lambda: touch(p.memory[0].start, 2 * MIB))
    m.run()
    assert [e.kind for e in m.events if e.thread.name == "p"] == [
        "start",
        "test_bit",
        "walk",
        "access",
    ]


def test_reading_maps_the_page_of_zeroes_and_writing_replaces_it(m):
    p = m.spawn("p", regions=[Region("anon", MIB, populated=0)])
    before = nr_free_pages()

    @p.runs
    def _():
        start = p.memory[0].start
        touch(start, 8 * PAGE, False)
        found = [before - nr_free_pages()]
        touch(start, 8 * PAGE, False)
        touch(start, 3 * PAGE)
        return [*found, before - nr_free_pages()]

    m.run()
    assert (p.result, rss(p)) == ([3, 6], 3)


def test_a_fault_goes_on_behind_the_end_of_a_mapping(m):
    p = m.spawn("p")

    @p.runs
    def _():
        high = mmap(2 * PAGE)
        low = mmap(3 * PAGE)
        assert low + 3 * PAGE == high
        touch(low, 5 * PAGE)

    m.run()
    assert rss(p) == 5


# -- memory that is not there ----------------------------------------------------------


@pytest.mark.parametrize("blocked", [False, True])
def test_no_mapping_kills_with_sigsegv(m, blocked):
    p = m.spawn("p", anon="4K")
    if blocked:
        p.task.blocked = {SIGSEGV}
        p.task.__dict__["sighand"].action = {SIGSEGV: SIG_IGN}
    p.runs(lambda: touch(p.memory[0].stop, 1))
    task = p.task
    m.run()
    assert p.result is None
    assert task.__dict__["exit_code"] == SIGSEGV


def test_memory_that_may_not_be_written_raises_sigsegv(m):
    p = m.spawn("p", anon="4K")
    got: list[int] = []
    catches(p, SIGSEGV, got)
    assert p.mm is not None
    vma = find_vma(p.mm, p.memory[0].start)
    assert vma is not None
    vma.vm_flags &= ~2
    zap_vma_for_reaping(vma)

    @p.runs
    def _():
        try:
            touch(p.memory[0].start, 1)
        except Caught:
            touch(p.memory[0].start, 1, False)
            return "read it"

    m.run()
    assert (p.result, got) == ("read it", [SIGSEGV])


def test_reaped_memory_raises_sigbus(m):
    p = m.spawn("p", anon="16K")
    got: list[int] = []
    catches(p, SIGBUS, got)
    mm = p.mm
    assert mm is not None
    mmap_read_lock(mm)
    __oom_reap_task_mm(mm)
    mmap_read_unlock(mm)

    @p.runs
    def _():
        try:
            touch(p.memory[0].start, 1)
        except Caught:
            return "told"

    m.run()
    assert (p.result, got, rss(p)) == ("told", [SIGBUS], 0)


def test_what_was_touched_before_the_address_space_is_unstable_is_left_alone(m):
    p = m.spawn("p", regions=[Region("anon", 16 * PAGE, populated=4 * PAGE)])
    mm = p.mm
    assert mm is not None
    mm_flags_set(MMF_UNSTABLE, mm)
    task = p.task
    p.runs(lambda: touch(p.memory[0].start, 5 * PAGE))
    m.run()
    assert task.__dict__["exit_code"] == SIGBUS


def test_a_signal_is_taken_between_two_faults(m):
    p = m.spawn("p", regions=[Region("anon", 4 * MIB, populated=0)])
    got: list[int] = []
    catches(p, SIGUSR1, got)

    @p.runs
    def _():
        kill(p.pid, 0)
        start = p.memory[0].start
        try:
            touch(start, 1)
            pause()
        except Caught:
            return rss(p)

    m.run()
    kill(p.pid, SIGUSR1)
    m.run()
    assert (p.result, got) == (1, [SIGUSR1])


def test_killed_before_any_of_several_faults():
    """Where the kill comes decides how much has been touched."""

    def scenario(m):
        p = m.spawn("p", regions=[Region("anon", 4 * MIB, populated=0)])
        touched: list[int] = []
        killer = m.spawn("killer")

        @p.runs
        def _():
            for step in range(2):
                touch(p.memory[0].start + step * 2 * MIB, 1)
                touched.append(step)

        killer.runs(lambda: kill(p.pid, SIGKILL))
        m.run()
        return len(touched)

    result = explore(scenario)
    assert result.complete
    assert set(result.values) == {0, 1, 2}


# -- no memory at all ------------------------------------------------------------------


@pytest.mark.parametrize("backend", list(Backend))
def test_while_the_killer_is_disabled_a_program_waits_for_memory(backend):
    config = Config(node_pages=(256,), timers=Timers.IDLE)
    with Machine(config, backend=backend) as m:
        oom().oom_killer_disabled = True
        other = m.spawn("other", anon="128K")
        p = m.spawn("p", regions=[Region("anon", MIB, populated=0)])
        p.runs(lambda: touch(p.memory[0].start, 200 * PAGE))
        m.run()
        assert (p.result, rss(p)) == (None, 256 - 32 - 35 - 3)
        lines = console().verdicts()
        assert sum("Huh VM_FAULT_OOM" in line for line in lines) == 2
        kill(other.pid, SIGKILL)
        m.run()
        assert rss(p) == 200
        assert _books() == []


@pytest.mark.parametrize("seed", range(10))
def test_a_victim_gets_pages_from_reserves_but_does_not_go_on(seed):
    config = Config(node_pages=(256,), oom_kill_allocating_task=1)
    with Machine(config, scheduler=RandomWalk(seed)) as m:
        p = m.spawn("p", regions=[Region("anon", 2 * MIB, populated=0)])
        p.runs(lambda: touch(p.memory[0].start, 2 * MIB))
        m.run()
        taken = [e for e in m.events if e.kind == "__alloc_pages"]
        assert min(e.value for e in taken) == 31
        assert p.result is None
        assert nr_free_pages() == 256


# -- mmap and munmap -------------------------------------------------------------------


def test_memory_is_mapped_from_the_top_and_given_back(m):
    p = m.spawn("p")
    before = nr_free_pages()

    @p.runs
    def _():
        a, b = mmap(MIB), mmap(PAGE + 1)
        touch(b, PAGE + 1)
        touch(a, MIB)
        found = [a - b == 2 * PAGE, before - nr_free_pages()]
        assert munmap(b, MIB + 2 * PAGE) == 0
        return [*found, before - nr_free_pages()]

    m.run()
    assert p.result == [True, 256 + 2 + 3, 0]
    assert p.mm is not None
    assert (p.mm.map_count, p.mm.total_vm) == (0, 0)


def test_what_mmap_and_munmap_refuse(m):
    p = m.spawn("p")

    @p.runs
    def _():
        a = mmap(4 * PAGE)
        return [
            mmap(0),
            mmap(1 << 50),
            munmap(a + 1, PAGE),
            munmap(a, 0),
            munmap(0x10000, PAGE),
            munmap(a - PAGE, 5 * PAGE),
        ]

    m.run()
    assert p.result == [
        *(-EINVAL, -ENOMEM),
        *(-EINVAL, -EINVAL),
        *(0, 0),
    ]


# -- the caller's mistakes -------------------------------------------------------------


def test_touch_is_for_programs(m):
    with pytest.raises(
        UsageError, match=r"touch\(\) needs a process with an address space"
    ):
        m.thread("bare", lambda: touch(0, 1))
        m.run()


@pytest.mark.parametrize(("addr", "length"), [(-1, 1), (0, 0), (0, -4)])
def test_touch_wants_an_address_and_a_length(m, addr, length):
    p = m.spawn("p", anon="4K")
    p.runs(lambda: touch(addr, length))
    with pytest.raises(UsageError, match=rf"addr={addr}, length={length}"):
        m.run()


def test_a_host_may_change_things_between_free_runs():
    for _ in range(20):
        with Machine(backend=Backend.FREE) as m:
            p = m.spawn("p")
            p.runs(pause)
            m.run()
            kill(p.pid, SIGKILL)
            m.run()
            assert p.task.__dict__["mm"] is None
