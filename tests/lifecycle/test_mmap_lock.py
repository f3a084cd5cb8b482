# SPDX-License-Identifier: GPL-2.0-only
"""Who gets ``mmap_lock``, and in which order: vectors L81 to L89."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import explore
from pykmm.engine import Config, Sleep, Thread, Timers
from pykmm.errno import EINTR
from pykmm.errors import Deadlock
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.mm_types import _tree_of, mm_struct
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_lock_killable,
    mmap_read_trylock,
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock,
    mmap_write_lock_killable,
    mmap_write_unlock,
)
from pykmm.linux.rwsem import down_write_trylock, rw_semaphore
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import exit_group, kill, mmap, munmap, touch
from pykmm.workbench import Machine
from tests.lifecycle._people import wait_for

PAGE = 4096


@pytest.fixture
def m() -> Iterator[Machine]:
    with Machine(Config(timers=Timers.IDLE)) as machine:
        yield machine


@pytest.fixture
def mm(m: Machine) -> mm_struct:
    mm = m.spawn("app").mm
    assert mm is not None
    return mm


def holders(lock: rw_semaphore, threads: list[Thread]) -> str:
    """Say who has the lock and who queues: ``R1 R2, queue W1``."""
    waiting = [w.thread.name for w in lock.queue]
    granted = [t.name for t in threads if t not in [w.thread for w in lock.queue]]
    return f"{' '.join(granted)}, queue {' '.join(waiting)}"


def queue_up(m: Machine, mm: mm_struct, names: str) -> list[Thread]:
    """Have threads ask one after the other while somebody keeps them out.

    A name begins with R or W; each gives the lock back as soon as it has run with it.
    """
    lock = mm.mmap_lock

    def ask(number: int, name: str) -> Callable[[], None]:
        reads = name.startswith("R")

        def body() -> None:
            wait_for(lock, lambda: len(lock.queue) == number and lock.writer)
            (mmap_read_lock if reads else mmap_write_lock)(mm)
            (mmap_read_unlock if reads else mmap_write_unlock)(mm)

        return body

    return [m.thread(name, ask(n, name)) for n, name in enumerate(names.split())]


# -- asking without waiting ------------------------------------------------------------


def test_l81_trylocks_with_a_reader_and_a_queue(m, mm):
    lock, seen = mm.mmap_lock, {}

    def reader() -> None:
        mmap_read_lock(mm)
        seen["a reader, no queue"] = mmap_read_trylock(mm), down_write_trylock(lock)
        mmap_read_unlock(mm)
        wait_for(lock, lambda: lock.queue)
        seen["a reader, a queue"] = mmap_read_trylock(mm)
        mmap_read_unlock(mm)
        # The writer has been woken, and has not run.
        seen["nobody, a queue"] = mmap_read_trylock(mm), bool(lock.writer)

    def writer() -> None:
        wait_for(lock, lambda: "a reader, no queue" in seen)
        mmap_write_lock(mm)
        mmap_write_unlock(mm)

    m.thread("reader", reader)
    m.thread("writer", writer)
    m.run()
    assert seen == {
        "a reader, no queue": (True, False),
        "a reader, a queue": False,
        "nobody, a queue": (False, False),
    }


# -- giving it back --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "give_back", "after"),
    [
        ("R1 W1 R2", mmap_write_unlock, "R1 R2, queue W1"),
        ("W1 R1", mmap_write_unlock, ", queue W1 R1"),
        ("W1 R1", mmap_write_downgrade, ", queue W1 R1"),
        ("R1 W1 R2", mmap_write_downgrade, "R1 R2, queue W1"),
    ],
    ids=["l82-readers", "l82-writer", "l83-writer", "l83-readers"],
)
def test_l82_l83_who_is_let_in(m, mm, names, give_back, after):
    lock = mm.mmap_lock
    seen: list[str] = []

    def holder() -> None:
        mmap_write_lock(mm)
        wait_for(lock, lambda: len(lock.queue) == len(threads))
        give_back(mm)
        seen.append(holders(lock, threads))
        downgraded = give_back is mmap_write_downgrade
        assert lock.writer is None
        assert lock.readers == downgraded + sum(" R" in " " + n for n in granted())
        if downgraded:
            mmap_read_unlock(mm)

    def granted() -> list[str]:
        return seen[0].split(",")[0].split()

    m.thread("holder", holder)
    threads = queue_up(m, mm, names)
    m.run()
    assert seen == [after]


def test_l82_a_late_writer_may_win_before_the_one_that_was_woken(m, mm):
    lock = mm.mmap_lock
    order: list[str] = []

    def holder() -> None:
        mmap_write_lock(mm)
        wait_for(lock, lambda: lock.queue)
        mmap_write_unlock(mm)
        mmap_write_lock(mm)  # the same thread, but as late as another
        order.append("late")
        mmap_write_unlock(mm)

    def woken() -> None:
        wait_for(lock, lambda: lock.writer)
        mmap_write_lock(mm)
        order.append("woken")
        mmap_write_unlock(mm)

    m.thread("holder", holder)
    m.thread("woken", woken)
    m.run()
    assert order == ["late", "woken"]


# -- being killed in the queue ---------------------------------------------------------


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("lock_it", [mmap_read_lock_killable, mmap_write_lock_killable])
def test_l84_l107_a_free_lock_is_had_even_when_killed(m, mm, lock_it, held):
    lock, got = mm.mmap_lock, []
    app, killer = m.spawn("victim"), m.spawn("killer")
    signals = app.task._signal_object

    @app.runs
    def _() -> None:
        wait_for(lock, lambda: lock.writer if held else True)
        wait_for(signals, app.task._signal_pending)
        got.append(lock_it(mm))
        got.append(len(lock.queue))
        done.append(True)
        wait_for(lock, lambda: done)  # whoever waits at the lock looks again
        if not got[0]:
            (mmap_read_unlock if lock.readers else mmap_write_unlock)(mm)

    done: list[bool] = []

    @killer.runs
    def _() -> None:
        if held:
            mmap_write_lock(mm)
        kill(app.pid, SIGKILL)
        if held:
            wait_for(lock, lambda: done)
            mmap_write_unlock(mm)

    m.run()
    assert got == [-EINTR if held else 0, 0]


def test_l85_a_killed_head_makes_way_for_the_others(m, mm):
    lock, got = mm.mmap_lock, []
    w1, killer = m.spawn("W1"), m.spawn("killer")

    @w1.runs
    def _() -> None:
        wait_for(lock, lambda: lock.readers == 1)
        got.append(("W1", mmap_write_lock_killable(mm)))

    def first_reader() -> None:
        mmap_read_lock(mm)
        wait_for(lock, lambda: lock.readers == 2)
        mmap_read_unlock(mm)

    def r1() -> None:
        wait_for(lock, lambda: lock.queue)
        mmap_read_lock(mm)
        got.append(("R1", 0))
        mmap_read_unlock(mm)

    @killer.runs
    def _() -> None:
        wait_for(lock, lambda: len(lock.queue) == 2)
        kill(w1.pid, SIGKILL)

    m.thread("first", first_reader)
    m.thread("R1", r1)
    m.run()
    assert sorted(got) == [("R1", 0), ("W1", -EINTR)]


def test_l86_nothing_ends_the_wait_of_an_exit(m):
    app, killer = m.spawn("app"), m.spawn("killer")
    mm = app.mm
    assert mm is not None
    lock, seen = mm.mmap_lock, []

    @app.runs
    def _() -> None:
        wait_for(lock, lambda: lock.writer)
        exit_group(0)

    @killer.runs
    def _() -> None:
        mmap_write_lock(mm)
        wait_for(lock, lambda: lock.queue)
        kill(app.pid, SIGKILL)
        schedule_timeout_uninterruptible(10)
        seen.append([w.thread.name for w in lock.queue])
        mmap_write_unlock(mm)

    m.run()
    assert seen == [["app"]]
    assert mm not in m.alive


def test_l87_asking_again_behind_a_writer_is_a_deadlock(m, mm):
    lock = mm.mmap_lock

    def reader() -> None:
        mmap_read_lock(mm)
        wait_for(lock, lambda: lock.queue)
        mmap_read_lock(mm)

    def writer() -> None:
        wait_for(lock, lambda: lock.readers)
        mmap_write_lock(mm)

    m.thread("reader", reader)
    m.thread("writer", writer)
    with pytest.raises(Deadlock, match=r"reader and writer can never go on"):
        m.run()


# -- overtaking ------------------------------------------------------------------------


def test_l88_who_has_waited_for_4_ms_is_not_overtaken_any_more(m, mm):
    """``first`` keeps the lock so long; ``woken`` loses it once more to ``thief``."""
    lock = mm.mmap_lock
    order: list[object] = []

    def first() -> None:
        mmap_write_lock(mm)
        wait_for(lock, lambda: lock.queue)
        schedule_timeout_uninterruptible(3)
        mmap_write_unlock(mm)
        mmap_write_lock(mm)  # steals it from the one that was woken
        order.append(("stolen", lock.handoff))
        wait_for(lock, lambda: lock.handoff)
        mmap_write_unlock(mm)
        order.append(("trylock", mmap_read_trylock(mm), down_write_trylock(lock)))
        mmap_write_lock(mm)
        order.append("late")
        mmap_write_unlock(mm)

    def woken() -> None:
        wait_for(lock, lambda: lock.writer)
        mmap_write_lock(mm)
        order.append("woken")
        mmap_write_unlock(mm)

    m.thread("first", first)
    m.thread("woken", woken)
    m.run()
    assert order == [("stolen", False), ("trylock", False, False), "woken", "late"]
    assert not lock.handoff


def munmap_beside_a_reaper(m: Machine) -> object:
    app = m.spawn("app")
    mm = app.mm
    assert mm is not None
    lock, tree = mm.mmap_lock, _tree_of(mm)
    before: list[int] = []
    seen: list[object] = []

    @app.runs
    def _() -> None:
        addr = mmap(2 * PAGE)
        touch(addr, 2 * PAGE)
        before.append(len(tree._entries()))
        munmap(addr, 2 * PAGE)

    def reaper() -> None:
        wait_for(lock, lambda: before and lock.readers == 1, Sleep.INTERRUPTIBLE)
        seen.append(mmap_read_trylock(mm))
        seen.append(before[0] - len(tree._entries()))
        seen.append(lock.readers)
        mmap_read_unlock(mm)

    m.thread("reaper", reaper)
    m.run()
    return seen


def test_l89_a_reaper_finds_the_tree_without_what_a_munmap_has_taken_out():
    result = explore(munmap_beside_a_reaper, scheduler="random", executions=40)
    assert not result.reports
    assert [str(value) for value in result.values] == ["[True, 1, 2]"]
