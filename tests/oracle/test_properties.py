# SPDX-License-Identifier: GPL-2.0-only
"""Any world gets an answer or an error, and always the same one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.oracle import answer, answer_line
from pykmm.strategies import worlds


def check(found: Any, value: dict[str, Any]) -> None:
    """Check the shape of an answer: it never depends on what was answered."""
    if "error" in found:
        assert list(found) == ["error"]
        assert set(found["error"]) == {"where", "what"}
        return
    assert list(found) == ["results", "state"]
    for result, made in zip(found["results"], value["calls"], strict=False):
        assert result["fn"] == made["fn"]
        assert all(isinstance(text, str) for text in result["log"])
        assert all(isinstance(event[0], str) for event in result["events"])
    assert set(found["state"]["tasks"]) == {str(t["pid"]) for t in value["tasks"]}


@pytest.mark.slow
@settings(max_examples=100)
@given(worlds())
def test_a_world_gets_an_answer(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    found: Any = answer_line(text)
    check(found, value)
    if "error" in found:  # only a wait that nobody ends is left to go wrong
        assert found["error"]["where"].startswith("/calls/")
        assert "and nobody will end that wait" in found["error"]["what"]
    assert json.dumps(answer(value)) == json.dumps(found)
    assert json.dumps(value) == text


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(value, dict):
        for key, part in value.items():
            found += places(part, (*at, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found += places(part, (*at, index))
    return found


JUNK = (None, True, -1, 0, 1 << 70, 1.5, "", "x", "\ud800", [], [[]], {}, {"x": 1})


@pytest.mark.slow
@settings(max_examples=100)
@given(worlds(), st.data())
def test_a_damaged_world_gets_an_answer_too(
    value: dict[str, Any], data: st.DataObject
) -> None:
    *way, last = data.draw(st.sampled_from(places(value)))
    holder: Any = value
    for step in way:
        holder = holder[step]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = data.draw(st.sampled_from(JUNK))
    found: Any = answer(value)
    assert set(found) in ({"error"}, {"results", "state"})
    assert json.dumps(answer(value)) == json.dumps(found)


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_line_gets_an_answer(line: bytes | str) -> None:
    assert set(answer_line(line)) == {"error"}
