# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages: the pool, what is promised of it, and who gets a page with a fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.errno import ENOMEM
from pykmm.errors import UsageError
from pykmm.linux.uapi import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_READ,
    SIGBUS,
    SIGKILL,
)
from pykmm.linux.uapi_mman import (
    MADV_DONTNEED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from pykmm.mm._conservation import _books
from pykmm.mm.hugetlb_pool import the_hstate
from pykmm.mm.memfd import MFD_HUGETLB
from pykmm.mm.oom_kill_select import oom_badness
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.syscalls import (
    close,
    kill,
    madvise,
    memfd_create,
    mmap,
    mremap,
    munmap,
    pause,
    pidfd_open,
    process_mrelease,
    process_vm_readv,
    touch,
)
from pykmm.workbench import Machine
from tests.mm.huge_pages import (
    ALL,
    BOTH,
    HUGE,
    OWN,
    boot,
    ends_by,
    ends_whole,
    meet,
    pool,
    runs,
    usage,
)

TO = 0x1000_0000


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    """A machine of 16 MiB, half of it in huge pages."""
    with boot() as machine:
        yield machine
        ends_whole(machine, 4)


def test_the_pool_is_taken_out_of_memory_at_boot() -> None:
    with boot(3, nodes=(1024, 1024)) as m:
        m.spawn("p")
        assert nr_free_pages() == 2048 - 3 * 512
        assert the_hstate().__dict__["nr_huge_pages_node"] == [2, 1]
        assert _books() == []


def test_a_pool_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="nr_hugepages=9"), boot(9) as m:
        m.spawn("p")


@pytest.mark.parametrize("flags", [OWN, ALL])
def test_mapping_reserves_and_a_fault_consumes(m: Machine, flags: int) -> None:
    def program() -> object:
        at = mmap(0, 3 * HUGE, BOTH, flags)
        seen = [pool()]
        touch(at, 4096)
        seen.append(pool())
        touch(at + HUGE, 2 * HUGE, False)
        return *seen, pool(), usage()

    assert runs(m, program) == ((4, 3), (3, 2), (1, 0), (3 * 512, 0))


@pytest.mark.parametrize("flags", [OWN, ALL])
def test_what_cannot_be_reserved_is_not_mapped(m: Machine, flags: int) -> None:
    def program() -> object:
        assert mmap(0, 3 * HUGE, BOTH, flags) > 0
        return mmap(0, 2 * HUGE, BOTH, flags), pool()

    assert runs(m, program) == (-ENOMEM, (4, 3))


def test_without_a_pool_nothing_is_mapped() -> None:
    with boot(0) as m:
        assert runs(m, lambda: mmap(0, HUGE, BOTH, OWN)) == -ENOMEM
        assert _books() == []


def test_without_a_reservation_an_empty_pool_raises_sigbus(m: Machine) -> None:
    def program() -> object:
        loose = mmap(0, 2 * HUGE, BOTH, OWN | MAP_NORESERVE)
        promised = mmap(0, 3 * HUGE, BOTH, OWN)
        assert pool() == (4, 3)
        touch(loose, HUGE)
        # The others are promised, though nobody has them yet.
        signal = ends_by(lambda: touch(loose + HUGE, 1))
        touch(promised, 3 * HUGE)
        return signal, pool()

    assert runs(m, program) == (SIGBUS, (0, 0))


def test_a_part_that_is_unmapped_gives_its_promise_back(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 4 * HUGE, BOTH, OWN)
        touch(at, 2 * HUGE)
        seen = [pool()]
        munmap(at + HUGE, 2 * HUGE)
        return *seen, pool()

    assert runs(m, program) == ((2, 2), (3, 1))


def test_a_page_that_is_given_up_stays_reserved(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 2 * HUGE, BOTH, OWN)
        touch(at, 2 * HUGE)
        before = pool()
        madvise(at, HUGE, MADV_DONTNEED)
        after, left = pool(), usage()
        touch(at, HUGE)
        return before, after, left, pool()

    assert runs(m, program) == ((2, 0), (3, 1), (512, 0), (2, 0))


