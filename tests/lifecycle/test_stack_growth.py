# SPDX-License-Identifier: GPL-2.0-only
"""Stacks that grow where they are accessed: the fault that locks for writing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from pykmm import Machine, Scenario, explore
from pykmm.engine import Config
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.resource import RLIMIT_AS, RLIMIT_MEMLOCK, RLIMIT_STACK
from pykmm.linux.uaccess import copy_to_user
from pykmm.linux.uapi import SIGKILL, SIGSEGV
from pykmm.linux.uapi_mman import MAP_GROWSDOWN, PROT_NONE, PROT_READ
from pykmm.mm._conservation import _books
from pykmm.mm.memory_access import access_process_vm
from pykmm.patches.kernels import v6_12
from pykmm.schedulers.random_walk import RandomWalk
from pykmm.syscalls import (
    fork,
    kill,
    mlock,
    mmap,
    munmap,
    pause,
    pthread_create,
    setrlimit,
    setuid,
    sigaction,
    touch,
)
from tests.lifecycle._memory import FIXED, PAGE, RW, A, own, rss, runs, vmas
from tests.lifecycle._people import call, until, wait_for

#: How many pages stay free below a stack.
GAP = 256


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 64 MiB whose books are audited."""
    config = Config(node_pages=(1 << 14,))
    with Machine(config, scheduler=RandomWalk(0)) as machine:
        yield machine
        assert _books() == []


class _Left(Exception):
    """How a handler leaves an access that would fault again, like ``longjmp()``."""


def stack(page: int = 1000, pages: int = 1) -> int:
    """Map a stack of so many pages, *page* pages above A; return where it begins."""
    at = A + page * PAGE
    assert mmap(at, pages * PAGE, RW, FIXED | MAP_GROWSDOWN) == at
    return at


def faults(addr: int, *, write: bool = True) -> bool:
    """Access one byte; tell whether that raised SIGSEGV."""
    got: list[int] = []

    def handler(number: int) -> None:
        got.append(number)
        raise _Left

    sigaction(SIGSEGV, handler)
    with contextlib.suppress(_Left):
        touch(addr, 1, write)
    return bool(got)


@pytest.mark.parametrize("write", [False, True])
def test_an_access_below_makes_it_grow(m: Machine, write: bool) -> None:
    def program() -> object:
        at = stack()
        before = own().__dict__["stack_vm"]
        refused = faults(at - 5 * PAGE - 1, write=write), faults(at + PAGE)
        return refused, vmas(), own().__dict__["stack_vm"] - before, rss()[1]

    expected = (False, True), [(994, 1001, "rwa")], 6, int(write)
    assert runs(m, program) == expected


def test_only_stacks_grow(m: Machine) -> None:
    def program() -> object:
        mmap(A, PAGE, RW, FIXED)
        return faults(A - 1), vmas()

    assert runs(m, program) == (True, [(0, 1, "rwa")])


@pytest.mark.parametrize(
    ("prot", "refused"), [(RW, True), (PROT_READ, True), (PROT_NONE, False)]
)
def test_it_keeps_its_distance_from_what_may_be_accessed(
    m: Machine, prot: int, refused: bool
) -> None:
    def program() -> object:
        at = stack()
        mmap(at - (GAP + 10) * PAGE, 5 * PAGE, prot, FIXED)
        return faults(at - 5 * PAGE), faults(at - 6 * PAGE), vmas()[-1][:2]

    lowest = 995 if refused else 994
    assert runs(m, program) == (False, refused, (lowest, 1001))


def test_stacks_may_meet(m: Machine) -> None:
    def program() -> object:
        at = stack()
        stack(990)
        return faults(at - 5 * PAGE), vmas()

    assert runs(m, program) == (False, [(990, 991, "rwa"), (995, 1001, "rwa")])


def test_its_limit_is_one_of_the_whole_stack(m: Machine) -> None:
    def program() -> object:
        at = stack()
        setrlimit(RLIMIT_STACK, 4 * PAGE, 4 * PAGE)
        return faults(at - 3 * PAGE), faults(at - 3 * PAGE - 1), vmas()

    assert runs(m, program) == (False, True, [(997, 1001, "rwa")])


def test_it_counts_as_what_a_process_maps_and_locks(m: Machine) -> None:
    def program() -> object:
        at = stack()
        limit = (own().__dict__["total_vm"] + 2) * PAGE
        setrlimit(RLIMIT_AS, limit, limit)
        return faults(at - 2 * PAGE), faults(at - 3 * PAGE), vmas()

    assert runs(m, program) == (False, True, [(998, 1001, "rwa")])

    def locked() -> object:
        at = stack()
        mlock(at, PAGE)
        setrlimit(RLIMIT_MEMLOCK, 3 * PAGE, 3 * PAGE)
        setuid(1000)
        grown = faults(at - 2 * PAGE), faults(at - 3 * PAGE)
        return grown, own().__dict__["locked_vm"], vmas()

    assert runs(m, locked) == ((False, True), 3, [(998, 1001, "rwal")])


