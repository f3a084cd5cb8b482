# SPDX-License-Identifier: GPL-2.0-only
"""Mapping, unmapping and changing memory: what becomes of the mappings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.errno import EACCES, EBADF, EEXIST, EINVAL, ENOMEM
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.resource import RLIMIT_AS, RLIMIT_DATA
from pykmm.linux.uapi import O_CREAT, O_RDONLY, O_RDWR
from pykmm.linux.uapi_mman import (
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_NONE,
    PROT_READ,
)
from pykmm.mm._conservation import _books
from pykmm.syscalls import (
    brk,
    exit_group,
    fork,
    mmap,
    munmap,
    open,
    setrlimit,
    touch,
    wait4,
)
from tests.lifecycle._memory import (
    FIXED,
    PAGE,
    RW,
    A,
    at_limit,
    fixed,
    own,
    protect,
    rss,
    runs,
    unmap,
    vmas,
)


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 64 MiB whose books are audited."""
    with Machine(Config(node_pages=(1 << 14,))) as machine:
        yield machine
        assert _books() == []


def test_l90_neighbours_that_are_alike_are_one(m: Machine) -> None:
    def program() -> object:
        assert (fixed(0), fixed(1)) == (A, A + PAGE)
        one = vmas()
        fixed(2, prot=PROT_READ)
        return one, vmas()

    assert runs(m, program) == (
        [(0, 2, "rwa")],
        [(0, 2, "rwa"), (2, 3, "r")],
    )


def test_l91_what_fills_a_gap_joins_both_sides(m: Machine) -> None:
    def program() -> object:
        counts = []
        for page in (0, 2, 1):
            fixed(page)
            counts.append(len(vmas()))
        return counts, vmas()

    assert runs(m, program) == ([1, 2, 1], [(0, 3, "rwa")])


@pytest.mark.parametrize("faulted", [False, True])
def test_l92_a_change_in_the_middle_splits_and_back_joins(
    m: Machine, faulted: bool
) -> None:
    def program() -> object:
        fixed(0, 3)
        if faulted:
            touch(A, 3 * PAGE)
        found = []
        for prot in (PROT_READ, RW):
            assert protect(1, 1, prot) == 0
            found.append(vmas())
        assert unmap(1) == 0
        return [*found, vmas()]

    assert runs(m, program) == [
        [(0, 1, "rwa"), (1, 2, "ra" if faulted else "r"), (2, 3, "rwa")],
        [(0, 3, "rwa")],
        [(0, 1, "rwa"), (2, 3, "rwa")],
    ]


@pytest.mark.parametrize(
    ("faulted", "expected", "promised"),
    [(True, [(0, 1, "ra"), (1, 2, "r")], 1), (False, [(0, 2, "r")], 0)],
)
def test_l93_what_may_have_pages_stays_promised(
    m: Machine, faulted: bool, expected: list[tuple[int, int, str]], promised: int
) -> None:
    def program() -> object:
        fixed(0)
        if faulted:
            touch(A, PAGE)
        protect(0, 1, PROT_READ)
        fixed(1, prot=PROT_READ)
        return vmas(), vm_committed_as().counter

    assert runs(m, program) == (expected, promised)


def test_l95_one_mapping_more_than_the_limit(m: Machine) -> None:
    def program() -> object:
        fixed(0)
        at_limit(0)
        return [fixed(2), len(vmas()), fixed(1), fixed(4), len(vmas())]

    assert runs(m, program) == [A + 2 * PAGE, 2, -ENOMEM, -ENOMEM, 2]


def test_l96_splitting_at_the_limit(m: Machine) -> None:
    def program() -> object:
        fixed(0, 4)
        at_limit(0)
        inside = unmap(1), vmas()
        protected = protect(1, 1, PROT_READ), vmas()
        head = unmap(0), vmas()
        at_limit(1)
        half = protect(2, 1, PROT_READ), vmas()
        return inside, protected, head, half

    whole = [(0, 4, "rwa")]
    assert runs(m, program) == (
        (-ENOMEM, whole),
        (-ENOMEM, whole),
        (0, [(1, 4, "rwa")]),
        (-ENOMEM, [(1, 2, "rwa"), (2, 4, "rwa")]),
    )


