# SPDX-License-Identifier: GPL-2.0-only
"""What an exploration's answer looks like on paper and in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from attrs import evolve

from pykmm.engine import Machine
from pykmm.runner import Result, explore
from tests.litmus.harness import litmus
from tests.litmus.programs import abba, lost_update, store_buffering


def timeless(result: Result) -> Result:
    return evolve(result, seconds=0.25)


def test_text_of_outcomes() -> None:
    assert str(timeless(explore(litmus(lost_update(3))))) == (
        "lost_update: 3 outcomes\n"
        "  3   6 x  0 preemptions: t0*3 t1*3 t2*3\n"
        "  2  18 x  1 preemption: t0*3 t1*2 t2*3 t1\n"
        "  1  12 x  1 preemption: t0*2 t1*3 t2*3 t0\n"
        "complete: 36 executions, 324 events, 0.25 s\n"
    )


def test_text_of_bugs() -> None:
    assert str(timeless(explore(litmus(abba(1)), detectors=()))) == (
        "abba: 1 outcome\n"
        "  (None, None)  2 x  0 preemptions: t0*5 t1*5\n"
        "  BUG: deadlock: t0 and t1 can never go on\n"
        "    t0*2 t1*2\n"
        "complete: 3 executions, 24 events, 0.25 s\n"
    )


def test_text_of_an_incomplete_answer() -> None:
    result = timeless(explore(litmus(store_buffering), executions=1))
    assert str(result) == (
        "store_buffering: 1 outcome\n"
        "  (0, 1)  1 x  0 preemptions: t0*3 t1*3\n"
        "budget spent after 1 execution: 1 execution, 6 events, 0.25 s\n"
    )


def test_json() -> None:
    result = timeless(explore(litmus(abba(1)), detectors=()))
    assert json.loads(result.to_json()) == {
        "format": "pykmm-result/1",
        "scenario": "abba",
        "complete": True,
        "reason": "complete",
        "executions": 3,
        "blocked": 0,
        "events": 24,
        "seconds": 0.25,
        "outcomes": [
            {
                "value": "(None, None)",
                "count": 2,
                "preemptions": 0,
                "witness": "t0*5 t1*5",
            }
        ],
        "reports": [
            {
                "kind": "deadlock",
                "summary": "t0 and t1 can never go on",
                "schedule": "t0*2 t1*2",
            }
        ],
    }


def test_an_outcome_has_its_witness_trace() -> None:
    outcome = explore(litmus(lost_update(2))).outcome(1)
    trace = outcome.trace
    assert [step.thread for step in trace.steps] == list(outcome.witness)
    assert trace.preemptions == 1
    assert all(step.stack for step in trace.steps if step.kind != "start")


def test_values_of_any_kind() -> None:
    @dataclass
    class Answer:
        number: int

    def program(m: Machine) -> Answer:
        return Answer(lost_update(2)(m))

    assert explore(litmus(program)).outcome(Answer(1)).count == 2
