# SPDX-License-Identifier: GPL-2.0-only
"""Who took the references on a counter, and who gave them back.

The account is drawn up when something is wrong, from the events that the machine
has kept; as long as nothing is, it costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .events import Access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import Event
    from .objects import Named
    from .thread import Thread

__all__ = ["Account", "is_drop", "told"]


#: How many takes with their drops to tell, where that is all that can be told.
_PAIRS_AT_MOST = 8


class Account:
    """The takes and drops of one counter, each thread's own matched last in first out.

    A reference can be handed over: then one thread's take stays open, and another
    has dropped what it never took. Which belong together nobody can tell.
    """

    def __init__(self, counter: Named, events: Sequence[Event]) -> None:
        self.counter = counter
        #: Takes that their thread did not give back, and drops of what the thread
        #: had not taken, both in the order in which they happened.
        self.open: list[Event] = []
        self.strange: list[Event] = []
        #: Takes with the drops that their own threads made of them.
        self.pairs: list[tuple[Event, Event]] = []
        #: The first thing that ever happened to the counter in a step.
        self.first: Event | None = None
        own: dict[Thread, list[Event]] = {}
        for event in events:
            if event.obj is counter:
                self.first = self.first or event
                self._enter(event, own.setdefault(event.thread, []))
        self.open = sorted(
            (event for takes in own.values() for event in takes),
            key=lambda event: event.index,
        )

    def _enter(self, event: Event, takes: list[Event]) -> None:
        if is_drop(event):
            if takes:
                self.pairs.append((takes.pop(), event))
            else:
                self.strange.append(event)
        elif event.access is Access.INC:
            takes.append(event)

    @property
    def surplus(self) -> int:
        """How many more references were taken in steps than dropped."""
        return len(self.open) - len(self.strange)

    def facts(self) -> list[tuple[str, str]]:
        """Tell the account in a report's words."""
        facts = [
            ("taken", f"{told(event)}, and not given back by it{_path(event)}")
            for event in self.open
        ]
        facts += [
            ("given back", f"{told(event)}, which had not taken it{_path(event)}")
            for event in self.strange
        ]
        if self.open or self.strange:
            return facts
        facts = [("not given back", "one that was there from the start")]
        facts += [
            (
                take.thread.name,
                f"took one at step {take.index}, gave one back at step {drop.index}"
                f"{_path(take)}",
            )
            for take, drop in self.pairs[-_PAIRS_AT_MOST:]
        ]
        return facts


def is_drop(event: Event) -> bool:
    """Tell whether *event* gave a reference back, be it the last one."""
    if event.access in (Access.DEC, Access.DROP):
        return True
    return event.access is Access.WRITE and "dec" in event.kind


def told(event: Event) -> str:
    """Say who did it and when."""
    return f"by {event.thread.name} at step {event.index} ({event.kind})"


def _path(event: Event) -> str:
    return f"  {' < '.join(event.stack[1:6])}" if len(event.stack) > 1 else ""