def test_l97_what_mmap_refuses(m: Machine) -> None:
    def program() -> object:
        fixed(0)
        open("/data", O_RDWR | O_CREAT)
        return [
            mmap(0, 0),
            mmap(0, 2**64 - 1),
            mmap(0, 1 << 48),
            mmap(A + 1, PAGE, RW, FIXED),
            mmap(A, PAGE, RW, FIXED | MAP_FIXED_NOREPLACE),
            mmap((1 << 47) - PAGE, PAGE, RW, FIXED),
            mmap(0, PAGE, RW, MAP_ANONYMOUS),
            mmap(0, PAGE, RW, MAP_PRIVATE, 77),
            mmap(0, PAGE, RW, MAP_PRIVATE, 77, 1),
            mmap(0, PAGE, RW, MAP_SHARED, open("/data", O_RDONLY)),
            mmap(0, PAGE, PROT_READ, MAP_SHARED, open("/data", O_RDONLY)) > 0,
            vmas()[-1][2],
            protect(vmas()[-1][0], 1, RW),
        ]

    assert runs(m, program) == [
        -EINVAL,
        -ENOMEM,
        -ENOMEM,
        -EINVAL,
        -EEXIST,
        -ENOMEM,
        -EINVAL,
        -EBADF,
        -EINVAL,
        -EACCES,
        True,
        "r",
        -EACCES,
    ]


def test_l98_a_fixed_mapping_replaces_what_is_there(m: Machine) -> None:
    def program() -> object:
        fixed(0, 4)
        fixed(4, 4, PROT_READ)
        touch(A, 4 * PAGE)
        limit = own().__dict__["total_vm"] * PAGE
        assert setrlimit(RLIMIT_AS, limit, limit) == 0
        assert fixed(8) == -ENOMEM
        assert fixed(2, 4, PROT_NONE) == A + 2 * PAGE
        return vmas(), rss()[1]

    assert runs(m, program) == (
        [(0, 2, "rwa"), (2, 6, ""), (6, 8, "r")],
        2,
    )


def test_l99_what_munmap_refuses(m: Machine) -> None:
    def program() -> object:
        fixed(0)
        fixed(2)
        refused = munmap(A + 1, PAGE), munmap(A, 0), unmap(10), len(vmas())
        return *refused, unmap(0, 3), vmas()

    assert runs(m, program) == (-EINVAL, -EINVAL, 0, 2, 0, [])


def test_l100_mprotect_up_to_a_hole(m: Machine) -> None:
    def program() -> object:
        fixed(0, 2)
        up_to = protect(1, 2, PROT_READ), vmas()
        from_hole = protect(-1, 3, RW), vmas()
        return up_to, from_hole, protect(0, 0, PROT_READ), protect(0, 1, 0x40)

    changed = [(0, 1, "rwa"), (1, 2, "r")]
    assert runs(m, program) == (
        (-ENOMEM, changed),
        (-ENOMEM, changed),
        0,
        -EINVAL,
    )


def test_l101_the_heap_grows_and_shrinks(m: Machine) -> None:
    def program() -> object:
        first = brk(0)
        mapped = mmap(first + 8 * PAGE, PAGE, RW, FIXED)
        grown = brk(first + 4 * PAGE) - first
        touch(first, 4 * PAGE)
        beyond = brk(first + 9 * PAGE) - first
        below = brk(first - 1) - first
        shrunk = brk(first + PAGE + 1) - first, rss()[1]
        munmap(mapped, PAGE)
        return grown, beyond, below, shrunk

    assert runs(m, program) == (
        4 * PAGE,
        4 * PAGE,
        4 * PAGE,
        (PAGE + 1, 2),
    )


def test_l101_the_heap_does_not_grow_beyond_a_limit(m: Machine) -> None:
    def program() -> object:
        first = brk(0)
        setrlimit(RLIMIT_DATA, 4 * PAGE, 4 * PAGE)
        grown = brk(first + 2 * PAGE) - first
        return grown, brk(first + 9 * PAGE) - first, brk(first + PAGE) - first

    assert runs(m, program) == (2 * PAGE, 2 * PAGE, PAGE)


def test_l94_a_child_does_not_extend_what_it_inherited(m: Machine) -> None:
    def program() -> object:
        fixed(0)
        touch(A, PAGE)
        seen = []

        def child() -> None:
            fixed(1)
            seen.append(vmas())
            exit_group(0)

        pid = fork(child)
        wait4(pid)
        fixed(1)
        return seen, vmas()

    assert runs(m, program) == (
        [[(0, 1, "rwa"), (1, 2, "rwa")]],
        [(0, 2, "rwa")],
    )
