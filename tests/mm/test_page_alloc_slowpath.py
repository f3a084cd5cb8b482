# SPDX-License-Identifier: GPL-2.0-only
"""What an allocation does about a shortage: reserves, reclaim, the OOM killer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errors import Deadlock, KernelPanic
from pykmm.fs.file_table import fput
from pykmm.linux.completion import complete, completion, wait_for_completion
from pykmm.linux.gfp_types import (
    __GFP_HIGH,
    __GFP_NOFAIL,
    __GFP_NORETRY,
    __GFP_RETRY_MAYFAIL,
    __GFP_THISNODE,
    GFP_ATOMIC,
    GFP_DMA,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_NOFS,
    GFP_NOWAIT,
)
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.mm_types import file
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.printk import console
from pykmm.linux.sched import PF_DUMPCORE, current
from pykmm.mm.mmap import _map_region
from pykmm.mm.mmap_sys import do_munmap
from pykmm.mm.oom_kill import oom
from pykmm.mm.page_alloc import nr_free_pages
from tests.mm.shortage import (
    MIN,
    PAGE,
    PAGES,
    Taken,
    asks,
    be_a_victim,
    be_nobody,
    booted,
    free,
    says,
)

# -- who must not call the killer ------------------------------------------------------


def dump_core() -> None:
    current().flags |= PF_DUMPCORE


@pytest.mark.parametrize(
    ("who", "gfp", "order"),
    [
        (be_nobody, GFP_KERNEL | __GFP_NORETRY, 0),
        (be_nobody, GFP_KERNEL | __GFP_RETRY_MAYFAIL, 0),
        (be_nobody, GFP_KERNEL | __GFP_THISNODE, 0),
        (be_nobody, GFP_KERNEL | GFP_DMA, 0),
        (be_nobody, GFP_KERNEL, 4),
        (be_nobody, GFP_KERNEL | __GFP_RETRY_MAYFAIL, 4),
        (be_nobody, GFP_NOWAIT, 0),
        (dump_core, GFP_KERNEL, 0),
    ],
)
def test_some_allocations_fail_rather_than_kill(
    who: Callable[[], None], gfp: int, order: int
) -> None:
    with booted() as m:
        app = m.spawn("app", anon="16K")

        def body() -> bool:
            taken = Taken()
            who()
            taken.take_all(GFP_KERNEL | __GFP_NORETRY)
            got = taken.take(gfp, order)
            taken.give_back()
            return got

        asker = asks(m, body)
        m.run()
        assert asker.result is False
        assert says("Killed") == []
        assert app.mm is not None


def test_others_kill_and_go_on() -> None:
    with booted() as m:
        app = m.spawn("app", anon="16K")
        pid = app.pid

        def body() -> bool:
            taken = Taken()
            taken.take_all(GFP_KERNEL | __GFP_NORETRY)
            got = taken.take(GFP_KERNEL)
            taken.give_back()
            return got

        asker = asks(m, body)
        m.run()
        assert asker.result is True
        assert says("invoked") == [
            "asker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, "
            "oom_score_adj=-1000"
        ]
        assert len(says(f"Out of memory: Killed process {pid} (app)")) == 1


def test_nobody_can_be_killed() -> None:
    with pytest.raises(KernelPanic, match="System is deadlocked on memory"):
        with booted() as m:
            asks(m, lambda: Taken().take_all(GFP_KERNEL))
            m.run()


def test_the_killer_is_disabled() -> None:
    with booted() as m:
        m.spawn("app", anon="16K")
        oom().oom_killer_disabled = True

        def body() -> int:
            taken = Taken()
            left = taken.take_all(GFP_KERNEL)
            taken.give_back()
            return left

        asker = asks(m, body)
        m.run()
        assert asker.result == MIN
        assert says("Killed") == []


def test_an_allocation_that_must_not_fail_digs_into_the_reserves() -> None:
    with booted() as m:
        app = m.spawn("app", anon="16K")

        def body() -> list[object]:
            taken = Taken()
            taken.take_all(GFP_KERNEL | __GFP_NORETRY)
            got = taken.take(GFP_KERNEL | __GFP_NOFAIL)
            left = nr_free_pages()
            taken.give_back()
            return [got, left]

        asker = asks(m, body)
        m.run()
        assert asker.result == [True, MIN - 1]
        assert says("Killed process")
        assert app.task._thread is not None  # it has died by itself


# -- waiting for others ----------------------------------------------------------------


def test_without_io_it_waits_until_somebody_else_has_freed_memory() -> None:
    with booted() as m:
        m.spawn("app", anon="16K")
        taken = Taken()

        def body() -> bool:
            taken.take_all(GFP_KERNEL | __GFP_NORETRY)
            got = taken.take(GFP_NOFS)
            taken.give_back()
            return got

        def helper() -> None:
            free(taken.pages.pop())

        asker = asks(m, body)
        asks(m, helper, "helper")
        m.run()
        assert asker.result is True
        assert says("Killed") == []


def test_without_io_and_help_it_waits_for_ever() -> None:
    with pytest.raises(Deadlock, match="asker can never go on"):
        with booted() as m:
            m.spawn("app", anon="16K")

            def body() -> None:
                taken = Taken()
                taken.take_all(GFP_KERNEL | __GFP_NORETRY)
                taken.take(GFP_NOFS)

            asks(m, body)
            m.run()


def test_who_finds_the_killer_busy_sleeps_and_looks_again() -> None:
    with booted() as m:
        app = m.spawn("app", anon="16K")
        taken, short, enough = Taken(), completion(), completion()

        def holder() -> None:
            mutex_lock(oom().oom_lock)
            taken.take_all(GFP_KERNEL | __GFP_NORETRY)
            complete(short)
            wait_for_completion(enough)
            mutex_unlock(oom().oom_lock)

        def body() -> bool:
            wait_for_completion(short)
            got = taken.take(GFP_KERNEL)
            taken.give_back()
            return got

        def helper() -> None:
            schedule_timeout_uninterruptible(5)
            complete(enough)

        asks(m, holder, "holder")
        asker = asks(m, body)
        asks(m, helper, "helper")
        m.run()
        assert asker.result is True
        assert len(says("Killed process")) == 1
        assert app.result is None
        slept = [e for e in m.events if e.kind == "schedule_timeout_uninterruptible"]
        assert [e.thread.name for e in slept] == ["asker", "helper"]


# -- reclaim ---------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [True, False])
def test_the_cache_of_a_file_goes_before_anybody_is_killed(closed: bool) -> None:
    with booted() as m:
        app = m.spawn("app", anon="16K")
        mm, f = app.mm, file(f_path="/usr/share/dict")
        assert mm is not None
        _map_region(mm, 0, 8 * PAGE, kind="file", populate_pages=8, vm_file=f)
        with_file = nr_free_pages()
        mmap_write_lock(mm)
        assert do_munmap(mm, 0, 8 * PAGE) == 0
        mmap_write_unlock(mm)
        # The tables have gone with the mapping, the cache has not.
        assert nr_free_pages() == with_file + 2
        if closed:
            fput(f)

        def body() -> bool:
            taken = Taken()
            taken.take_all(GFP_NOWAIT)
            got = taken.take(GFP_KERNEL)
            taken.give_back()
            return got

        asker = asks(m, body)
        m.run()
        assert asker.result is True
        assert not says("Killed process")
        assert f.f_mapping.i_pages == {}


# -- nodes -----------------------------------------------------------------------------


def test_a_policy_binds_the_allocation_and_the_killer_looks_there() -> None:
    with booted(8, PAGES) as m:
        other = m.spawn("other", anon="16K")
        bound = m.spawn("bound", anon="16K")
        bound.task.mempolicy_nodes = frozenset({1})
        other.task.mempolicy_nodes = frozenset({0})

        def body() -> int:
            taken = Taken()
            taken.take_all(GFP_NOWAIT)
            taken.take(GFP_HIGHUSER_MOVABLE)
            nid = taken.pages[-1].nid
            taken.give_back()
            return nid

        asker = asks(m, body)
        asker.task.mempolicy_nodes = frozenset({1})
        m.run()
        assert asker.result == 1
        assert "constraint=CONSTRAINT_MEMORY_POLICY,nodemask=1" in says("oom-kill:")[0]
        assert [line.split()[6] for line in says("Killed process")] == ["(bound)"]
        assert other.mm is not None


def test_a_cpuset_keeps_user_memory_at_home_but_not_a_victim() -> None:
    with booted(PAGES, PAGES) as m:

        def body() -> list[object]:
            taken = Taken()
            found: list[object] = [taken.take_all(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY)]
            be_a_victim()
            taken.take(GFP_HIGHUSER_MOVABLE)
            found.append(taken.pages[-1].nid)
            taken.give_back()
            return found

        asker = asks(m, body)
        asker.task.mems_allowed = frozenset({1})
        m.run()
        assert asker.result == [PAGES + MIN // 2, 0]


def test_a_cpuset_and_a_policy_leave_what_both_allow() -> None:
    with booted(PAGES, PAGES, PAGES) as m:

        def body() -> list[object]:
            taken = Taken()
            taken.take_all(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY)
            nodes = {page.nid for page in taken.pages}
            taken.give_back()
            return sorted(nodes)

        asker = asks(m, body)
        asker.task.mems_allowed = frozenset({1, 2})
        asker.task.mempolicy_nodes = frozenset({0, 1})
        m.run()
        assert asker.result == [1]


# -- allocations that must not fail ----------------------------------------------------


def test_one_that_must_not_fail_nor_kill_waits_below_half_of_the_reserve() -> None:
    with booted() as m:
        app = m.spawn("app", anon="16K")
        taken, short = Taken(), completion()

        def body() -> list[object]:
            taken.take_all(GFP_NOWAIT | __GFP_HIGH)
            left = nr_free_pages()
            complete(short)
            got = taken.take(GFP_KERNEL | __GFP_NOFAIL | __GFP_RETRY_MAYFAIL)
            found = [left, got, nr_free_pages()]
            taken.give_back()
            return found

        def helper() -> None:
            wait_for_completion(short)
            for _ in range(MIN):
                free(taken.pages.pop())

        asker = asks(m, body)
        asks(m, helper, "helper")
        m.run()
        left, got, after = asker.result  # type: ignore[misc]
        assert (left, got) == (MIN // 2 - MIN // 8, True)
        assert after > left
        assert app.mm is not None


def test_a_failure_in_atomic_context_shows_all_of_the_memory() -> None:
    with booted() as m:

        def body() -> None:
            taken = Taken()
            taken.take_all(GFP_ATOMIC)
            taken.give_back()

        asks(m, body)
        m.run()
        (line,) = says("failure")
        assert "mode:0x820(GFP_ATOMIC)" in line
        assert "Mem-Info:" in [text for _, text in console().lines]
