# SPDX-License-Identifier: GPL-2.0-only
"""The steps of one execution, with what happened before each of them.

Each event has a vector clock: for each thread the number of its last event that
happened before, itself included. The vectors are those of F. Mattern, "Virtual
Time and Global States of Distributed Systems" (1989).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .steps import Step

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
