# SPDX-License-Identifier: GPL-2.0-only
"""Steps as an explorer remembers them from one execution to the next.

Threads and objects live for one execution only. Across executions a thread is
known by its key and an object by its uid; both become small numbers here.

What a step will do is not always known before it is taken: a compare-and-swap
may write or only read, the drop of a reference may free the object. Where an
explorer has to reason about a step that it has not seen in that place, it guesses
(:mod:`.world`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from ..engine.events import CONFLICTS, Access

if TYPE_CHECKING:
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
    "READ",
    "RELEASE",
    "SHARE",
    "Step",
    "TOTAL",
    "Touched",
    "UNSHARE",
    "WAIT",
    "WRITE",
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
#: The object of a thread's first step if it happens to nothing else.
NOWHERE: Final = -2
_AGAINST: Final = tuple(sum(1 << b for b in Access if CONFLICTS[a][b]) for a in Access)


#: Objects with classes, in bits.
Touched = tuple[tuple[int, int], ...]


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
        "guessed",
        "hope",
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
        more: Touched = (),
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
        #: Whether it is a guess; and as what others relied on it before its kind was
        #: seen to do more.
        self.guessed = False
        self.hope = 0
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
    def kills(self) -> Touched:
        """The lives that it ends."""
        return tuple(
            (o, bits) for o, bits in self.more if o > 0 and o & 1 and bits == WRITE
        )

    @property
    def hoped(self) -> Step | None:
        """What others relied on it to be, if they did."""
        if self.is_sure:
            return self
        if not self.hope:
            return None
        kills = self.kills
        more = tuple(pair for pair in self.more if pair not in kills)
        return Step(self.tid, self.kind, self.oid, self.hope, self.gated, more)

    def same(self, other: Step) -> bool:
        """Tell whether *other*, at the same place, does the same."""
        return self.bits == other.bits and self.more == other.more

    @property
    def gates(self) -> tuple[int, ...]:
        """Other objects that its guard was seen to depend on."""
        return tuple(oid for oid, bits in self.more if bits == WAIT)

    def died(self) -> Step:
        """Return the same step as one in which a bug was found."""
        step = self.taken()
        step.fatal = True
        return step

    def taken(self) -> Step:
        """Return the same step as one that is no guess."""
        step = Step(
            self.tid, self.kind, self.oid, self.bits, self.gated, self.more, self.left
        )
        step.fatal = self.fatal
        return step

    @property
    def facts(self) -> tuple[object, ...]:
        """All that there is to say of the step."""
        place = (self.tid, self.kind, self.oid, self.bits, self.gated)
        rest = (self.more, self.left, self.fatal, self.guessed, self.hope)
        return (*place, *rest)

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
