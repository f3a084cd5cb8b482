# SPDX-License-Identifier: GPL-2.0-only
"""The steps of one execution, with what happened before each of them.

Each event has a vector clock: for each thread the number of its last event that
happened before, itself included. The vectors are those of F. Mattern, "Virtual
Time and Global States of Distributed Systems" (1989).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .asked import Asked, Decided
from .steps import DEC, LOOKS, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.guards import Door

__all__ = ["Clock", "Race", "Record", "join"]

Clock = list[int]


class Race(NamedTuple):
    """The event *first* could come after the step that it races with.

    *out* are further events that have to come after that step as well.
    *firm* says that nothing before *first* races with the step at once.
    """

    first: int
    out: tuple[int, ...] = ()
    firm: bool = True


def join(a: Clock, b: Clock) -> Clock:
    """Return the later one, thread by thread."""
    return [x if x > y else y for x, y in zip(a, b)]  # noqa: B905 -- hot path


class Record:
    """Events by number, by thread and by object."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.clocks: list[Clock] = []
        #: Events by thread; events with their classes by object.
        self.ran: list[list[int]] = []
        self.history: dict[int, list[tuple[int, int]]] = {}
        #: Whom a guard held up when the event's thread was chosen.
        self.held_up: list[tuple[int, ...]] = []
        #: By event, which doors of its object were open just before it; and whether
        #: somebody asked for more than is in there.
        self.doors: dict[int, dict[Door, bool]] = {}
        self.missed = False
        #: By event, what guarded it; and what decided about its class.
        self.guarded: dict[int, Asked] = {}
        self.decided: dict[int, Decided] = {}

    def was_open(self, step: Step, guard: Asked | None, index: int) -> bool | None:
        """Tell whether *guard*, that of *step*, held just before the event.

        None if that is not known, as where the event is about something else.
        """
        if guard is None:
            return None
        looked_at = [oid for oid, _ in guard.parts]
        if self.steps[index].oid not in looked_at:
            return None
        if len(looked_at) > 1 and not set(step.gates).issubset(looked_at):
            return None
        found = [self._answer(guard, part, index) for part in range(len(looked_at))]
        return guard.holds(found)

    def would_be_open(
        self, step: Step, guard: Asked, first: int, few: Sequence[int]
    ) -> bool | None:
        """Tell whether *guard* would hold behind what came before *first*, and *few*.

        What each object would be is known if it was like that at some time. Whoever
        could not go on with more of what others did could not without it, where it is
        they who let it.
        """
        looked_at = [oid for oid, _ in guard.parts]
        if not set(step.gates).issubset(looked_at):
            return None
        tid = step.tid if guard.is_own else -1
        found: list[bool | None] = []
        for part, oid in enumerate(looked_at):
            row = [
                index
                for index, bits in self.history.get(oid, ())
                if index >= first and bits & ~LOOKS
            ]
            kept = [index for index in row if index in few]
            if self.alike(kept, row[: len(kept)], tid):
                found.append(self._answer_behind(guard, part, row, len(kept)))
            else:
                found.append(self._without(step.tid, guard, part, row, kept))
        return guard.holds(found)

    def _without(
        self, tid: int, guard: Asked, part: int, row: list[int], kept: list[int]
    ) -> bool | None:
        """Tell whether a part is shut without what in *row* is not *kept*."""
        many = row.index(kept[-1]) + 1
        own = (self.steps[i].tid == tid for i in row[:many] if i not in kept)
        if not guard.one_way[part] or any(own):
            return None
        return False if self._answer_behind(guard, part, row, many) is False else None

    def _answer_behind(
        self, guard: Asked, part: int, row: list[int], many: int
    ) -> bool | None:
        """Return what a part of a guard said when so many of *row* had been."""
        then = row[many] if many < len(row) else len(self.clocks)
        return self._answer(guard, part, then)

    def _answer(self, guard: Asked, part: int, index: int) -> bool | None:
        """Return what a part of a guard said just before the event.

        That is what it said before the next event on the object that it looks at.
        """
        oid, door = guard.parts[part]
        if door is None:
            return None
        then = (event for event, _ in self.history.get(oid, ()) if event >= index)
        asked = next((event for event in then if self.steps[event].oid == oid), -1)
        if asked < 0:
            return guard.last[part]
        doors = self.doors.get(asked, {})
        self.missed |= door not in doors
        return doors.get(door)

    def alike(
        self, events: Sequence[int], others: Sequence[int], tid: int = -1
    ) -> bool:
        """Tell whether *events* come to the same as *others*.

        Steps can stand for each other that commute, and are of one kind; but not for
        those of the thread *tid*.
        """
        does = partial(self._does, tid)
        return sorted(map(does, events)) == sorted(map(does, others))

    def _does(self, tid: int, index: int) -> tuple[int, str, int, int]:
        step = self.steps[index]
        commutes = step.bits & ~step.against and step.tid != tid
        return step.oid, step.kind, step.bits, -1 if commutes else index

    def begins(self, events: Sequence[int], others: Sequence[int]) -> bool:
        """Tell whether all of *others* that happened before *events* are in there."""
        return all(
            other in events or self.clocks[index][self.steps[other].tid] < other
            for other in others
            for index in events
        )

    def not_after(self, race: Race, end: int) -> list[int]:
        """Return the events between the race's first and *end* that stay before it."""
        out = (race.first, *race.out)
        owners = [(self.steps[index].tid, index) for index in out]
        clocks = self.clocks
        first, *_ = out
        tid = self.steps[first].tid
        stay = [g for g in range(first + 1, end) if clocks[g][tid] < first]
        if race.out:
            stay = [g for g in stay if all(clocks[g][t] < e for t, e in owners)]
        return stay

    def without(self, race: Race, end: int) -> list[Step]:
        """Return the steps that :meth:`not_after` names, as they are on their own.

        Where a drop is left out, those behind it leave one reference more.
        """
        stay = self.not_after(race, end)
        steps = self.steps
        if not any(steps[index].bits == DEC for index in stay):
            return [steps[index] for index in stay]
        kept = set(stay)
        found: list[Step] = []
        spared: dict[int, int] = {}
        for index in range(race.first, stay[-1] + 1):
            step = steps[index]
            more = spared.get(step.oid, 0)
            if index in kept:
                found.append(step.leaving(more) if more and step.bits == DEC else step)
            elif step.bits == DEC and more >= 0:
                spared[step.oid] = more + 1
            elif step.bits & ~LOOKS:
                spared[step.oid] = -1  # nobody knows
        return found
