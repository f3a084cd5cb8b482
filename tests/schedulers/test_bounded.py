# SPDX-License-Identifier: GPL-2.0-only
"""Reduction under a bound loses nothing that the bound lets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import Cell, Counter, Machine, Mutex, Pool
from pykmm.errors import UsageError
from pykmm.runner.once import execute
from pykmm.schedulers import Bounded, Dfs
from tests.litmus import programs as p
from tests.litmus.harness import Program, litmus, run
from tests.litmus.harness import explore_bare as explore
from tests.schedulers.reference import explore_all
from tests.schedulers.test_dpor_against_dfs import PROGRAMS, SORTS, program, programs
from tests.schedulers.test_waits import SORTS as WAITS
from tests.schedulers.test_waits import Waits

BOUNDS = (0, 1, 2, 3)


def check(made: Program) -> None:
    """Compare with all executions within the bound: the same orders, at less cost."""
    for bound in BOUNDS:
        brute = explore_all(made, Dfs(bound))
        clever = explore_all(made, Bounded(bound))
        assert clever.outcomes == brute.outcomes
        assert clever.orders.keys() == brute.orders.keys()
        assert sum(clever.orders.values()) <= sum(brute.orders.values())


@pytest.mark.slow
@pytest.mark.parametrize("names", SORTS.values(), ids=SORTS)
@settings(max_examples=PROGRAMS // len(SORTS) or 10)
@given(data=st.data())
def test_every_order_within_the_bound_is_explored(names: str, data: Any) -> None:
    check(program(data.draw(programs(names))))


# -- why it takes more than leaving out what is beyond the bound -----------------------


def test_who_would_be_preempted_lets_others_go_first() -> None:
    # Reversing the race where it is takes a preemption. The same order has none if
    # the reader begins.
    def two_steps(m: Machine) -> object:
        x, y = Cell(0), Cell(0)
        return run(m, lambda: (y.get(), x.set(1)), x.get)[1]

    assert explore(litmus(two_steps), bound=0).values == [1, 0]
    check(two_steps)


def test_only_who_was_running_falls_asleep() -> None:
    # Whoever was explored first at the very begin may have to be preempted there, and
    # need not be if it goes on where it would sleep.
    check(program([[("fetch_add", 1)], [("read", 1)]]))
    check(
        program(
            [
                [("read", 1), ("fetch_add", 1)],
                [("write", 1), ("write", 0)],
                [("write", 0)],
            ]
        )
    )


def test_who_comes_to_a_lock_while_it_is_taken_gives_way_for_nothing() -> None:
    # The last thread's look at the first cell is no preemption more only if it then
    # finds the lock taken. Nothing that it does there races with the unlock.
    def held_up(m: Machine) -> object:
        x, z, lock = Cell(0), Cell(0), Mutex()

        def one() -> None:
            x.set(1)
            with lock:
                pass
            x.set(2)
            z.set(1)

        def other() -> object:
            seen = x.get()
            with lock:
                pass
            return seen, z.get()

        return run(m, one, other)[1]

    assert (1, 1) in explore(litmus(held_up), bound=1).values
    check(held_up)


@pytest.mark.slow
@pytest.mark.parametrize("names", WAITS.values(), ids=WAITS)
@settings(max_examples=PROGRAMS // len(WAITS) or 8)
@given(data=st.data())
def test_every_order_of_those_who_wait_is_explored(names: str, data: Any) -> None:
    check(program(data.draw(programs(names)), make=Waits))


@pytest.mark.parametrize(
    "threads",
    [
        [
            [("rcu", 1, []), ("rcu", 1, []), ("read", 0)],
            [("drop", 0), ("drop", 0)],
        ],
        [
            [("write", 1), ("call", 0), ("read", 1)],
            [("rcu", 0, [("write", 0)]), ("read", 0), ("write", 1), ("read", 1)],
        ],
        [[("write", 1), ("write", 0)], [("join", 0, [("read", 1)])]],
    ],
    ids=["a reader left in time", "who is wanted sleeps", "who is wanted comes late"],
)
def test_orders_that_were_lost_once(threads: list[list[tuple[Any, ...]]]) -> None:
    check(program(threads, make=Waits))


# -- counts ----------------------------------------------------------------------------

#: Interleavings with at most 0, 1 and 2 preemptions, computed by brute force elsewhere;
#: nothing there is a step that only starts a thread.
EXACT = [
    ("lastzero(2)", p.lastzero(2), (6, 19, 34)),
    ("lost_update(2)", p.lost_update(2), (2, 4, 6)),
    ("lost_update(3)", p.lost_update(3), (6, 24, 60)),
    ("n_writes_and_a_read(4)", p.n_writes_and_a_read(4), (2, 10, 42)),
    ("redundant_co(2)", p.redundant_co(2), (6, 24, 60)),
    ("locked_inc(2, 3)", p.locked_inc(2, 3), (2, 6, 14)),
    ("locked_inc(3, 2)", p.locked_inc(3, 2), (6, 24, 60)),
    ("philosophers(3)", p.philosophers(3), (6, 57, 129)),
    ("abba(3)", p.abba(3), (2, 18, 54)),
    ("casrot(3)", p.casrot(3), (6, 6, 6)),
    ("circular_buffer(5)", p.circular_buffer(5), (2, 10, 42)),
    ("store_buffering", p.store_buffering, (2, 4, 6)),
    ("refcount(1, 1)", p.refcount(1, 1), (2, 6, 7)),
    ("refcount(2, 1)", p.refcount(2, 1), (6, 26, 40)),
    ("refcount(1, 1) unchecked", p.refcount(1, 1, checked=False), (2, 5, 8)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "counts"), [pytest.param(*rest, id=name) for name, *rest in EXACT]
)
def test_published_numbers_within_a_bound(
    made: Program, counts: tuple[int, ...]
) -> None:
    for bound, count in enumerate(counts):
        seen = set()
        search = Dfs(bound)
        with Pool() as pool:
            while (scheduler := search.begin()) is not None:
                machine = execute(litmus(made), scheduler, pool=pool).machine
                search.end(machine)
                seen.add(
                    tuple(e.thread.name for e in machine.events if e.kind != "start")
                )
        assert len(seen) == count
        clever = explore(litmus(made), bound=bound)
        brute = explore(litmus(made), scheduler="dfs", bound=bound)
        assert set(map(repr, clever.values)) == set(map(repr, brute.values))
        assert clever.executions <= brute.executions


def apart(m: Machine) -> object:
    """Two pairs of threads; each pair has a counter of its own."""
    cells = [Cell(0), Cell(0)]
    run(m, *[lambda x=x: x.set(x.get() + 1) for x in cells for _ in range(2)])
    return [cell.peek() for cell in cells]


def mostly_alone(threads: int, steps: int) -> Program:
    """Everybody works alone for a while, and counts in the end."""

    def made(m: Machine) -> object:
        done = Counter(0)

        def body() -> None:
            own = Cell(0)
            for number in range(steps):
                own.set(number)
            done.fetch_add()

        run(m, *[body] * threads)
        return done.peek()

    return made


@pytest.mark.parametrize(
    ("made", "brute", "clever"),
    [
        pytest.param(apart, (24, 312, 2424), (4, 20, 36), id="apart"),
        pytest.param(mostly_alone(2, 8), (2, 20, 182), (2, 4, 4), id="two alone"),
        pytest.param(mostly_alone(3, 4), (6, 96, 1056), (6, 18, 23), id="three alone"),
        pytest.param(p.philosophers(3), (6, 96, 543), (6, 52, 117), id="philosophers"),
        # 14 threads that hardly meet: 87 billion executions without a preemption.
        pytest.param(p.filesystem(14), (), (2, 6, 6), id="filesystem"),
        pytest.param(p.filesystem(16), (), (8, 56, 152), id="large filesystem"),
        # Without a bound it has 64 orders. Preempting what nobody looks at yields no
        # other one, so it must not be done again and again: that took 10,177.
        pytest.param(p.lastzero(5), (), (192, 989, 2255), id="lastzero"),
        pytest.param(p.indexer(12), (), (2, 8, 12), id="indexer"),
    ],
)
def test_it_takes_fewer_executions(
    made: Program, brute: tuple[int, ...], clever: tuple[int, ...]
) -> None:
    for scheduler, counts in (("dfs", brute), ("dpor", clever)):
        for bound, count in enumerate(counts):
            result = explore(litmus(made), scheduler=scheduler, bound=bound)
            assert result.executions + result.blocked == count
            assert result.reason == f"complete within bound {bound}"


def test_a_deadlock_needs_its_preemption() -> None:
    assert explore(litmus(p.philosophers(3)), bound=0).reports == ()
    result = explore(litmus(p.philosophers(3)), bound=1)
    assert [report.kind for report in result.reports] == ["deadlock"]
    assert explore(litmus(p.abba(1)), bound=0).reports == ()
    assert explore(litmus(p.abba(1)), bound=1).reports


def test_a_bound_is_a_number() -> None:
    with pytest.raises(UsageError, match="bound=-1 must be a whole number"):
        explore(litmus(p.abba(1)), bound=-1)


def test_a_thread_that_clearing_up_would_make_was_never_there() -> None:
    # An execution that is given up is left in the middle, and who clears up makes a
    # thread there, between two steps of its own.
    def program(m: Machine) -> object:
        x, y = Cell(0), Cell(0)

        def clears_up() -> None:
            try:
                x.set(1)
                y.set(x.get())
            finally:
                m.thread("cleaner", lambda: y.set(2))

        run(m, clears_up, clears_up, lambda: x.set(y.get()))
        return x.peek(), y.peek()

    check(program)