def test_shared_pages_are_the_files(m: Machine) -> None:
    def program() -> object:
        fd = memfd_create("huge", MFD_HUGETLB)
        first = mmap(0, 2 * HUGE, BOTH, MAP_SHARED, fd)
        second = mmap(0, 2 * HUGE, BOTH, MAP_SHARED, fd)
        seen = [pool()]
        touch(first, HUGE)
        touch(second, 2 * HUGE)
        seen.append(pool())
        munmap(first, 2 * HUGE)
        munmap(second, 2 * HUGE)
        seen.append(pool())
        close(fd)
        return *seen, pool()

    assert runs(m, program) == ((4, 2), (2, 0), (2, 0), (4, 0))


def test_a_file_ends_where_it_was_mapped_for_writing(m: Machine) -> None:
    def program() -> object:
        fd = memfd_create("huge", MFD_HUGETLB)
        reader = mmap(0, 2 * HUGE, PROT_READ, MAP_SHARED, fd)
        behind = ends_by(lambda: touch(reader, 1, False))
        mmap(0, HUGE, BOTH, MAP_SHARED, fd)
        within = ends_by(lambda: touch(reader, 1, False))
        return behind, within, ends_by(lambda: touch(reader + HUGE, 1, False))

    assert runs(m, program) == (SIGBUS, 0, SIGBUS)


def test_a_child_has_no_reservation(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 4 * HUGE, BOTH, OWN)
        touch(at, HUGE)
        signal = ends_by(lambda: touch(at, 1))
        touch(at, 4 * HUGE)
        return signal, pool()

    assert runs(m, program) == (SIGBUS, (0, 0))


def test_a_mapping_that_moves_takes_pages_and_promises_along(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 3 * HUGE, BOTH, OWN)
        touch(at, HUGE)
        moved = mremap(at, 3 * HUGE, 3 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, TO)
        seen = [moved == TO, pool(), usage()]
        touch(TO, 2 * HUGE)
        seen.append(pool())
        munmap(TO, 3 * HUGE)
        return *seen, pool()

    assert runs(m, program) == (True, (3, 2), (512, 0), (2, 1), (4, 0))


def test_what_stays_behind_gives_its_promise_back(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 3 * HUGE, BOTH, OWN)
        touch(at, HUGE)
        mremap(at + HUGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, TO)
        return pool(), usage()

    assert runs(m, program) == ((3, 1), (512, 0))


def test_populating_fills_huge_pages(m: Machine) -> None:
    def program() -> object:
        mmap(0, 2 * HUGE, BOTH, OWN | MAP_POPULATE)
        return usage(), pool()

    assert runs(m, program) == ((2 * 512, 0), (2, 0))


def test_others_can_read_it(m: Machine) -> None:
    p = m.spawn("owner")
    where: list[int] = []

    @p.runs
    def _() -> None:
        where.append(mmap(0, HUGE, BOTH, OWN))
        pause()

    m.run()

    def program() -> object:
        into = mmap(0, 8192, BOTH, MAP_PRIVATE | MAP_ANONYMOUS)
        return process_vm_readv(p.pid, [(into, 8192)], [(where[0], 8192)], 0)

    assert runs(m, program) == 8192
    assert pool() == (3, 0)


def test_neither_the_killer_nor_the_reaper_sees_it(m: Machine) -> None:
    p = m.spawn("huge")

    @p.runs
    def _() -> None:
        touch(mmap(0, 3 * HUGE, BOTH, OWN), 3 * HUGE)
        pause()

    m.run()
    assert p.mm is not None
    tables = p.mm.pgtables_bytes.counter >> 12
    assert oom_badness(p.task, 1 << 20) == tables
    p.freeze()
    kill(p.pid, SIGKILL)
    lmkd = m.spawn("lmkd")

    @lmkd.runs
    def _() -> object:
        fd = pidfd_open(p.pid, 0)
        assert isinstance(fd, int)
        return process_mrelease(fd, 0), pool()

    m.run()
    assert lmkd.result == (0, (1, 0))
    p.thaw()
    m.run()
    assert pool() == (4, 0)


@pytest.mark.parametrize("seed", range(40))
def test_faults_unmapping_and_exits_meet_in_any_order(seed: int) -> None:
    with boot(4, seed=seed) as m:
        meet(m)
        assert _books() == []
