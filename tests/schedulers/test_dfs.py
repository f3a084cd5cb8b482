# SPDX-License-Identifier: GPL-2.0-only
"""Brute force counts what combinatorics says."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial, prod

import pytest

from pykmm.engine import Machine, Pool
from pykmm.runner.once import execute
from pykmm.schedulers import Dfs
from tests.litmus import programs as p
from tests.litmus.harness import Program, litmus
from tests.litmus.harness import explore_bare as explore


def interleavings(*steps: int) -> int:
    """Ways to interleave threads of so many steps each that never block."""
    return factorial(sum(steps)) // prod(map(factorial, steps))


def with_preemptions(a: int, b: int, exactly: int) -> int:
    """Ways to interleave two threads so that exactly so many switches are early."""
    runs = exactly + 2
    more, less = (runs + 1) // 2 - 1, runs // 2 - 1
    return comb(a - 1, more) * comb(b - 1, less) + comb(b - 1, more) * comb(a - 1, less)


@pytest.mark.parametrize(
    ("program", "steps"),
    [
        (p.readers(2), (2, 2, 2)),
        (p.lost_update(2), (3, 3)),
        (p.n_writes_and_a_read(3), (5, 5)),
        (p.store_buffering, (3, 3)),
        (p.casrot(3), (2, 2, 2)),
    ],
)
def test_all_interleavings(program: Program, steps: Sequence[int]) -> None:
    # The first step of each thread is to start.
    result = explore(litmus(program), scheduler="dfs")
    assert result.executions == interleavings(*steps)
    assert result.complete


@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_a_bound_on_preemptions(bound: int) -> None:
    result = explore(litmus(p.lost_update(2)), scheduler="dfs", bound=bound)
    assert result.executions == sum(
        with_preemptions(3, 3, exactly) for exactly in range(bound + 1)
    )
    assert (result.complete, result.reason) == (False, f"complete within bound {bound}")


def test_a_bound_limits_switches_away_and_nothing_else() -> None:
    result = explore(litmus(p.philosophers(3)), scheduler="dfs", bound=0)
    # Nobody gives way before the first fork is taken, so nobody waits for one.
    assert result.executions == factorial(3)
    assert result.reports == ()
    assert explore(litmus(p.abba(1)), scheduler="dfs", bound=1).reports


def without_starts(m: Machine) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (event.thread.name, event.kind, event.obj.name)
        for event in m.events
        if event.kind != "start"
    )


@pytest.mark.parametrize(
    ("program", "count"),
    [
        (p.locked_inc(2, 2), 6),
        (p.trylocks(2), 6),
        (p.trylocks(3), 36),
        (p.abba(1), 6),
        (p.abba(2), 48),
        (p.philosophers(3), 168),
        (p.refcount(1, 1), 8),
        (p.lastzero(2), 35),
    ],
)
def test_published_numbers_of_interleavings(program: Program, count: int) -> None:
    # Published counts have no starts; leave them out and see what differs.
    explorer = Dfs()
    seen = set()
    with Pool() as pool:
        while (scheduler := explorer.begin()) is not None:
            execution = execute(litmus(program), scheduler, pool=pool)
            explorer.end(execution.machine)
            seen.add(without_starts(execution.machine))
    assert len(seen) == count


def test_the_first_execution_has_no_preemption() -> None:
    result = explore(litmus(p.lost_update(3)), scheduler="dfs", executions=1)
    assert result.values == [3]
    assert result.outcomes[0].preemptions == 0
