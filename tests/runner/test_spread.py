# SPDX-License-Identifier: GPL-2.0-only
"""An exploration that others run comes to what one process comes to."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from attrs import evolve, frozen

from pykmm.engine import Cell, Counter, Machine, Mutex
from pykmm.errors import Nondeterminism, UsageError
from pykmm.patches.bugs import BUGS
from pykmm.runner import Result, Scenario, explore, spread, spread_tree
from pykmm.scenarios import SCENARIOS
from tests.litmus import programs
from tests.litmus.harness import Program, run


def lost_update(m: Machine) -> int:
    """Two threads add one twice, without a lock."""
    x = Counter(0)

    def add() -> None:
        for _ in range(2):
            x.set(x.get() + 1)

    run(m, add, add)
    return x.peek()


def two_locks(m: Machine) -> str:
    """Two threads take two locks in both orders."""
    a, b = Mutex(), Mutex()

    def take(one: Mutex, other: Mutex) -> None:
        with one, other:
            pass

    run(m, lambda: take(a, b), lambda: take(b, a))
    return "fine"


def early_bug(m: Machine) -> None:
    """A bug stops some executions long before their end."""
    x = Cell(0)

    def buggy() -> None:
        if x.get():
            raise ValueError("x was set")

    run(m, buggy, lambda: [x.set(n) for n in range(3)], x.get)


def apart(m: Machine) -> None:
    """One order of two locks if x was set in time, the other one if not."""
    a, b, x = Mutex(), Mutex(), Cell(0)

    def take() -> None:
        one, other = (a, b) if x.get() else (b, a)
        with one, other:
            pass

    run(m, take, lambda: x.set(1))


def unsendable(m: Machine) -> object:
    """The outcome is a function without a name."""
    run(m, Cell(0).get)
    return lambda: None


def scenario(function: Callable[[Machine], object]) -> Scenario:
    return Scenario(name=function.__name__, function=function, machine=Machine)


class Here(Executor):
    """Runs each task at once and where it is, through pickle both ways."""

    def __init__(self) -> None:
        self.tasks = 0

    def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[object]:
        self.tasks += 1
        future: Future[object] = Future()
        fn, args = pickle.loads(pickle.dumps((fn, args)))
        try:
            future.set_result(pickle.loads(pickle.dumps(fn(*args))))
        except Exception as error:
            future.set_exception(error)
        return future


def processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


def facts(result: Result) -> object:
    """Return everything but the time."""
    return evolve(result, seconds=0.0).as_dict()


@pytest.mark.slow
def test_two_processes_find_what_one_finds() -> None:
    with processes() as executor:
        for what in (scenario(lost_update), scenario(two_locks)):
            for scheduler in ("dpor", "dfs", "random", "pct", "pos", "urw"):
                alone = explore(what, scheduler=scheduler)
                spread = explore(what, scheduler=scheduler, executor=executor)
                assert facts(spread) == facts(alone)


@pytest.mark.parametrize("function", [lost_update, two_locks, early_bug])
@pytest.mark.parametrize(
    "options",
    [
        {"scheduler": "dfs"},
        {"scheduler": "dfs", "executions": 7},
        {"scheduler": "dfs", "executions": 20},
        {"scheduler": "dfs", "bound": 1},
        {"scheduler": "dfs", "bound": 2},
        {"scheduler": "dfs", "stop_on_report": True},
        {"scheduler": "random", "executions": 700},
        {"scheduler": "random", "executions": 250, "seed": 3},
        {"scheduler": "pct", "executions": 301, "depth": 2},
        {"scheduler": "pct", "executions": 1},
        {"scheduler": "urw", "executions": 10, "stop_on_report": True},
    ],
    ids=str,
)
def test_parts_come_to_the_whole(
    function: Callable[[Machine], object], options: dict[str, object]
) -> None:
    executor = Here()
    alone = explore(scenario(function), **options)
    spread = explore(scenario(function), executor=executor, **options)
    assert facts(spread) == facts(alone)
    assert executor.tasks > 1 or options.get("executions", 1000) < 500


def test_threads_will_do() -> None:
    with ThreadPoolExecutor(3) as executor:
        spread = explore(scenario(two_locks), scheduler="dfs", executor=executor)
    assert facts(spread) == facts(explore(scenario(two_locks), scheduler="dfs"))


def test_time_is_an_end() -> None:
    result = explore(
        scenario(lost_update), scheduler="random", seconds=0.2, executor=Here()
    )
    assert result.reason == "budget spent after 0.2 s"
    assert result.executions > 0


@pytest.mark.slow
def test_a_kernel_with_a_bug_in_it_can_be_sent() -> None:
    bug = BUGS["mrelease-no-mmgrab"]
    buggy = SCENARIOS[bug.scenario].but(patches=(bug,))
    options = {"scheduler": "random", "executions": 300, "detectors": ()}
    with processes() as executor:
        spread = explore(buggy, executor=executor, **options)
    assert spread.reports
    assert facts(spread) == facts(explore(buggy, **options))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_can_be_sent(name: str) -> None:
    options = {"scheduler": "random", "executions": 1, "detectors": ()}
    result = explore(SCENARIOS[name], executor=Here(), **options)
    assert result.executions == 1


def test_what_cannot_be_spread() -> None:
    with pytest.raises(UsageError, match="executor does not go with scheduler="):
        explore(scenario(lost_update), scheduler="round_robin", executor=Here())


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let even the smallest tree fall into parts, of one execution each."""
    monkeypatch.setattr(spread_tree, "_SECONDS", 0.0)


