# SPDX-License-Identifier: GPL-2.0-only
"""Locks that reclaim takes, and allocations under them that could come to reclaim."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import Lockdep
from pykmm.engine import Config, Machine, Timers
from pykmm.errors import ContextError, LockInversion
from pykmm.kernel.fork import mm_alloc
from pykmm.kernel.pid_alloc import alloc_pid
from pykmm.linux.gfp_types import GFP_ATOMIC, GFP_KERNEL, GFP_NOFS, GFP_NOIO
from pykmm.linux.mm import for_each_vma
from pykmm.linux.mm_types import VMA_ITERATOR
from pykmm.linux.mmu_notifier import (
    mmu_notifier,
    mmu_notifier_ops,
    mmu_notifier_range,
)
from pykmm.linux.mmzone import NODE_DATA
from pykmm.linux.mutex import mutex
from pykmm.linux.pid_namespace import init_pid_ns
from pykmm.linux.rmap import anon_vma
from pykmm.linux.sched import current
from pykmm.linux.sched.mm import (
    memalloc_nofs_restore,
    memalloc_nofs_save,
    memalloc_noio_restore,
    memalloc_noio_save,
    memalloc_noreclaim_restore,
    memalloc_noreclaim_save,
    might_alloc,
)
from pykmm.linux.spinlock import spinlock_t
from pykmm.linux.uapi import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ
from pykmm.linux.uapi_mman import MADV_DONTNEED
from pykmm.mm.internal import anon_vma_lock_write, anon_vma_unlock_write
from pykmm.mm.mempolicy_alloc import alloc_pages
from pykmm.mm.mmu_notifier import mmu_notifier_register
from pykmm.mm.page_alloc_reclaim import (
    __perform_reclaim,
    fs_reclaim_acquire,
    fs_reclaim_release,
)
from pykmm.mm.rmap import anon_vma_alloc
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.mm.vmscan_kswapd import balance_pgdat
from pykmm.syscalls import fork, madvise, mmap
from pykmm.workbench import Machine as Workbench
from tests.detect.programs import Body, Setup, explored, found

MIB = 1 << 20


def shrink(lock: mutex, gfp: int = GFP_KERNEL) -> None:
    """Reclaim for an allocation, as somebody does who needs a lock for that."""
    fs_reclaim_acquire(gfp)
    with lock:
        pass
    fs_reclaim_release(gfp)


def shrinking(allocate: Body, *, reclaims: int = GFP_KERNEL) -> Setup:
    """Have a lock that reclaim takes, and that somebody holds over an allocation."""

    def setup(_: Machine) -> Sequence[Body]:
        lock = mutex()

        def grow() -> None:
            with lock:
                allocate()

        return [lambda: shrink(lock, reclaims), grow]

    return setup


def test_nobody_allocates_under_a_lock_that_reclaim_takes() -> None:
    program = shrinking(lambda: might_alloc(GFP_KERNEL))
    report = found(program, detectors="lockdep")
    assert isinstance(report, LockInversion)
    assert report.summary == (
        "possible circular locking dependency: fs_reclaim -> mutex#1 -> fs_reclaim"
    )
    assert [text.partition("  ")[0] for _, text in report.facts] == [
        "t0 is in fs_reclaim since step 0",
        "takes mutex#1 at step 1",
        "t1 holds mutex#1 since step 4",
        "takes fs_reclaim at step 4",
    ]
    assert [r.summary for r in explored(program).reports] == [report.summary]


@pytest.mark.parametrize("gfp", [GFP_NOFS, GFP_NOIO, GFP_ATOMIC])
def test_allocations_that_stay_out_of_filesystems_may(gfp: int) -> None:
    assert explored(shrinking(lambda: might_alloc(gfp))).reports == ()


@pytest.mark.parametrize("gfp", [GFP_NOFS, GFP_NOIO])
def test_what_reclaim_takes_for_such_allocations_is_another_matter(gfp: int) -> None:
    program = shrinking(lambda: might_alloc(GFP_KERNEL), reclaims=gfp)
    assert explored(program).reports == ()


def test_reclaiming_in_reclaim_is_recursive() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        def reclaim() -> None:
            fs_reclaim_acquire(GFP_KERNEL)
            might_alloc(GFP_KERNEL)
            fs_reclaim_release(GFP_KERNEL)

        return [reclaim]

    report = found(setup, detectors="lockdep")
    assert report is not None
    assert report.summary == "possible recursive locking: fs_reclaim -> fs_reclaim"


def test_it_is_no_step_and_may_not_be_where_nobody_may_sleep() -> None:
    def run(body: Body) -> list[str]:
        with Machine(observers=[Lockdep()]) as m:
            m.thread("t", body)
            m.run()
            return [event.kind for event in m.events]

    def locked(gfp: int) -> None:
        with spinlock_t():
            might_alloc(gfp)

    assert run(lambda: might_alloc(GFP_KERNEL)) == ["start"]
    assert run(lambda: locked(GFP_ATOMIC)) == ["start", "spin_lock", "spin_unlock"]
    with pytest.raises(ContextError, match="might sleep in atomic context"):
        run(lambda: locked(GFP_KERNEL))


# -- programs -------------------------------------------------------------------------

NR = 8


def directly() -> object:
    return __perform_reclaim(GFP_KERNEL, NR, frozenset({0}))


def beside_reclaim(
    grow: Callable[[anon_vma], None], reclaim: Body = directly
) -> LockInversion | None:
    """Have somebody reclaim, and then somebody do something with the memory's tree."""
    config = Config(
        node_pages=(1024,),
        total_swap_pages=1024,
        min_free_kbytes=4000,
        timers=Timers.IDLE,
    )
    with Workbench(config, observers=[Lockdep()]) as m:
        p = m.spawn("p", anon=f"{NR * 4}K")
        (tree,) = (v.anon_vma for v in for_each_vma(VMA_ITERATOR(p.space, 0)))
        p.runs(reclaim)
        m.run()
        assert nr_swap_pages().counter < 1024
        m.spawn("q").runs(lambda: grow(tree))
        try:
            m.run()
        except LockInversion as report:
            return report
    return None


