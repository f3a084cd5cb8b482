# SPDX-License-Identifier: GPL-2.0-only
"""Worlds are what they are said to be, in the proportion that is said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from io import StringIO
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings

from pykmm.oracle import answer, serve
from pykmm.strategies import Malformed, malformed_worlds, worlds
from pykmm.strategies.malformed import FAULTS
from pykmm.strategies.worlds import (
    MACHINE,
    MEMCG,
    MM,
    REFERENCES,
    TASK,
    VMA,
    WORLD,
    Table,
)

pytestmark = pytest.mark.slow

#: What only those have before whom others stand.
LATER = ("tgid", "vfork_parent")
#: A sample: the same ones each time, and drawn without looking for anything.
SAMPLE = settings(max_examples=400, phases=(Phase.generate,))


def sample() -> list[dict[str, Any]]:
    found = []

    @SAMPLE
    @given(worlds())
    def keep(world: dict[str, Any]) -> None:
        found.append(world)

    keep()
    return found


def in_proportion(table: Table, objects: Iterable[dict[str, Any]]) -> None:
    """Check that each key is there in roughly as many as is said."""
    objects = list(objects)
    for key, (many, _) in table.items():
        share = sum(key in found for found in objects) / len(objects)
        assert 0.4 / many < share < 2.5 / many, (key, many, share, len(objects))


def test_keys_are_there_as_often_as_the_tables_say() -> None:
    found = sample()
    in_proportion(WORLD, found)
    in_proportion(MACHINE, (w["machine"] for w in found))
    in_proportion(MEMCG, (g for w in found for g in w["memcgs"][1:]))
    in_proportion(MM, (m for w in found for m in w["mms"]))
    in_proportion(TASK, (t for w in found for t in w["tasks"]))
    in_proportion(
        {k: v for k, v in REFERENCES.items() if k not in LATER},
        (t for w in found if w["mms"] and w["memcgs"] for t in w["tasks"]),
    )
    in_proportion(VMA, (v for w in found for m in w["mms"] for v in m["vmas"]))
    ooms = [c["fn"] == "out_of_memory" for w in found for c in w["calls"]]
    assert 0.25 < sum(ooms) / len(ooms) < 0.75
    in_proportion(
        {key: REFERENCES[key] for key in LATER},
        (t for w in found for t in w["tasks"][1:]),
    )


def least(**rest: Any) -> dict[str, Any]:
    """Return a world with as little in it as there can be, and *rest*."""
    world = {
        "format": "pykmm-world/1",
        "machine": {"nodes": [{"present_pages": 1}]},
        "sysctl": {},
        "memcgs": [],
        "mms": [],
        "tasks": [{"pid": 1}],
        "calls": [],
    }
    return {**world, **rest}


def test_worlds_shrink_to_what_matters() -> None:
    assert find(worlds(), lambda _: True) == least()
    assert find(worlds(calls=0), lambda w: len(w["tasks"]) > 1) == least(
        tasks=[{"pid": 1}, {"pid": 2}]
    )
    assert find(worlds(calls=0), lambda w: any("mm" in t for t in w["tasks"])) == least(
        mms=[{"id": "a", "vmas": []}], tasks=[{"pid": 1, "mm": "a"}]
    )


@settings(max_examples=150)
@given(malformed_worlds())
def test_a_fault_is_told_where_it_is(found: Malformed) -> None:
    text = json.dumps(found.world)
    said: Any = answer(found.world)
    assert list(said) == ["error"]
    assert said["error"]["where"] == found.where
    assert found.word in said["error"]["what"]
    assert json.dumps(found.world) == text


def test_every_fault_is_drawn() -> None:
    drawn: Counter[str] = Counter()

    @SAMPLE
    @given(malformed_worlds())
    def count(found: Malformed) -> None:
        drawn[found.fault] += 1

    count()
    assert set(drawn) == set(FAULTS)
    assert min(drawn.values()) > 400 / len(FAULTS) / 3


@settings(max_examples=25)
@given(malformed_worlds(), worlds())
def test_the_stream_goes_on_behind_a_fault(
    wrong: Malformed, right: dict[str, Any]
) -> None:
    lines = [json.dumps(wrong.world), "{", json.dumps(right)]
    out = StringIO()
    assert serve(lines, out) == 1
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [list(found) for found in answers[:2]] == [["error"], ["error"]]
    assert answers[2] == json.loads(json.dumps(answer(right)))
