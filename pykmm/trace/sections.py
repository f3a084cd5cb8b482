# SPDX-License-Identifier: GPL-2.0-only
"""Which steps of a trace share a row of its drawing, and what the row says.

An execution of a few dozen steps is drawn step by step. A longer one is cut along
its calls, always where most is to be told, until there are as many pieces as there
is room for rows. What is left whole is told by the names of the calls in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from .calls import Call, Calls
from .watch import UNKNOWN, before, short_names
from .weights import LOCKS, LOOKS, RunningWeight, weigh, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .record import Ending, Step, Trace, Waiter

__all__ = ["ROWS", "Cell", "Row", "rows"]

#: How many rows a drawing aims at.
ROWS = 25
#: From this weight on an item of a list is worth its value.
_TELLING = 1.0
#: What the name of a call is worth in a list above its weight: it tells much.
_CALL = 2.0
#: Below this weight something is not worth a row.
_LIGHT = 0.5


@frozen
class Cell:
    """What one thread does in one row: *texts* say it at length, then shorter."""

    function: str
    texts: tuple[str, ...]
    #: Whether a text is a list, which may as well go on in a second line.
    lists: bool = False


@frozen
class Row:
    """Steps *first* to *last* of a trace, or what is so at its end (None)."""

    first: int | None
    last: int | None
    cells: tuple[tuple[str, Cell], ...]
    preempts: bool = False
    note: str = ""


def rows(
    trace: Trace, watched: Iterable[str], *, full: bool = False, at_most: int = ROWS
) -> list[Row]:
    """Fold *trace* into about *at_most* rows; *full* makes a row of each step."""
    weights = weigh(trace, watched)
    cutter = _Cutter(trace, weights)
    groups = cutter.singly() if full else cutter.fit(at_most)
    writer = _Writer(trace, cutter.calls, weights, full=full)
    return [*(writer.row(group) for group in groups), *writer.end()]


@frozen
class Group:
    """The steps of one row, and the call of theirs that it tells of."""

    steps: tuple[Step, ...]
    call: Call


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
        """Give what weighs next to nothing to its neighbour: the next, or the last."""
        groups: list[Group] = []
        light: tuple[Step, ...] = ()
        for call in calls:
            if self._weight(call) < _LIGHT:
                light += call.steps
            else:
                groups.append(Group(light + call.steps, call))
                light = ()
        if light and groups:
            last = groups.pop()
            groups.append(Group(last.steps + light, last.call))
        elif light:
            groups.append(Group(light, self.calls.tree(light)))
        return groups


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


# -- saying it ----------------------------------------------------------------------


class _Writer:
    """Puts groups of steps into words; remembers what each object held before."""

    def __init__(
        self, trace: Trace, calls: Calls, weights: Sequence[float], *, full: bool
    ) -> None:
        self.trace = trace
        self.calls = calls
        self.weights = weights
        self.full = full
        self.short = short_names(trace)
        self.tasks = dict(trace.tasks)
        self.held: dict[str, str] = {}

    def row(self, group: Group) -> Row:
        """Write the row of the steps of *group*, which are one thread's."""
        first, last = group.steps[0], group.steps[-1]
        said = {step.index: self._actions(step) for step in group.steps}
        telling = [s for s in group.call.steps if s.kind != "start"] or [first]
        if len(telling) == 1:
            path = self.calls.path(telling[0])
            cell = Cell(path[-1] if path else "", said[telling[0].index])
        else:
            cell = self._list(group.call, said)
        return Row(first.index, last.index, ((first.thread, cell),), first.preempts)

    def _name(self, step: Step) -> str:
        """Name the object of *step*; what is the thread's own needs no owner."""
        if self.tasks.get(step.owner) == step.thread and step.obj != step.owner:
            return step.obj[len(step.owner) + 1 :]
        return self.short[step.obj]

    def _actions(self, step: Step) -> tuple[str, ...]:
        """Say what *step* does, at length and in short."""
        old = self.held.get(step.obj) or before(step)
        self.held[step.obj] = step.value
        name = self._name(step)
        verb = step.kind if self.full else self.calls.verb(step)
        value = self.tasks.get(step.value, step.value)
        if step.kind == "start":
            return ("starts",)
        if step.access in LOCKS or not value:
            return (f"{verb} {name}",)
        if step.access in LOOKS:
            return f"{verb} {name} = {value}", f"read {name} = {value}"
        if old == UNKNOWN:
            return f"{verb} {name} = {value}", f"{name} = {value}"
        change = f"{name} {self.tasks.get(old, old)} -> {value}"
        return f"{verb} {change}", change

    def _list(self, call: Call, said: dict[int, tuple[str, ...]]) -> Cell:
        parts = _after_start(call)
        while len(parts) == 1 and parts[0].parts:
            (call,) = parts
            parts = call.parts
        items: dict[str, float] = {}
        for part in parts:
            weight = weight_of(part.steps, self.weights)
            item = self._item(part, said, weight)
            worth = weight + _CALL * bool(part.parts)
            items[item] = max(items.get(item, 0.0), worth)
        return Cell(call.function, tuple(_shorter_and_shorter(items)), lists=True)

    def _item(self, part: Call, said: dict[int, tuple[str, ...]], weight: float) -> str:
        if part.parts:
            return part.function or part.parts[0].function
        step = part.steps[0]
        if weight >= _TELLING:
            return said[step.index][-1]
        return f"{self.calls.verb(step)} {self._name(step)}"

    def end(self) -> Iterator[Row]:
        """Write what is so at the end: who still waits, and what went wrong."""
        waiting = self.trace.waiting
        ending = self.trace.ending
        note = f"<-- {ending.kind}" if ending is not None else ""
        if waiting:
            cells = tuple((w.thread, Cell("", self._waits(w))) for w in waiting)
            yield Row(None, None, cells, note=note)
        elif ending is not None:
            yield self._failure(ending, note)

    def _waits(self, waiter: Waiter) -> tuple[str, ...]:
        what = f"{waiter.kind} {self.short[waiter.obj]}"
        if waiter.sleep == "S":
            return f"sleeps: {what}", f"sleeps: {waiter.kind}"
        return (f"waits: {what}",)

    def _failure(self, ending: Ending, note: str) -> Row:
        if not ending.thread:
            return Row(None, None, (), note=note)
        texts: tuple[str, ...] = ("stops here", "stops")
        number = None
        if ending.unfinished:
            name = self.short[ending.obj]
            texts, number = (f"{ending.unfinished} {name}", name), len(self.trace.steps)
        path = self.calls.path_of(ending.stack, ending.unfinished)
        cell = Cell(path[-1] if path else "", texts)
        return Row(number, number, ((ending.thread, cell),), note=note)


def _after_start(call: Call) -> tuple[Call, ...]:
    """Return the parts of *call* but for the start of the thread."""
    first = call.parts[0].steps
    only_start = len(first) == 1 and first[0].kind == "start"
    return call.parts[1:] if only_start else call.parts


def _shorter_and_shorter(items: dict[str, float]) -> Iterator[str]:
    """List *items* in order, then without the lightest, and so on."""
    kept = list(items)
    yield ", ".join(kept)
    while len(kept) > 1:
        lightest = min(reversed(kept), key=lambda item: items[item])
        kept.remove(lightest)
        yield f"{', '.join(kept)} …"
