# SPDX-License-Identifier: GPL-2.0-only
"""What a row of a drawing says, at length and in short.

One step is told by what it does to which object, with the values before and
after. Several are told by the calls in them and by what mattered to others; the
less room there is, the fewer of those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from ..engine.events import LOCKS, LOOKS
from .watch import UNKNOWN, alias, before, short_names, split
from .weights import weight_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .calls import Call, Calls
    from .record import Ending, Step, Trace, Waiter

__all__ = ["Cell", "Group", "Row", "Writer"]

#: How many values of a counter a list spells out.
_VALUES_AT_MOST = 3
#: How many items a list has at most.
_ITEMS_AT_MOST = 8
#: What the name of a call is worth in a list above its weight: it tells much.
_CALL = 2.0
#: What the answer of a system call is worth: whoever reads on wants to know it.
_ANSWER = 100.0
#: From this weight on an item of a list is worth its value.
_TELLING = 1.0


#: What the name of a structure looks like.
_STRUCTURE = re.compile(r"\w+#\d+")


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


@frozen
class Group:
    """The steps of one row, and the call of theirs that it tells of."""

    steps: tuple[Step, ...]
    call: Call


class Writer:
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
        #: What changed in a step: the value before and after.
        self.changes: dict[int, tuple[str, str]] = {}

    def row(self, group: Group) -> Row:
        """Write the row of the steps of *group*, which are one thread's."""
        first, last = group.steps[0], group.steps[-1]
        said = {step.index: self._actions(step) for step in group.steps}
        telling = [s for s in group.call.steps if s.kind != "start"] or [first]
        if len(telling) == 1:
            path = self.calls.path(telling[0])
            cell = Cell(path[-1] if path else "", _answered(group, telling[0], said))
        else:
            cell = self._list(group, said)
        note = self._note() if self._is_guilty(last) else ""
        return Row(
            first.index, last.index, ((first.thread, cell),), first.preempts, note
        )

    def _is_guilty(self, step: Step) -> bool:
        ending = self.trace.ending
        in_last = ending is not None and ending.in_last_step
        return in_last and step is self.trace.steps[-1]

    def _note(self) -> str:
        return "" if self.trace.ending is None else f"<-- {self.trace.ending.kind}"

    def _name(self, step: Step) -> str:
        """Name the object of *step*; what is the thread's own needs no owner."""
        owner, field = split(step.obj, step.owner)
        if self.tasks.get(owner) == step.thread and field:
            return field[1:]
        return self.short[step.obj]

    def _value(self, text: str) -> str:
        """Name a structure that a pointer leads to as the drawing does elsewhere."""
        return alias(text, self.tasks) if _STRUCTURE.fullmatch(text) else text

    def _actions(self, step: Step) -> tuple[str, ...]:
        """Say what *step* does, at length and in short."""
        old = self.held.get(step.obj) or before(step)
        self.held[step.obj] = step.value
        name = self._name(step)
        verb = step.kind if self.full else self.calls.verb(step)
        value = self._value(step.value)
        if step.kind == "start":
            return ("starts",)
        if step.access in LOCKS or not value:
            return (f"{verb} {name}",)
        if step.access in LOOKS:
            return f"{verb} {name} = {value}", f"read {name} = {value}"
        self.changes[step.index] = (self._value(old), value)
        if old == UNKNOWN:
            return f"{verb} {name} = {value}", f"{name} = {value}"
        change = f"{name} {' -> '.join(self.changes[step.index])}"
        return f"{verb} {change}", change

    def _list(self, group: Group, said: dict[int, tuple[str, ...]]) -> Cell:
        call = group.call
        parts = _after_start(call)
        while len(parts) == 1 and parts[0].parts:
            (call,) = parts
            parts = call.parts
        items = _Items()
        for part in parts:
            weight = weight_of(part.steps, self.weights)
            if part.parts:
                items.add(part.function or part.parts[0].function, weight + _CALL)
                continue
            (step,) = part.steps
            if weight < _TELLING:
                items.add(f"{self.calls.verb(step)} {self._name(step)}", weight)
            elif step.index in self.changes:
                items.add_change(self._name(step), *self.changes[step.index], weight)
            else:
                items.add(said[step.index][-1], weight)
        for step in group.steps:
            if step.answer:
                items.add_answer(*step.answer.split(" = "))
        return Cell(call.function, tuple(items.texts()), lists=True)

    def end(self) -> Iterator[Row]:
        """Write what is so at the end: who still waits, and what went wrong."""
        waiting = self.trace.waiting
        ending = self.trace.ending
        note = self._note()
        if ending is not None and ending.in_last_step:
            return
        if waiting:
            cells = tuple((w.thread, Cell("", self._waits(w))) for w in waiting)
            yield Row(None, None, cells, note=note)
        elif ending is not None:
            yield self._failure(ending, note)

    def _waits(self, waiter: Waiter) -> tuple[str, ...]:
        what = f"{waiter.kind} {self.short[waiter.obj]}"
        if waiter.sleep == "S" and self.trace.ending is None:
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


def _answered(
    group: Group, telling: Step, said: dict[int, tuple[str, ...]]
) -> tuple[str, ...]:
    """Say what a row's one *telling* step does, and what calls came to around it."""
    before = [s.answer for s in group.steps if s.answer and s.index <= telling.index]
    after = [s.answer for s in group.steps if s.answer and s.index > telling.index]
    texts = tuple(", ".join([*before, t, *after]) for t in said[telling.index])
    # The look for signals on the way back is the least that can be told.
    return (*texts, ", ".join(before)) if telling.answer else texts


def _after_start(call: Call) -> tuple[Call, ...]:
    """Return the parts of *call* but for the start of the thread."""
    first = call.parts[0].steps
    only_start = len(first) == 1 and first[0].kind == "start"
    return call.parts[1:] if only_start else call.parts


class _Items:
    """What is in a row, in order, each thing once; what weighs least goes first."""

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}
        #: The values that an object had, by its name.
        self._values: dict[str, list[str]] = {}
        self._answers: dict[str, str] = {}

    def add(self, item: str, weight: float) -> None:
        """Add a call, or what a step does."""
        self._weights[item] = max(self._weights.get(item, 0.0), weight)

    def add_change(self, name: str, old: str, new: str, weight: float) -> None:
        """Add a change; one that continues an earlier one becomes a part of it."""
        values = self._values.setdefault(name, [old])
        values.append(new)
        self.add(name, weight)

    def add_answer(self, call: str, answer: str) -> None:
        """Say what a call came to: behind its name, which is kept longer than all."""
        self._answers[call] = answer
        self.add(call, _ANSWER)

    def texts(self) -> Iterator[str]:
        """Yield the list, then the list without its lightest item, and so on."""
        weights = self._weights
        heaviest = sorted(weights, key=lambda item: -weights[item])
        for many in range(min(len(weights), _ITEMS_AT_MOST), 0, -1):
            kept = dict.fromkeys(heaviest[:many])
            more = " …" if many < len(weights) else ""
            yield (
                ", ".join(self._spell(item) for item in weights if item in kept) + more
            )

    def _spell(self, item: str) -> str:
        values = self._values.get(item)
        if item in self._answers:
            return f"{item} = {self._answers[item]}"
        if values is None:
            return item
        first, *rest = values
        if len(values) > _VALUES_AT_MOST:
            rest = ["…", rest[-1]]
        if first == UNKNOWN:
            return f"{item} = {' -> '.join(rest)}"
        return f"{item} {' -> '.join([first, *rest])}"
