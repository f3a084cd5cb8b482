# SPDX-License-Identifier: GPL-2.0-only
"""Advice about memory, memory that is locked, and memory that moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.boot import Region
from pykmm.engine import Config
from pykmm.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.resource import RLIMIT_MEMLOCK
from pykmm.linux.uapi_mman import (
    MADV_COLD,
    MADV_DOFORK,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_NONE,
    PROT_READ,
)
from pykmm.mm._conservation import _books
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.syscalls import (
    madvise,
    mlock,
    mmap,
    mremap,
    munlock,
    setrlimit,
    touch,
)
from tests.lifecycle._memory import (
    PAGE,
    RW,
    A,
    at_limit,
    fixed,
    own,
    plain_file,
    rss,
    runs,
    unmap,
    vmas,
)


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 64 MiB with 4 MiB of swap, whose books are audited."""
    with Machine(Config(node_pages=(1 << 14,), total_swap_pages=1 << 10)) as machine:
        yield machine
        assert _books() == []


def advise(page: int, pages: int, advice: int) -> int:
    """Advise something about *pages* from *page* on."""
    return madvise(A + page * PAGE, pages * PAGE, advice)


def test_l102_dontneed_empties_what_is_there(m: Machine) -> None:
    def program() -> object:
        for page in (0, 4):
            fixed(page, 2)
            touch(A + page * PAGE, 2 * PAGE)
        with_hole = advise(0, 6, MADV_DONTNEED), rss()[1]
        mlock(A, 2 * PAGE)
        locked = advise(0, 2, MADV_DONTNEED), rss()[1]
        anyway = advise(0, 2, MADV_DONTNEED_LOCKED), rss()[1]
        return with_hole, locked, anyway, vmas()

    assert runs(m, program) == (
        (-ENOMEM, 0),
        (-EINVAL, 2),
        (0, 0),
        [(0, 2, "rwal"), (4, 6, "rwa")],
    )


def test_l102_dontneed_leaves_a_file_in_memory(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 4 * PAGE, RW, MAP_SHARED, plain_file(4))
        touch(at, 4 * PAGE)
        before = rss()
        assert madvise(at, 4 * PAGE, MADV_DONTNEED) == 0
        return before, rss()

    assert runs(m, program) == ((4, 0, 0, 0), (0, 0, 0, 0))
    (mapping,) = (x for x in m.alive if type(x).__name__ == "address_space")
    assert mapping.__dict__["i_pages"] == {0: 0b1111}


def test_l103_which_advice_is_for_which_memory(m: Machine) -> None:
    def program() -> object:
        fixed(0, 4)
        touch(A, 4 * PAGE)
        paged_out = advise(0, 2, MADV_PAGEOUT), rss(), nr_swap_pages().counter
        freed = advise(0, 4, MADV_FREE), rss(), nr_swap_pages().counter
        file = mmap(0, PAGE, RW, MAP_PRIVATE, plain_file(1))
        refused = [
            madvise(file, PAGE, MADV_FREE),
            madvise(file, PAGE, MADV_WIPEONFORK),
            advise(0, 1, MADV_REMOVE),
            advise(0, 1, 999),
            madvise(A + 1, PAGE, MADV_DONTNEED),
            madvise(A, 2**64 - PAGE + 1, MADV_DONTNEED),
            madvise(A, 0, MADV_DONTNEED),
            madvise(A, 0, 999),
        ]
        return paged_out, freed, refused

    assert runs(m, program) == (
        (0, (0, 2, 2, 0), 1022),
        (0, (0, 2, 0, 0), 1024),
        [*[-EINVAL] * 6, 0, -EINVAL],
    )


def test_l103_special_memory_is_never_inherited_again(m: Machine) -> None:
    p = m.spawn("driver", regions=[Region("pfnmap", 4 * PAGE)])
    (where,) = p.memory

    @p.runs
    def _() -> object:
        return [
            madvise(where.start, PAGE, advice)
            for advice in (MADV_DOFORK, MADV_DONTNEED, MADV_COLD)
        ]

    m.run()
    assert p.result == [-EINVAL] * 3


def test_advice_splits_and_joins_as_flags_do(m: Machine) -> None:
    def program() -> object:
        fixed(0, 3)
        counts = []
        for advice in (MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK):
            assert advise(1, 1, advice) == 0
            counts.append(len(vmas()))
        at_limit(0)
        return counts, advise(1, 1, MADV_DONTFORK)

    assert runs(m, program) == ([3, 1, 3, 1], -EAGAIN)


def test_populating_stops_where_it_may_not(m: Machine) -> None:
    def program() -> object:
        fixed(0, 2)
        fixed(2, 2, PROT_READ)
        fixed(4, 1, PROT_NONE)
        return [
            advise(0, 2, MADV_POPULATE_WRITE),
            rss()[1],
            advise(0, 4, MADV_POPULATE_WRITE),
            advise(0, 4, MADV_POPULATE_READ),
            advise(3, 2, MADV_POPULATE_READ),
            advise(4, 2, MADV_POPULATE_READ),
            advise(5, 1, MADV_POPULATE_READ),
        ]

    assert runs(m, program) == [0, 2, -EINVAL, 0, -EINVAL, -EINVAL, -ENOMEM]


