# SPDX-License-Identifier: GPL-2.0-only
"""Classic programs are explored in as many executions as brute force counts orders."""

from __future__ import annotations

from math import factorial

import pytest

from pykmm.schedulers import Dfs, Dpor
from tests.litmus import pool as q
from tests.litmus import pool_structures as s
from tests.litmus.harness import Program, litmus
from tests.litmus.harness import explore_bare as explore
from tests.schedulers.reference import explore_all

#: Formulas where there are any: of a circle of n orders all but one are possible, and
#: readers that do not meet multiply.
PROGRAMS = [
    *[
        (f"store_buffering_ring({n})", q.store_buffering_ring(n), 2**n - 1)
        for n in (2, 3)
    ],
    ("write_to_read", q.write_to_read, 2**3 - 1),
    ("chain", q.chain, 2**3 - 1),
    *[(f"read_twice({n})", q.read_twice(n), 3**n) for n in (1, 2)],
    ("peterson", q.peterson, 10),
    ("dekker", q.dekker, 8),
    ("bakery", q.bakery, 13),
    ("szymanski_door", q.szymanski_door, 33),
    ("ticket_lock(2)", q.ticket_lock(2), 4),
    ("ticket_lock(3)", q.ticket_lock(3), 30),
    ("swap_lock(2)", q.swap_lock(2), 4),
    ("swap_lock(3)", q.swap_lock(3), 21),
    ("cas_counter(2)", q.cas_counter(2), 4),
    ("cas_counter(3)", q.cas_counter(3), 60),
    ("fib_bench(1)", q.fib_bench(1), 3),
    ("fib_bench(2)", q.fib_bench(2), 19),
    ("sigma(2)", q.sigma(2), 6),
    *[(f"barrier({n})", q.barrier(n), factorial(n) * 2 ** (n - 1)) for n in (2, 3)],
    ("lazy", q.lazy, factorial(3)),
    ("account", q.account, 12),
    ("reorder", q.reorder, 36),
    ("token_ring", q.token_ring, factorial(3)),
    ("two_stages", q.two_stages, 3),
    ("double_check(2)", q.double_check(2), 4),
    ("treiber(1, 1)", s.treiber(1, 1), 2),
    ("treiber(2, 0)", s.treiber(2, 0), 4),
    ("treiber(2, 1)", s.treiber(2, 1), 22),
    ("work_stealing", s.work_stealing, 6),
    ("seqlock(1)", s.seqlock(1), 14),
    *[(f"read_copy_update({n})", s.read_copy_update(n), 3**n) for n in (1, 2)],
    ("readers_first(1, 1)", s.readers_first(1, 1), 2),
    ("producer_consumer(3)", s.producer_consumer(3), 1),
    ("lost_signal", s.lost_signal, 3),
    ("upgrade_in_vain", s.upgrade_in_vain, 3),
]
#: Too many interleavings to run them each time. The first four were counted once.
LARGE = [
    ("independent_reads", q.independent_reads, 2**4 - 1),
    ("sigma(3)", q.sigma(3), 90),
    ("wrong_lock", q.wrong_lock, 18),
    ("readers_first(2, 1)", s.readers_first(2, 1), 14),
    ("store_buffering_ring(6)", q.store_buffering_ring(6), 2**6 - 1),
    ("read_twice(5)", q.read_twice(5), 3**5),
    ("barrier(4)", q.barrier(4), factorial(4) * 2**3),
    ("seqlock(2)", s.seqlock(2), 14**2),
    ("read_copy_update(5)", s.read_copy_update(5), 3**5),
]


@pytest.mark.parametrize(
    ("program", "orders"),
    [pytest.param(*rest, id=name) for name, *rest in (*PROGRAMS, *LARGE)],
)
def test_number_of_executions(program: Program, orders: int) -> None:
    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (orders, 0)
    assert result.complete


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "orders"), [pytest.param(*rest, id=name) for name, *rest in PROGRAMS]
)
def test_brute_force_comes_to_the_same(program: Program, orders: int) -> None:
    brute = explore_all(program, Dfs(), 50_000)
    clever = explore_all(program, Dpor())
    assert len(brute.orders) == orders
    assert clever.orders.keys() == brute.orders.keys()
    assert clever.outcomes == brute.outcomes


@pytest.mark.parametrize("program", [q.peterson, q.dekker])
def test_nobody_meets_another_inside(program: Program) -> None:
    seen = {found for pair in explore(litmus(program)).values for found in pair}
    assert seen == {0, "gave up"}


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (q.independent_reads, {((1, 0), (1, 0))}),
        (q.write_to_read, {(1, (1, 0))}),
        (q.chain, {(1, (1, 0))}),
        (q.store_buffering_ring(3), {(0, 0, 0)}),
        (q.read_twice(1), {((1, 0),)}),
        (q.bakery, {("went in", "went in")}),
        (s.work_stealing, {(1, 1)}),
        (s.seqlock(1), {((0, 1),), ((1, 0),)}),
    ],
)
def test_what_sequential_consistency_forbids(
    program: Program, outcomes: set[object]
) -> None:
    result = explore(litmus(program))
    assert result.complete
    assert len(result.values) > 1
    assert not outcomes & set(result.values)


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        (q.wrong_lock, 2),
        (q.reorder, (1, 0)),
        (q.lazy, True),
        (q.fib_bench(2), (5, 8)),
        (q.sigma(3), 1),
        (s.read_copy_update(1), ("freed",)),
        (s.upgrade_in_vain, 1),
    ],
)
def test_the_bugs_of_benchmarks_are_found(program: Program, outcome: object) -> None:
    assert outcome in explore(litmus(program)).values


def test_a_lost_signal_leaves_somebody_asleep() -> None:
    assert set(explore(litmus(s.lost_signal)).values) == {"went on", None}
