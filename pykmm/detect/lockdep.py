# SPDX-License-Identifier: GPL-2.0-only
"""Lock orders that can deadlock, after ``Documentation/locking/lockdep-design.rst``.

Every lock taken while another is held is a *dependency* between their classes, and a
circle of dependencies is reported although nobody got stuck in it this time. All
locks that are the same field of the same kind of structure are one class; a lock
that stands alone is one of its own. Taking two locks of one class is a circle, too,
unless it is done with a primitive whose name says ``nested``: that makes the inner
one's class another.

How a lock is held matters: a reader keeps out writers only, and some readers get in
although a writer waits (*recursive* ones, in lockdep's words). A dependency that
ends with a recursive reader and one that begins with a reader do not add up to a
wait, so a circle counts only if no two neighbours in it are such.

A trylock waits for nobody, so nothing leads to it; but it leads to what is taken
after it. As in Linux, a lock that all sides hold around the circle excuses nothing,
because the next caller may not hold it.

A circle can be spread over several executions of an exploration, none of which shows
it alone; so the dependencies of all are put together when it is over.

As in Linux a timer's function counts as a lock that is held while it runs, and so do
the sleepable read sections of a domain, whose readers are recursive: who waits for
their end takes that lock for a moment.

What lockdep checks beyond this is built in elsewhere: a lock that its holder takes
again, one that is given back by somebody else or kept at exit, and sleeping where
one may not ("invalid wait context").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import astuple, define, evolve, field, frozen

from ..engine.events import Access
from ..engine.ledger import born, calls, died, since
from ..errors import LockInversion, Report, UseAfterFree
from .detector import describe, stop, stop_at

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


__all__ = ["Dependency", "LockClass", "LockGraph", "Lockdep"]

#: Classes of steps after which a thread can have one lock more than before.
_TAKES = tuple(
    access in (Access.ACQUIRE, Access.SHARE, Access.WAIT, Access.WRITE)
    for access in Access
)
_GIVES = (Access.RELEASE, Access.UNSHARE)
#: What counts as a lock, by the steps that enter it (exclusively or not), that leave
#: it, and that wait until everybody has left it.
_ENTERS = {"timer_fire": True, "srcu_read_lock": False}
_LEAVES = ("timer_done", "srcu_read_unlock")
_WAITS = ("timer_delete_sync", "synchronize_srcu")
_CROSSES = frozenset((*_ENTERS, *_LEAVES, *_WAITS))


@frozen(cache_hash=True)
class LockClass:
    """Locks to which the same rules apply; *key* is the same in every execution."""

    name: str
    key: Hashable = field(repr=False)


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


@define
class _Graph:
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

    def note(self, dependency: Dependency, event: Event, held: Named) -> None:
        """Note what an execution shows, and how to see it again."""
        if dependency not in self._all:
            schedule = str(event.thread.machine.schedule)
            seen = _seen(event, held)
            self._all[evolve(dependency, seen=seen, schedule=schedule)] = None

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
        graph = _Graph()
        found: dict[str, Report] = {}
        closed = {_chain_of(report) for report in self._closed.values()}
        for dependency in self._all:
            circle = graph.add(dependency)
            if circle and _chain(circle) not in closed:
                report = _inversion(circle, together=False)
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
        self._graph = _Graph()
        #: Where each dependency was seen: the step, and the lock that was held.
        self._seen: dict[Dependency, tuple[Event, Named]] = {}
        self._classes: dict[Named, LockClass] = {}
        #: Locks that are held in a class of their own, because they were nested.
        self._nested: dict[Named, LockClass] = {}
        self._known: dict[tuple[LockClass, LockClass, bool, bool], None] = {}
        #: What each thread is in that counts as a lock, exclusively or not.
        self._inside: dict[Thread, dict[Named, bool]] = {}
        self._dead = 0

    def event(self, event: Event) -> None:
        """Look at a lock that was taken while others are held."""
        t = event.thread
        held = t.held
        if held:
            if len(t.machine.dead) != self._dead:
                self._look_at_the_dead(t.machine)
            if (
                (len(held) > 1 or self._inside)
                and held[-1] is event.obj
                and _TAKES[event.access]
                and event.kind != "downgrade_write"
                and "trylock" not in event.kind
            ):
                self._taken(event, held)
        if self._nested and event.access in _GIVES:
            self._nested.pop(event.obj, None)
        if event.kind in _CROSSES:
            self._crossed(event)

    def at_rest(self, machine: Machine) -> None:
        """Nothing to say: orders are judged when they are seen."""

    def _taken(self, event: Event, held: Sequence[Named]) -> None:
        t, lock = event.thread, event.obj
        taken = self._class(lock)
        if "nested" in event.kind:
            taken = LockClass(f"{taken.name}/1", (taken.key, 1))
            self._nested[lock] = taken
        shared = not _exclusive(lock, t)
        recursive = shared and bool(getattr(lock, "recursive", False))
        self._depend(event, held[:-1], taken, recursive=recursive)

    def _crossed(self, event: Event) -> None:
        """Follow what counts as a lock."""
        kind, t = event.kind, event.thread
        inside = self._inside.setdefault(t, {})
        if kind in _LEAVES:
            inside.pop(getattr(event.obj, "ssp", event.obj), None)
        elif kind in _WAITS:
            self._depend(event, t.held, self._class(event.obj), recursive=False)
        elif event.access is not Access.READ:  # that is a timer deleted in time
            exclusive = _ENTERS[kind]
            if not exclusive:
                self._depend(event, t.held, self._class(event.obj), recursive=True)
            inside[event.obj] = exclusive
        if not inside:
            del self._inside[t]

    def _depend(
        self, event: Event, held: Sequence[Named], taken: LockClass, *, recursive: bool
    ) -> None:
        """Note that *taken* was taken behind *held*, and all that counts as such."""
        t = event.thread
        before = [(other, _exclusive(other, t)) for other in held]
        before += self._inside.get(t, {}).items()
        for other, exclusive in before:
            key = (self._class(other), taken, exclusive, recursive)
            if key not in self._known:
                self._known[key] = None
                self._add(event, other, key)

    def _add(
        self, event: Event, other: Named, key: tuple[LockClass, LockClass, bool, bool]
    ) -> None:
        new = Dependency(*key)
        self._seen[new] = event, other
        if self._shared is not None:
            self._shared.note(new, event, other)
        circle = self._graph.add(new)
        if circle:
            told = [evolve(d, seen=_seen(*self._seen[d])) for d in circle]
            self._found(_inversion(told, together=True))

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


# -- the report ---------------------------------------------------------------------


def _seen(event: Event, held: Named) -> str:
    """Say who took what, and since when the other lock was held, a line for each."""
    t = event.thread
    has = "holds" if hasattr(held, "held_exclusively_by") else "is in"
    does = "waits for" if event.kind in _WAITS else "takes"
    return (
        f"{t.name} {has} {held.name} {since(held, t, event.index)}\n"
        f"{does} {event.obj.name} at step {event.index}{calls(event)}"
    )


def _rotated(circle: Sequence[Dependency]) -> list[Dependency]:
    """Begin with the class that comes first by name, wherever the circle closed."""
    names = [step.before.name for step in circle]
    first = names.index(min(names))
    return [*circle[first:], *circle[:first]]


def _chain(circle: Sequence[Dependency]) -> str:
    steps = _rotated(circle) if circle else []
    return " -> ".join(d.before.name for d in [*steps, *steps[:1]])


def _chain_of(report: LockInversion) -> str:
    return report.summary.partition(": ")[2]


#: What is said of a circle that no execution shows alone.
_APART = ", in executions that each show a part of it"


def _inversion(circle: Sequence[Dependency], *, together: bool) -> LockInversion:
    kind = "recursive locking" if len(circle) == 1 else "circular locking dependency"
    where = "" if together else _APART
    facts: list[tuple[str, str]] = []
    for step in _rotated(circle):
        label = f"{step.before.name} -> {step.after.name}"
        facts += zip((label, ""), step.seen.split("\n"), strict=True)
        if not together:
            facts.append(("", f"schedule: {step.schedule}"))
    return LockInversion(f"possible {kind}: {_chain(circle)}{where}", facts=facts)
