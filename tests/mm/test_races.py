# SPDX-License-Identifier: GPL-2.0-only
"""Two who unmap one address space at once: each page is freed once."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pykmm.engine import Backend
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.mm import mm_flags_set, mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP, MMF_UNSTABLE
from pykmm.linux.sched.mm import mmdrop, mmgrab
from pykmm.mm._conservation import _books
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.schedulers import Dpor, Redundant, RoundRobin, Verdict

MIB = 1 << 20


def _build():
    """Map five page-table pages' worth in three mappings, and hold the structure."""
    mm = mm_alloc()
    _map_region(mm, 0, 4 * MIB, kind="anon", populate_pages=700, swapped_pages=9)
    _map_region(mm, 8 * MIB, 4 * MIB, kind="anon", populate_pages=1024)
    _map_region(mm, 16 * MIB, MIB, kind="file", populate_pages=9, copied_pages=4)
    mmgrab(mm)
    return mm


def _race(machine, mm, reap):
    """Let a reaper and the last user meet.

    Return: How many page-table pages the reaper found something in, and whether the
        address space was gone for it when it was done.
    """
    skip = []

    def reaper():
        reap(mm)
        skip.append(mm_flags_test(MMF_OOM_SKIP, mm))
        mmdrop(mm)

    machine.thread("reaper", reaper)
    machine.thread("victim", lambda: mmput(mm))
    machine.run()
    counted = [e for e in machine.events if e.kind == "add_mm_counter"]
    return sum(e.thread.name == "reaper" for e in counted), skip[0]


@pytest.mark.parametrize("backend", list(Backend))
def test_pages_are_freed_once(boot, reap, backend):
    seen = set()
    for seed in range(200 if backend is Backend.BATON else 30):
        with boot(seed=seed, backend=backend) as machine:
            total = nr_free_pages()
            mm = _build()
            used = total - nr_free_pages()
            # Its own: 700 + 1024 + 4 pages, 5 tables and 2 above. The file keeps 9.
            assert used == 700 + 1024 + 4 + 5 + 2 + 9
            seen.add(_race(machine, mm, reap))
            assert total - nr_free_pages() == 9
            assert mm not in machine.alive
    if backend is Backend.BATON:
        assert len({reaped for reaped, _ in seen}) > 4
        assert {skip for _, skip in seen} == {False, True}


def test_the_two_meet_once(boot, reap):
    """From opposite ends they contend for at most one lock at a time."""
    with boot() as machine:
        machine.carrier.scheduler = RoundRobin()
        mm = mm_alloc()
        for number in range(32):
            _map_region(mm, number * 4 * MIB, MIB, kind="anon", populate_pages=9)
        mmgrab(mm)
        locks = [table.ptl for table in mm.pgd.values()]
        _race(machine, mm, reap)
        assert sum(lock.contended for lock in locks) <= 1


@pytest.mark.parametrize("reapers", [2, 3])
def test_reapers_do_not_disturb_each_other(boot, reap, reapers):
    for seed in range(60):
        with boot(seed=seed) as machine:
            mm = _build()
            for number in range(reapers):
                machine.thread(f"reaper{number}", lambda mm=mm: reap(mm))
            machine.run()
            assert [counter.counter for counter in mm.rss_stat] == [0] * 4
            mmdrop(mm)
            mmput(mm)


def test_a_late_reaper_that_ignores_the_flag_finds_nothing(boot, reap):
    with boot() as machine:
        mm = _build()
        mmput(mm)
        mm_flags_set(MMF_UNSTABLE, mm)
        reap(mm)
        mmdrop(mm)
        assert mm not in machine.alive


def _explore(boot, reap, mappings):
    """Run through all interleavings; return what can happen, and how many there are."""
    explorer = Dpor()
    outcomes, executions = set(), 0
    while (scheduler := explorer.begin()) is not None:
        outcome = None
        # An execution that turns out to repeat another one ends in the middle.
        with boot(audit=False) as machine:
            machine.carrier.scheduler = scheduler
            mm = mm_alloc()
            for number in range(mappings):
                _map_region(mm, number * 4 * MIB, MIB, kind="anon", populate_pages=2)
            mmgrab(mm)
            with suppress(Redundant):
                outcome = _race(machine, mm, reap)
                assert _books() == []
        verdict = explorer.end(machine)
        if verdict is Verdict.RESTART:
            outcomes, executions = set(), 0
        elif verdict is Verdict.NEW:
            outcomes.add(outcome)
            executions += 1
    return outcomes, executions


def test_all_there_is(boot, reap):
    """Every outcome of two mappings, and no page lost or freed twice in any."""
    outcomes, executions = _explore(boot, reap, 2)
    # The reaper empties none, the upper one, or both of the page-table pages; it
    # sees the flag if the victim is through with the pages before it ends.
    assert outcomes == {(n, skip) for n in range(3) for skip in (False, True)}
    assert executions > len(outcomes)
