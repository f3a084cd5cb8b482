# SPDX-License-Identifier: GPL-2.0-only
"""Lock orders that can deadlock, after ``Documentation/locking/lockdep-design.rst``.

Every lock taken while another is held is a *dependency* between their classes, and a
circle of dependencies is reported although nobody got stuck in it this time. All
locks that are the same field of the same kind of structure are one class; a lock
that stands alone is one of its own. Taking two locks of one class is a circle, too,
unless it is done with a primitive whose name says ``nested``: that makes the inner
one's class another, for each subclass that it is told.

How a lock is held matters: a reader keeps out writers only, and some readers get in
although a writer waits (*recursive* ones, in lockdep's words). A dependency that
ends with a recursive reader and one that begins with a reader do not add up to a
wait, so a circle counts only if no two neighbours in it are such.

A trylock waits for nobody, so nothing leads to it; but it leads to what is taken
after it. As in Linux, a lock that all sides hold around the circle excuses nothing,
because the next caller may not hold it.

A circle can be spread over several executions of an exploration, none of which shows
it alone; so the dependencies of all are put together when it is over.

Some things count as locks that nobody waits for by name, and the kernel tells of them
in remarks: a timer's function while it runs, the read sections of a domain, whose
readers are recursive, and memory reclaim. Who waits for their end, or might have to
reclaim, takes that lock for a moment.

Interrupts are such, too: who holds a lock without keeping them away may have to wait
for one that takes it, on the same processor, and so for itself.

What lockdep checks beyond this is built in elsewhere: a lock that its holder takes
again, one that is given back by somebody else or kept at exit, and sleeping where
one may not ("invalid wait context").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import astuple, evolve

from ..engine.events import Access
from ..engine.interrupts import INTERRUPTS
from ..engine.ledger import born, died, since
from ..errors import LockInversion, Report, UseAfterFree
from .detector import describe, stop, stop_at
from .lock_order import (
    SYNC,
    Dependency,
    Graph,
    LockClass,
    Sight,
    chain,
    chain_of,
    inversion,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from typing import Protocol

    from ..engine.events import Event
    from ..engine.machine import Machine
    from ..engine.objects import Named
    from ..engine.thread import Thread
    from .detector import Found, Plain

    class _Lock(Protocol):
        """What a lock answers."""

        def held_exclusively_by(self, thread: Thread) -> bool: ...

    #: What is held, whether exclusively, and since when if it only counts as a lock.
    _Held = tuple[Named, bool, Event | None]


__all__ = ["LockGraph", "Lockdep"]

#: Classes of steps after which a thread can have one lock more than before.
_TAKES = tuple(
    access in (Access.ACQUIRE, Access.SHARE, Access.WAIT, Access.WRITE)
    for access in Access
)
_GIVES = (Access.RELEASE, Access.UNSHARE)
#: Remarks that let interrupts in.
_LETS_IN = ("local_irq_enable", "local_bh_enable")
#: Masks more than any interrupt's level.
_ALL_MASKED = 1 << 32


class LockGraph:
    """All dependencies that the executions of one exploration have shown."""

    def __init__(self) -> None:
        self._all: dict[Dependency, None] = {}
        #: Circles that one execution showed by itself.
        self._closed: dict[str, LockInversion] = {}

    def execution(self) -> Lockdep:
        """Return an observer that hands its findings over and goes on."""
        return Lockdep(self._note, self)

    def again(self, report: Report | None = None) -> Lockdep:
        """Return an observer that stops at *report*, or at the first circle."""
        return Lockdep(stop_at(report))

    def _note(self, report: Report) -> None:
        assert isinstance(report, LockInversion)
        if report.summary not in self._closed:
            self._closed[report.summary] = report
            describe(report)

    def note(self, dependency: Dependency, sight: Sight) -> None:
        """Note what an execution shows, and how to see it again."""
        if dependency not in self._all:
            schedule = str(sight.event.thread.machine.schedule)
            new = evolve(dependency, seen=sight.told(), schedule=schedule)
            self._all[new] = None

    def state(self) -> Plain:
        """Return the dependencies, and the circles that were closed."""
        return {
            "dependencies": [astuple(d) for d in self._all],
            "closed": [report.as_plain() for report in self._closed.values()],
        }

    def add(self, state: Plain) -> None:
        """Put dependencies together with those that others have seen."""
        for before, after, *rest in state["dependencies"]:
            one, other = (LockClass(name, _key(key)) for name, key in (before, after))
            self._all.setdefault(Dependency(one, other, *rest))
        for data in state["closed"]:
            report = Report.of_plain(data)
            assert isinstance(report, LockInversion)
            self._closed.setdefault(report.summary, report)

    def reports(self) -> list[Report]:
        """Return all circles, those that only several executions show at the end."""
        graph = Graph()
        found: dict[str, Report] = {}
        closed = {chain_of(report) for report in self._closed.values()}
        for dependency in self._all:
            circle = graph.add(dependency)
            if circle and chain(circle) not in closed:
                report = inversion(circle, together=False)
                report.schedule = circle[0].schedule
                found.setdefault(report.summary, report)
        return [*self._closed.values(), *found.values()]


class Lockdep:
    """Watches one machine's locks.

    *found* is told of each circle; by default the first one ends the execution.
    *graph* learns the dependencies, for circles that no execution closes alone.
    """

    def __init__(self, found: Found = stop, graph: LockGraph | None = None) -> None:
        self._found = found
        self._shared = graph
        self._graph = Graph()
        self._sights: dict[Dependency, Sight] = {}
        self._classes: dict[Named, LockClass] = {}
        #: Locks that are held in a class of their own, because they were nested.
        self._nested: dict[Named, LockClass] = {}
        self._known: dict[tuple[LockClass, LockClass, bool, bool], None] = {}
        #: What each thread is in that counts as a lock, as it is held.
        self._inside: dict[Thread, dict[Named, _Held]] = {}
        #: How little was masked where a lock was taken, by the step's class.
        self._masked: list[dict[Named, int]] = [{} for _ in Access]
        self._dead = 0

    def event(self, event: Event) -> None:
        """Look at a lock that was taken, maybe while others are held."""
        t = event.thread
        held = t.held
        if held:
            if len(t.machine.dead) != self._dead:
                self._look_at_the_dead(t.machine)
            if (
                held[-1] is event.obj
                and _TAKES[event.access]
                and event.kind != "downgrade_write"
            ):
                if (
                    len(held) > 1 or self._inside or t.interrupt is not None
                ) and "trylock" not in event.kind:
                    self._taken(event, held)
                lock, masked = event.obj, self._masked[event.access]
                if lock in self._nested:
                    self._interruptible(event, held[-1:])
                elif masked.get(lock, _ALL_MASKED) > t.masked:
                    masked[lock] = t.masked
                    self._interruptible(event, held[-1:])
        if self._nested and event.access in _GIVES:
            self._nested.pop(event.obj, None)

    def remarked(self, event: Event) -> None:
        """Follow what counts as a lock, and look at locks when interrupts come in."""
        t, kind, it = event.thread, event.kind, event.obj
        if kind in _LETS_IN:
            self._interruptible(event, t.held)
        elif kind == "lock_map_release":
            # The host may have entered it, who makes no remarks.
            inside = self._inside.get(t, {})
            inside.pop(it, None)
            if not inside:
                self._inside.pop(t, None)
        else:
            reads = kind == "lock_map_acquire_read"
            self._depend(event, t.held, self._class(it), recursive=reads)
            if kind != SYNC:
                self._inside.setdefault(t, {})[it] = (it, not reads, event)

    def at_rest(self, machine: Machine) -> None:
        """Look whether somebody who does nothing any more holds what was freed."""
        self._look_at_the_dead(machine)

    def _taken(self, event: Event, held: Sequence[Named]) -> None:
        t, lock = event.thread, event.obj
        taken = self._class(lock)
        if "nested" in event.kind:
            taken = LockClass(f"{taken.name}/{t.subclass}", (taken.key, t.subclass))
            self._nested[lock] = taken
        shared = not _exclusive(lock, t)
        recursive = shared and bool(getattr(lock, "recursive", False))
        self._depend(event, held[:-1], taken, recursive=recursive)
        if t.interrupt is not None:
            self._see(event, (t.interrupt, True, None), taken, recursive)

    def _interruptible(self, event: Event, held: Sequence[Named]) -> None:
        """Note that interrupts can come in while locks are held."""
        t = event.thread
        for interrupt in INTERRUPTS:
            if t.masked < interrupt.level:
                cls = self._class(interrupt)
                for lock in held:
                    self._see(event, (lock, _exclusive(lock, t), None), cls)

    def _depend(
        self, event: Event, held: Sequence[Named], taken: LockClass, *, recursive: bool
    ) -> None:
        """Note that *taken* was taken behind *held*, and all that counts as such."""
        t = event.thread
        for lock in held:
            self._see(event, (lock, _exclusive(lock, t), None), taken, recursive)
        for other in self._inside.get(t, {}).values():
            self._see(event, other, taken, recursive)

    def _see(
        self, event: Event, before: _Held, after: LockClass, recursive: bool = False
    ) -> None:
        lock, exclusive, begun = before
        key = (self._class(lock), after, exclusive, recursive)
        if key not in self._known:
            self._known[key] = None
            self._add(Dependency(*key), Sight(event, lock, begun))

    def _add(self, new: Dependency, sight: Sight) -> None:
        self._sights[new] = sight
        if self._shared is not None:
            self._shared.note(new, sight)
        circle = self._graph.add(new)
        if circle:
            told = [evolve(d, seen=self._sights[d].told()) for d in circle]
            self._found(inversion(told, together=True))

    def _class(self, lock: Named) -> LockClass:
        found = self._nested.get(lock) or self._classes.get(lock)
        if found is None:
            found = self._classes[lock] = _class_of(lock)
        return found

    def _look_at_the_dead(self, machine: Machine) -> None:
        """Report locks that somebody holds in what was freed."""
        for struct in machine.dead[self._dead :]:
            for t in machine.live:
                for lock in t.held:
                    if lock is struct or lock.owner is struct:
                        raise UseAfterFree(
                            f"{lock.name} was freed while {t.name} holds it",
                            facts=[
                                (t.name, f"holds {lock.name} {since(lock, t)}"),
                                *died(struct, machine),
                                *born(struct, machine),
                            ],
                        )
        self._dead = len(machine.dead)


def _key(value: Plain) -> Hashable:
    """Undo what JSON does to keys."""
    return tuple(map(_key, value)) if isinstance(value, list | tuple) else value


def _exclusive(lock: Named, t: Thread) -> bool:
    ask: _Lock = lock  # type: ignore[assignment]  # who is held is a lock
    return ask.held_exclusively_by(t)


def _class_of(lock: Named) -> LockClass:
    owner = lock.owner
    if owner is None:
        return LockClass(lock.name, lock.uid)
    name = f"{type(owner).__name__}.{lock._field().partition('[')[0]}"
    return LockClass(name, name)
