# SPDX-License-Identifier: GPL-2.0-only
"""Whether steps that do not conflict can be swapped, and nobody can tell.

That is what reduction takes for granted. An execution is run again with two such
neighbours the other way round: every thread has to take the same steps, and the end
has to be the same. Else something was looked at, or changed, that no step is about.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from itertools import pairwise

from pykmm import Scenario
from pykmm.engine import Schedule
from pykmm.engine.events import conflict
from pykmm.engine.thread import Thread
from pykmm.errors import Nondeterminism
from pykmm.runner.once import Execution, execute
from pykmm.schedulers import Replay

#: Of each thread, the steps that it took: kind, object and access class.
Story = dict[Hashable, list[tuple[str, Hashable, int]]]


class Restless:
    """Lets a thread go on for some steps, and then any that can."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._patience = self._random.choice([0.5, 0.8, 0.95])

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        if running is not None and self._random.random() < self._patience:
            return running
        return self._random.choice(enabled)


def _story(execution: Execution) -> Story:
    found: Story = {}
    for event in execution.machine.events:
        step = event.kind, event.obj.uid, int(event.access)
        found.setdefault(event.thread.key, []).append(step)
    return found


def _swappable(execution: Execution) -> list[int]:
    """Return the events that could as well come behind the one that follows."""
    events = execution.machine.events
    return [
        index
        for index, (first, second) in enumerate(pairwise(events))
        if not conflict(first, second)
        # A wait may look at anything, and a thread begins when it has been made.
        and second.kind not in ("start", "cond_resched")
    ]


def what_swapping_shows(scenario: Scenario, seed: int, tries: int) -> list[str]:
    """Swap up to *tries* pairs of one execution; return where that could be noticed."""
    execution = execute(scenario, Restless(seed))
    assert execution.report is None, execution.report
    events = execution.machine.events
    taken = [thread.name for thread in execution.machine.steps]
    assert len(taken) == len(events)
    pairs = _swappable(execution)
    random.Random(seed).shuffle(pairs)
    shown = []
    for at in pairs[:tries]:
        order = [*taken[:at], taken[at + 1], taken[at], *taken[at + 2 :]]
        try:
            again = execute(scenario, Replay(Schedule(order)))
        except Nondeterminism as error:
            if error.step == at:
                continue  # the first of them let the second one go on
            shown.append(f"{events[at]!r} {events[at + 1]!r}: {error}")
            continue
        if (again.outcome, _story(again)) != (execution.outcome, _story(execution)):
            shown.append(f"{events[at]!r} {events[at + 1]!r}: {again.outcome}")
    return shown
