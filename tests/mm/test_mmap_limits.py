# SPDX-License-Identifier: GPL-2.0-only
"""What a process may map, and what the machine may promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.errno import EAGAIN, EINVAL, ENOMEM, EPERM
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.resource import (
    RLIM_INFINITY,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
)
from pykmm.linux.uapi import O_RDWR
from pykmm.linux.uapi_mman import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MCL_CURRENT,
    MCL_FUTURE,
    PROT_READ,
)
from pykmm.mm._conservation import _books
from pykmm.mm.util import vm_commit_limit
from pykmm.syscalls import (
    brk,
    madvise,
    mlockall,
    mmap,
    mprotect,
    mseal,
    munlockall,
    munmap,
    open,
    setrlimit,
    touch,
    write,
)
from tests.lifecycle._memory import (
    ANON,
    PAGE,
    RW,
    A,
    fixed,
    memory_file,
    own,
    rss,
    runs,
    vmas,
)

PAGES = 1 << 12


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 16 MiB with 4 MiB of swap, whose books are audited."""
    with Machine(Config(node_pages=(PAGES,), total_swap_pages=1 << 10)) as machine:
        yield machine
        assert _books() == []


def setting(name: str, value: int) -> None:
    """Write a setting below vm."""
    assert write(open(f"/proc/sys/vm/{name}", O_RDWR), f"{value}\n") > 0


def test_mode_0_refuses_what_could_never_be_kept(m: Machine) -> None:
    def program() -> object:
        most = PAGES + (1 << 10)
        fits = mmap(most * PAGE) > 0
        return fits, mmap((most + 1) * PAGE), vm_committed_as().counter == most

    assert runs(m, program) == (True, -ENOMEM, True)


def test_mode_1_promises_anything(m: Machine) -> None:
    def program() -> object:
        setting("overcommit_memory", 1)
        return mmap(1 << 40) > 0, vm_committed_as().counter

    assert runs(m, program) == (True, 1 << 28)


def test_mode_2_keeps_to_the_limit(m: Machine) -> None:
    def program() -> object:
        setting("overcommit_memory", 2)
        limit = PAGES // 2 + (1 << 10)
        found = [mmap((limit - 64) * PAGE) > 0, mmap(128 * PAGE)]
        found.append(mmap(0, 128 * PAGE, RW, ANON | MAP_NORESERVE))
        found.append(mmap(0, 128 * PAGE, PROT_READ) > 0)
        found.append(mprotect(own_last(), 128 * PAGE, RW))
        setting("overcommit_kbytes", 1 << 16)
        found.append(mmap(128 * PAGE) > 0)
        return found

    def own_last() -> int:
        return A + vmas()[0][0] * PAGE

    assert runs(m, program) == [True, -ENOMEM, -ENOMEM, True, -ENOMEM, True]


