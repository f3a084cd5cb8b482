# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages that several map: what fork shares, who is copied to, and who loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import pytest

from pykmm import Config, Machine, Scenario, explore
from pykmm.boot import Region
from pykmm.engine import Timers
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.printk import kernel_log
from pykmm.linux.uapi import MAP_PRIVATE, MAP_SHARED, PROT_READ, SIGBUS, SIGKILL
from pykmm.linux.uapi_mman import MADV_DONTNEED, MAP_NORESERVE
from pykmm.mm._conservation import _books
from pykmm.mm.hugetlb_resv import HPAGE_RESV_UNMAPPED
from pykmm.mm.memfd import MFD_HUGETLB
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    madvise,
    memfd_create,
    mmap,
    munmap,
    pause,
    process_vm_writev,
    touch,
    wait4,
)
from pykmm.workbench import Process
from tests.lifecycle._people import call, plain
from tests.mm.huge_pages import (
    ALL,
    BOTH,
    HUGE,
    OWN,
    boot,
    ends_by,
    ends_whole,
    pool,
    runs,
    usage,
)


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    """A machine of 16 MiB, half of it in huge pages."""
    with boot() as machine:
        yield machine
        ends_whole(machine, 4)


@attrs.frozen
class Family:
    """A parent, and a child that it has forked; each does what it is told."""

    m: Machine
    at: int
    parent: Process
    child: Process

    def does(self, who: Process, program: Callable[[int], object]) -> object:
        """Have a process that shares *who*'s memory run *program* with the address.

        Return: What that returns; for one that dies, the signal's number as a text.
        """
        hand = self.m.spawn("hand", shares_mm=who)
        hand.runs(lambda: program(self.at))
        self.m.run()
        ended = plain(hand.task, "exit_code") & 0x7F
        return str(ended) if ended else hand.result

    def maps(self) -> tuple[int | None, int | None]:
        """Return how often the first page of each is mapped; None for no page."""
        return _mapped(self.parent, self.at), _mapped(self.child, self.at)


def _mapped(p: Process, at: int) -> int | None:
    mm = plain(p.task, "mm")
    assert isinstance(mm, mm_struct)
    entry = mm._hugetlb.get(at >> 21)
    return None if entry is None else entry.folio._mapcount.counter


def family(m: Machine, pages: int, flags: int = OWN, touched: int = 1) -> Family:
    """Fork a process that has mapped *pages*, of which it has touched the first."""
    parent, at = m.spawn("parent"), []

    def program() -> None:
        at.append(mmap(0, pages * HUGE, BOTH, flags))
        touch(at[0], touched * HUGE)
        fork(pause)

    parent.runs(program)
    m.run()
    return Family(m, at[0], parent, Process(m, plain(parent.task, "children")[0], "c"))


def reads(at: int) -> None:
    touch(at, HUGE, write=False)


def writes(at: int) -> None:
    touch(at, HUGE)


def test_a_child_has_its_parents_pages(m: Machine) -> None:
    f = family(m, 2)
    assert (f.maps(), pool()) == ((2, 2), (3, 1))
    assert f.does(f.child, lambda at: (reads(at), usage())[1]) == (512, 0)
    assert (f.maps(), pool()) == ((2, 2), (3, 1))


@pytest.mark.parametrize("first", ["parent", "child"])
def test_who_writes_first_gets_a_copy_and_the_other_keeps_the_page(
    m: Machine, first: str
) -> None:
    f = family(m, 1)
    both = [f.parent, f.child] if first == "parent" else [f.child, f.parent]
    f.does(both[0], writes)
    assert (f.maps(), pool()) == ((1, 1), (2, 0))
    f.does(both[1], writes)
    assert (f.maps(), pool()) == ((1, 1), (2, 0))


def test_a_page_that_the_child_has_left_is_written_in_place(m: Machine) -> None:
    f = family(m, 4, touched=4)
    assert pool() == (0, 0)
    kill(f.child.pid, SIGKILL)
    m.run()
    f.does(f.parent, writes)
    assert pool() == (0, 0)


def test_a_child_without_a_page_to_copy_to_dies_and_leaves_the_rest(m: Machine) -> None:
    f = family(m, 4)
    assert pool() == (3, 3)  # all that is left is promised to the parent
    assert f.does(f.child, writes) == str(SIGBUS)
    f.does(f.parent, lambda at: touch(at, 4 * HUGE))
    assert pool() == (0, 0)


def test_who_reserved_takes_the_page_away_from_its_children(m: Machine) -> None:
    f = family(m, 4, touched=4)
    mm = plain(f.parent.task, "mm")
    page = mm._hugetlb[f.at >> 21].folio
    f.does(f.parent, writes)
    # The very same page; the child has the other three still.
    assert mm._hugetlb[f.at >> 21].folio is page
    assert (f.maps(), pool()) == ((1, None), (0, 0))
    assert plain(f.child.task, "mm").hugetlb_usage.counter == 3 * 512
    (area,) = plain(f.child.task, "mm").mm_mt._entries()
    assert area.__dict__["vm_private_data"] is HPAGE_RESV_UNMAPPED
    assert f.does(f.child, lambda at: reads(at + HUGE)) is None
    assert f.does(f.child, reads) == str(SIGBUS)
    number = m.processes[-1].pid
    assert kernel_log(m) == f"PID {number} killed due to inadequate hugepage pool\n"


