# SPDX-License-Identifier: GPL-2.0-only
"""Advising about another process's memory, and calls that wait for the lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import Machine, explore
from pykmm.engine import Config
from pykmm.errno import EBADF, EINTR, EINVAL, EPERM, ESRCH
from pykmm.kernel.signal import kill as kernel_kill
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.sched import current
from pykmm.linux.uapi import SIGKILL
from pykmm.linux.uapi_mman import (
    MADV_COLD,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_PAGEOUT,
    MLOCK_ONFAULT,
    PROT_READ,
)
from pykmm.mm._conservation import _books
from pykmm.mm.madvise import madvise
from pykmm.mm.mlock import mlock2, munlock
from pykmm.mm.mmap_sys import brk as kernel_brk
from pykmm.mm.mmap_sys import ksys_mmap_pgoff, munmap
from pykmm.mm.mprotect import mprotect
from pykmm.mm.mremap_call import mremap
from pykmm.patches.kernels.v6_12 import patch as v6_12
from pykmm.patches.patch import apply
from pykmm.syscalls import (
    close,
    getpid,
    kill,
    pidfd_open,
    process_madvise,
    touch,
    wait4,
)
from tests.lifecycle._memory import ANON, PAGE, RW, A, fixed, rss, runs


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 64 MiB with swap, whose books are audited."""
    with Machine(Config(node_pages=(1 << 14,), total_swap_pages=1 << 10)) as machine:
        yield machine
        assert _books() == []


def _self_advice() -> object:
    fixed(0, 2)
    touch(A, 2 * PAGE)
    own = pidfd_open(getpid(), 0)
    ranges = [(A, PAGE), (A + PAGE, PAGE)]
    found = [
        process_madvise(own, ranges, MADV_DONTNEED, 1),
        process_madvise(own, ranges, MADV_DONTNEED, 0),
        rss()[1],
        process_madvise(own, [(A, PAGE), (A + 9 * PAGE, PAGE)], MADV_COLD, 0),
    ]
    close(own)
    return [*found, process_madvise(own, ranges, MADV_COLD, 0)]


def test_l105_any_advice_is_for_oneself(m: Machine) -> None:
    assert runs(m, _self_advice) == [-EINVAL, 2 * PAGE, 0, PAGE, -EBADF]


def test_l105_only_harmless_advice_was_for_oneself_in_6_12() -> None:
    config = Config(node_pages=(1 << 14,))
    with Machine(config) as m:
        apply(m, [v6_12])
        assert runs(m, _self_advice) == [-EINVAL, -EINVAL, 2, PAGE, -EBADF]


@pytest.mark.parametrize(
    ("uid", "cold", "dontneed"), [(0, PAGE, -EINVAL), (1000, -EPERM, -EINVAL)]
)
def test_l105_advice_about_others_loses_nothing(
    m: Machine, uid: int, cold: int, dontneed: int
) -> None:
    target = m.spawn("target", anon="64K", uid=uid)
    (memory,) = target.memory

    def program() -> object:
        fd = pidfd_open(target.pid, 0)
        ranges = [(memory.start, PAGE)]
        return [
            process_madvise(fd, ranges, advice, 0)
            for advice in (MADV_COLD, MADV_DONTNEED)
        ]

    assert runs(m, program, uid=uid) == [cold, dontneed]


def test_l105_pageout_of_another_process(m: Machine) -> None:
    target = m.spawn("target", anon="64K")
    (memory,) = target.memory

    def program() -> object:
        fd = pidfd_open(target.pid, 0)
        return process_madvise(fd, [(memory.start, 4 * PAGE)], MADV_PAGEOUT, 0)

    assert runs(m, program) == 4 * PAGE
    assert target.mm is not None
    assert [c.counter for c in target.mm.rss_stat] == [0, 12, 4, 0]


def test_l105_the_dead_have_no_memory(m: Machine) -> None:
    parent = m.spawn("parent")
    target = m.spawn("target", parent=parent)

    def first() -> None:
        kill(target.pid, SIGKILL)

    def then() -> object:
        zombie = pidfd_open(target.pid, 0)
        found = process_madvise(zombie, [(A, PAGE)], MADV_COLD, 0)
        wait4(target.pid)
        return found, process_madvise(zombie, [(A, PAGE)], MADV_COLD, 0)

    m.spawn("killer").runs(first)
    m.run()
    parent.runs(then)
    m.run()
    assert parent.result == (-ESRCH, -ESRCH)


CALLS: dict[str, Callable[[], int]] = {
    "mmap": lambda: ksys_mmap_pgoff(0, PAGE, RW, ANON, -1, 0),
    "munmap": lambda: munmap(A, PAGE),
    "mprotect": lambda: mprotect(A, PAGE, PROT_READ),
    "brk": lambda: kernel_brk(0),
    "mremap": lambda: mremap(A, PAGE, 2 * PAGE),
    "mlock": lambda: mlock2(A, PAGE, MLOCK_ONFAULT),  # nor waits for its pages
    "munlock": lambda: munlock(A, PAGE),
    "madvise": lambda: madvise(A, PAGE, MADV_DONTFORK),
}


@pytest.mark.parametrize("name", CALLS)
def test_l107_only_a_wait_for_the_lock_is_cut_short(name: str) -> None:
    """A killed caller gives up where it has to wait, and goes on where it need not."""

    def scenario(m: Machine) -> object:
        app = m.spawn("app")
        other = m.spawn("other", shares_mm=app)
        got: list[int] = []

        @app.runs
        def _() -> None:
            fixed(0)
            got.append(CALLS[name]())

        @other.runs
        def _() -> None:
            mm = current().mm
            assert mm is not None
            mmap_read_lock(mm)
            kernel_kill(app.pid, SIGKILL)
            mmap_read_unlock(mm)

        m.run()
        result = got[0] if got else None
        return "none" if result is None else "eintr" if result == -EINTR else "done"

    result = explore(scenario, scheduler="random", executions=40)
    assert {outcome.value for outcome in result.outcomes} >= {"eintr", "done"}