def allocate(anon: anon_vma) -> None:
    anon_vma_lock_write(anon)
    might_alloc(GFP_KERNEL)
    anon_vma_unlock_write(anon)


@pytest.mark.parametrize("reclaim", [directly, lambda: balance_pgdat(NODE_DATA(0))])
def test_reclaim_takes_the_locks_of_trees(reclaim: Body) -> None:
    report = beside_reclaim(allocate, reclaim)
    assert report is not None
    assert report.summary == (
        "possible circular locking dependency: "
        "anon_vma.rwsem -> fs_reclaim -> anon_vma.rwsem"
    )


SCOPES = {
    "nofs": (memalloc_nofs_save, memalloc_nofs_restore),
    "noio": (memalloc_noio_save, memalloc_noio_restore),
    "noreclaim": (memalloc_noreclaim_save, memalloc_noreclaim_restore),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_task_can_keep_all_that_it_allocates_out_of_reclaim(scope: str) -> None:
    save, restore = SCOPES[scope]

    def grow(anon: anon_vma) -> None:
        before = current().flags
        outer, inner = save(), save()
        restore(inner)
        allocate(anon)
        restore(outer)
        assert current().flags == before

    assert beside_reclaim(grow) is None


def test_who_is_told_of_changes_must_not_reclaim() -> None:
    def start(_: mmu_notifier, __: mmu_notifier_range) -> int:
        might_alloc(GFP_NOFS)
        return 0

    with Workbench(observers=[Lockdep()]) as m:
        p = m.spawn("p", anon="16K")
        ops = mmu_notifier_ops(invalidate_range_start=start)
        device = mmu_notifier(ops=ops)

        def work() -> None:
            assert mmu_notifier_register(device, current().mm) == 0
            madvise(p.memory[0].start, 4096, MADV_DONTNEED)

        p.runs(work)
        with pytest.raises(LockInversion, match="possible recursive locking") as caught:
            m.run()
    assert "mmu_notifier_invalidate_range_start" in caught.value.summary


#: What makes structures, which take memory in Linux, and nothing else.
SITES: dict[str, Body] = {
    "mm": mm_alloc,
    "anon_vma": anon_vma_alloc,
    "pid": lambda: alloc_pid(init_pid_ns()),
    "mapping": lambda: mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS),
    "process": fork,
    "page": lambda: alloc_pages(GFP_KERNEL, 0),
}


@pytest.mark.parametrize("site", SITES)
def test_what_makes_structures_allocates(site: str) -> None:
    with Workbench(observers=[Lockdep()]) as m:
        lock = mutex()

        def grow() -> None:
            with lock:
                SITES[site]()

        m.spawn("shrink").runs(lambda: shrink(lock))
        m.run()
        m.spawn("grow").runs(grow)
        with pytest.raises(LockInversion, match="fs_reclaim -> mutex#1 -> fs_reclaim"):
            m.run()
