# SPDX-License-Identifier: GPL-2.0-only
"""T1 to T23: what a process weighs, and what ``/proc/PID/oom_score`` makes of it.

M has 100 anonymous pages, 20 of files, 5 of shmem, 50 in swap, and three pages of
page tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.linux.completion import completion
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_OOM_SKIP
from pykmm.linux.oom import LONG_MIN
from pykmm.linux.sched import PF_KTHREAD
from pykmm.mm.oom_kill import oom_badness
from pykmm.syscalls import open as open_file
from pykmm.syscalls import read
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

TP = 1_000_000


def m_of(world: World, **facts: int) -> Process:
    counts = {"anon": 100, "file": 20, "shmem": 5, "swap": 50, "tables": 12288}
    return world.process("M", **(counts | facts))


@pytest.mark.parametrize(
    ("adj", "totalpages", "tables", "points"),
    [
        pytest.param(0, TP, 12288, 178, id="T1"),
        pytest.param(500, TP, 12288, 500178, id="T2"),
        pytest.param(-500, TP, 12288, -499822, id="T3"),
        pytest.param(-999, TP, 12288, -998822, id="T4"),
        pytest.param(-1000, TP, 12288, LONG_MIN, id="T5"),
        pytest.param(1000, 999, 12288, 178, id="T6"),
        pytest.param(1, 4194303, 12288, 4372, id="T7"),
        pytest.param(0, TP, 4095, 175, id="T8"),
    ],
)
def test_points(
    world: World, adj: int, totalpages: int, tables: int, points: int
) -> None:
    p = m_of(world, adj=adj, tables=tables)
    assert oom_badness(p.task, totalpages) == points


def leader_gone(world: World, p: Process) -> None:
    world.thread(p)
    world.drop_mm(p.task)


def both_gone(world: World, p: Process) -> None:
    other = world.thread(p)
    world.drop_mm(p.task)
    world.drop_mm(other)


def skip(world: World, p: Process) -> None:
    mm_flags_set(MMF_OOM_SKIP, world.mm(p))


def borrowed(world: World, p: Process) -> None:
    p.task.__dict__["flags"] = PF_KTHREAD


def in_vfork(world: World, p: Process) -> None:
    parent = world.process("parent", shares=p)
    p.task.vfork_done = completion()
    p.task.real_parent = parent.task


def forked(world: World, p: Process) -> None:
    parent = world.process("parent")
    p.task.vfork_done = completion()
    p.task.real_parent = parent.task


def miscounted(world: World, p: Process) -> None:
    world.mm(p).rss_stat[MM_ANONPAGES].counter = -3


@pytest.mark.parametrize(
    ("change", "points"),
    [
        pytest.param(leader_gone, 178, id="T9"),
        pytest.param(both_gone, LONG_MIN, id="T10"),
        pytest.param(skip, LONG_MIN, id="T11"),
        pytest.param(borrowed, LONG_MIN, id="T13"),
        pytest.param(in_vfork, LONG_MIN, id="T14"),
        pytest.param(forked, 178, id="T15"),
        pytest.param(miscounted, 78, id="T16"),
    ],
)
def test_state(
    world: World, change: Callable[[World, Process], None], points: int
) -> None:
    p = m_of(world)
    change(world, p)
    assert oom_badness(p.task, TP) == points


def test_T12_global_init_is_never_weighed(world: World) -> None:
    init = world.machine.init.task
    mm = init.__dict__["mm"]
    mm.rss_stat[MM_ANONPAGES].counter = 100
    assert oom_badness(init, TP) == LONG_MIN
    mm.rss_stat[MM_ANONPAGES].counter = 0


# -- /proc/PID/oom_score ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("anon", "adj", "totalpages", "badness", "text"),
    [
        pytest.param(0, 0, TP, 0, b"666\n", id="T17"),
        pytest.param(0, -1000, TP, LONG_MIN, b"0\n", id="T18"),
        pytest.param(250000, 0, TP, 250000, b"833\n", id="T19"),
        pytest.param(0, -999, TP, -999000, b"0\n", id="T20"),
        pytest.param(2000000, 0, TP, 2000000, b"2000\n", id="T21"),
        pytest.param(123456, 200, 8149002, 1753256, b"810\n", id="T22"),
        pytest.param(1, -500, 1000003, -499999, b"334\n", id="T23"),
    ],
)
def test_oom_score(
    make_world: Callable[..., World],
    anon: int,
    adj: int,
    totalpages: int,
    badness: int,
    text: bytes,
) -> None:
    world = make_world(node_pages=(totalpages,))
    p = world.process("p", anon=anon, adj=adj)
    assert oom_badness(p.task, totalpages) == badness
    reader = world.machine.spawn("reader")

    @reader.runs
    def _() -> object:
        return read(int(open_file(f"/proc/{p.pid}/oom_score")))

    world.machine.run()
    assert reader.result == text
