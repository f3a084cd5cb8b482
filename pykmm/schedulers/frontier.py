# SPDX-License-Identifier: GPL-2.0-only
"""Where an exploration stands, as a value that can be sent and stored.

Whoever explores depth first needs little to go on: the path to the last state from
which something is left to do, for each state on it what is left and who sleeps, and
what is known of kinds of steps. An execution brings back the rest.

Threads, objects and steps are written as numbers into tables, because the numbers of
one explorer mean nothing to another. What is written is made of lists, texts and
numbers only, so it is JSON as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from .grounds import Grounds
from .known import Known
from .record import Race
from .steps import Step
from .wakeup import ANYBODY, Branch, explored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .world import World

__all__ = ["Frontier", "Place", "Reader", "Writer", "read", "write"]

#: What is written: lists, texts and numbers.
Plain = Any


@define
class Place:
    """A state on the path: a :class:`~.wakeup.Fork`, and who goes on there.

    *tid* is -1 and *step* is None where nobody goes on yet, or where that is somebody
    else's business.
    """

    tid: int = -1
    step: Step | None = None
    sleep: dict[int, Step] = field(factory=dict)
    branches: list[Branch] = field(factory=list)
    sleeper: int = ANYBODY
    seen: list[int] = field(factory=list)
    pieces: dict[int, int] = field(factory=dict)
    #: What others relied on the step to be.
    hoped: Step | None = None


@define
class Frontier:
    """What is left to explore, from the last place with something left upwards.

    Without a place nothing has been explored yet, or everything: *begun* tells which.
    The first *floor* places belong to whoever explores the tree above.
    """

    known: Known
    places: list[Place] = field(factory=list)
    floor: int = 0
    begun: bool = False
    #: Races whose reversal each longer execution shows anew.
    unsure: list[tuple[int, Race, Step]] = field(factory=list)
    flaw: str = ""
    grounds: Grounds = field(factory=Grounds)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.begun and not self.places

    def settle(self) -> None:
        """Go up to the last place with something left to do."""
        places = self.places
        while places and not places[-1].branches:
            places.pop()
        if places:
            last = places[-1]
            if last.step is not None:
                explored(last, last.step)
            last.tid, last.step, last.hoped = -1, None, None
            while self.unsure and self.unsure[-1][0] >= len(places) - 1:
                self.unsure.pop()


class Writer:
    """Turns steps and trees of steps into numbers and lists."""

    def __init__(self) -> None:
        #: Steps are kept, so that nobody else gets the identity of one.
        self._numbers: dict[Step, int] = {}
        self._rows: dict[tuple[object, ...], int] = {}

    def step(self, step: Step) -> int:
        """Return the number of *step*; steps that are alike share one."""
        number = self._numbers.get(step)
        if number is None:
            number = self._rows.setdefault(step.facts, len(self._rows))
            self._numbers[step] = number
        return number

    def steps(self, steps: Iterable[Step]) -> list[int]:
        """Return the numbers of *steps*."""
        return [self.step(step) for step in steps]

    def tree(self, branches: Iterable[Branch]) -> Plain:
        """Write branches, each as the steps up to a fork, what follows, who is away."""
        rows = []
        for branch in branches:
            chain = [self.step(branch.step)]
            while len(branch.branches) == 1:
                (branch,) = branch.branches
                chain.append(self.step(branch.step))
            rows.append([chain, self.tree(branch.branches), branch.away])
        return rows

    @property
    def table(self) -> Plain:
        """The steps by number."""
        return [list(row) for row in self._rows]


class Reader:
    """Turns numbers and lists back into steps, in the numbers of *world*."""

    def __init__(self, data: Plain, world: World) -> None:
        tids = [world.tid(_hashable(key)) for key in data["threads"]]
        oids = [world.number(_hashable(uid)) for uid in data["objects"]]

        def oid(number: int) -> int:
            return number if number < 0 else oids[number >> 1] | number & 1

        self.tid, self.oid = tids.__getitem__, oid
        self._steps = [self._step(*row) for row in data["steps"]]

    def _step(
        self,
        tid: int,
        kind: str,
        oid: int,
        bits: int,
        gated: bool,
        more: Sequence[tuple[int, int]],
        left: int,
        fatal: bool,
        guessed: bool,
        hope: int,
    ) -> Step:
        pairs = tuple((self.oid(other), classes) for other, classes in more)
        step = Step(self.tid(tid), kind, self.oid(oid), bits, gated, pairs, left)
        step.fatal, step.guessed, step.hope = fatal, guessed, hope
        return step

    def step(self, number: int) -> Step:
        """Return the step of that number."""
        return self._steps[number]

    def steps(self, numbers: Iterable[int]) -> list[Step]:
        """Return the steps of those numbers."""
        return [self._steps[number] for number in numbers]

    def sleep(self, numbers: Iterable[int]) -> dict[int, Step]:
        """Return sleepers by thread."""
        return {step.tid: step for step in self.steps(numbers)}

    def tree(self, rows: Plain) -> list[Branch]:
        """Return branches."""
        branches = []
        for chain, rest, away in rows:
            first, *others = self.steps(chain)
            branch = last = Branch(first)
            for step in others:
                last.branches.append(Branch(step))
                (last,) = last.branches
            last.branches = self.tree(rest)
            last.away = away
            branches.append(branch)
        return branches


def write(frontier: Frontier, world: World, writer: Writer | None = None) -> Plain:
    """Write *frontier* down, in the numbers of *world*; *writer* may know steps."""
    writer = writer or Writer()
    known = frontier.known
    data = {
        "flaw": frontier.flaw,
        "begun": frontier.begun,
        "floor": frontier.floor,
        "places": [
            [
                place.tid,
                -1 if place.step is None else writer.step(place.step),
                writer.steps(place.sleep.values()),
                writer.tree(place.branches),
                place.sleeper,
                place.seen,
                _pairs(place.pieces),
                -1 if place.hoped is None else writer.step(place.hoped),
            ]
            for place in frontier.places
        ],
        "unsure": [
            [index, race.first, list(race.out), race.firm, writer.step(step)]
            for index, race, step in frontier.unsure
        ],
        "classes": dict(known.classes),
        "kills": [[*key, list(lives)] for key, lives in known.kills.items()],
        "gates": [[*key, list(oids)] for key, oids in known.gates.items()],
        "guards": {kind: _plain(doors) for kind, doors in known.guards.items()},
        "waits": [[oid, list(tids)] for oid, tids in known.waits.items()],
        "strays": list(known.strays),
        "barriers": known.barriers,
        "relied": known.relied,
        "learned": known.learned,
        "grounds": _grounds(frontier.grounds),
    }
    return {
        **data,
        "threads": _plain(list(world.tids)),
        "objects": _plain(world.uids),
        "steps": writer.table,
    }


def read(data: Plain, world: World, reader: Reader | None = None) -> Frontier:
    """Return what :func:`write` wrote, in the numbers of *world*."""
    reader = reader or Reader(data, world)
    tid, oid = reader.tid, reader.oid
    known = Known(
        dict(data["classes"]),
        {(kind, oid(o)): tuple(map(oid, ends)) for kind, o, ends in data["kills"]},
        {
            (tid(t), kind, oid(o)): tuple(map(oid, others))
            for t, kind, o, others in data["gates"]
        },
        {kind: tuple(map(_hashable, doors)) for kind, doors in data["guards"].items()},
        {oid(o): tuple(map(tid, waiters)) for o, waiters in data["waits"]},
        tuple(map(oid, data["strays"])),
        data["barriers"],
        data["relied"],
        data["learned"],
    )
    places = [
        Place(
            t if t < 0 else tid(t),
            None if step < 0 else reader.step(step),
            reader.sleep(sleep),
            reader.tree(tree),
            sleeper if sleeper < 0 else tid(sleeper),
            [tid(number) for number in seen],
            {tid(number): index for number, index in pieces},
            None if hoped < 0 else reader.step(hoped),
        )
        for t, step, sleep, tree, sleeper, seen, pieces, hoped in data["places"]
    ]
    unsure = [
        (index, Race(first, tuple(out), firm), reader.step(step))
        for index, first, out, firm, step in data["unsure"]
    ]
    return Frontier(
        known,
        places,
        data["floor"],
        data["begun"],
        unsure,
        data["flaw"],
        _read_grounds(data["grounds"], reader),
    )


def _grounds(grounds: Grounds) -> Plain:
    return [
        [[*guess, _pairs(beside)] for guess, beside in grounds.beside.items()],
        [[*guess, bits] for guess, bits in grounds.behind.items()],
        _plain(list(grounds.met)),
    ]


def _read_grounds(data: Plain, reader: Reader) -> Grounds:
    tid, oid = reader.tid, reader.oid
    beside, behind, met = data
    found = Grounds()
    found.beside = {
        (kind, oid(o)): {oid(other): bits for other, bits in rows}
        for kind, o, rows in beside
    }
    found.behind = {(kind, oid(o)): bits for kind, o, bits in behind}
    found.met = dict.fromkeys((tid(t), kind) for t, kind in met)
    return found


def _pairs(table: dict[int, int]) -> Plain:
    return [list(pair) for pair in table.items()]


def _plain(value: object) -> Plain:
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _hashable(value: Plain) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
