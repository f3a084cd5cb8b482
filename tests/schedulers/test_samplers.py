# SPDX-License-Identifier: GPL-2.0-only
"""Samplers find what their papers promise, as often as these promise it.

Seeds are fixed, so a rate is one number; the intervals are five standard deviations
wide, and say how far a right sampler may be off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import sqrt

import pytest

from pykmm.engine import Access, Cell, Machine, Mutex, Pool
from pykmm.engine import Counter as Number
from pykmm.engine.scheduler import FirstEnabled
from pykmm.errors import UsageError
from pykmm.runner import explore
from pykmm.runner.once import execute
from pykmm.schedulers import Dfs, Pct, Pos, RandomWalk, Urw
from tests.litmus.harness import Program, litmus, run

pytestmark = pytest.mark.slow

RUNS = 3000
PAD = 5


def padded(pad: int, *bodies: Callable[[], object]) -> list[Callable[[], object]]:
    """Let each body read something of its own first."""

    def with_reads(body: Callable[[], object]) -> Callable[[], object]:
        own = Cell(0)

        def padded_body() -> object:
            for _ in range(pad):
                own.get()
            return body()

        return padded_body

    return [with_reads(body) for body in bodies]


def ordering(m: Machine) -> bool:
    """Depth 1: a read, long after the start, comes before a write."""
    x = Cell(0)
    _, (read,) = run(m, lambda: x.set(1), *padded(PAD, lambda: (x.get(),)))
    return read == 0


def lost_update(m: Machine) -> bool:
    """Depth 2: two unlocked increments."""
    x = Number(0)
    run(m, *padded(PAD, *[lambda: x.set(x.get() + 1)] * 2))
    return x.peek() == 1


def abba(m: Machine) -> None:
    """Depth 2: two locks in both orders; the deadlock is a report."""
    a, b = Mutex(), Mutex()

    def take(one: Mutex, other: Mutex) -> None:
        with one, other:
            pass

    run(m, *padded(PAD, lambda: take(a, b), lambda: take(b, a)))


def zigzag(m: Machine) -> bool:
    """Depth 3: write, read, write, read."""
    x = Cell(0)
    _, seen = run(m, lambda: (x.set(1), x.set(2)), lambda: (x.get(), x.get()))
    return seen == (1, 2)


def sandwich(m: Machine) -> bool:
    """Depth 4: write, read, write, read, write."""
    x = Cell(0)
    seen = run(m, lambda: [x.set(i) for i in (1, 2, 3)], lambda: (x.get(), x.get()))
    return seen[1] == (1, 2)


def length(program: Program) -> int:
    """Return how many steps the execution without preemptions has."""
    return len(execute(litmus(program), FirstEnabled()).events)


def hits(program: Program, make: Callable[[int], object], runs: int = RUNS) -> int:
    """Count the executions that end with True or with a bug."""
    scenario = litmus(program)
    found = 0
    with Pool() as pool:
        for seed in range(runs):
            execution = execute(scenario, make(seed), pool=pool)
            found += execution.report is not None or bool(execution.outcome)
    return found


def pct(program: Program, depth: int, runs: int = RUNS) -> int:
    steps = length(program)
    return hits(program, lambda seed: Pct(depth, steps, seed), runs)


def assert_about(found: int, chance: float, runs: int = RUNS) -> None:
    spread = sqrt(runs * chance * (1 - chance))
    assert abs(found - runs * chance) < 5 * spread


# -- PCT ----------------------------------------------------------------------------


def test_pct_finds_an_ordering_every_second_time() -> None:
    assert_about(pct(ordering, 1), 1 / 2)


def test_pct_loses_an_update_once_in_as_many_executions_as_there_are_steps() -> None:
    # One moment of k is between the first thread's read and its write.
    assert_about(pct(lost_update, 2), 1 / length(lost_update))


def around(others: int, *, twice: bool) -> Program:
    """One thread looks before all others write and, if asked, behind them all again."""

    def program(m: Machine) -> bool:
        x = Number(0)
        looks = 2 if twice else 1
        seen = run(m, lambda: [x.get() for _ in range(looks)], *[x.fetch_add] * others)
        return seen[0] == [0, others][:looks]

    return program


@pytest.mark.parametrize("others", [2, 3])
def test_pct_reaches_its_bound_in_the_worst_case(others: int) -> None:
    # One thread of n has to be the first, and one moment of k to be just behind it.
    once, twice = around(others, twice=False), around(others, twice=True)
    assert_about(pct(once, 1), 1 / (others + 1))
    assert_about(pct(twice, 2), 1 / ((others + 1) * length(twice)))


@pytest.mark.parametrize(
    ("program", "depth"),
    [(lost_update, 2), (abba, 2), (zigzag, 3), (sandwich, 4)],
)
def test_pct_finds_nothing_below_the_depth(program: Program, depth: int) -> None:
    assert pct(program, depth - 1) == 0


@pytest.mark.parametrize(
    ("program", "depth"),
    [(ordering, 1), (lost_update, 2), (abba, 2), (zigzag, 3), (sandwich, 4)],
)
def test_pct_is_never_below_its_bound(program: Program, depth: int) -> None:
    bound = 1 / (2 * length(program) ** (depth - 1))
    found = pct(program, depth)
    assert found > RUNS * bound - 5 * sqrt(RUNS * bound)
    assert found > 0


@pytest.mark.parametrize(("depth", "steps"), [(0, 5), (2, 0), (1.5, 5), ("2", 5)])
def test_pct_refuses(depth: object, steps: object) -> None:
    with pytest.raises(UsageError, match="must be a whole number, 1 or more"):
        Pct(depth, steps)


def test_pct_may_have_more_depth_than_there_are_steps() -> None:
    assert str(execute(litmus(zigzag), Pct(100, 6)).schedule)


# -- POS ----------------------------------------------------------------------------


def last_of(others: int, *, same: bool) -> Program:
    """Answer whether a thread of one step came after *others* steps of another.

    Threads begin with a step on an object, so there is nothing else to take.
    """

    def program(m: Machine) -> bool:
        x, y = Cell(0), Cell(0)

        def more() -> None:
            for _ in range(others - 1):
                x.set(1)

        m.thread("many", more, obj=x, access=Access.WRITE)
        m.thread("one", int, obj=x if same else y, access=Access.WRITE)
        m.run()
        return m.steps[-1].name == "one"

    return program


def test_pos_keeps_the_priority_of_a_step_that_is_independent() -> None:
    # It is last if it is the lowest of six.
    assert_about(hits(last_of(5, same=False), Pos), 1 / 6)


def test_pos_draws_again_for_a_step_in_conflict() -> None:
    # It is last if it loses five times, against one each time. The class of "start"
    # and "write" is known by then, or taken to be any.
    assert_about(hits(last_of(5, same=True), Pos), 1 / 2**5)


def test_pos_knows_that_reads_are_not_in_conflict() -> None:
    def program(m: Machine) -> bool:
        x = Cell(0)
        m.thread("many", lambda: [x.get() for _ in range(4)], obj=x, kind="read")
        m.thread("one", int, obj=x, kind="read")
        m.run()
        return m.steps[-1].name == "one"

    assert_about(hits(program, Pos), 1 / 6)


@pytest.mark.parametrize("program", [ordering, lost_update, abba, zigzag, sandwich])
def test_pos_has_no_depth_below_which_it_finds_nothing(program: Program) -> None:
    assert hits(program, Pos) > 0


# -- URW ----------------------------------------------------------------------------


def independent(*steps: int) -> Program:
    """Let threads take so many steps each, the start included."""

    def program(m: Machine) -> None:
        cells = [Cell(0) for _ in steps]
        run(
            m,
            *[
                lambda cell=cell, many=many: [cell.get() for _ in range(many - 1)]
                for cell, many in zip(cells, steps, strict=True)
            ],
        )

    return program


def chi_square(program: Program, make: Callable[[int], object], runs: int) -> float:
    """Compare the counts of schedules with all being as likely."""
    counts: Counter[object] = Counter()
    with Pool() as pool:
        for seed in range(runs):
            counts[execute(litmus(program), make(seed), pool=pool).schedule] += 1
    expected = runs / 1260
    missing = (1260 - len(counts)) * expected
    return missing + sum((n - expected) ** 2 / expected for n in counts.values())


def key_counts(program: Program) -> Counter[tuple[object, ...]]:
    machine = execute(litmus(program), FirstEnabled()).machine
    return Counter(t.key for t in machine.steps)


def test_urw_is_uniform_over_interleavings() -> None:
    # 9! / (2! 3! 4!) = 1260 interleavings: 1259 degrees of freedom.
    program = independent(2, 3, 4)
    steps = key_counts(program)
    assert sorted(steps.values()) == [2, 3, 4]
    spread = sqrt(2 * 1259)
    found = chi_square(program, lambda seed: Urw(steps, seed), 6300)
    assert abs(found - 1259) < 5 * spread
    assert chi_square(program, RandomWalk, 6300) > 1259 + 20 * spread


def test_urw_counts_what_a_thread_s_children_will_do() -> None:
    # The parent's third step comes in any of 3 places beside the child's two; the
    # other thread's two steps come anywhere: 3 * 7! / (5! 2!) = 63 interleavings.
    def program(m: Machine) -> None:
        x, y = Cell(0), Cell(0)

        def parent() -> None:
            x.get()
            m.thread("child", lambda: y.get())
            x.get()

        run(m, parent, y.get)

    steps = key_counts(program)
    scenario = litmus(program)
    counts: Counter[object] = Counter()
    with Pool() as pool:
        for seed in range(RUNS):
            counts[execute(scenario, Urw(steps, seed), pool=pool).schedule] += 1
    kinds = every(program)
    assert set(counts) == kinds
    assert len(kinds) == 63
    expected = RUNS / len(kinds)
    square = sum((counts[kind] - expected) ** 2 / expected for kind in kinds)
    assert abs(square - (len(kinds) - 1)) < 5 * sqrt(2 * (len(kinds) - 1))


def every(program: Program) -> set[object]:
    """Return all schedules of *program*."""
    explorer, found = Dfs(), set()
    with Pool() as pool:
        while (scheduler := explorer.begin()) is not None:
            found.add(execute(litmus(program), scheduler, pool=pool).schedule)
    return found


def test_urw_goes_on_where_there_are_more_steps_than_it_was_told() -> None:
    assert len(execute(litmus(lost_update), Urw({}, 1)).events) == length(lost_update)


# -- by name ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pct", "pos", "urw"])
def test_samplers_are_their_seed(name: str) -> None:
    def sample(seed: int) -> object:
        result = explore(litmus(lost_update), scheduler=name, executions=200, seed=seed)
        return [(o.value, o.count, o.witness) for o in result.outcomes]

    assert sample(1) == sample(1)
    assert {value for value, *_ in sample(1)} == {True, False}
    assert sample(1) != sample(2)


def test_a_probe_that_a_bug_cuts_short_is_not_believed() -> None:
    def program(m: Machine) -> bool:
        x = Cell(0)

        def buggy() -> None:
            if not x.get():
                raise ValueError("nobody set it")

        m.thread("buggy", buggy)
        m.thread("setter", lambda: [x.set(1) for _ in range(9)])
        m.run()
        return True

    result = explore(
        litmus(program), scheduler="pct", depth=1, executions=40, detectors=()
    )
    assert result.values == [True]
    assert len(result.reports) == 1


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, "2"])
def test_no_depth(depth: object) -> None:
    with pytest.raises(UsageError, match="depth="):
        explore(litmus(zigzag), scheduler="pct", depth=depth)


def test_a_depth_is_for_pct() -> None:
    with pytest.raises(UsageError, match="does not go with scheduler='random'"):
        explore(litmus(zigzag), scheduler="random", depth=2)
    shallow = explore(litmus(zigzag), scheduler="pct", depth=2, executions=500)
    assert True not in shallow.values
    deep = explore(litmus(zigzag), scheduler="pct", depth=3, executions=500)
    assert True in deep.values
