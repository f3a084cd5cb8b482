# SPDX-License-Identifier: GPL-2.0-only
"""Design J: what a reap pass that hands ``mmap_lock`` over costs whoever reaps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from pykmm.comparison.cells import staged
from pykmm.linux.mm import PMD_SHIFT
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.linux.uapi import SIGKILL
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import apply
from pykmm.runner import replay
from pykmm.scenarios.release.zaps import visits
from pykmm.syscalls import kill, pidfd_open, process_mrelease
from pykmm.workbench import Machine, Process

J = DESIGNS["J"]


@pytest.fixture
def m() -> Iterator[Machine]:
    with Machine(reaper=False) as machine:
        apply(machine, [J])
        yield machine


def writer(m: Machine, victim: Process, name: str) -> Process:
    mm, process = victim.space, m.spawn(name)

    @process.runs
    def _() -> None:
        mmap_write_lock(mm)
        mmap_write_unlock(mm)

    return process


def chunks(m: Machine, writers: int) -> list[tuple[str, bool]]:
    """Reap 2 GiB beside so many *writers*, each queued by the end of a chunk.

    Return which half the walk came to, one after the other, and whether it found
    something there.
    """
    app, lmkd = m.spawn("app", anon="2G"), m.spawn("lmkd")
    mm = app.space
    middle = app.memory[0].start + (1 << 30) >> PMD_SHIFT
    app.freeze()
    queued = [writer(m, app, f"writer{number}") for number in range(writers)]
    for process in queued:
        process.freeze()

    @lmkd.runs
    def _() -> int:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        return process_mrelease(fd, 0)

    for process in queued:
        lmkd.step_to("rwsem_is_contended", on=mm.mmap_lock)
        process.thaw()
        process.step_to("down_write_wait", on=mm.mmap_lock)
        lmkd.thaw()
        lmkd.step_to("cond_resched", on=mm.mmap_lock)
        process.thaw()
    lmkd.thaw()
    m.run()
    assert lmkd.result == 0
    seen = visits(m, mm)
    ends = [event.index for event in m.events if event.kind == "rwsem_is_contended"]
    return [
        ("low" if part[0].table < middle else "high", any(v.found for v in part))
        for start, end in pairwise([0, *ends])
        if (part := [v for v in seen if start < v.start < end])
    ]


def test_each_writer_sends_the_walk_back_to_the_top(m: Machine) -> None:
    """As long as writers come, no pass gets below the highest GiB."""
    assert chunks(m, writers=3) == [
        ("high", True),
        ("high", False),
        ("high", False),
        ("high", False),
        ("low", True),
    ]


def test_no_pass_overtakes_a_writer_for_ever() -> None:
    """A scheduler that lets the reaping thread go on must give the writer its turn."""
    execution = replay(staged("S8", "J"), "lmkd*70 driver*3 lmkd", stacks=False)
    assert execution.report is None
    assert execution.outcome is not None
