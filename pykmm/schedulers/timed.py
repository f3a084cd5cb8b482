# SPDX-License-Identifier: GPL-2.0-only
"""Every thread on a processor of its own, each with a clock.

A step costs ticks. Whoever is behind in time goes next, and whoever waits for
another thread goes on at that one's time: a discrete-event simulation of as many
processors as there are threads. It answers how long something takes and how much of
that is waiting, which no scheduler does that only picks an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..engine.objects import Named
    from ..engine.thread import Thread

__all__ = ["Timed", "Wait"]


@frozen
class Wait:
    """One wait: of whom, for what, and how many ticks."""

    thread: Thread
    obj: Named | None
    ticks: int


class Timed:
    """Let the thread go on that is behind in time.

    *cost* says how many ticks the step takes that a thread is about to take; *late*
    says by name how much later than its creator a thread starts.
    """

    def __init__(
        self, cost: Callable[[Thread], int], late: Mapping[str, int] | None = None
    ) -> None:
        self.cost = cost
        self.late = dict(late or {})
        #: When each thread is done with what it has begun.
        self.clocks: dict[Thread, int] = {}
        self.waits: list[Wait] = []
        self._blocked: set[Thread] = set()
        self._now = 0

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the thread with the earliest clock; of equals, the oldest."""
        del running
        machine = enabled[0].machine
        for t in machine.live:
            self._meet(t)
        for t in enabled:
            self._settle(t)
        able = set(enabled)
        self._blocked.update(t for t in machine.live if t not in able)
        chosen = min(enabled, key=self.clocks.__getitem__)
        self.clocks[chosen] += self.cost(chosen)
        self._now = self.clocks[chosen]
        return chosen

    def _meet(self, t: Thread) -> None:
        if t not in self.clocks:
            begun = 0 if t.creator is None else self.clocks.get(t.creator, 0)
            self.clocks[t] = begun + self.late.get(t.name, 0)

    def _settle(self, t: Thread) -> None:
        """Bring a thread that could not go on to the time at which it can."""
        if t not in self._blocked:
            return
        self._blocked.discard(t)
        ticks = self._now - self.clocks[t]
        if ticks > 0:
            self.waits.append(Wait(t, t.obj, ticks))
            self.clocks[t] = self._now
