# SPDX-License-Identifier: GPL-2.0-only
"""Files that are cut, and files with holes, while somebody maps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.errno import (
    EACCES,
    EBADF,
    EFBIG,
    EINVAL,
    ENOENT,
    EOPNOTSUPP,
    EPERM,
    ETXTBSY,
)
from pykmm.linux.fs import S_APPEND, S_SWAPFILE
from pykmm.linux.sched import current
from pykmm.linux.uapi import O_CREAT, O_RDONLY, O_RDWR, SIGBUS
from pykmm.linux.uapi_falloc import (
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
)
from pykmm.linux.uapi_mman import (
    MADV_REMOVE,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_MAYMOVE,
    PROT_READ,
)
from pykmm.mm._conservation import _books
from pykmm.mm.memfd import MFD_HUGETLB
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import (
    exit_group,
    fallocate,
    fork,
    ftruncate,
    madvise,
    memfd_create,
    mlock,
    mmap,
    mremap,
    open,
    pidfd_open,
    touch,
    wait4,
)
from tests.lifecycle._memory import PAGE, RW, memory_file, plain_file, rss, runs

HOLE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
OPEN = {"shmem": lambda: memory_file(9), "plain": lambda: plain_file(9, "/f")}


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine whose books are audited."""
    with Machine(Config(node_pages=(1 << 14,))) as machine:
        yield machine
        assert _books() == []


@pytest.fixture(params=OPEN)
def opened(request: pytest.FixtureRequest) -> Callable[[], int]:
    """How to open a new file, in memory or a plain one."""
    return OPEN[request.param]


def map_it(fd: int, pages: int, flags: int = MAP_SHARED, prot: int = RW) -> int:
    """Map the first *pages* of a file; return the address."""
    addr = mmap(0, pages * PAGE, prot, flags, fd)
    assert addr > 0
    return addr


def cached_pages() -> int:
    """Count what current maps of files, in memory or plain ones."""
    return rss()[0] + rss()[3]


def ends_by(access: Callable[[], None]) -> int:
    """Have a child make an access; return the signal that it dies of, or 0."""
    _, status = wait4(fork(lambda: (access(), exit_group(0))))  # type: ignore[misc]  # there is such a child
    return status & 0x7F


# -- a new end -------------------------------------------------------------------------


def test_a_new_memory_file_has_no_page(m: Machine) -> None:
    def program() -> object:
        fd = memfd_create("f")
        addr = map_it(fd, 2)
        before = ends_by(lambda: touch(addr, PAGE))
        assert ftruncate(fd, PAGE) == 0
        within, behind = (
            ends_by(lambda: touch(addr, PAGE, False)),
            ends_by(lambda: touch(addr + PAGE, PAGE, False)),
        )
        return before, within, behind

    assert runs(m, program) == (SIGBUS, 0, SIGBUS)


def test_a_new_file_is_empty_and_others_have_their_size(m: Machine) -> None:
    m.file("/lib", PAGE + 1)

    def program() -> object:
        made = map_it(open("/f", O_CREAT | O_RDWR), 2)
        found = map_it(open("/lib", O_CREAT | O_RDONLY), 3, MAP_PRIVATE)
        seen = [
            ends_by(partial(touch, at, PAGE, write))
            for at in (made, found, found + PAGE, found + 2 * PAGE)
            for write in (False, True)
        ]
        assert ftruncate(open("/f", O_RDWR), 2 * PAGE) == 0
        touch(made, 2 * PAGE)
        return seen, open("/none")

    # The page that it ends in is there as a whole.
    assert runs(m, program) == ([SIGBUS] * 2 + [0] * 4 + [SIGBUS] * 2, -ENOENT)


def test_what_a_process_came_with_ends_where_it_was_mapped(m: Machine) -> None:
    p = m.spawn("app", file="8K", shmem="8K")
    p.runs(
        lambda: [
            ends_by(partial(touch, mremap(at.start, 2 * PAGE, n * PAGE, 1), n * PAGE))
            for at in p.memory
            for n in (2, 3)
        ]
    )
    m.run()
    assert p.result == [0, SIGBUS, 0, SIGBUS]