def test_without_a_reservation_nobody_takes_anything_away(m: Machine) -> None:
    f = family(m, 4, OWN | MAP_NORESERVE, touched=4)
    assert f.does(f.parent, writes) == f.does(f.child, writes) == str(SIGBUS)
    assert (f.maps(), pool()) == ((2, 2), (0, 0))


def test_a_reservation_comes_back_with_the_last_mapping_only(m: Machine) -> None:
    """The child's was the last: what the parent was promised is spent."""
    f = family(m, 1)
    assert pool() == (3, 0)
    f.does(f.parent, lambda at: madvise(at, HUGE, MADV_DONTNEED))
    assert (f.maps(), pool()) == ((None, 1), (3, 0))
    kill(f.child.pid, SIGKILL)
    m.run()
    assert pool() == (4, 0)
    f.does(f.parent, writes)
    f.does(f.parent, lambda at: madvise(at, HUGE, MADV_DONTNEED))
    assert pool() == (4, 1)


def test_shared_pages_are_the_file_s_in_both(m: Machine) -> None:
    f = family(m, 2, ALL)
    assert f.maps() == (1, None)  # a child's fault finds it
    f.does(f.child, lambda at: touch(at, 2 * HUGE))
    assert (f.maps(), pool()) == ((2, 2), (2, 0))
    f.does(f.parent, lambda at: touch(at, 2 * HUGE))
    assert pool() == (2, 0)


def test_a_private_mapping_reads_the_file_s_page_until_it_writes(m: Machine) -> None:
    def program() -> object:
        fd = memfd_create("huge", MFD_HUGETLB)
        shared = mmap(0, 2 * HUGE, BOTH, MAP_SHARED, fd)
        touch(shared, HUGE)
        private = mmap(0, 2 * HUGE, BOTH, MAP_PRIVATE, fd)
        seen = [pool()]
        touch(private, HUGE, write=False)
        seen.append(pool())
        touch(private, HUGE)
        seen.append(pool())
        # What the file has no page for is its own at once.
        touch(private + HUGE, HUGE, write=False)
        seen.append(pool())
        munmap(private, 2 * HUGE)
        return *seen, pool(), usage()

    # Two are promised to each; each has had one in the end.
    steps = (3, 3), (3, 3), (2, 2), (1, 1), (3, 1)
    assert runs(m, program) == (*steps, (512, 0))


def test_what_only_reads_a_file_needs_no_page_of_the_pool(m: Machine) -> None:
    def program() -> object:
        fd = memfd_create("huge", MFD_HUGETLB)
        touch(mmap(0, 4 * HUGE, BOTH, MAP_SHARED, fd), 4 * HUGE)
        loose = mmap(0, 4 * HUGE, BOTH, MAP_PRIVATE | MAP_NORESERVE, fd)
        only = mmap(0, 4 * HUGE, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd)
        touch(only, 4 * HUGE, write=False)
        touch(loose, 4 * HUGE, write=False)
        return ends_by(lambda: touch(loose, HUGE)), pool(), usage()

    assert runs(m, program) == (SIGBUS, (0, 0), (12 * 512, 0))


def test_another_process_writes_to_a_copy_as_well(m: Machine) -> None:
    f = family(m, 1)
    call(m, "debugger", lambda: _writes_to(f.child.pid, f.at))
    assert (f.maps(), pool()) == ((1, 1), (2, 0))


def _writes_to(pid: int, at: int) -> None:
    buffer = mmap(4096)
    assert process_vm_writev(pid, [(buffer, 4096)], [(at, 4096)], 0) == 4096


def test_pages_that_a_process_came_with_are_shared_as_well(m: Machine) -> None:
    with boot(0) as m2:
        m2.ready()
        free = nr_free_pages()
        parent = m2.spawn("parent", regions=[Region("hugetlb", 2 * HUGE)])
        (where,) = parent.memory
        told: list[object] = []

        def program() -> None:
            told.append(ends_by(lambda: touch(where.start, 2 * HUGE, write=False)))
            # There is no pool to copy from.
            told.append(ends_by(lambda: touch(where.start, HUGE)))
            touch(where.start, 2 * HUGE)
            told.append(usage())
            exit_group(0)

        parent.runs(program)
        m2.run()
        assert told == [0, SIGBUS, (2 * 512, 0)]
        assert (nr_free_pages(), _books()) == (free, [])


# -- in any order ----------------------------------------------------------------------


def _write_beside(m: Machine) -> object:
    """Parent and child write at once; one page is left to copy to, or none."""
    p = m.spawn("parent")

    def program() -> object:
        at = mmap(0, HUGE, BOTH, OWN)
        touch(at, HUGE)
        nr = fork(lambda: (touch(at, HUGE), exit_group(0)))
        touch(at, HUGE)
        found = wait4(nr)
        assert isinstance(found, tuple)
        return found[1] & 0x7F

    p.runs(program)
    m.run()
    assert _books() == []
    kill(p.pid, SIGKILL)
    m.run()
    assert pool() == (m.config.nr_hugepages, 0)
    assert _books() == []
    return p.result


@pytest.mark.parametrize(("pages", "end"), [(1, SIGBUS), (2, 0)])
def test_parent_and_child_write_at_once(pages: int, end: int) -> None:
    """Whoever comes first: the parent writes, and the child needs another page."""
    config = Config(node_pages=(2048,), nr_hugepages=pages, timers=Timers.IDLE)
    scenario = Scenario(name="huge-cow", function=_write_beside, config=config)
    result = explore(scenario, scheduler="pct", executions=200)
    assert result.reports == ()
    assert list(result.values) == [end]
