# SPDX-License-Identifier: GPL-2.0-only
"""One execution for each order that matters: no more, no less, none in vain.

The counts are closed forms and published numbers (Abdulla and others, POPL 2014),
and were computed by brute force independently of this explorer.
"""

from __future__ import annotations

from itertools import permutations
from math import comb, factorial

import pytest

from pykmm.engine import Machine, Mutex
from tests.litmus import programs as p
from tests.litmus.harness import Program, litmus, run
from tests.litmus.harness import explore_bare as explore

COUNTS = [
    *[(f"readers({n})", p.readers(n), 2**n) for n in (2, 4, 6, 8)],
    *[(f"writers({n})", p.writers(n), factorial(n)) for n in (2, 3, 4, 5)],
    *[(f"fetch_adds({n})", p.fetch_adds(n), factorial(n)) for n in (3, 4)],
    *[(f"adds({n})", p.adds(n), 1) for n in (3, 5)],
    *[
        (f"n_writers_a_reader({n})", p.n_writers_a_reader(n), factorial(n + 1))
        for n in (2, 3, 4)
    ],
    *[
        (f"alpha1({n})", p.alpha1(n), factorial(n) * comb(n + 2, 2))
        for n in (1, 2, 3, 4)
    ],
    *[(f"lost_update({n})", p.lost_update(n), factorial(n) ** 2) for n in (2, 3, 4)],
    *[
        (f"writes_and_reads({n})", p.writes_and_reads(n), factorial(n) ** 2)
        for n in (2, 3)
    ],
    *[(f"two_counters({n})", p.two_counters(n), factorial(n) ** 2) for n in (2, 3)],
    *[
        (f"n_writes_and_a_read({n})", p.n_writes_and_a_read(n), count)
        for n, count in ((1, 4), (2, 14), (3, 50), (4, 182))
    ],
    *[
        (f"redundant_co({n})", p.redundant_co(n), comb(2 * n, n) * comb(2 * n + 2, 2))
        for n in (1, 2, 3)
    ],
    *[
        (f"lastzero({n})", p.lastzero(n), (n + 3) * 2 ** (n - 2))
        for n in (2, 3, 4, 5, 6, 8)
    ],
    *[(f"casrot({n})", p.casrot(n), count) for n, count in ((2, 2), (3, 5), (4, 14))],
    *[
        (f"indexer({n})", p.indexer(n), count)
        for n, count in ((11, 1), (12, 8), (13, 64))
    ],
    ("store_buffering", p.store_buffering, 3),
    ("message_passing", p.message_passing, 3),
    ("load_buffering", p.load_buffering, 3),
    ("two_plus_two_writes", p.two_plus_two_writes, 3),
    ("refcount(1, 1)", p.refcount(1, 1), 4),
    ("refcount(2, 1)", p.refcount(2, 1), 24),
    ("refcount(1, 1) unchecked", p.refcount(1, 1, checked=False), 5),
    *[
        (
            f"locked_inc({t}, {k})",
            p.locked_inc(t, k),
            factorial(t * k) // factorial(k) ** t,
        )
        for t, k in ((2, 3), (3, 2), (3, 3))
    ],
    *[(f"lock_order({n})", p.lock_order(n), factorial(n)) for n in (2, 3, 4)],
    *[
        (f"circular_buffer({n})", p.circular_buffer(n), comb(2 * n, n))
        for n in (2, 3, 4, 5)
    ],
    *[
        (f"rwsem({r}, {w})", p.rwsem(r, w), factorial(w) * (w + 1) ** r)
        for r, w in ((4, 1), (3, 2), (2, 3))
    ],
    *[(f"trylocks({n})", p.trylocks(n), n) for n in (2, 3, 4)],
    *[
        (f"filesystem({n})", p.filesystem(n), count)
        for n, count in ((13, 1), (14, 2), (16, 8), (18, 32), (19, 64))
    ],
]

DEADLOCKS = [
    *[(f"mutex_deadlock({n})", p.mutex_deadlock(n), n, n) for n in (2, 3, 4)],
    *[(f"philosophers({n})", p.philosophers(n), 2**n - 1, 1) for n in (3, 4, 5)],
    *[
        (f"abba({k})", p.abba(k), count, dead)
        for k, count, dead in ((1, 3, 1), (2, 11, 5), (3, 39, 19))
    ],
]


@pytest.mark.parametrize(
    ("program", "traces"),
    [pytest.param(program, traces, id=name) for name, program, traces in COUNTS],
)
def test_number_of_executions(program: Program, traces: int) -> None:
    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (traces, 0)
    assert result.complete
    assert result.reports == ()


@pytest.mark.parametrize(
    ("program", "traces", "dead"),
    [pytest.param(*rest, id=name) for name, *rest in DEADLOCKS],
)
def test_number_of_deadlocks(program: Program, traces: int, dead: int) -> None:
    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (traces, 0)
    assert traces - sum(outcome.count for outcome in result.outcomes) == dead
    assert {report.kind for report in result.reports} == {"deadlock"}
    assert result.complete


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (p.store_buffering, [(0, 1), (1, 0), (1, 1)]),
        (p.message_passing, [(0, 0), (0, 1), (1, 1)]),
        (p.load_buffering, [(0, 0), (0, 1), (1, 0)]),
        (p.two_plus_two_writes, [(1, 2), (2, 1), (2, 2)]),
        (p.lost_update(3), [1, 2, 3]),
        (p.lastzero(3), [0, 1, 2, 3]),
        (p.refcount(1, 1), [(None,), (0,)]),
        (p.refcount(1, 1, checked=False), [(0,), (1,)]),
        (p.locked_inc(2, 2), [4]),
        (p.lock_order(3), ["".join(order) for order in permutations("012")]),
    ],
)
def test_outcomes(program: Program, outcomes: list[object]) -> None:
    result = explore(litmus(program))
    assert sorted(map(repr, result.values)) == sorted(map(repr, outcomes))


def test_every_order_of_three_by_three_sections_is_reached() -> None:
    """Who was inside when, told by the program itself and not by its schedule."""

    def program(m: Machine) -> object:
        lock, log = Mutex(), []

        def body(me: str) -> None:
            for _ in range(3):
                with lock:
                    log.append(me)

        run(m, *[lambda me=me: body(me) for me in "012"])
        return "".join(log)

    result = explore(litmus(program))
    orders = {"".join(order) for order in permutations("000111222")}
    assert len(orders) == 1680
    assert set(result.values) == orders
    assert (result.executions, result.blocked) == (1680, 0)
