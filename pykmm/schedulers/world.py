# SPDX-License-Identifier: GPL-2.0-only
"""What an explorer knows of kinds of steps, from one execution to the next.

Where it has to reason about a step that it has not seen in that place, it guesses: it
takes all classes together that steps of this kind have ever shown. When a kind shows a
new class there is something *learned*, and steps are read again. It is *news* if a
decision was based on there being no such class (:mod:`.grounds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .grounds import Grounds
from .known import Known
from .steps import ANY, BARRIER, LOCKING, READ, WAIT, WRITE, Step, Touched

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ..engine.guards import Door
    from ..engine.objects import Named, Struct

__all__ = ["World"]

#: A pseudo object that every step touches and a barrier changes.
_MACHINE: Final = -1


class World:
    """The numbers of threads and objects, and what kinds of steps can do."""

    def __init__(self) -> None:
        self.tids: dict[Hashable, int] = {}
        self._oids: dict[Hashable, int] = {}
        #: Classes by kind, in bits.
        self.classes: dict[str, int] = {}
        #: Lives that steps of a kind on an object have ended.
        self._kills: dict[tuple[str, int], tuple[int, ...]] = {}
        #: Lives that end under an observer's eyes at all, as pseudo objects.
        self._mortal: dict[int, int] = {}
        #: Objects other than its own that a guard was seen to depend on.
        self._gates: dict[tuple[int, str, int], tuple[int, ...]] = {}
        #: What guards steps of a kind, as far as it can be asked.
        self.guards: dict[str, tuple[Door, ...]] = {}
        #: Threads that have waited for an object.
        self.waits: dict[int, tuple[int, ...]] = {}
        self._struct: dict[int, int] = {}
        #: Objects that have ended with another structure than they had been in.
        self._strays: set[int] = set()
        self._barriers = False
        #: Whether there were decisions, and what they rest on.
        self.relied = False
        self.grounds = Grounds()
        self.learned = self.news = False

    def oid(self, obj: Named) -> int:
        """Number *obj*, the same in every execution."""
        number = self.number(obj.uid)
        if number not in self._struct:
            owner = obj.owner
            self._struct[number] = number if owner is None else self.number(owner.uid)
        return number

    def struct(self, obj: Struct) -> int:
        """Number *obj*, of whose parts some may have been touched."""
        return self.number(obj.uid)

    def number(self, uid: Hashable) -> int:
        """Number the object of that uid, the same in every execution."""
        return self._oids.setdefault(uid, len(self._oids) * 2)

    def tid(self, key: Hashable) -> int:
        """Number the thread of that key, the same in every execution."""
        return self.tids.setdefault(key, len(self.tids))

    @property
    def uids(self) -> list[Hashable]:
        """The objects by number."""
        return list(self._oids)

    # -- learning ------------------------------------------------------------

    def forget_decisions(self) -> None:
        """Begin anew with all that is known."""
        self.relied = self.learned = self.news = False
        self.grounds = Grounds()

    def _learn(self, *, spoils: bool = True) -> None:
        """Note that there is more to know; if it *spoils* decisions, news."""
        self.learned = True
        self.news |= self.relied and spoils

    def saw(self, kind: str, bits: int) -> None:
        """Note that a step of *kind* had the class in *bits*."""
        if bits == BARRIER and not self._barriers:
            self._barriers = True
            self._learn()
        known = self.classes.get(kind, 0)
        if bits & ~known:
            self.classes[kind] = known | bits
            if known and self.relied:
                self._learn(spoils=self.grounds.rest_on_classes(kind, known, bits))

    def saw_death(self, kind: str, oid: int, struct: int) -> int:
        """Note that a step ended the life of *struct*; return the life's number."""
        life = struct + 1
        known = self._kills.get((kind, oid), ())
        if life not in known:
            mortal = struct in self._mortal
            self._mortal[struct] = life
            self._kills[kind, oid] = (*known, life)
            spoils = self.grounds.rest_on_life(kind, oid, life, mortal=mortal)
            self._learn(spoils=spoils)
        return life

    def strayed(self, oid: int, struct: int) -> bool:
        """Tell whether an object that ends with *struct* was in another before.

        Such objects have lives of their own from then on: what they end with may be
        another structure each time.
        """
        if self._struct[oid] == struct:
            return False
        if oid not in self._strays:
            self._strays.add(oid)
            self._struct[oid] = oid
            self._learn()
        return True

    def saw_gate(self, tid: int, kind: str, oid: int, other: int) -> None:
        """Note that a step on *other* opened or closed the guard of a step."""
        known = self._gates.get((tid, kind, oid), ())
        if other not in known and other != oid:
            self._gates[tid, kind, oid] = (*known, other)
            self._learn(spoils=(tid, kind) in self.grounds.met)

    def saw_guard(self, kind: str, doors: Iterable[Door | None]) -> None:
        """Note what guards a step of *kind*; None is what cannot be asked."""
        known = self.guards.get(kind, ())
        new = tuple(door for door in doors if door and door not in known)
        if new:
            self.guards[kind] = known + new

    def is_lock(self, kind: str) -> bool:
        """Tell whether steps of *kind* take locks.

        These are never asked: what is known of them are their owners.
        """
        return bool(self.classes.get(kind, 0) & LOCKING)

    def saw_wait(self, oid: int, tid: int) -> None:
        """Note that a thread had to wait for an object, unless decisions rest on it."""
        waiters = self.waits.get(oid, ())
        if not self.relied and tid not in waiters:
            self.waits[oid] = (*waiters, tid)
            self.learned = self.news = True

    @property
    def doors(self) -> dict[object, tuple[Door, ...]]:
        """What tells of objects whether somebody could go on, by their place."""
        found: dict[object, tuple[Door, ...]] = {}
        for kind, known in self.guards.items():
            if not self.is_lock(kind):
                for door in known:
                    there = found.get(door[0], ())
                    if door not in there:
                        found[door[0]] = (*there, door)
        return found

    @property
    def known(self) -> Known:
        """What has been learned so far."""
        return Known(
            classes=dict(self.classes),
            kills=dict(self._kills),
            gates=dict(self._gates),
            guards=dict(self.guards),
            waits=dict(self.waits),
            strays=tuple(sorted(self._strays)),
            barriers=self._barriers,
            relied=self.relied,
            learned=self.learned,
        )

    @known.setter
    def known(self, known: Known) -> None:
        self.classes = dict(known.classes)
        self._kills = dict(known.kills)
        self._gates = dict(known.gates)
        self.guards = dict(known.guards)
        self.waits = dict(known.waits)
        self._strays = set(known.strays)
        self._struct.update((oid, oid) for oid in known.strays)
        lives = [life for ended in known.kills.values() for life in ended]
        self._mortal = {life - 1: life for life in lives}
        self._barriers = known.barriers
        self.relied = known.relied
        self.learned, self.news = known.learned, False

    # -- knowing -------------------------------------------------------------

    def more(self, tid: int, kind: str, oid: int, bits: int) -> Touched:
        """What a step touches besides its object.

        That is the life of the structure the object is in, what its guard looks at,
        and, once there are barriers, the whole machine.
        """
        life = self._mortal.get(self._struct.get(oid, oid))
        found: Touched = () if life is None else ((life, READ),)
        others = self._gates.get((tid, kind, oid))
        if others:
            found += tuple((other, WAIT) for other in others)
        if self._barriers:
            found += ((_MACHINE, WRITE if bits & BARRIER else READ),)
        return found

    def may(self, kind: str) -> int:
        """All classes that a step of *kind* may have."""
        return self.classes.get(kind, ANY) & ~BARRIER

    def guess(self, step: Step) -> Step:
        """Widen *step* to all that it might do in another place."""
        lives = self._kills.get((step.kind, step.oid), ())
        found = Step(
            step.tid,
            step.kind,
            step.oid,
            step.bits | self.may(step.kind),
            step.gated,
            step.more
            + tuple((life, WRITE) for life in lives if (life, WRITE) not in step.more),
        )
        found.guessed = True
        if found.same(step):
            found.left, found.fatal = step.left, step.fatal
        return found

    def again(self, step: Step) -> Step:
        """Return *step* with what has been learned since it was made."""
        kills = step.kills
        ended = [life for life, _ in kills]
        touched = self.more(step.tid, step.kind, step.oid, step.bits)
        more = tuple(pair for pair in touched if pair[0] not in ended) + kills
        found = Step(
            step.tid, step.kind, step.oid, step.bits, step.gated, more, step.left
        )
        found.fatal = step.fatal
        if step.guessed:
            hoped = step.hoped
            found = self.guess(found)
            found.hope = 0 if hoped is None else hoped.bits
        return found

    def pending_again(self, step: Step) -> Step:
        """Return the same of a step that was not taken."""
        found = self.again(step)
        if not self.is_lock(step.kind):
            bits = step.bits | self.may(step.kind)
            found = Step(
                step.tid, step.kind, step.oid, bits, step.gated, found.more, step.left
            )
        found.guard = step.guard
        return found
