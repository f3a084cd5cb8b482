# SPDX-License-Identifier: GPL-2.0-only
"""The two counts of an address space, and what happens when each runs out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.engine import Config, Machine
from pykmm.errors import ContextError, KernelBug, RefcountError, UseAfterFree
from pykmm.kernel.fork import mm_alloc, mmput, mmput_async
from pykmm.linux.atomic import atomic_read
from pykmm.linux.maple_tree import mt_external_lock, mt_in_rcu
from pykmm.linux.mm import mm_flags_set, mm_flags_test
from pykmm.linux.mm_types import MMF_MULTIPROCESS, MMF_OOM_SKIP
from pykmm.linux.mmap_lock import mmap_write_lock
from pykmm.linux.sched.mm import (
    mmdrop,
    mmdrop_lazy_tlb,
    mmget,
    mmget_not_zero,
    mmgrab,
    mmgrab_lazy_tlb,
)
from pykmm.linux.spinlock import spin_lock, spin_unlock, spinlock_t
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.schedulers import RandomWalk


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as booted:
        yield booted


@pytest.fixture
def mm(machine):
    made = mm_alloc()
    _map_region(made, 0, 1 << 20, kind="anon", populate_pages=8)
    return made


def _counts(mm):
    return mm.mm_users.counter, mm.mm_count.counter


def test_a_new_address_space(machine):
    mm = mm_alloc()
    assert _counts(mm) == (1, 1)
    assert mm.owner is None  # the host is no task
    assert mt_in_rcu(mm.mm_mt)
    assert mt_external_lock(mm.mm_mt)
    assert not mm_flags_test(MMF_OOM_SKIP, mm)


def test_only_the_last_user_tears_down(machine, mm):
    mmgrab(mm)
    mmget(mm)
    mmput(mm)
    assert _counts(mm) == (1, 2)
    assert mm.map_count == 1
    assert mm.rss_stat[1].counter == 8
    mmput(mm)
    assert _counts(mm) == (0, 1)
    assert mm.rss_stat[1].counter == 0
    mmdrop(mm)
    assert mm not in machine.alive


def test_without_users_there_will_never_be_one(machine, mm):
    mmgrab(mm)
    assert mmget_not_zero(mm)
    mmput(mm)
    mmput(mm)
    assert not mmget_not_zero(mm)
    mmgrab(mm)
    assert _counts(mm) == (0, 2)
    mmdrop(mm)
    mmdrop(mm)
    with pytest.raises(
        UseAfterFree, match=r"mm_struct#1 was touched by atomic_inc_not"
    ):
        mmget_not_zero(mm)


def test_lazy_references_count(machine, mm):
    mmgrab_lazy_tlb(mm)
    mmput(mm)
    assert mm in machine.alive
    mmdrop_lazy_tlb(mm)
    assert mm not in machine.alive


def test_dropping_below_zero(machine, mm):
    mmgrab(mm)
    mmput(mm)
    with pytest.raises(RefcountError, match="drops below zero"):
        mmput(mm)


def test_a_foreign_user_can_be_the_last_one(machine, mm):
    mmget(mm)

    def reader():
        assert mm.rss_stat[1].counter == 8
        mmput(mm)

    machine.thread("task", lambda: mmput(mm))
    machine.thread("reader", reader)
    machine.run()
    by = {e.thread.name for e in machine.events if e.kind == "set_bit"}
    assert by == {"reader"}
    assert mm not in machine.alive


def test_the_last_user_may_leave_asynchronously(machine, mm):
    lock = spinlock_t()

    def atomic():
        spin_lock(lock)
        mmput_async(mm)
        assert mm.rss_stat[1].counter == 8
        spin_unlock(lock)

    machine.thread("atomic", atomic)
    machine.run()
    assert mm not in machine.alive
    assert [e.thread.name for e in machine.events if e.kind == "set_bit"] == ["kworker"]


def test_not_the_last_one_asynchronously(machine, mm):
    mmget(mm)
    mmput_async(mm)
    assert (_counts(mm), len(machine.threads)) == ((1, 1), 0)


def test_leaving_may_sleep(machine, mm):
    lock = spinlock_t()

    def atomic():
        spin_lock(lock)
        mmput(mm)

    machine.thread("atomic", atomic)
    with pytest.raises(ContextError, match="might sleep"):
        machine.run()


def test_leaving_with_the_lock_held_deadlocks(machine, mm):
    def body():
        mmap_write_lock(mm)
        mmput(mm)

    machine.thread("stuck", body)
    with pytest.raises(Exception, match="stuck"):
        machine.run()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda mm: mm.rss_stat[1],
            "Bad rss-counter state mm:mm_struct#1 type:MM_ANON",
        ),
        (lambda mm: mm.rss_stat[2], "type:MM_SWAPENTS val:1"),
        (lambda mm: mm.pgtables_bytes, "non-zero pgtables_bytes on freeing mm: 1"),
    ],
)
def test_books_that_do_not_balance(machine, mm, spoil, says):
    spoil(mm).counter += 1
    with pytest.raises(KernelBug, match=says):
        mmput(mm)


def test_flags_are_not_inherited(machine, mm):
    mm_flags_set(MMF_MULTIPROCESS, mm)
    assert not mm_flags_test(MMF_MULTIPROCESS, mm_alloc())


def test_any_order_of_leaving_frees_once():
    for seed in range(60):
        with Machine(Config(), scheduler=RandomWalk(seed)) as machine:
            mm = mm_alloc()
            _map_region(mm, 0, 1 << 20, kind="anon", populate_pages=8)
            for number in range(3):
                mmget(mm)
                mmgrab(mm)
                machine.thread(f"user{number}", lambda mm=mm: mmput(mm))
                machine.thread(f"keeper{number}", lambda mm=mm: mmdrop(mm))
            machine.thread("creator", lambda mm=mm: mmput(mm))
            machine.run()
            assert mm not in machine.alive
            assert nr_free_pages() == machine.config.totalram_pages


def test_touching_after_the_last_drop(machine, mm):
    mmput(mm)
    machine.thread("late", lambda: atomic_read(mm.mm_users))
    with pytest.raises(
        UseAfterFree, match=r"touched by atomic_read \(mm_struct#1.mm_users"
    ):
        machine.run()