def test_what_is_cut_off_is_unmapped_and_free(
    m: Machine, opened: Callable[[], int]
) -> None:
    def program() -> object:
        fd = opened()
        addr = map_it(fd, 8)
        touch(addr, 8 * PAGE)
        before = nr_free_pages()
        cut = ftruncate(fd, 3 * PAGE)
        return cut, cached_pages(), nr_free_pages() - before

    assert runs(m, program) == (0, 3, 5)


def test_a_page_stays_that_the_file_ends_in(
    m: Machine, opened: Callable[[], int]
) -> None:
    def program() -> object:
        fd = opened()
        touch(map_it(fd, 4), 4 * PAGE)
        ftruncate(fd, PAGE + 1)
        return cached_pages()

    assert runs(m, program) == 2


def test_private_copies_are_cut_off_too(m: Machine, opened: Callable[[], int]) -> None:
    def program() -> object:
        fd = opened()
        addr = map_it(fd, 4, MAP_PRIVATE)
        touch(addr, 4 * PAGE)
        copies = rss()[1]
        ftruncate(fd, PAGE)
        return copies, rss()[1]

    assert runs(m, program) == (4, 1)


def test_others_lose_what_is_cut_off(m: Machine, opened: Callable[[], int]) -> None:
    def program() -> object:
        fd = opened()
        addr = map_it(fd, 4)
        seen: list[int] = []

        def child() -> None:
            touch(addr, 4 * PAGE)
            seen.append(cached_pages())
            ftruncate(fd, 0)
            exit_group(0)

        touch(addr, 4 * PAGE)
        wait4(fork(child))
        return seen, cached_pages()

    assert runs(m, program) == ([4], 0)


def test_behind_the_end_there_is_sigbus(m: Machine, opened: Callable[[], int]) -> None:
    def program() -> object:
        fd = opened()
        addr = map_it(fd, 4)
        private = map_it(fd, 4, MAP_PRIVATE)
        ftruncate(fd, 2 * PAGE)
        inside = ends_by(lambda: touch(addr, 2 * PAGE))
        behind = [
            ends_by(partial(touch, at + 2 * PAGE, 1, write))
            for at in (addr, private)
            for write in (False, True)
        ]
        across = ends_by(lambda: touch(addr, 3 * PAGE))
        ftruncate(fd, 3 * PAGE)
        grown = ends_by(lambda: touch(addr, 3 * PAGE))
        return inside, behind, across, grown

    assert runs(m, program) == (0, [SIGBUS] * 4, SIGBUS, 0)


