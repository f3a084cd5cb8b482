# SPDX-License-Identifier: GPL-2.0-only
"""Each term of the number behind ``/proc/PID/oom_score``, and where it is cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.engine import Config
from pykmm.fs.proc.base import proc_oom_score
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MM_ANONPAGES, MM_SWAPENTS, MMF_OOM_SKIP
from pykmm.workbench import Machine, Process

RAM, SWAP = 1_000_000, 500_000


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with a million pages, and half as many of swap."""
    config = Config(node_pages=(RAM,), total_swap_pages=SWAP)
    with Machine(config, reaper=False) as booted:
        yield booted


def sized(
    machine: Machine, *, anon: int = 0, swap: int = 0, tables: int = 0, adj: int = 0
) -> Process:
    """Spawn a process with as many pages; its page tables are *tables* bytes."""
    process = machine.spawn("p", oom_score_adj=adj)
    mm = process.mm
    assert mm is not None
    mm.rss_stat[MM_ANONPAGES].counter = anon
    mm.rss_stat[MM_SWAPENTS].counter = swap
    mm.pgtables_bytes.counter = tables
    return process


@pytest.mark.parametrize(
    ("anon", "swap", "tables", "adj", "score"),
    [
        (0, 0, 0, 0, 666),  # 1000 * 2 // 3
        (1499, 0, 0, 0, 666),  # not yet a permille of all
        (1500, 0, 0, 0, 667),  # 1001 * 2 // 3
        (1499, 0, 4096, 0, 667),  # the page of tables is the one that was missing
        (1499, 0, 4095, 0, 666),  # and only a whole one counts
        (0, 3000, 0, 0, 668),
        (RAM, SWAP, 0, 0, 1333),  # everything
        (0, 0, 0, 1000, 1333),
        (RAM, SWAP, 0, 1000, 2000),
        (0, 0, 0, -999, 0),  # 1 * 2 // 3: adjusted as far as may still be chosen
        (0, 0, 0, -1, 666),  # 999 * 2 // 3
        (0, 0, 0, -2, 665),  # 998 * 2 // 3 is 665.33
        (0, 0, 0, -1000, 0),
        (RAM, SWAP, 0, -1000, 0),
    ],
)
def test_score(
    machine: Machine, anon: int, swap: int, tables: int, adj: int, score: int
) -> None:
    task = sized(machine, anon=anon, swap=swap, tables=tables, adj=adj).task
    assert proc_oom_score(task) == score


def test_quotients_are_cut_off_towards_zero(machine: Machine) -> None:
    # 1 - 3000 points are -1.999 permille, which count as -1; rounded down they
    # would be -2, and the score 665.
    assert proc_oom_score(sized(machine, anon=1, adj=-2).task) == 666
    assert proc_oom_score(sized(machine, anon=0, adj=-2).task) == 665


def test_the_adjustment_is_cut_off_before_it_is_multiplied() -> None:
    # 1000 * (1999 // 1000) are 1000 points of 1999; not all of them.
    with Machine(Config(node_pages=(1999,)), reaper=False) as machine:
        assert proc_oom_score(sized(machine, adj=1000).task) == 1000
    # Below 1000 pages an adjustment weighs nothing.
    with Machine(Config(node_pages=(999,)), reaper=False) as machine:
        assert proc_oom_score(sized(machine, adj=1000).task) == 666


def test_who_may_not_be_chosen_has_0(machine: Machine) -> None:
    assert proc_oom_score(machine.init.task) == 0
    reaped = sized(machine, anon=RAM)
    assert reaped.mm is not None
    mm_flags_set(MMF_OOM_SKIP, reaped.mm)
    assert proc_oom_score(reaped.task) == 0


def test_processes_that_share_memory_are_scored_alike(machine: Machine) -> None:
    first = sized(machine, anon=RAM)
    other = machine.spawn("q", shares_mm=first)
    assert proc_oom_score(other.task) == proc_oom_score(first.task) == 1110
