# SPDX-License-Identifier: GPL-2.0-only
"""Which steps of a trace share a row of its drawing.

An execution of a few dozen steps is drawn step by step. A longer one is cut along
its calls, always where most is to be told, until there are as many pieces as there
is room for rows. What is left whole is told by the names of the calls in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import Call, Calls
from .phrases import Group, Row, Writer
from .weights import RunningWeight, weigh, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .record import Step, Trace

__all__ = ["ROWS", "rows"]

#: How many rows a drawing aims at.
ROWS = 25
#: Below this weight something is not worth a row.
_LIGHT = 0.5


def rows(
    trace: Trace, watched: Iterable[str], *, full: bool = False, at_most: int = ROWS
) -> list[Row]:
    """Fold *trace* into about *at_most* rows; *full* makes a row of each step."""
    weights = weigh(trace, watched)
    cutter = _Cutter(trace, weights)
    groups = cutter.singly() if full else cutter.fit(at_most)
    writer = Writer(trace, cutter.calls, weights, full=full)
    return [*(writer.row(group) for group in groups), *writer.end()]


# -- cutting ------------------------------------------------------------------------


class _Cutter:
    """Cuts the calls of a trace into groups of steps, one for each row."""

    def __init__(self, trace: Trace, weights: Sequence[float]) -> None:
        self.calls = Calls(trace)
        self.steps = trace.steps
        self.weights = weights

    def singly(self) -> list[Group]:
        """Make a group of each step."""
        return [
            Group((step,), Call(self.calls.path(step), (step,), ()))
            for step in self.steps
        ]

    def fit(self, at_most: int) -> list[Group]:
        """Cut what weighs most, again and again, while there is room for it."""
        if len(self.steps) <= at_most:
            return _without_starts(self.singly())
        runs = [[self.calls.tree(run)] for run in self.calls.runs]
        while self._rows(runs) < at_most and self._cut_heaviest(runs):
            pass
        return [group for run in runs for group in self._fold_light(run)]

    def _weight(self, call: Call) -> float:
        return weight_of(call.steps, self.weights)

    def _rows(self, runs: Sequence[Sequence[Call]]) -> int:
        return sum(
            max(1, sum(self._weight(call) >= _LIGHT for call in run)) for run in runs
        )

    def _cut_heaviest(self, runs: Sequence[list[Call]]) -> bool:
        """Cut the heaviest piece that has parts; say whether there was one."""
        pieces = [
            (self._weight(call), run, index)
            for run in runs
            for index, call in enumerate(run)
            if len(call.steps) > 1
        ]
        if not pieces:
            return False
        weight, run, index = max(pieces, key=lambda piece: piece[0])
        run[index : index + 1] = self._halves(run[index])
        return weight >= _LIGHT

    def _halves(self, call: Call) -> tuple[Call, Call]:
        """Cut *call* where both sides weigh as much as possible alike."""
        while len(call.parts) == 1:
            (call,) = call.parts
        parts = call.parts
        before = self._running(parts)
        after = list(reversed(self._running(parts[::-1])))
        cut = min(range(1, len(parts)), key=lambda n: max(before[n - 1], after[n]))
        return _group(call, parts[:cut]), _group(call, parts[cut:])

    def _running(self, parts: Sequence[Call]) -> list[float]:
        """Weigh the first part, the first two, and so on."""
        running = RunningWeight(self.weights)
        return [running.add(part.steps) for part in parts]

    def _fold_light(self, calls: Sequence[Call]) -> list[Group]:
        """Give what weighs next to nothing to its neighbour: the next, or the last.

        The way back from a system call belongs to that call.
        """
        groups: list[Group] = []
        light: tuple[Step, ...] = ()
        for call in calls:
            if self._weight(call) < _LIGHT:
                light += call.steps
                if any(step.answer for step in call.steps):
                    self._fold_back(groups, light)
                    light = ()
            else:
                groups.append(Group(light + call.steps, call))
                light = ()
        if light:
            self._fold_back(groups, light)
        return groups

    def _fold_back(self, groups: list[Group], light: tuple[Step, ...]) -> None:
        """Give *light* to the last of *groups*, or make it the first."""
        if groups:
            last = groups.pop()
            groups.append(Group(last.steps + light, last.call))
        else:
            groups.append(Group(light, self.calls.tree(light)))


def _without_starts(groups: Sequence[Group]) -> list[Group]:
    """Put a thread's start into the row of what it does next, if it is the next."""
    kept: list[Group] = []
    for group in groups:
        last = kept[-1].steps[-1] if kept else None
        first = group.steps[0]
        if last and last.kind == "start" and last.thread == first.thread:
            kept[-1] = Group((*kept[-1].steps, *group.steps), group.call)
        else:
            kept.append(group)
    return kept


def _group(call: Call, parts: Sequence[Call]) -> Call:
    if len(parts) == 1:
        return parts[0]
    steps = tuple(step for part in parts for step in part.steps)
    return Call(call.path, steps, tuple(parts))
