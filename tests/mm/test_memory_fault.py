# SPDX-License-Identifier: GPL-2.0-only
"""Touching memory: what a fault installs, and that none survives a reap."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pykmm.kernel.fork import mm_alloc
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import (
    VM_FAULT_OOM,
    VM_FAULT_SIGBUS,
    mm_flags_set,
)
from pykmm.linux.mm_types import MMF_UNSTABLE, file
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.mmzone import NODE_DATA
from pykmm.mm._conservation import _books
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.schedulers import Dpor, Redundant, Verdict

MIB = 1 << 20
PAGE = 4096


def _map(mm, pages=16, **kind):
    return _map_region(mm, 0, pages * PAGE, **({"kind": "anon"} | kind))


# -- what is installed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "write", "counts", "pages"),
    [
        ({}, True, (0, 4, 0, 0), 4),
        ({}, False, (0, 0, 0, 0), 0),
        ({"kind": "file"}, False, (4, 0, 0, 0), 4),
        ({"kind": "file"}, True, (0, 4, 0, 0), 8),
        ({"kind": "file", "shared": True}, True, (4, 0, 0, 0), 4),
        ({"kind": "shmem"}, False, (0, 0, 0, 4), 4),
        ({"kind": "shmem"}, True, (0, 4, 0, 0), 8),
        ({"kind": "shmem", "shared": True}, True, (0, 0, 0, 4), 4),
        ({"kind": "anon", "shared": True}, True, (0, 0, 0, 4), 4),
    ],
)
def test_first_touch(machine, mm, rss, kind, write, counts, pages):
    vma = _map(mm, **kind)
    free = nr_free_pages()
    assert _fault_in_range(vma, 2 * PAGE, 6 * PAGE, write=write) == 0
    assert rss(mm) == counts
    assert free - nr_free_pages() == pages + 3
    # Once more changes nothing.
    assert _fault_in_range(vma, 2 * PAGE, 6 * PAGE, write=write) == 0
    assert (rss(mm), free - nr_free_pages()) == (counts, pages + 3)


def test_writing_copies_what_reading_mapped(machine, mm, rss):
    vma = _map(mm, kind="file")
    _fault_in_range(vma, 0, 8 * PAGE, write=False)
    assert rss(mm) == (8, 0, 0, 0)
    _fault_in_range(vma, 6 * PAGE, 10 * PAGE)
    assert rss(mm) == (6, 4, 0, 0)


def test_writing_replaces_the_page_of_zeroes(machine, mm, rss):
    vma = _map(mm)
    _fault_in_range(vma, 0, 8 * PAGE, write=False)
    free = nr_free_pages()
    _fault_in_range(vma, 0, 3 * PAGE)
    assert rss(mm) == (0, 3, 0, 0)
    assert free - nr_free_pages() == 3


def test_swapped_pages_come_back(machine, mm, rss):
    vma = _map(mm, populate_pages=2, swapped_pages=5)
    slots = nr_swap_pages().counter
    _fault_in_range(vma, 0, 4 * PAGE)
    assert rss(mm) == (0, 4, 3, 0)
    assert nr_swap_pages().counter - slots == 2


def test_ranges_over_several_tables(machine, mm, rss):
    vma = _map_region(mm, MIB, 8 * MIB, kind="anon")
    assert _fault_in_range(vma, MIB, 9 * MIB) == 0
    assert rss(mm) == (0, 2048, 0, 0)
    assert len(mm.pgd) == 5


@pytest.mark.parametrize("kind", ["pfnmap", "hugetlb"])
def test_special_mappings_have_all_they_will_ever_have(machine, mm, kind):
    vma = _map_region(mm, 0, 2 * MIB, kind=kind)
    assert _fault_in_range(vma, 0, PAGE) == VM_FAULT_SIGBUS


@pytest.mark.parametrize(
    ("pages", "kind", "touched"),
    [
        (2, {}, 0),
        (3, {}, 0),
        (10, {}, 7),
        (10, {"kind": "file"}, 3),
    ],
)
def test_without_memory_what_comes_first_is_there(boot, pages, kind, touched):
    # Three tables; and a private copy needs its original as well.
    with boot(pages):
        mm = mm_alloc()
        vma = _map(mm, **kind)
        assert _fault_in_range(vma, 0, 12 * PAGE) == VM_FAULT_OOM
        assert mm.rss_stat[1].counter == touched
        if touched:
            assert mm.pgd[0].present[1] == (1 << touched) - 1


def test_two_readers_of_one_file_read_it_once(boot):
    for seed in range(60):
        with boot(seed=seed) as machine:
            app = file(f_path="/usr/bin/app")
            free = nr_free_pages()
            for name in ("a", "b"):
                vma = _map(mm_alloc(), kind="file", vm_file=app)

                def body(vma=vma):
                    mmap_read_lock(vma.vm_mm)
                    assert _fault_in_range(vma, 0, 4 * PAGE, write=False) == 0
                    mmap_read_unlock(vma.vm_mm)

                machine.thread(name, body)
            machine.run()
            assert free - nr_free_pages() == 4 + 2 * 3


# -- an address space that is being reaped ---------------------------------------------


def test_unstable_memory_is_not_replaced(machine, mm, rss):
    vma = _map(mm, populate_pages=4)
    mm_flags_set(MMF_UNSTABLE, mm)
    assert _fault_in_range(vma, 0, 4 * PAGE) == 0
    zap_vma_for_reaping(vma)
    free = nr_free_pages()
    for write in (True, False):
        assert _fault_in_range(vma, 0, PAGE, write=write) == VM_FAULT_SIGBUS
        assert _fault_in_range(vma, 8 * PAGE, 9 * PAGE, write=write) == VM_FAULT_SIGBUS
    assert (rss(mm), nr_free_pages()) == ((0, 0, 0, 0), free)


@pytest.mark.parametrize(
    ("kind", "write", "answer"),
    [
        ({"kind": "file"}, False, VM_FAULT_SIGBUS),
        ({"kind": "file", "shared": True}, True, 0),
        ({"kind": "file", "populate_pages": 1}, True, 0),
        ({"swapped_pages": 1}, False, 0),
    ],
)
def test_what_is_still_there_or_shared_is_stable(machine, mm, kind, write, answer):
    vma = _map(mm, **kind)
    mm_flags_set(MMF_UNSTABLE, mm)
    assert _fault_in_range(vma, 0, PAGE, write=write) == answer


def _race(machine, mm, vma, zap):
    """Fault two pages in, while somebody zaps."""
    answers = []

    def fault():
        mmap_read_lock(mm)
        answers.append(_fault_in_range(vma, 0, 2 * PAGE))
        mmap_read_unlock(mm)

    def zapper():
        mmap_read_lock(mm)
        zap(mm, vma)
        mmap_read_unlock(mm)

    machine.thread("fault", fault)
    machine.thread("zap", zapper)
    machine.run()
    return answers[0], mm.rss_stat[1].counter


def _reaping(mm, vma):
    mm_flags_set(MMF_UNSTABLE, mm)
    zap_vma_for_reaping(vma)


def _dontneed(mm, vma):
    zap_vma_range(vma, 0, 4 * PAGE)


@pytest.mark.parametrize("touched", [0, 1, 4])
def test_l126_no_page_survives_a_reap(boot, touched):
    seen = set()
    for seed in range(1000):
        with boot(seed=seed) as machine:
            mm = mm_alloc()
            # There is a table in any case, so that a fault can be the first.
            vma = _map(mm, populate_pages=touched or 1)
            zap_vma_range(vma, touched * PAGE, PAGE)
            answer, left = _race(machine, mm, vma, _reaping)
            assert left == 0
            seen.add(answer)
    assert seen == {0, VM_FAULT_SIGBUS}


def _explore(boot, explorer, touched, zap):
    """Collect every outcome that *explorer* finds, and how many executions it took."""
    outcomes, executions = set(), 0
    while (scheduler := explorer.begin()) is not None:
        outcome = None
        # An execution that turns out to repeat another one ends in the middle.
        with boot(audit=False) as machine:
            machine.carrier.scheduler = scheduler
            mm = mm_alloc()
            vma = _map(mm, populate_pages=touched)
            with suppress(Redundant):
                outcome = _race(machine, mm, vma, zap)
                assert _books() == []
        verdict = explorer.end(machine)
        if verdict is Verdict.RESTART:
            outcomes, executions = set(), 0
        elif verdict is Verdict.NEW:
            outcomes.add(outcome)
            executions += 1
    return outcomes, executions


@pytest.mark.parametrize("touched", [0, 1])
@pytest.mark.parametrize("zap", [_reaping, _dontneed])
def test_every_outcome_of_a_fault_beside_a_zap(boot, touched, zap):
    outcomes, executions = _explore(boot, Dpor(), touched, zap)
    expected = {
        _reaping: {(0, 0), (VM_FAULT_SIGBUS, 0)},
        _dontneed: {(0, 0), (0, 2)},
    }
    assert outcomes == expected[zap]
    assert executions > 1
    walked = set()
    for seed in range(100):
        with boot(seed=seed) as machine:
            mm = mm_alloc()
            vma = _map(mm, populate_pages=touched)
            walked.add(_race(machine, mm, vma, zap))
    assert walked <= outcomes


# -- where pages come from -------------------------------------------------------------


def test_pages_of_one_table_from_two_nodes_go_home(boot):
    with boot(13, 20) as machine:
        mm = mm_alloc()
        vma = _map(mm, pages=24)
        before = [NODE_DATA(nid).nr_free_pages.nr for nid in (0, 1)]
        assert _fault_in_range(vma, 0, 24 * PAGE) == 0
        assert mm.pgd[0].pages == {
            (0, None): (1 << 10) - 1,
            (1, None): (1 << 24) - (1 << 10),
        }
        assert _books() == []
        zap_vma_range(vma, 5 * PAGE, 10 * PAGE)
        after = [NODE_DATA(nid).nr_free_pages.nr for nid in (0, 1)]
        assert after == [5, before[1] - 14 + 5]
        zap_vma_range(vma, 10 * PAGE, 14 * PAGE)
        assert mm.pgd[0].pages == {(0, None): (1 << 5) - 1}
        zap_vma_range(vma, 0, 5 * PAGE)
        assert mm.pgd[0].pages == {}
        assert [NODE_DATA(nid).nr_free_pages.nr for nid in (0, 1)] == [10, before[1]]
        del machine


def test_the_books_notice_a_charge_that_nobody_made(boot):
    with boot(audit=False):
        box = mem_cgroup(cg_name="box")
        assert _books() == []
        box.memory.usage = 3
        assert _books() == ["/box is charged 3 pages, but has 0"]
