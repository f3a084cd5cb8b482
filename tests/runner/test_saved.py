# SPDX-License-Identifier: GPL-2.0-only
"""An exploration that goes on comes to what one go comes to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from pykmm.engine import Machine
from pykmm.errors import UsageError
from pykmm.runner import Result, explore, spread_tree
from pykmm.scenarios import SCENARIOS
from tests.runner.test_spread import (
    TREES,
    Here,
    Scenario,
    apart,
    early_bug,
    facts,
    lost_update,
    scenario,
    two_locks,
)


def in_pieces(what: Scenario, many: int, **options: object) -> Result:
    """Explore so many executions at a time, until nothing is left."""
    texts: list[str] = []
    while True:
        resume = texts[-1] if texts else None
        result = explore(
            what, executions=many, resume=resume, save=texts.append, **options
        )
        if not result.reason.startswith("budget spent"):
            return result


def left(what: Scenario, **options: object) -> str:
    """Return what one execution leaves to do."""
    texts: list[str] = []
    explore(what, executions=1, save=texts.append, **options)
    return texts[0]


@pytest.mark.parametrize("many", [1, 7])
@pytest.mark.parametrize("scheduler", ["dpor", "dfs"])
@pytest.mark.parametrize("function", [lost_update, two_locks, early_bug, apart])
def test_pieces_come_to_the_whole(
    function: Callable[[Machine], object], scheduler: str, many: int
) -> None:
    what = scenario(function)
    pieces = in_pieces(what, many, scheduler=scheduler)
    assert facts(pieces) == facts(explore(what, scheduler=scheduler))


@pytest.mark.parametrize("bound", [None, 1])
@pytest.mark.parametrize("program", TREES)
def test_pieces_of_trees(
    program: Callable[[Machine], object], bound: int | None
) -> None:
    what = Scenario(name="tree", function=program, machine=Machine)
    pieces = in_pieces(what, 5, bound=bound)
    assert facts(pieces) == facts(explore(what, bound=bound))


def test_a_bound_holds_in_all_pieces() -> None:
    what = scenario(lost_update)
    pieces = in_pieces(what, 3, bound=1)
    assert facts(pieces) == facts(explore(what, bound=1))
    assert pieces.reason == "complete within bound 1"


@pytest.mark.parametrize("scheduler", ["random", "pct", "pos", "urw"])
def test_samples_go_on_where_they_ended(scheduler: str) -> None:
    what, texts = scenario(early_bug), []
    for resume in (None, 0, 1):
        text = None if resume is None else texts[resume]
        result = explore(
            what, scheduler=scheduler, executions=10, resume=text, save=texts.append
        )
    assert facts(result) == facts(explore(what, scheduler=scheduler, executions=30))


@pytest.mark.parametrize("scheduler", ["dpor", "dfs", "random"])
def test_with_and_without_an_executor(
    monkeypatch: pytest.MonkeyPatch, scheduler: str
) -> None:
    monkeypatch.setattr(spread_tree, "_SECONDS", 0.0)
    what, texts = scenario(lost_update), []
    for number, executor in enumerate((Here(), None, Here())):
        result = explore(
            what,
            scheduler=scheduler,
            executions=9,
            resume=texts[-1] if number else None,
            save=texts.append,
            executor=executor,
        )
    assert facts(result) == facts(explore(what, scheduler=scheduler, executions=27))


@pytest.mark.slow
def test_pieces_of_a_kernel_s_tree() -> None:
    what, texts = SCENARIOS["mrelease-vs-exit"], []
    for number in range(2):
        resume = texts[-1] if number else None
        result = explore(
            what, executions=6, resume=resume, save=texts.append, detectors=()
        )
    assert facts(result) == facts(explore(what, executions=12, detectors=()))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other/1"}', "[" * 9999])
def test_what_is_no_saved_exploration(text: str) -> None:
    with pytest.raises(UsageError, match="is no saved exploration"):
        explore(scenario(lost_update), resume=text)


@pytest.mark.parametrize(
    ("key", "value"),
    [("patches", ["other"]), ("scenario", "other"), ("scheduler", "dfs"), ("seed", 3)],
)
def test_what_was_saved_with_something_else(key: str, value: object) -> None:
    data = json.loads(left(scenario(lost_update))) | {key: value}
    with pytest.raises(UsageError, match=re.escape(f"was saved with {key}={value!r}")):
        explore(scenario(lost_update), resume=json.dumps(data))


def test_a_scenario_that_has_changed() -> None:
    text = left(scenario(lost_update))
    changed = scenario(two_locks).but(name="lost_update")
    with pytest.raises(UsageError, match="does not fit scenario 'lost_update'"):
        explore(changed, resume=text)


@pytest.mark.parametrize("key", ["counted", "outcomes", "search", "seen"])
@pytest.mark.parametrize("value", [None, -1, [1], "x", {}])
def test_damage(key: str, value: object) -> None:
    data = json.loads(left(scenario(lost_update))) | {key: value}
    if key == "outcomes" and value == {}:
        data["outcomes"] = {"a": 1}
    with pytest.raises(UsageError, match="resume is damaged"):
        explore(scenario(lost_update), resume=json.dumps(data))
