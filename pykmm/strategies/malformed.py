# SPDX-License-Identifier: GPL-2.0-only
"""Worlds with one thing wrong, and what the oracle has to say of them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st

from .worlds import worlds

__all__ = ["FAULTS", "Malformed", "malformed_worlds"]


@frozen
class Malformed:
    """A *world* with a *fault*; *where* is a JSON pointer, *word* is in the error."""

    world: dict[str, Any]
    fault: str
    where: str
    word: str


#: Puts a fault into a world that has none; where it is, and a word of the error.
Fault = Callable[[st.DrawFn, dict[str, Any]], tuple[str, str]]


def _a_part(draw: st.DrawFn, world: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Choose one of the objects in the world's lists, or the world."""
    parts = [(world, "")]
    for key in ("memcgs", "mms", "tasks", "calls"):
        parts += [(part, f"/{key}/{n}") for n, part in enumerate(world[key])]
    chosen: tuple[dict[str, Any], str] = draw(st.sampled_from(parts))
    return chosen


def _unknown_key(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    part, where = _a_part(draw, world)
    part["typo"] = draw(st.sampled_from((0, None, [])))
    return f"{where}/typo", "unknown"


def _missing_key(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    part, where = _a_part(draw, world)
    first = next(key for key in ("format", "fn", "pid", "id") if key in part)
    del part[first]
    return where, "lacks the key"


def _wrong_type(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    part, where = _a_part(draw, world)
    key = draw(st.sampled_from(sorted(part)))
    part[key] = 1.5
    return f"{where}/{key}", ""


def _out_of_range(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    task = draw(st.sampled_from(range(len(world["tasks"]))))
    key, least = draw(
        st.sampled_from((("pid", 1), ("oom_score_adj", -1000), ("uid", 0)))
    )
    world["tasks"][task][key] = draw(st.integers(max_value=least - 1))
    return f"/tasks/{task}/{key}", "below"


def _taken(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    key = draw(st.sampled_from([k for k in ("memcgs", "mms", "tasks") if world[k]]))
    world[key].append(deepcopy(draw(st.sampled_from(world[key]))))
    name = "pid" if key == "tasks" else "id"
    return f"/{key}/{len(world[key]) - 1}/{name}", "is taken"


def _nobody(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    task = draw(st.sampled_from(range(len(world["tasks"]))))
    key, name = draw(st.sampled_from((("mm", "z"), ("memcg", "z"), ("tgid", 99))))
    # Whoever stands behind and refers to this one is all right, or comes later.
    world["tasks"][task:] = [{"pid": world["tasks"][task]["pid"], key: name}]
    world.pop("current", None)
    return f"/tasks/{task}/{key}", f"no {'leader' if key == 'tgid' else key}"


def _on_top(draw: st.DrawFn, world: dict[str, Any]) -> tuple[str, str]:
    pages = draw(st.integers(1, 3))
    size = world.get("page_size", 4096)
    below = {"start": 0, "end": (pages + 1) * size}
    above = {"start": pages * size, "end": 9 * size}
    world["mms"].append({"id": "on top", "vmas": [below, above]})
    return f"/mms/{len(world['mms']) - 1}/vmas/1", "overlaps mapping 0"


#: All faults by name; each is drawn as often as another.
FAULTS: Final[dict[str, Fault]] = {
    "unknown key": _unknown_key,
    "missing key": _missing_key,
    "wrong type": _wrong_type,
    "out of range": _out_of_range,
    "name taken": _taken,
    "name unknown": _nobody,
    "mappings overlap": _on_top,
}


@st.composite
def malformed_worlds(draw: st.DrawFn) -> Malformed:
    """Draw a world with exactly one fault, out of :data:`FAULTS`."""
    fault = draw(st.sampled_from(tuple(FAULTS)))
    world = draw(worlds())
    where, word = FAULTS[fault](draw, world)
    return Malformed(world, fault, where, word)