@frozen
class Made:
    """A program of the literature, made where it runs: closures cannot be sent."""

    make: Callable[..., Program]
    args: tuple[int, ...]

    def __call__(self, m: Machine) -> object:
        return self.make(*self.args)(m)


#: Programs whose trees have races that reach far up, locks, deadlocks and drops.
TREES = [
    Made(programs.lost_update, (3,)),
    Made(programs.lastzero, (5,)),
    Made(programs.locked_inc, (3, 2)),
    Made(programs.abba, (3,)),
    Made(programs.philosophers, (4,)),
    Made(programs.rwsem, (3, 2)),
    Made(programs.refcount, (2, 1)),
    Made(programs.indexer, (12,)),
    early_bug,
    two_locks,
]


@pytest.mark.parametrize("program", TREES)
def test_parts_of_the_tree_come_to_the_whole(hurry: None, program: Program) -> None:
    executor = Here()
    what = Scenario(name="tree", function=program, machine=Machine)
    spread = explore(what, executor=executor)
    assert facts(spread) == facts(explore(what))
    assert executor.tasks > 1


@pytest.mark.parametrize("program", TREES)
@pytest.mark.parametrize("bound", [0, 1])
def test_parts_of_a_bounded_tree_come_to_the_whole(
    hurry: None, program: Program, bound: int
) -> None:
    executor = Here()
    what = Scenario(name="tree", function=program, machine=Machine)
    spread = explore(what, executor=executor, bound=bound)
    assert facts(spread) == facts(explore(what, bound=bound))
    assert executor.tasks > 0
    assert spread.reason == f"complete within bound {bound}"


@pytest.mark.parametrize("executions", [1, 2, 7, 20, 33])
def test_a_budget_ends_a_spread_tree_where_it_ends_a_whole_one(
    hurry: None, executions: int
) -> None:
    what = scenario(lost_update)
    spread = explore(what, executor=Here(), executions=executions)
    assert facts(spread) == facts(explore(what, executions=executions))


class Counting(Here):
    """Tells what its tasks have run."""

    _max_workers = 2

    def __init__(self) -> None:
        super().__init__()
        self.executions = 0

    def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[object]:
        future = super().submit(fn, *args, **kwargs)
        part = pickle.loads(future.result())
        self.executions += part.counted + part.blocked
        return future


def long_way(m: Machine) -> int:
    """Two threads, of which the second comes late."""
    x = Counter(0)

    def add() -> None:
        for _ in range(60):
            x.set(x.get() + 1)
        m.thread("late", x.get)
        x.set(0)

    run(m, add)
    return x.peek()


def test_paths_are_split_where_there_is_a_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits: list[object] = []
    execute = spread.execute

    def counted(*args: object, **kwargs: object) -> object:
        splits.append(args)
        return execute(*args, **kwargs)

    monkeypatch.setattr(spread, "execute", counted)
    what = scenario(long_way)
    result = explore(what, scheduler="dfs", executor=Here())
    assert facts(result) == facts(explore(what, scheduler="dfs"))
    assert 0 < len(splits) < 10


