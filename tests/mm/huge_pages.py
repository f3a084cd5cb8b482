# SPDX-License-Identifier: GPL-2.0-only
"""Machines with huge pages, programs that use them, and what is left of the pool."""

from __future__ import annotations

from collections.abc import Callable

from pykmm.engine import Config, Timers
from pykmm.linux.sched import current
from pykmm.linux.uapi import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
)
from pykmm.linux.uapi_mman import MADV_DONTNEED, MAP_HUGETLB, MAP_NORESERVE
from pykmm.mm._conservation import _books
from pykmm.mm.hugetlb_pool import the_hstate
from pykmm.schedulers import RandomWalk
from pykmm.strategies import end_all
from pykmm.syscalls import exit_group, fork, madvise, mmap, munmap, touch, wait4
from pykmm.workbench import Machine

HUGE = 2 << 20
BOTH = PROT_READ | PROT_WRITE
OWN = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB
ALL = MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB


def boot(
    nr: int = 4,
    *,
    more: int = 0,
    seed: int | None = None,
    nodes: tuple[int, ...] = (4096,),
) -> Machine:
    """Boot a machine with *nr* huge pages, and leave to have *more*."""
    config = Config(
        node_pages=nodes,
        nr_hugepages=nr,
        nr_overcommit_hugepages=more,
        timers=Timers.IDLE,
    )
    return Machine(config, scheduler=None if seed is None else RandomWalk(seed))


def ends_whole(m: Machine, nr: int) -> None:
    """End all processes; the pool has to have its *nr* pages then, and no more."""
    assert _books() == []
    end_all(m)
    assert (pool(), surplus()) == ((nr, 0), 0)
    assert _books() == []


def pool() -> tuple[int, int]:
    """Return how many pages are free, and how many of them promised."""
    state = the_hstate().__dict__
    return sum(state["free_huge_pages"]), state["resv_huge_pages"]


def surplus() -> int:
    """Return how many pages there are beyond the pool."""
    return sum(the_hstate().__dict__["surplus_huge_pages_node"])


def runs(m: Machine, program: Callable[[], object]) -> object:
    """Let a process run *program*; return what it returns."""
    p = m.spawn("app")
    p.runs(program)
    m.run()
    return p.result


def usage() -> tuple[int, int]:
    """Return current's pages of huge memory, and of all other."""
    mm = current().mm
    assert mm is not None
    return mm.hugetlb_usage.counter, sum(c.counter for c in mm.rss_stat)


def ends_by(access: Callable[[], object]) -> int:
    """Have a child make an access; return the signal that it dies of, or 0."""
    _, status = wait4(fork(lambda: (access(), exit_group(0))))  # type: ignore[misc]  # there is such a child
    return status & 0x7F


def use_in_all_ways(flags: int) -> None:
    """Map two pages, share them with a child, give one up, unmap one, and use one."""
    at = mmap(0, 2 * HUGE, BOTH, flags)
    if at < 0:
        return
    fork(lambda: touch(at, 2 * HUGE))
    touch(at, 2 * HUGE)
    madvise(at, HUGE, MADV_DONTNEED)
    munmap(at + HUGE, HUGE)
    touch(at, HUGE)


def meet(m: Machine) -> None:
    """Let processes with all kinds of mappings use them at once."""
    for flags in (OWN, ALL, OWN | MAP_NORESERVE):
        m.spawn("p").runs(lambda flags=flags: use_in_all_ways(flags))
    m.run()
