# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages beyond the pool: who may have some, and when they go back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.errno import ENOMEM
from pykmm.linux.uapi import SIGBUS
from pykmm.linux.uapi_mman import MADV_DONTNEED, MAP_NORESERVE
from pykmm.mm._conservation import _books
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.syscalls import exit_group, fork, madvise, mmap, munmap, touch, wait4
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
    surplus,
)


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    """A machine of 32 MiB with one huge page, and leave to have two more."""
    with boot(1, more=2, nodes=(8192,)) as machine:
        machine.ready()
        free = nr_free_pages()
        yield machine
        ends_whole(machine, 1)
        assert nr_free_pages() == free


@pytest.mark.parametrize("flags", [OWN, ALL])
def test_a_reservation_beyond_the_pool_takes_pages_at_once(
    m: Machine, flags: int
) -> None:
    def program() -> object:
        free = nr_free_pages()
        at = mmap(0, 3 * HUGE, BOTH, flags)
        seen = pool(), surplus(), free - nr_free_pages()
        refused = mmap(0, HUGE, BOTH, flags), pool(), surplus()
        touch(at, 3 * HUGE)
        return seen, refused, pool()

    assert runs(m, program) == (((3, 3), 2, 1024), (-ENOMEM, (3, 3), 2), (0, 0))


def test_what_was_not_used_goes_back_when_it_is_unmapped(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 3 * HUGE, BOTH, OWN)
        munmap(at + HUGE, 2 * HUGE)
        seen = pool(), surplus()
        touch(at, HUGE)
        return seen, pool(), surplus()

    assert runs(m, program) == (((1, 1), 0), (0, 0), 0)


def test_a_fault_without_a_reservation_takes_one_as_well(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, 4 * HUGE, BOTH, OWN | MAP_NORESERVE)
        touch(at, 3 * HUGE)
        seen = pool(), surplus()
        signal = ends_by(lambda: touch(at + 3 * HUGE, 1))
        munmap(at, HUGE)
        return seen, signal, pool(), surplus()

    # The first one that is unmapped goes, whichever it was.
    assert runs(m, program) == (((0, 0), 2), SIGBUS, (0, 0), 1)


def test_a_copy_may_come_from_beyond_the_pool(m: Machine) -> None:
    def program() -> object:
        at = mmap(0, HUGE, BOTH, OWN)
        touch(at, HUGE)
        seen: list[object] = []
        wait4(fork(lambda: (touch(at, HUGE), seen.append(surplus()), exit_group(0))))
        return seen, surplus()

    assert runs(m, program) == ([1], 0)


def test_there_is_no_reservation_to_come_back_while_there_is_a_surplus(
    m: Machine,
) -> None:
    def program() -> object:
        at = mmap(0, 3 * HUGE, BOTH, OWN)
        touch(at, 3 * HUGE)
        assert (pool(), surplus()) == ((0, 0), 2)
        madvise(at, HUGE, MADV_DONTNEED)
        return pool(), surplus()

    assert runs(m, program) == ((0, 0), 1)


def test_without_memory_nothing_is_promised_and_all_given_back() -> None:
    with boot(1, more=9, nodes=(2048,)) as m:
        m.ready()
        free = nr_free_pages()
        assert runs(m, lambda: mmap(0, 4 * HUGE, BOTH, OWN)) == -ENOMEM
        assert (pool(), surplus(), nr_free_pages(), _books()) == ((1, 0), 0, free, [])


def test_without_a_pool_all_of_it_is_surplus() -> None:
    with boot(0, more=2) as m:
        m.ready()
        free = nr_free_pages()

        def program() -> object:
            touch(mmap(0, 2 * HUGE, BOTH, OWN), 2 * HUGE)
            return pool(), surplus()

        assert runs(m, program) == ((0, 0), 2)
        assert _books() == []
        ends_whole(m, 0)
        assert nr_free_pages() == free


@pytest.mark.parametrize("seed", range(25))
def test_reservations_faults_and_exits_meet_in_any_order(seed: int) -> None:
    with boot(2, more=3, seed=seed, nodes=(8192,)) as m:
        m.ready()
        free = nr_free_pages()
        meet(m)
        ends_whole(m, 2)
        assert nr_free_pages() == free
