# SPDX-License-Identifier: GPL-2.0-only
"""A priority by lot for each step that is about to be taken.

From X. Yuan, J. Yang and R. Gu, "Partial Order Aware Concurrency Sampling" (CAV
2018). The step with the highest priority is taken; then those that conflict with it
draw again, and only those. So no step is late because others that have nothing to
do with it are many, and steps in conflict come in either order alike.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ..engine.events import CONFLICTS, Access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.events import Event
    from ..engine.thread import Thread

__all__ = ["Pos"]


class Pos:
    """Take the pending step with the highest priority; *seed* decides the draws.

    Whether a pending step will conflict depends on its class, which may depend on
    its outcome: it is taken to be any that steps of its kind had in this execution.
    """

    def __init__(self, seed: int | str = 0) -> None:
        self._random = random.Random(seed).random
        #: Of each thread's next step.
        self._priorities: dict[Thread, float] = {}
        self._classes: dict[str, tuple[Access, ...]] = {}
        self._seen = 0

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the one of *enabled* whose next step has the highest priority."""
        del running
        priorities = self._priorities
        events = enabled[0].machine.events
        for event in events[self._seen :]:
            self._redraw(event)
        self._seen = len(events)
        for t in enabled:
            if t not in priorities:
                priorities[t] = self._random()
        chosen = max(enabled, key=priorities.__getitem__)
        del priorities[chosen]
        return chosen

    def _redraw(self, event: Event) -> None:
        """Forget the priorities of steps that conflict with *event*."""
        known = self._classes.get(event.kind, ())
        if event.access not in known:
            self._classes[event.kind] = (*known, event.access)
        for t in [t for t in self._priorities if self._conflicts(event, t)]:
            del self._priorities[t]

    def _conflicts(self, event: Event, t: Thread) -> bool:
        if event.access is Access.BARRIER:
            return True
        if t.obj is not event.obj:
            return False
        against = CONFLICTS[event.access]
        return any(against[access] for access in self._classes.get(t.kind, Access))
