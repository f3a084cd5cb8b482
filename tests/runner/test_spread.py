# SPDX-License-Identifier: GPL-2.0-only
"""An exploration that others run comes to what one process comes to."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from attrs import evolve

from pykmm.engine import Cell, Counter, Machine, Mutex
from pykmm.errors import Nondeterminism, UsageError
from pykmm.patches.bugs import BUGS
from pykmm.runner import Result, Scenario, explore
from pykmm.scenarios import SCENARIOS
from tests.litmus.programs import run


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
            for scheduler in ("dfs", "random", "pct", "pos", "urw"):
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
        {"scheduler": "dpor", "bound": 2},
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
    assert result.reason == "stopped after 0.2 s"
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


@pytest.mark.parametrize("scheduler", ["dpor", "round_robin"])
def test_what_cannot_be_spread(scheduler: str) -> None:
    with pytest.raises(UsageError, match="executor does not go with scheduler="):
        explore(scenario(lost_update), scheduler=scheduler, executor=Here())


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