def test_shared_memory_ends_where_it_was_mapped_first(m: Machine) -> None:
    def program() -> object:
        addr = mmap(0, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
        grown = mremap(addr, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE)
        inside = ends_by(lambda: touch(grown, 2 * PAGE))
        return grown > 0, inside, ends_by(lambda: touch(grown + 2 * PAGE, 1))

    assert runs(m, program) == (True, 0, SIGBUS)


def test_ftruncate_refuses(m: Machine) -> None:
    def program() -> object:
        fd = open("/f", O_CREAT | O_RDWR)
        negative, closed = ftruncate(fd, -1), ftruncate(99, 0)
        readonly = ftruncate(open("/f", O_RDONLY), 0)
        no_file = ftruncate(pidfd_open(1, 0), 0)
        current().files.__dict__["fdt"][fd].f_mapping.__dict__["i_flags"] = S_APPEND
        return negative, closed, readonly, no_file, ftruncate(fd, 0)

    assert runs(m, program) == (-EINVAL, -EBADF, -EINVAL, -EINVAL, -EPERM)


# -- holes -----------------------------------------------------------------------------


def test_a_hole_is_unmapped_and_free_but_copies_stay(
    m: Machine, opened: Callable[[], int]
) -> None:
    def program() -> object:
        fd = opened()
        addr, private = map_it(fd, 8), map_it(fd, 8, MAP_PRIVATE)
        touch(addr, 8 * PAGE)
        touch(private, 4 * PAGE)
        touch(private + 4 * PAGE, 4 * PAGE, False)
        full, before = (cached_pages(), rss()[1]), nr_free_pages()
        done = fallocate(fd, HOLE, 2 * PAGE, 4 * PAGE)
        holed = cached_pages(), rss()[1]
        freed = nr_free_pages() - before
        touch(addr, 8 * PAGE)
        return full, done, holed, freed, cached_pages()

    # Of the private mapping's pages four are copies, and two of the others in the hole.
    assert runs(m, program) == ((12, 4), 0, (6, 4), 4, 10)


def test_a_page_is_kept_that_is_not_wholly_in_the_hole(
    m: Machine, opened: Callable[[], int]
) -> None:
    def program() -> object:
        fd = opened()
        touch(map_it(fd, 4), 4 * PAGE)
        small = fallocate(fd, HOLE, 1, PAGE), cached_pages()
        large = fallocate(fd, HOLE, 1, 3 * PAGE - 1), cached_pages()
        return small, large

    assert runs(m, program) == ((0, 4), (0, 2))


def test_fallocate_refuses(m: Machine) -> None:
    def program() -> object:
        fd = open("/f", O_CREAT | O_RDWR)
        found = [
            fallocate(fd, HOLE, -1, 1),
            fallocate(fd, HOLE, 0, 0),
            fallocate(99, HOLE, 0, 1),
            fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1),
            fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 1),
            fallocate(fd, 0x1000, 0, 1),
            fallocate(fd, 0, 0, 1),
            fallocate(open("/f", O_RDONLY), HOLE, 0, 1),
            fallocate(fd, HOLE, 2**63 - 1, 1),
            fallocate(memfd_create("h", MFD_HUGETLB), HOLE, 0, 1),
            fallocate(memfd_create("s"), 0, 0, 1),
        ]
        inode = current().files.__dict__["fdt"][fd].f_mapping.__dict__
        for flag in (S_APPEND, S_SWAPFILE):
            inode["i_flags"] = flag
            found.append(fallocate(fd, HOLE, 0, 1))
        return found

    assert runs(m, program) == [
        -EINVAL,
        -EINVAL,
        -EBADF,
        -EOPNOTSUPP,
        -EOPNOTSUPP,
        -EOPNOTSUPP,
        -EOPNOTSUPP,
        -EBADF,
        -EFBIG,
        -EOPNOTSUPP,
        -EOPNOTSUPP,
        -EPERM,
        -ETXTBSY,
    ]


def test_madv_remove_frees_the_file_s_pages(m: Machine) -> None:
    def program() -> object:
        addr = mmap(0, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
        touch(addr, 4 * PAGE)
        before = nr_free_pages()
        done = madvise(addr + PAGE, 2 * PAGE, MADV_REMOVE)
        return done, rss()[3], nr_free_pages() - before

    assert runs(m, program) == (0, 2, 2)


def test_l103_madv_remove_refuses(m: Machine) -> None:
    def program() -> object:
        fd = open("/f", O_CREAT | O_RDWR)
        locked = map_it(fd, 1)
        mlock(locked, PAGE)
        readonly = open("/f", O_RDONLY)
        places = [
            mmap(PAGE),
            locked,
            map_it(fd, 1, MAP_PRIVATE),
            map_it(readonly, 1, MAP_SHARED, PROT_READ),
        ]
        return [madvise(at, PAGE, MADV_REMOVE) for at in places]

    assert runs(m, program) == [-EINVAL, -EINVAL, -EACCES, -EACCES]


# -- beside faults ---------------------------------------------------------------------


@pytest.mark.parametrize("flags", [MAP_SHARED, MAP_PRIVATE])
@pytest.mark.parametrize("cuts", [True, False])
def test_no_page_stays_mapped_that_is_cached_no_more(flags: int, cuts: bool) -> None:
    seen = set()
    for seed in range(60):
        config = Config(node_pages=(1 << 12,))
        with Machine(config, scheduler=RandomWalk(seed)) as m:
            seen.add(runs(m, lambda: _touch_beside_a_cut(flags, cuts)))
            assert _books() == []
    assert len(seen) > 1


def _touch_beside_a_cut(flags: int, cuts: bool) -> tuple[int, int]:
    """Touch three pages while a child cuts two, or makes a hole of the first.

    Whoever comes too late for those that are cut dies.
    """
    fd = memory_file(3)
    addr = map_it(fd, 3, flags)

    def child() -> None:
        if cuts:
            ftruncate(fd, PAGE)
        else:
            fallocate(fd, HOLE, 0, PAGE)
        exit_group(0)

    pid = fork(child)
    touch(addr, 3 * PAGE, False)
    touch(addr if cuts else addr + PAGE, PAGE)
    wait4(pid)
    return cached_pages(), rss()[1]
