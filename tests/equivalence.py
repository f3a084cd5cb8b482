# SPDX-License-Identifier: GPL-2.0-only
"""Executions that differ only in the order of steps that do not conflict.

Reduction runs one of them and speaks for the others. So in all of them every thread
has to take the same steps, and the end has to be the same, or the bug that is found;
else something was looked at, or changed, that no step is about.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from pykmm import Scenario
from pykmm.engine import Access, Event, Schedule
from pykmm.engine.events import conflict
from pykmm.engine.thread import Thread
from pykmm.errors import Nondeterminism
from pykmm.runner.once import Execution, execute
from pykmm.schedulers import Replay

__all__ = ["Restless", "end", "what_equivalents_show"]


class Restless:
    """Lets a thread go on for some steps, and then any that can."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._patience = self._random.choice([0.5, 0.8, 0.95])

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        if running is not None and self._random.random() < self._patience:
            return running
        return self._random.choice(enabled)


def end(execution: Execution) -> object:
    """Return what can be seen of an execution; of one with a bug only that.

    Where a bug ends it, others may have come further, or less far.
    """
    report = execution.report
    if report is not None:
        return report.kind, report.summary
    story: dict[Hashable, list[tuple[str, Hashable, int]]] = {}
    for event in execution.machine.events:
        step = event.kind, event.obj.uid, int(event.access)
        story.setdefault(event.thread.key, []).append(step)
    return execution.outcome, story


def _death(event: Event, events: Sequence[Event]) -> int | None:
    """Return which event ended what *event* is about, if one did."""
    owner = event.obj.owner or event.obj
    by, when = getattr(owner, "_death", None) or ("", 0)
    if when and events[when - 1].thread.name == by:
        when -= 1
    return when if by and when < len(events) else None


def _before(events: Sequence[Event]) -> list[set[int]]:
    """Return for each event others that have to come before it.

    Whoever had to wait for something comes behind all that had been done by then.
    """
    found: list[set[int]] = []
    last: dict[Thread, int] = {}
    by_object: dict[Hashable, list[Event]] = {}
    barrier = -1
    for index, event in enumerate(events):
        on_it = by_object.setdefault(event.obj.uid, [])
        before = {other.index for other in on_it if conflict(other, event)}
        if event.blocking or event.access is Access.BARRIER:
            before |= {*last.values()}
        elif event.thread not in last:
            before |= set(range(min(event.thread.born, index)))
        else:
            before.add(last[event.thread])
        if barrier >= 0:
            before.add(barrier)
        if event.access is Access.BARRIER:
            barrier = index
        last[event.thread] = index
        on_it.append(event)
        found.append(before)
    for index, event in enumerate(events):
        death = _death(event, events)
        if death is not None and death != index:
            found[max(index, death)].add(min(index, death))
    return found


def _another_order(execution: Execution, noise: random.Random) -> Schedule:
    """Put the steps of an execution in another order that nobody can tell."""
    events = execution.machine.events
    before = _before(events)
    behind: list[list[int]] = [[] for _ in events]
    for index, earlier in enumerate(before):
        for other in earlier:
            behind[other].append(index)
    ready = [index for index, earlier in enumerate(before) if not earlier]
    order: list[Thread] = []
    while ready:
        index = noise.choice(ready)
        if order and noise.random() < 0.8:
            own = [i for i in ready if events[i].thread is order[-1]]
            index = (own or [index])[0]
        ready.remove(index)
        order.append(events[index].thread)
        for later in behind[index]:
            before[later].remove(index)
            if not before[later]:
                ready.append(later)
    order += execution.machine.steps[
        len(events) :
    ]  # a bug may end a step in its middle
    return Schedule(t.name for t in order)


def what_equivalents_show(scenario: Scenario, seed: int, tries: int) -> list[str]:
    """Run an execution in several orders; return what is not seen in all of them."""
    execution = execute(scenario, Restless(seed))
    noise = random.Random(seed)
    shown = []
    for _ in range(tries):
        order = _another_order(execution, noise)
        try:
            again = execute(scenario, Replay(order))
        except Nondeterminism:
            continue  # somebody who need not wait before has to wait now
        if end(again) != end(execution):
            shown.append(f"{execution.label} and {again.label}: {order}")
    return shown
