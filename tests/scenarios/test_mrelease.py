# SPDX-License-Identifier: GPL-2.0-only
"""What ``process_mrelease()`` can do, as facts: every interleaving was run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pykmm.engine import Backend, Schedule
from pykmm.errno import EINVAL, ESRCH
from pykmm.runner import Result, double_run, explore, replay
from pykmm.scenarios import SCENARIOS
from pykmm.scenarios.mrelease import Stranded, mrelease_pinned, mrelease_vs_exit
from pykmm.workbench import Machine

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def vs_exit() -> Result:
    return explore(SCENARIOS["mrelease-vs-exit"])


def test_one_caller_gets_success_or_esrch_and_nothing_else(vs_exit: Result) -> None:
    assert vs_exit.complete
    assert {repr(o.value) for o in vs_exit.outcomes} == {"0", "-ESRCH"}
    assert vs_exit.reports == ()


def test_each_outcome_has_a_short_witness(vs_exit: Result) -> None:
    preemptions = {repr(o.value): o.preemptions for o in vs_exit.outcomes}
    assert preemptions == {"0": 0, "-ESRCH": 1}


def test_witnesses_replay(vs_exit: Result) -> None:
    for outcome in vs_exit.outcomes:
        again = replay(SCENARIOS["mrelease-vs-exit"], outcome.witness)
        assert repr(again.outcome) == repr(outcome.value)
        text = str(outcome.witness)
        assert Schedule.parse(text) == outcome.witness


def test_no_reduction_finds_nothing_else() -> None:
    """A thousand random walks stay within what the reduced search has found."""
    result = explore(SCENARIOS["mrelease-vs-exit"], scheduler="random", executions=1000)
    assert {repr(o.value) for o in result.outcomes} <= {"0", "-ESRCH"}


def test_scenarios_are_deterministic() -> None:
    for name in SCENARIOS:
        double_run(SCENARIOS[name], executions=20)


def test_a_pin_turns_esrch_into_stranded_memory() -> None:
    result = explore(SCENARIOS["mrelease-pinned"])
    assert result.complete
    by_ret = {repr(o.value.ret): o.value for o in result.outcomes}
    assert set(by_ret) == {"0", "-ESRCH"}
    assert isinstance(by_ret["0"], Stranded)
    assert by_ret["0"].pages == 0
    assert by_ret["-ESRCH"].pages == 32
    assert by_ret["-ESRCH"].holders == ("reader (mm_users)",)
    assert repr(by_ret["-ESRCH"]) == (
        "-ESRCH, 32 pages stranded, held by reader (mm_users)"
    )


@pytest.mark.slow
def test_two_callers_are_explored_completely() -> None:
    result = explore(SCENARIOS["mrelease-two-callers"], detectors=())
    assert result.complete
    assert result.blocked == 0
    assert result.reports == ()
    assert sorted(map(repr, result.values)) == [
        "(-ESRCH, -ESRCH)",
        "(-ESRCH, 0)",
        "(0, -ESRCH)",
        "(0, 0)",
    ]


@pytest.mark.parametrize(
    ("name", "at_most"),
    [("mrelease-vs-exit", 50), ("mrelease-pinned", 50), ("oom-kill", 30)],
)
def test_what_nobody_can_tell_apart_is_one_execution(name: str, at_most: int) -> None:
    result = explore(SCENARIOS[name], detectors=())
    assert result.blocked == 0
    assert result.executions <= at_most


def test_an_alive_target_is_refused() -> None:
    result = explore(SCENARIOS["mrelease-alive"])
    assert result.complete
    assert [o.value for o in result.outcomes] == [-EINVAL]


def test_a_trace_is_the_same_in_processes_that_hash_differently() -> None:
    """Byte for byte, across processes and ``PYTHONHASHSEED``."""
    schedule = "lmkd*33 app*10 lmkd*5 app*3"
    line = [sys.executable, "-m", "pykmm", "replay", "mrelease-vs-exit", schedule]
    texts = []
    for seed in ("0", "1", "4711"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [*line, "--trace", "full"],
            env=env,
            capture_output=True,
            cwd=ROOT,
            check=True,
        )
        texts.append(run.stdout)
    assert len(texts[0]) > 1000
    assert texts[0] == texts[1] == texts[2]


ROUNDS = 1000


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [mrelease_vs_exit, mrelease_pinned])
def test_free_running_is_clean(scenario: object) -> None:
    """On plain threads with all laws checked: no report, no leak, no hang."""
    outcomes = set()
    for seed in range(ROUNDS):
        with Machine(
            backend=Backend.FREE, seed=seed, jitter=seed % 5, reaper=False
        ) as m:
            value = scenario(m)  # type: ignore[operator]  # one of the two above
        outcomes.add(repr(value))
    assert outcomes <= {
        "0",
        repr(-ESRCH),
        repr(Stranded(0, 0, ())),
        repr(Stranded(-ESRCH, 32, ("reader (mm_users)",))),
    }