def test_it_stays_above_what_nobody_may_map(m: Machine) -> None:
    def program() -> object:
        low = 20 * PAGE
        mmap(low, PAGE, RW, FIXED | MAP_GROWSDOWN)
        refused = faults(16 * PAGE), faults(16 * PAGE - 1)
        munmap(16 * PAGE, 5 * PAGE)
        return refused

    assert runs(m, program) == (False, True)


def test_the_kernel_s_own_accesses_let_it_grow(m: Machine) -> None:
    def program() -> object:
        at = stack()
        grown = copy_to_user(at - 3 * PAGE, 2 * PAGE), vmas()
        setrlimit(RLIMIT_STACK, 4 * PAGE, 4 * PAGE)
        return grown, copy_to_user(at - 4 * PAGE, 2 * PAGE), vmas()

    grown = [(997, 1001, "rwa")]
    assert runs(m, program) == ((0, grown), 2 * PAGE, grown)


def test_a_tracer_s_accesses_let_it_grow(m: Machine) -> None:
    app = m.spawn("app")
    app.runs(lambda: [stack(), pause()])
    m.run()

    def program() -> object:
        below = A + 995 * PAGE
        reached = access_process_vm(app.task, below - 8, PAGE, 0)
        return reached, access_process_vm(app.task, A, PAGE, 0)

    assert call(m, "tracer", program) == (PAGE, PAGE)
    assert app.mm is not None
    assert vmas(app.mm) == [(0, 1001, "rwa")]


def test_a_child_grows_its_own(m: Machine) -> None:
    app = m.spawn("app")
    seen: list[object] = []

    def child() -> None:
        seen.append((faults(A + 999 * PAGE), vmas()))

    app.runs(lambda: [touch(stack(), 1), fork(child), pause()])
    m.run()
    assert seen == [(False, [(999, 1001, "rwa")])]
    assert app.mm is not None
    assert vmas(app.mm) == [(1000, 1001, "rwa")]


# -- beside others ---------------------------------------------------------------------


def _two_grow_it(m: Machine) -> object:
    app = m.spawn("app")

    def program() -> None:
        at = stack()
        pthread_create(lambda: touch(at - 4 * PAGE, 1))
        touch(at - 2 * PAGE, 1)

    app.runs(program)
    m.run()
    mm = app.mm
    assert mm is not None
    return tuple(vmas(mm)), mm.rss_stat[1].counter


@pytest.mark.parametrize("old", [False, True])
def test_two_threads_that_let_it_grow_agree(old: bool) -> None:
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="grow", function=_two_grow_it, patches=patches)
    found = explore(scenario, scheduler="pct", executions=100)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {(((996, 1001, "rwa"),), 2)}


def _grows_beside_munmap(m: Machine) -> object:
    """What a first look has found is gone when the lock is had for writing."""
    app = m.spawn("app")
    told: list[bool] = []

    def program() -> None:
        at = stack()
        pthread_create(lambda: munmap(at, PAGE))
        told.append(faults(at - PAGE))

    app.runs(program)
    m.run()
    mm = app.mm
    assert mm is not None
    return told[0], tuple(vmas(mm))


def test_it_may_be_gone_at_the_second_look() -> None:
    found = explore(_grows_beside_munmap, scheduler="pct", executions=150)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {
        (True, ()),
        (False, ((999, 1000, "rwa"),)),
    }


def test_a_fatal_signal_ends_the_wait_for_the_writers_lock(m: Machine) -> None:
    """Somebody reads the mappings; without the signal the stack would have grown."""
    app = m.spawn("app", parent=m.spawn("shell"))
    mm = app.mm
    assert mm is not None
    lock, told = mm.mmap_lock, []

    def program() -> None:
        at = stack()
        ready.append(at)
        wait_for(lock, lambda: lock.readers)
        told.append(copy_to_user(at - PAGE, 8))
        told.append(vmas())

    def reader() -> None:
        until(lambda: ready)
        mmap_read_lock(mm)
        until(lambda: lock.queue)
        kill(app.pid, SIGKILL)
        until(lambda: told)
        mmap_read_unlock(mm)

    ready: list[int] = []
    app.runs(program)
    m.spawn("reader").runs(reader)
    m.run()
    assert told == [8, [(1000, 1001, "rwa")]]
