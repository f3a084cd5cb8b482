# SPDX-License-Identifier: GPL-2.0-only
"""Dependencies between classes of locks, the circles they make, and their reports.

An interrupt is a class among them, as lockdep sees it: who holds a lock and lets
softirqs in goes on only when they are through, and they only when they have got the
locks that they take. So it is a circle, too, if a class that softirqs take leads to
one that is held with softirqs on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from ..engine.interrupts import INTERRUPTS
from ..engine.ledger import calls, since
from ..errors import LockInversion

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ..engine.events import Event
    from ..engine.objects import Named

__all__ = [
    "SYNC",
    "Dependency",
    "Graph",
    "LockClass",
    "Sight",
    "chain",
    "chain_of",
    "inversion",
]

#: The remark that all have been waited for who are in what counts as a lock.
SYNC = "lock_map_sync"


@frozen(cache_hash=True)
class LockClass:
    """Locks to which the same rules apply; *key* is the same in every execution."""

    name: str
    key: Hashable = field(repr=False)

    @property
    def interrupts(self) -> bool:
        """Whether it stands for a kind of interrupts."""
        return any(self.key == interrupt.uid for interrupt in INTERRUPTS)


@frozen(cache_hash=True)
class Dependency:
    """One class was taken while another was held.

    ``exclusive`` tells how *before* was held, ``recursive`` whether *after* was taken
    by a reader whom only a writer that has the lock can hold up.
    """

    before: LockClass
    after: LockClass
    exclusive: bool
    recursive: bool
    #: Where it was seen first: not part of what it is.
    seen: str = field(eq=False, repr=False, default="")
    schedule: str = field(eq=False, repr=False, default="")

    def leads_to(self, other: Dependency) -> bool:
        """Tell whether waiting for *after* is waiting for who goes on to *other*."""
        return self.after == other.before and (other.exclusive or not self.recursive)

    @property
    def label(self) -> str:
        """What it is, in lockdep's words."""
        before, after = self.before, self.after
        if after.interrupts:
            return f"{before.name} {{{after.name}-ON-{_WAYS[not self.exclusive]}}}"
        if before.interrupts:
            return f"{after.name} {{IN-{before.name}-{_WAYS[self.recursive]}}}"
        return f"{before.name} -> {after.name}"


#: Lockdep's letters for who keeps everybody out, and for readers.
_WAYS = "WR"


@define
class Graph:
    """Dependencies by the class that was held."""

    edges: dict[LockClass, list[Dependency]] = field(factory=dict)

    def add(self, new: Dependency) -> list[Dependency]:
        """Add *new*, unless it closes a circle: then return that, *new* first."""
        circle = self._circle(new)
        if not circle:
            self.edges.setdefault(new.before, []).append(new)
        return circle

    def _circle(self, new: Dependency) -> list[Dependency]:
        """Search breadth first, so that the circle found is a shortest one."""
        if new.leads_to(new):
            return [new]
        paths = [[new]]
        met = {(new.after, new.recursive)}
        for path in paths:
            for step in self.edges.get(path[-1].after, ()):
                if not path[-1].leads_to(step):
                    continue
                if step.leads_to(new):
                    return [*path, step]
                if (step.after, step.recursive) not in met:
                    met.add((step.after, step.recursive))
                    paths.append([*path, step])
        return []


# -- the report ---------------------------------------------------------------------


@frozen
class Sight:
    """Where a dependency was seen: what happened, and what was *held* by then.

    *begun* is the remark that somebody is in what only counts as a lock.
    """

    event: Event
    held: Named
    begun: Event | None

    def told(self) -> str:
        """Say who did what, and since when the other lock was held, a line for each."""
        event, held = self.event, self.held
        t, at = event.thread, f"at step {event.index}{calls(event)}"
        if held is event.obj or held in INTERRUPTS:
            return f"{t.name} takes {event.obj.name} {at}"
        if self.begun is not None:
            has = f"is in {held.name} since step {self.begun.index}{calls(self.begun)}"
        else:
            has = f"holds {held.name} {since(held, t, event.index + 1)}"
        if event.obj in INTERRUPTS:
            return f"{t.name} {has}\nlets {event.obj.name} in {at}"
        does = "waits for" if event.kind == SYNC else "takes"
        return f"{t.name} {has}\n{does} {event.obj.name} {at}"


def _rotated(circle: Sequence[Dependency]) -> list[Dependency]:
    """Begin in the same place wherever the circle closed.

    That is where interrupts are let in, or the class that comes first by name.
    """
    names = [(not step.after.interrupts, step.before.name) for step in circle]
    first = names.index(min(names))
    return [*circle[first:], *circle[:first]]


def _is_irq(circle: Sequence[Dependency]) -> bool:
    """Tell whether *circle* is one because of one kind of interrupts."""
    return sum(step.after.interrupts for step in circle) == 1


def chain(circle: Sequence[Dependency]) -> str:
    """Name the classes of a circle, or what a class is used for that should not be."""
    steps = _rotated(circle)
    if not _is_irq(steps):
        return " -> ".join(step.before.name for step in [*steps, *steps[:1]])
    if len(steps) == 2:
        return f"{steps[0].label} -> {steps[1].label.rpartition(' ')[2]}"
    return " -> ".join(step.after.name for step in steps[1:])


def chain_of(report: LockInversion) -> str:
    """Return the :func:`chain` that *report* is about."""
    return report.summary.partition(": ")[2]


def _kind(circle: Sequence[Dependency]) -> str:
    steps = _rotated(circle)
    if _is_irq(steps):
        name = steps[0].after.name
        safe = f"{name}-safe -> {name}-unsafe lock order"
        return "inconsistent lock state" if len(steps) == 2 else safe
    which = "recursive locking" if len(steps) == 1 else "circular locking dependency"
    return f"possible {which}"


#: What is said of a circle that no execution shows alone.
_APART = ", in executions that each show a part of it"


def inversion(circle: Sequence[Dependency], *, together: bool) -> LockInversion:
    """Make the report of a circle that one execution showed, or several *together*."""
    where = "" if together else _APART
    facts: list[tuple[str, str]] = []
    for step in _rotated(circle):
        first, *rest = step.seen.split("\n")
        facts += [(step.label, first), *(("", line) for line in rest)]
        if not together:
            facts.append(("", f"schedule: {step.schedule}"))
    return LockInversion(f"{_kind(circle)}: {chain(circle)}{where}", facts=facts)