def test_willneed_reads_without_mapping(m: Machine) -> None:
    def program() -> object:
        fd = plain_file(10)
        at = mmap(0, 8 * PAGE, RW, MAP_PRIVATE, fd, 2 * PAGE)
        return madvise(at + PAGE, 2 * PAGE, MADV_WILLNEED), rss()

    assert runs(m, program) == (0, (0, 0, 0, 0))
    (mapping,) = (x for x in m.alive if type(x).__name__ == "address_space")
    assert mapping.__dict__["i_pages"] == {0: 0b11000}


def test_l104_locking_splits_counts_and_is_limited(m: Machine) -> None:
    def program() -> object:
        fixed(0, 3)
        middle = mlock(A + PAGE, PAGE), vmas(), own().__dict__["locked_vm"], rss()[1]
        back = munlock(A + PAGE, PAGE), vmas(), own().__dict__["locked_vm"]
        setrlimit(RLIMIT_MEMLOCK, 2 * PAGE, 2 * PAGE)
        over = mlock(A, 3 * PAGE)
        hole = mlock(A + 2 * PAGE, 2 * PAGE), vmas()
        setrlimit(RLIMIT_MEMLOCK, 0, 0)
        return middle, back, over, hole, mlock(A, PAGE)

    assert runs(m, program, uid=1000) == (
        (0, [(0, 1, "rwa"), (1, 2, "rwal"), (2, 3, "rwa")], 1, 1),
        (0, [(0, 3, "rwa")], 0),
        -ENOMEM,
        (-ENOMEM, [(0, 2, "rwa"), (2, 3, "rwal")]),
        -EPERM,
    )


def test_l106_what_mremap_refuses(m: Machine) -> None:
    def program() -> object:
        fixed(0, 2)
        fixed(2, 1, PROT_READ)
        to = A + 100 * PAGE
        return [
            mremap(A, PAGE, 0),
            mremap(A + 1, PAGE, PAGE),
            mremap(A, PAGE, PAGE, 8),
            mremap(A, PAGE, PAGE, MREMAP_FIXED, to),
            mremap(A, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP),
            mremap(A, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, A + PAGE),
            mremap(A, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE),
            mremap(A + 9 * PAGE, PAGE, 2 * PAGE),
            mremap(A, 2 * PAGE, 3 * PAGE),
            vmas(),
        ]

    assert runs(m, program) == [
        *[-EINVAL] * 6,
        -EFAULT,
        -EFAULT,
        -ENOMEM,
        [(0, 2, "rwa"), (2, 3, "r")],
    ]


def test_l106_memory_grows_where_it_is_or_moves(m: Machine) -> None:
    def program() -> object:
        fixed(0, 2)
        touch(A, 2 * PAGE)
        in_place = mremap(A, 2 * PAGE, 3 * PAGE), vmas()
        fixed(3, 1, PROT_READ)
        moved = mremap(A, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE)
        touch(moved, 2 * PAGE)
        there = rss()[1], vmas()[0], len(vmas()), vm_committed_as().counter
        shrunk = mremap(moved, 4 * PAGE, PAGE), rss()[1], vm_committed_as().counter
        return in_place, there, (shrunk[0] - moved, *shrunk[1:])

    assert runs(m, program) == (
        (A, [(0, 3, "rwa")]),
        (2, (3, 4, "r"), 2, 4),
        (0, 1, 1),
    )


@pytest.mark.parametrize("flags", [MREMAP_FIXED, MREMAP_FIXED | MREMAP_DONTUNMAP])
def test_memory_moves_to_where_it_is_wanted(m: Machine, flags: int) -> None:
    def program() -> object:
        fixed(0, 4)
        touch(A, 4 * PAGE)
        to = A + 10 * PAGE
        moved = mremap(A + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | flags, to)
        return moved - to, rss()[1], vmas(), vm_committed_as().counter

    stays = bool(flags & MREMAP_DONTUNMAP)
    left = [(0, 4, "rwa")] if stays else [(0, 1, "rwa"), (3, 4, "rwa")]
    promised = 6 if stays else 4
    assert runs(m, program) == (0, 4, [*left, (10, 12, "rwa")], promised)


def test_a_move_of_several_mappings_keeps_their_gaps(m: Machine) -> None:
    def program() -> object:
        fixed(0, 2)
        fixed(3, 1, PROT_READ)
        to = A + 10 * PAGE
        moved = mremap(A, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to)
        return moved - to, vmas()

    assert runs(m, program) == (0, [(10, 12, "rwa"), (13, 14, "r")])


def test_untouched_memory_that_moves_back_is_one_again(m: Machine) -> None:
    def program() -> object:
        fixed(0, 4)
        for start, to in ((2, 10), (10, 2)):
            mremap(
                A + start * PAGE,
                2 * PAGE,
                2 * PAGE,
                MREMAP_MAYMOVE | MREMAP_FIXED,
                A + to * PAGE,
            )
        return vmas(), unmap(0, 4)

    assert runs(m, program) == ([(0, 4, "rwa")], 0)