def test_what_is_not_reserved_is_no_promise(m: Machine) -> None:
    def program() -> object:
        mmap(0, PAGE, RW, ANON | MAP_NORESERVE)
        mmap(0, PAGE, PROT_READ, ANON)
        promised = [vm_committed_as().counter]
        shared = mmap(0, 3 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
        promised.append(vm_committed_as().counter)
        munmap(shared, PAGE)
        promised.append(vm_committed_as().counter)
        munmap(shared, 3 * PAGE)
        return [*promised, vm_committed_as().counter]

    assert runs(m, program) == [0, 3, 3, 0]


def test_data_is_limited_by_itself(m: Machine) -> None:
    def program() -> object:
        fixed(0)
        setrlimit(RLIMIT_DATA, 2 * PAGE, RLIM_INFINITY)
        first = brk(0)
        return [
            mmap(0, 2 * PAGE, RW),
            mmap(0, 2 * PAGE, PROT_READ) > 0,
            mprotect(A + vmas()[-1][0] * PAGE, 2 * PAGE, RW),
            mmap(0, PAGE, RW) > 0,
            brk(first + PAGE) - first,
        ]

    assert runs(m, program) == [-ENOMEM, True, -ENOMEM, True, 0]


def test_locked_mappings_are_limited_and_populated(m: Machine) -> None:
    def program() -> object:
        setrlimit(RLIMIT_MEMLOCK, 2 * PAGE, 2 * PAGE)
        at = mmap(0, 2 * PAGE, RW, ANON | MAP_LOCKED)
        found = [own().__dict__["locked_vm"], rss()[1]]
        found.append(mmap(0, PAGE, RW, ANON | MAP_LOCKED))
        munmap(at, 2 * PAGE)
        found.append(own().__dict__["locked_vm"])
        setrlimit(RLIMIT_MEMLOCK, 0, 0)
        found.append(mmap(0, PAGE, RW, ANON | MAP_LOCKED))
        found.append(setrlimit(RLIMIT_MEMLOCK, 0, PAGE))
        found.append(setrlimit(RLIMIT_MEMLOCK, PAGE, 0))
        found.append(setrlimit(99, 0, 0))
        return found

    assert runs(m, program, uid=1) == [
        *(2, 2, -EAGAIN, 0, -EPERM),
        *(-EPERM, -EINVAL, -EINVAL),
    ]


def test_mappings_to_come_are_locked(m: Machine) -> None:
    def program() -> object:
        fixed(0, 2)
        refused = mlockall(0), mlockall(8)
        assert mlockall(MCL_CURRENT | MCL_FUTURE) == 0
        fixed(4, 2)
        first = brk(0)
        brk(first + PAGE)
        locked = rss()[1], own().__dict__["locked_vm"], vmas()[0][2]
        munlockall()
        fixed(8)
        return refused, locked, own().__dict__["locked_vm"], vmas()[2][2]

    assert runs(m, program) == ((-EINVAL, -EINVAL), (5, 5, "rwal"), 0, "rwa")


def test_populating_fills_what_is_mapped(m: Machine) -> None:
    def program() -> object:
        mmap(0, 4 * PAGE, RW, ANON | MAP_POPULATE)
        mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, memory_file(4))
        return rss()

    assert runs(m, program) == (0, 4, 0, 4)


def test_huge_pages_are_rounded_and_never_merge() -> None:
    huge = 1 << 21

    def program() -> object:
        at = mmap(0, PAGE, RW, ANON | MAP_HUGETLB)
        below = mmap(0, PAGE, RW, ANON | MAP_HUGETLB)
        apart = len(vmas()), at - below == huge, at % huge
        return apart, munmap(at, PAGE), munmap(at, huge), len(vmas())

    with Machine(Config(node_pages=(4096,), nr_hugepages=2)) as m:
        assert runs(m, program) == ((2, True, 0), -EINVAL, 0, 1)
        assert _books() == []


def test_mode_2_promises_nothing_that_huge_pages_have() -> None:
    config = Config(node_pages=(PAGES,), nr_hugepages=3, nr_overcommit_hugepages=1)

    def program() -> list[int]:
        limits = [vm_commit_limit()]
        assert mmap(0, 4 << 21, RW, ANON | MAP_HUGETLB) > 0  # one more than the pool
        limits.append(vm_commit_limit())
        setting("overcommit_kbytes", 400)
        return [*limits, vm_commit_limit()]

    with Machine(config) as m:
        assert runs(m, program) == [(PAGES - 3 * 512) // 2, (PAGES - 4 * 512) // 2, 100]


def test_what_is_sealed_stays(m: Machine) -> None:
    def program() -> object:
        fixed(0, 4)
        touch(A, 4 * PAGE)
        assert mseal(A + PAGE, 2 * PAGE) == 0
        refused = [
            munmap(A, 4 * PAGE),
            munmap(A + PAGE, PAGE),
            mprotect(A, 4 * PAGE, PROT_READ),
            fixed(2),
        ]
        allowed = madvise(A, 4 * PAGE, MADV_DONTNEED), munmap(A, PAGE)
        hole = mseal(A, 2 * PAGE), mseal(A, PAGE, 1), mseal(A + 1, PAGE)
        return refused, allowed, hole, vmas()

    assert runs(m, program) == (
        [-EPERM] * 4,
        (0, 0),
        (-ENOMEM, -EINVAL, -EINVAL),
        [(1, 3, "rwa"), (3, 4, "rwa")],
    )


def test_private_and_shared_are_the_only_kinds(m: Machine) -> None:
    def program() -> object:
        return [mmap(0, PAGE, RW, MAP_ANONYMOUS | kind) for kind in (0, 4, 15)] + [
            mmap(0, PAGE, RW, MAP_ANONYMOUS | MAP_PRIVATE) > 0
        ]

    assert runs(m, program) == [-EINVAL, -EINVAL, -EINVAL, True]