class Late(Executor):
    """Runs a task when its result is asked for, and counts those that wait."""

    _max_workers = 2

    def __init__(self) -> None:
        self.waiting = self.most = 0

    def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[object]:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        executor = self

        class Asked(Future[object]):
            def result(self, timeout: float | None = None) -> object:
                executor.waiting -= 1
                return fn(*args, **kwargs)

        return Asked()


@pytest.mark.parametrize(("seconds", "most"), [(60.0, 2), (None, 6)])
def test_no_part_waits_for_a_worker_while_time_runs_out(
    seconds: float | None, most: int
) -> None:
    executor = Late()
    what = scenario(early_bug)
    result = explore(what, scheduler="dfs", executor=executor, seconds=seconds)
    assert facts(result) == facts(explore(what, scheduler="dfs"))
    assert executor.most <= most if seconds else executor.most >= most


def test_no_part_of_all_paths_goes_beyond_the_budget() -> None:
    executor = Counting()
    what = scenario(lost_update)
    result = explore(what, scheduler="dfs", executor=executor, executions=7)
    assert facts(result) == facts(explore(what, scheduler="dfs", executions=7))
    assert executor.executions <= 7 * executor.tasks


@pytest.mark.parametrize("executions", [30, 100, 300])
def test_little_is_run_that_lies_beyond_a_budget(hurry: None, executions: int) -> None:
    executor = Counting()
    program = Made(programs.locked_inc, (3, 3))
    what = Scenario(name="tree", function=program, machine=Machine)
    spread = explore(what, executor=executor, executions=executions)
    assert facts(spread) == facts(explore(what, executions=executions))
    assert executor.executions < executions + 30


@pytest.mark.parametrize("function", [early_bug, two_locks])
def test_the_first_bug_of_a_spread_tree_is_that_of_a_whole_one(
    hurry: None, function: Callable[[Machine], object]
) -> None:
    what = scenario(function)
    spread = explore(what, executor=Here(), stop_on_report=True)
    assert facts(spread) == facts(explore(what, stop_on_report=True))
    assert spread.reason == "stopped at the first bug"


@pytest.mark.parametrize("stop_on_report", [False, True])
@pytest.mark.parametrize("scheduler", ["dpor", "dfs", "random"])
def test_a_circle_whose_sides_were_seen_apart_is_found(
    hurry: None, monkeypatch: pytest.MonkeyPatch, scheduler: str, stop_on_report: bool
) -> None:
    monkeypatch.setattr(spread, "_SAMPLES", 1)
    options = {
        "scheduler": scheduler,
        "stop_on_report": stop_on_report,
        "executions": 30,
    }
    one = explore(scenario(apart), **options)
    many = explore(scenario(apart), executor=Here(), **options)
    (report,) = many.reports
    assert "in executions that each show a part of it" in report.summary
    assert facts(many) == facts(one)


@pytest.mark.slow
def test_parts_of_a_kernel_s_tree_come_to_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is learned on the way makes the exploration begin anew."""
    monkeypatch.setattr(spread_tree, "_SECONDS", 0.05)
    monkeypatch.setattr(spread_tree, "_AHEAD", 3)
    executor = Here()
    options = {"executions": 40, "detectors": ()}
    alone = explore(SCENARIOS["mrelease-vs-exit"], **options)
    spread = explore(SCENARIOS["mrelease-vs-exit"], executor=executor, **options)
    assert facts(spread) == facts(alone)
    assert executor.tasks > 1


def test_a_scenario_that_cannot_be_sent() -> None:
    local = scenario(lost_update).but(function=lambda m: lost_update(m))
    with pytest.raises(UsageError, match="'lost_update' cannot be sent to"):
        explore(local, scheduler="dfs", executor=Here())


def test_an_outcome_that_cannot_be_sent() -> None:
    with pytest.raises(UsageError, match="an outcome of scenario 'unsendable' cannot"):
        explore(scenario(unsendable), scheduler="dfs", executor=Here())


def test_nondeterminism_comes_back_as_what_it_is() -> None:
    error = Nondeterminism(3, "a", ["b", "c"])
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert (again.step, again.expected, again.found) == (3, "a", ("b", "c"))
