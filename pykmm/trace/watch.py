# SPDX-License-Identifier: GPL-2.0-only
"""The values to the left of a drawing: which, and what they were when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..engine.events import LOCKS, LOOKS, Access
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .record import Life, Step, Trace

__all__ = [
    "AT_MOST",
    "FREED",
    "UNKNOWN",
    "alias",
    "before",
    "choose",
    "resolve",
    "short_names",
    "split",
    "timeline",
]

#: How many values a drawing watches if nobody says which.
AT_MOST = 4
#: Before the first step that shows the value, and after its structure's death.
UNKNOWN = "?"
FREED = "-"
_NUMBER = re.compile(r"-?\d+")


def _by_object(trace: Trace) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in trace.steps:
        found.setdefault(step.obj, []).append(step)
    return found


def _is_counter(steps: Sequence[Step]) -> bool:
    return all(_NUMBER.fullmatch(s.value) and s.access not in LOCKS for s in steps)


def _changed(steps: Sequence[Step]) -> bool:
    return any(s.access not in LOOKS for s in steps)


def choose(trace: Trace, *, prefer: Sequence[str] = ()) -> tuple[str, ...]:
    """Pick the counters that changed, the most telling ones first, up to four.

    Objects and fields named in *prefer* come first, then reference counts, then
    other sums; among equals those that most threads touched. An object named there
    need not have changed.
    """
    found = {
        name: steps
        for name, steps in _by_object(trace).items()
        if _is_counter(steps) and (_changed(steps) or name in prefer)
    }
    ranked = sorted(found, key=lambda name: _rank(name, found[name], prefer))
    return tuple(ranked[:AT_MOST])


def _rank(name: str, steps: Sequence[Step], prefer: Sequence[str]) -> tuple[int, ...]:
    field = name.rpartition(".")[2]
    wanted = min(
        (prefer.index(n) for n in (name, field) if n in prefer), default=len(prefer)
    )
    counts = any(_count_change(s) for s in steps)
    sums = any(s.access is Access.ADD for s in steps)
    kind = 0 if counts else 1 if sums else 2
    return wanted, kind, -len({s.thread for s in steps})


def _count_change(step: Step) -> int:
    """Return by how much *step* changed a reference count; 0 if it is no such step."""
    if step.access in LOOKS:
        return 0
    words = step.kind.split("_")
    return words.count("inc") - words.count("dec")


def resolve(trace: Trace, names: Sequence[str]) -> tuple[str, ...]:
    """Find the objects that *names* mean: full names, or the ends of unique ones."""
    objects = list(_by_object(trace))
    return tuple(_resolve(name, objects) for name in names)


def _resolve(name: str, objects: Sequence[str]) -> str:
    if name in objects:
        return name
    found = [obj for obj in objects if obj.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    problem = f"could be {' or '.join(found)}" if found else "was not touched"
    raise UsageError(
        f"watch={name!r} {problem} in this trace: name an object as the full trace does"
    )


def before(step: Step) -> str:
    """Return what the object held before *step*, if the step tells."""
    if step.access in LOOKS:
        return step.value
    change = _count_change(step)
    if change and _NUMBER.fullmatch(step.value):
        return str(int(step.value) - change)
    return UNKNOWN


def timeline(trace: Trace, name: str) -> list[str]:
    """Return what *name* held after each step of *trace*."""
    mine = [step for step in trace.steps if step.obj == name]
    value = before(mine[0]) if mine else UNKNOWN
    gone = _gone(trace, mine)
    held = []
    for step in trace.steps:
        if step.obj == name:
            value = step.value
        held.append(FREED if gone is not None and step.index >= gone else value)
    return held


def _gone(trace: Trace, mine: Sequence[Step]) -> int | None:
    life = trace.life(mine[0].owner) if mine else None
    if life is None or life.freed_at is None:
        return None
    return max(life.freed_at - _died_within(trace, life), mine[-1].index + 1)


def _died_within(trace: Trace, life: Life) -> bool:
    """Tell whether the step before a death is already to show it.

    It is if who took it freed the structure, rather than the host, which takes no
    steps; and if it was no step on the structure, as a last put is, which shows what
    it left.
    """
    if not life.freed_at:
        return False
    last = trace.steps[life.freed_at - 1]
    return last.thread == life.freed_by and last.owner != life.name


def short_names(trace: Trace) -> dict[str, str]:
    """Map each object to a name for drawings.

    That is its field if that tells: if it is of several words and no other object
    has the same. Else a task goes by the name of its thread, and ``mm_struct#1``
    is ``mm#1``.
    """
    owners = {step.obj: step.owner for step in trace.steps}
    owners |= {waiter.obj: waiter.owner for waiter in trace.waiting}
    if trace.ending is not None and trace.ending.obj:
        owners[trace.ending.obj] = trace.ending.owner
    parts = {obj: split(obj, owner) for obj, owner in owners.items()}
    uses: dict[str, int] = {}
    for _, field in parts.values():
        uses[field] = uses.get(field, 0) + 1
    tasks = dict(trace.tasks)
    return {
        obj: field[1:]
        if "_" in field and uses[field] == 1
        else alias(owner, tasks) + field
        for obj, (owner, field) in parts.items()
    }


def split(obj: str, owner: str) -> tuple[str, str]:
    """Split the name of an object into its structure's and what leads on from there.

    The structure that it dies with need not be the one that it is named after.
    """
    if not (obj == owner or obj.startswith((f"{owner}.", f"{owner}["))):
        owner = obj.partition(".")[0]
    return owner, obj[len(owner) :]


def alias(name: str, tasks: Mapping[str, str]) -> str:
    """Call a task by its thread, and ``mm_struct#1`` just ``mm#1``."""
    return tasks.get(name) or name.replace("_struct#", "#").lstrip("_")
