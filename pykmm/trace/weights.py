# SPDX-License-Identifier: GPL-2.0-only
"""How much a reader wants to know of each step.

Threads matter to each other where a value passes between them: those steps weigh
most, after the changes of the watched values. Steps whose order could merely
have been another weigh less, and a lock that changes hands least: nearly all do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..engine.events import CONFLICTS, LOCKS, LOOKS, Access

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .record import Step, Trace

__all__ = ["RunningWeight", "family", "weigh", "weight_of"]

_WATCHED = 8.0
_PASSED_ON = 3.0
_GAVE_WAY = 5.0
_CONFLICTS = 1.0
_CHANGED_HANDS = 0.25
_ANY = 0.02

_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


def weigh(trace: Trace, watched: Iterable[str]) -> list[float]:
    """Return the weight of each step of *trace*."""
    names = set(watched)
    weights = [_ANY] * len(trace.steps)
    by_object: dict[str, list[Step]] = {}
    for step in trace.steps:
        by_object.setdefault(step.obj, []).append(step)
        if step.access is Access.BARRIER:
            _raise(weights, [step.index], _PASSED_ON)
        if step.preempts:
            _raise(weights, [step.index - 1], _GAVE_WAY)
    for name, steps in by_object.items():
        if any(step.access in LOCKS for step in steps):
            _raise(weights, _handovers(steps), _CHANGED_HANDS)
            continue
        _raise(weights, _conflicting(steps), _CONFLICTS)
        _raise(weights, _passed_on(steps), _PASSED_ON)
        if name in names:
            changes = [s.index for s in steps if s.access not in LOOKS]
            _raise(weights, changes, _WATCHED)
    return weights


def _raise(weights: list[float], indices: Iterable[int], weight: float) -> None:
    for index in indices:
        weights[index] = max(weights[index], weight)


def _conflicting(steps: Sequence[Step]) -> list[int]:
    """Find the steps on one object that conflict with another thread's."""
    threads: dict[Access, set[str]] = {}
    for step in steps:
        threads.setdefault(step.access, set()).add(step.thread)
    rivals = {
        access: {
            t for a, names in threads.items() if CONFLICTS[access][a] for t in names
        }
        for access in threads
    }
    return [s.index for s in steps if rivals[s.access] - {s.thread}]


def _passed_on(steps: Sequence[Step]) -> set[int]:
    """Find who looked at a value that another thread had left, and who left it."""
    found: set[int] = set()
    writer: Step | None = None
    for step in steps:
        if writer is not None and writer.thread != step.thread:
            found |= {writer.index, step.index} if step.access in LOOKS else set()
        if step.access not in LOOKS:
            writer = step
    return found


def _handovers(steps: Sequence[Step]) -> set[int]:
    """Find where a lock goes from one thread to another, both sides."""
    found: set[int] = set()
    latest: dict[Access, Step] = {}
    for step in steps:
        rivals = [s for a, s in latest.items() if CONFLICTS[a][step.access]]
        rival = max(rivals, key=lambda s: s.index, default=step)
        if rival.thread != step.thread:
            found |= {rival.index, step.index}
        latest[step.access] = step
    return found


def family(name: str) -> str:
    """Return *name* without its numbers: alike objects count once."""
    return _NUMBERS.sub("", name)


class RunningWeight:
    """Weighs more and more steps together.

    The tenth page-table lock adds nothing; each change of a watched value counts.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = weights
        self._heaviest: dict[tuple[str, bool], float] = {}
        self._sum = 0.0

    def add(self, steps: Iterable[Step]) -> float:
        """Add *steps*; return the weight of all so far."""
        for step in steps:
            new = self._weights[step.index]
            if new < _WATCHED:
                key = (family(step.obj), step.access in LOOKS)
                old = self._heaviest.get(key, 0.0)
                self._heaviest[key] = max(old, new)
                new = max(0.0, new - old)
            self._sum += new
        return self._sum


def weight_of(steps: Iterable[Step], weights: Sequence[float]) -> float:
    """Weigh several steps together."""
    return RunningWeight(weights).add(steps)
