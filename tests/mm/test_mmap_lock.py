# SPDX-License-Identifier: GPL-2.0-only
"""Faults that lock one mapping, beside writers that lock them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import explore
from pykmm.engine import Access, Backend, Named, enter, leave
from pykmm.errno import EAGAIN, EINTR
from pykmm.errors import ContextError
from pykmm.lib.maple_tree import mas_find, mas_store, mas_walk, mtree_load
from pykmm.linux.maple_tree import MA_STATE, ULONG_MAX
from pykmm.linux.mm_types import MM_ANONPAGES, _tree_of, mm_struct, vm_area_struct
from pykmm.linux.mmap_lock import (
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock,
    mmap_write_unlock,
    vma_end_read,
    vma_mark_detached,
    vma_start_write,
    vma_start_write_killable,
)
from pykmm.linux.rcupdate import rcu, rcu_read_lock
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.mmap_lock import lock_vma_under_rcu, vma_start_read
from pykmm.mm.mmap_region import _map_region
from pykmm.mm.vma import remove_vma
from pykmm.syscalls import kill, mmap, munmap, touch
from pykmm.workbench import Machine, Process

PAGE = 4096
START = 1 << 30


@pytest.fixture(params=list(Backend), ids=lambda backend: backend.value)
def m(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Machine(backend=request.param) as machine:
        yield machine


@pytest.fixture
def app(m: Machine) -> Process:
    """A process without a program, whose one mapping holds one page of two."""
    app = m.spawn("app")
    _map_region(space(app), START, 2 * PAGE, kind="anon", populate_pages=1)
    return app


def space(process: Process) -> mm_struct:
    mm = process.mm
    assert mm is not None
    return mm


def vma_of(process: Process) -> vm_area_struct:
    return _tree_of(space(process))._entries()[0]


def until(obj: Named, guard: Callable[[], object]) -> None:
    """Wait until *guard*, which looks at *obj* only."""
    t = enter(obj, "until", guard)
    leave(t, obj, Access.WAIT, None, True)


def kinds(m: Machine, name: str) -> list[str]:
    return [event.kind for event in m.events if event.thread.name == name]


# -- faults ----------------------------------------------------------------------------


def test_a_fault_locks_its_mapping_alone(m):
    app = m.spawn("app")

    @app.runs
    def _() -> None:
        addr = mmap(2 * PAGE)
        touch(addr, PAGE)
        touch(addr + PAGE, PAGE)

    m.run()
    steps = kinds(m, "app")
    # The first fault of a mapping may share what its neighbours have.
    assert "down_read_trylock" in steps
    steps = steps[max(at for at, kind in enumerate(steps) if kind == "rcu_read_lock") :]
    assert steps[:5] == [
        "rcu_read_lock",
        "mas_walk",
        "vma_start_read",
        "READ_ONCE",
        "rcu_read_unlock",
    ]
    assert steps.count("vma_end_read") == 1
    assert not [kind for kind in steps if kind.startswith("down_read")]


def test_a_fault_does_not_wait_for_a_writer_at_other_mappings(m, app):
    mm = space(app)
    anon = mm.rss_stat[MM_ANONPAGES]

    def writer() -> None:
        mmap_write_lock(mm)
        until(anon, lambda: anon.counter == 2)
        mmap_write_unlock(mm)

    @app.runs
    def _() -> None:
        until(mm.mmap_lock, lambda: mm.mmap_lock.writer)
        touch(START + PAGE, PAGE)

    m.thread("writer", writer)
    m.run()
    assert not [kind for kind in kinds(m, "app") if kind.startswith("down_read")]


def test_a_fault_waits_for_a_writer_at_its_mapping(m, app):
    mm = space(app)
    lock = mm.mmap_lock

    def writer() -> None:
        mmap_write_lock(mm)
        vma_start_write(vma_of(app))
        until(lock, lambda: lock.queue)
        mmap_write_unlock(mm)

    @app.runs
    def _() -> None:
        count = vma_of(app).vm_refcnt
        until(count, lambda: count.vma.__dict__["vm_lock_seq"] > 1)
        touch(START + PAGE, PAGE)

    m.thread("writer", writer)
    m.run()
    assert mm.rss_stat[MM_ANONPAGES].counter == 2
    assert "down_read_killable_wait" in kinds(m, "app")


def test_downgrading_ends_all_write_locks(m, app):
    mm, seen = space(app), []

    def look() -> None:
        vma = lock_vma_under_rcu(mm, START)
        seen.append(vma is not None)
        if vma is not None:
            vma_end_read(vma)

    def writer() -> None:
        mmap_write_lock(mm)
        vma_start_write(vma_of(app))
        look()
        mmap_write_downgrade(mm)
        look()
        mmap_read_unlock(mm)

    m.thread("writer", writer)
    m.run()
    assert seen == [False, True]


# -- writers ---------------------------------------------------------------------------


def reader(app: Process, leave_when: Callable[[], object]) -> Callable[[], None]:
    """Hold the lock of the mapping until something is true of its count."""

    def body() -> None:
        vma = lock_vma_under_rcu(space(app), START)
        assert vma is not None
        until(vma.vm_refcnt, leave_when)
        vma_end_read(vma)

    return body


def test_a_writer_waits_for_readers_and_keeps_others_out(m, app):
    mm, vma = space(app), vma_of(app)
    count = vma.vm_refcnt
    seen: list[object] = []

    def late() -> None:
        until(count, lambda: count.excludes)
        seen.append(lock_vma_under_rcu(mm, START))
        until(count, lambda: seen)  # whoever waits at the count looks again

    def writer() -> None:
        until(count, lambda: count.refs == 2)
        mmap_write_lock(mm)
        vma_start_write(vma)
        assert (count.refs, count.excludes) == (1, False)
        mmap_write_unlock(mm)

    m.thread("reader", reader(app, lambda: count.excludes and seen))
    m.thread("writer", writer)
    m.thread("late", late)
    m.run()
    assert seen == [None]
    assert "vma_start_write_wait" in kinds(m, "writer")


def test_a_killed_writer_gives_up(m, app):
    mm, count = space(app), vma_of(app).vm_refcnt
    answers: list[int] = []
    victim = m.spawn("victim")
    killer = m.spawn("killer")

    @victim.runs
    def _() -> None:
        until(count, lambda: count.refs == 2)
        mmap_write_lock(mm)
        answers.append(vma_start_write_killable(vma_of(app)))
        answers.append(count.excludes)
        until(count, lambda: answers)
        mmap_write_unlock(mm)

    @killer.runs
    def _() -> None:
        until(count, lambda: count.excludes)
        kill(victim.pid, SIGKILL)

    m.thread("reader", reader(app, lambda: answers))
    m.run()
    assert answers == [-EINTR, False]


def test_what_was_taken_out_cannot_be_locked_even_when_it_is_freed(m, app):
    mm, vma = space(app), vma_of(app)
    gone: list[bool] = []

    def writer() -> None:
        mmap_write_lock(mm)
        vma_start_write(vma)
        vma_mark_detached(vma)
        mas_store(MA_STATE(mm.mm_mt, START, START + 2 * PAGE - 1), None)
        mm.map_count -= 1
        remove_vma(vma)
        mmap_write_unlock(mm)

    m.thread("writer", writer)
    m.run()

    def stale() -> None:
        rcu_read_lock()
        gone.append(vma_start_read(mm, vma) == -EAGAIN)

    m.thread("stale", stale)
    m.run()
    assert gone == [True]
    assert lock_vma_under_rcu(mm, START) is None


# -- the tree, without its lock --------------------------------------------------------


def lookup_beside_a_store(machine: Machine) -> object:
    app = machine.spawn("app")
    _map_region(space(app), START, PAGE, kind="anon")
    other = machine.spawn("other")

    @app.runs
    def _() -> None:
        munmap(START, PAGE)

    @other.runs
    def _() -> object:
        mas = MA_STATE(_tree_of(space(app)), 0, 0)
        with rcu():
            first = mas_find(mas, ULONG_MAX) is not None
            again = mtree_load(_tree_of(space(app)), START) is not None
        return first, again

    machine.run()
    return other.result


def test_a_reader_sees_the_tree_before_or_after_a_store():
    result = explore(lookup_beside_a_store)
    assert result.complete
    assert not result.reports
    assert {repr(outcome.value) for outcome in result.outcomes} == {
        "(True, True)",
        "(True, False)",
        "(False, False)",
    }


def test_a_walk_needs_the_lock_or_a_read_section(m, app):
    tree = _tree_of(space(app))
    m.thread("walker", lambda: mas_walk(MA_STATE(tree, START, START)))
    with pytest.raises(ContextError, match=r"walker walks .*mm_mt without .*mmap_lock"):
        m.run()


def test_a_store_needs_the_lock(m, app):
    tree = _tree_of(space(app))
    m.thread("writer", lambda: mas_store(MA_STATE(tree, 0, PAGE - 1), vma_of(app)))
    with pytest.raises(ContextError, match=r"writer changes .*mm_mt without"):
        m.run()
