# SPDX-License-Identifier: GPL-2.0-only
"""Steps as an explorer remembers them from one execution to the next.

Threads and objects live for one execution only. Across executions a thread is
known by its key and an object by its uid; both become small numbers here.

What a step will do is not always known before it is taken: a compare-and-swap
may write or only read, the drop of a reference may free the object. Where an
explorer has to reason about a step that it has not seen in that place, it takes
all classes together that steps of this kind have ever shown. A kind that shows a
new class after decisions were based on the old ones is *news*.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from ..engine.events import CONFLICTS, Access
from .known import Known

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ..engine.guards import Door
    from ..engine.objects import Named, Struct
    from .asked import Asked

__all__ = [
    "ACQUIRE",
    "ANY",
    "BARRIER",
    "DEC",
    "ENOUGH",
    "LOCKING",
    "LOOKS",
    "NOWHERE",
    "RELEASE",
    "SHARE",
    "Step",
    "TOTAL",
    "UNSHARE",
    "WAIT",
    "WRITE",
    "World",
    "against",
    "conflicts",
    "depends",
]

ACQUIRE: Final = 1 << Access.ACQUIRE
RELEASE: Final = 1 << Access.RELEASE
SHARE: Final = 1 << Access.SHARE
UNSHARE: Final = 1 << Access.UNSHARE
BARRIER: Final = 1 << Access.BARRIER
READ: Final = 1 << Access.READ
WAIT: Final = 1 << Access.WAIT
WRITE: Final = 1 << Access.WRITE
DEC: Final = 1 << Access.DEC
#: Classes that leave the object as it was.
LOOKS: Final = READ | WAIT
LOCKING: Final = ACQUIRE | SHARE
#: Every class that a step not yet seen may turn out to have.
ANY: Final = sum(1 << a for a in Access if a is not Access.BARRIER)
#: Classes that conflict with every class.
TOTAL: Final = sum(1 << a for a in Access if all(CONFLICTS[a]))
#: So many references left after a drop that the next drop leaves one as well.
ENOUGH: Final = 2
#: A pseudo object that every step touches and a barrier changes.
_MACHINE: Final = -1
#: The object of a thread's first step if it happens to nothing else.
NOWHERE: Final = -2
_AGAINST: Final = tuple(sum(1 << b for b in Access if CONFLICTS[a][b]) for a in Access)


#: Objects with classes, in bits.
_Touched = tuple[tuple[int, int], ...]


@cache
def against(bits: int) -> int:
    """Return the set of classes that conflict with any class in *bits*."""
    found = 0
    for a in Access:
        if bits >> a & 1:
            found |= _AGAINST[a]
    return found


class Step:
    """One step: by whom, of what kind, on which object, in which classes.

    *bits* is a set of access classes: one for a step that was taken, several for
    one that can only be guessed. *more* holds what else the step touches, as
    pairs of object and classes.
    """

    __slots__ = (
        "against",
        "bits",
        "fatal",
        "gated",
        "guard",
        "kind",
        "left",
        "more",
        "oid",
        "tid",
        "_touched",
    )

    def __init__(
        self,
        tid: int,
        kind: str,
        oid: int,
        bits: int,
        gated: bool = False,
        more: _Touched = (),
        left: int = 0,
    ) -> None:
        self.tid = tid
        self.kind = kind
        self.oid = oid
        self.bits = bits
        self.against = against(bits)
        #: Whether the object's state could have forbidden it.
        self.gated = gated
        self.more = more
        #: A drop of a reference: how many are left; 2 stands for more, too.
        self.left = left
        #: Whether a bug was found in it, so that nothing was seen behind it.
        self.fatal = False
        #: What guards it, of one that was not taken.
        self.guard: Asked | None = None
        self._touched: dict[int, int] | None = None

    @property
    def touched(self) -> dict[int, int]:
        """All objects that it touches, with the classes."""
        found = self._touched
        if found is None:
            found = self._touched = {self.oid: self.bits}
            for oid, bits in self.more:
                found[oid] = found.get(oid, 0) | bits
        return found

    @property
    def is_sure(self) -> bool:
        """Whether it is known what it does: one class, and no life that it may end."""
        single = not self.bits & (self.bits - 1)
        return single and not any(o & 1 and bits & WRITE for o, bits in self.more)

    @property
    def gates(self) -> tuple[int, ...]:
        """Other objects that its guard was seen to depend on."""
        return tuple(oid for oid, bits in self.more if bits == WAIT)

    def died(self) -> Step:
        """Return the same step as one in which a bug was found."""
        step = Step(self.tid, self.kind, self.oid, self.bits, self.gated, self.more)
        step.left = self.left
        step.fatal = True
        return step

    @property
    def facts(self) -> tuple[object, ...]:
        """All that there is to say of the step."""
        place = (self.tid, self.kind, self.oid, self.bits, self.gated)
        return (*place, self.more, self.left, self.fatal)

    def leaving(self, more: int) -> Step:
        """Return a drop that leaves so many references more; below 0 none for sure."""
        step = Step(self.tid, self.kind, self.oid, self.bits, self.gated, self.more)
        step.left = min(self.left + more, ENOUGH) if more > 0 else 0
        return step

    def __repr__(self) -> str:
        return f"<{self.tid} {self.kind} {self.oid}>"


def conflicts(a: Step, b: Step) -> bool:
    """Tell whether *a* and *b*, of different threads, may depend on each other."""
    if a.oid == b.oid and a.bits & b.against:
        return True
    return bool(a.more or b.more) and _meet(a, b)


def _meet(a: Step, b: Step) -> bool:
    others = b.touched
    for oid, bits in a.touched.items():
        if oid in others and against(bits) & others[oid]:
            return True
    return False


def depends(a: Step, b: Step) -> bool:
    """Tell whether *a*, to be taken some time after *b*, may depend on *b*.

    Two drops of a reference commute if neither is the last one. So it matters how
    many references the first of them leaves.
    """
    if b.bits == DEC and a.bits & DEC and a.oid == b.oid:
        return b.left < ENOUGH
    return conflicts(a, b)


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
        #: Whether decisions rest on the classes, and whether there was news.
        self.relied = False
        self.news = False

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

    def saw(self, kind: str, bits: int) -> None:
        """Note that a step of *kind* had the class in *bits*."""
        if bits == BARRIER and not self._barriers:
            self._barriers = self.news = True
        known = self.classes.get(kind, 0)
        if bits & ~known:
            self.classes[kind] = known | bits
            if known:
                self.news |= self.relied

    def saw_death(self, kind: str, oid: int, struct: int) -> int:
        """Note that a step ended the life of *struct*; return the life's number."""
        life = struct + 1
        known = self._kills.get((kind, oid), ())
        if life not in known:
            self._mortal[struct] = life
            self._kills[kind, oid] = (*known, life)
            self.news = True
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
            self.news = True
        return True

    def saw_gate(self, tid: int, kind: str, oid: int, other: int) -> None:
        """Note that a step on *other* opened or closed the guard of a step."""
        known = self._gates.get((tid, kind, oid), ())
        if other not in known and other != oid:
            self._gates[tid, kind, oid] = (*known, other)
            self.news = True

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
            self.news = True

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
        self.news = False

    # -- knowing -------------------------------------------------------------

    def more(self, tid: int, kind: str, oid: int, bits: int) -> _Touched:
        """What a step touches besides its object.

        That is the life of the structure the object is in, what its guard looks at,
        and, once there are barriers, the whole machine.
        """
        life = self._mortal.get(self._struct.get(oid, oid))
        found: _Touched = () if life is None else ((life, READ),)
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
        bits = step.bits | self.may(step.kind)
        lives = self._kills.get((step.kind, step.oid), ())
        more = step.more + tuple(
            (life, WRITE) for life in lives if (life, WRITE) not in step.more
        )
        if bits == step.bits and more == step.more:
            return step
        return Step(step.tid, step.kind, step.oid, bits, step.gated, more)
