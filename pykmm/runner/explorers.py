# SPDX-License-Identifier: GPL-2.0-only
"""Explorers by name, and schedulers of single executions made into explorers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from attrs import asdict, frozen

from ..engine.scheduler import FirstEnabled
from ..errors import UsageError, choices
from ..schedulers import (
    Bounded,
    Dfs,
    Pct,
    Pos,
    RandomWalk,
    RoundRobin,
    Subtree,
    Urw,
    Verdict,
)

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler
    from ..schedulers import Explorer

__all__ = ["SCHEDULERS", "Probed", "Series", "Wanted", "explorer"]

#: How many executions to spend at most on learning how long one is.
_PROBES: Final = 5
#: How many orderings a bug needs at most to show, if nobody says.
_DEPTH: Final = 3

#: How many steps each thread takes, by the thread's key.
Steps = Mapping[tuple[object, ...], int]


@frozen
class Wanted:
    """What a caller asks of an explorer; None is for what it did not say."""

    bound: int | None = None
    seed: int | None = None
    depth: int | None = None

    @property
    def start(self) -> int:
        """What draws begin with."""
        return self.seed or 0


class Series:
    """Executions that know nothing of each other, without end unless *many* says."""

    def __init__(
        self, make: Callable[[int], Scheduler], many: int | None = None, claim: str = ""
    ) -> None:
        self.claim = claim
        self._make = make
        self._end = many
        self.number = 0

    def only(self, first: int, end: int | None = None) -> None:
        """Hand out the executions from *first* to before *end*, and no others."""
        self.number = first
        self._end = end

    def begin(self) -> Scheduler | None:
        """Return the next execution's scheduler."""
        if self.number == self._end:
            return None
        return self._make(self.number)

    def end(self, machine: Machine) -> Verdict:
        """Count."""
        del machine
        self.number += 1
        return Verdict.NEW


class Probed(Series):
    """A series whose schedulers have to know how many steps there are.

    So the first execution is one without preemptions. If a bug cuts it short, random
    walks try to get further.
    """

    def __init__(self, make: Callable[[Steps, int], Scheduler], seed: int) -> None:
        super().__init__(lambda number: make(self.steps, number))
        self._seed = seed
        self.probes = 0
        self.steps: Steps = {}
        self.probing = True

    def learned(self, steps: Steps) -> None:
        """Go on from what others have learned."""
        self.steps = steps
        self.probing = False

    def begin(self) -> Scheduler | None:
        """Return the next probe's scheduler, or the next execution's."""
        if not self.probing:
            return super().begin()
        if self.probes == 0:
            return FirstEnabled()
        return RandomWalk(f"{self._seed}/probe {self.probes + 1}")

    def end(self, machine: Machine) -> Verdict:
        """Count the steps of a probe."""
        if self.probing:
            self.probes += 1
            steps = Counter(t.key for t in machine.steps)
            if steps.total() > sum(self.steps.values()):
                self.steps = steps
            short = machine.failure is not None
            self.probing = short and self.probes < _PROBES
            return Verdict.NEW
        return super().end(machine)


@frozen
class _Named:
    """How to make an explorer, and what to say of it."""

    make: Callable[[Wanted], Explorer]
    summary: str
    #: What it looks at of a :class:`Wanted`.
    takes: tuple[str, ...] = ()

    @property
    def takes_bound(self) -> bool:
        """Whether a bound on preemptions says anything to it."""
        return "bound" in self.takes


def _dpor(wanted: Wanted) -> Explorer:
    return Subtree() if wanted.bound is None else Bounded(wanted.bound)


def _pct(wanted: Wanted) -> Explorer:
    depth = _DEPTH if wanted.depth is None else wanted.depth

    def make(steps: Steps, number: int) -> Scheduler:
        return Pct(depth, max(1, sum(steps.values())), f"{wanted.start}/{number}")

    return Probed(make, wanted.start)


def _pos(wanted: Wanted) -> Explorer:
    return Series(lambda number: Pos(f"{wanted.start}/{number}"))


def _urw(wanted: Wanted) -> Explorer:
    return Probed(
        lambda steps, number: Urw(steps, f"{wanted.start}/{number}"), wanted.start
    )


def _random(wanted: Wanted) -> Explorer:
    return Series(lambda number: RandomWalk(f"{wanted.start}/{number}"))


#: All explorers by the name that users give.
SCHEDULERS: Final[dict[str, _Named]] = {
    "dpor": _Named(
        _dpor, "one execution for each order that matters", takes=("bound",)
    ),
    "dfs": _Named(
        lambda wanted: Dfs(wanted.bound), "all interleavings", takes=("bound",)
    ),
    "random": _Named(_random, "random walks", takes=("seed",)),
    "pct": _Named(
        _pct, "random priorities that change depth - 1 times", takes=("depth", "seed")
    ),
    "pos": _Named(
        _pos,
        "random priorities of steps, drawn again where they conflict",
        takes=("seed",),
    ),
    "urw": _Named(
        _urw, "random walks weighted by the number of steps left", takes=("seed",)
    ),
    "round_robin": _Named(
        lambda _: Series(lambda _: RoundRobin(), 1, "one execution only"),
        "one execution, everybody in turn",
    ),
}


def explorer(scheduler: str | Explorer, wanted: Wanted) -> Explorer:
    """Return the explorer that *scheduler* names, or is."""
    if not isinstance(scheduler, str):
        if not (hasattr(scheduler, "begin") and hasattr(scheduler, "end")):
            raise UsageError(f"scheduler={scheduler!r} must be a name or an Explorer")
        _refuse(wanted, (), scheduler)
        return scheduler
    named = SCHEDULERS.get(scheduler)
    if named is None:
        raise UsageError(f"scheduler={scheduler!r} must be {choices(list(SCHEDULERS))}")
    _refuse(wanted, named.takes, scheduler)
    return named.make(wanted)


def _refuse(wanted: Wanted, takes: Sequence[str], scheduler: object) -> None:
    """Complain of what would be asked in vain."""
    for name, value in asdict(wanted).items():
        if value is not None and name not in takes:
            raise UsageError(
                f"{name}={value!r} does not go with scheduler={scheduler!r}: drop it"
            )
