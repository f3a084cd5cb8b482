# SPDX-License-Identifier: GPL-2.0-only
"""Real objects and plain numbers agree about any world."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings

from pykmm.oracle import answer
from pykmm.strategies import worlds
from tests.oracle.plain import Plain

pytestmark = pytest.mark.slow


def ask(world: dict[str, Any], *calls: dict[str, Any]) -> list[dict[str, Any]]:
    found: Any = answer({**world, "calls": list(calls)})
    assert "error" not in found, found
    results: list[dict[str, Any]] = found["results"]
    return results


@settings(max_examples=150)
@given(worlds(calls=0))
def test_what_changes_nothing(world: dict[str, Any]) -> None:
    plain = Plain(world)
    asked: list[dict[str, Any]] = []
    expected: list[object] = []
    for pid in plain.tasks:
        found = plain.find_mm(pid)
        asked += [
            {"fn": "oom_badness", "pid": pid, "totalpages": 123_456},
            {"fn": "find_lock_task_mm", "pid": pid},
            {"fn": "task_will_free_mem", "pid": pid},
        ]
        expected += [
            plain.badness(pid, 123_456),
            None if found is None else found["pid"],
            plain.will_free(pid),
        ]
        for mm in plain.mms:
            asked.append({"fn": "process_shares_mm", "pid": pid, "mm": mm})
            expected.append(plain.shares(pid, mm))
    for call, result, value in zip(asked, ask(world, *asked), expected, strict=True):
        assert result["ret"] == value, call
        assert result["events"] == []


@settings(max_examples=150)
@given(worlds(calls=0))
def test_whom_a_global_shortage_chooses(world: dict[str, Any]) -> None:
    """Where nothing ends the call before the walk, and no node is out of bounds."""
    plain = Plain(world)
    for key in ("notifier_frees", "oom_killer_disabled"):
        world["machine"].pop(key, None)
    world["sysctl"] = {}
    for task in world["tasks"]:
        task.pop("mems_allowed", None)
        task.pop("mempolicy_nodes", None)
    first = (
        t
        for t in world["tasks"]
        if plain.tgid(t) != 1 and "PF_KTHREAD" not in t.get("flags", [])
    )
    current = world.get("current") or next((t["pid"] for t in first), 1)
    assume(not (current in plain.tasks and plain.will_free(current)))
    (result,) = ask(world, {"fn": "out_of_memory", "gfp_mask": 0xCC0})
    if result["ret"] == "panic":
        assert plain.choose(totalpages=0) is None  # whatever anybody's points
        return
    assert result["chosen"] == plain.choose(result["totalpages"])
