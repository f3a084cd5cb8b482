# SPDX-License-Identifier: GPL-2.0-only
"""Make a schedule small, and have it show the same still.

What "the same" is, a predicate says; so unlike :mod:`.shorten`, which knows what
steps come to, this tries changes and looks at what they lead to. A change need not
fit: words that cannot be followed are left out, and what ran is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field

from ..detect import campaigns
from ..engine.pool import Pool
from ..engine.scheduler import Schedule
from ..errors import UsageError
from ..scenario import Scenario
from ..schedulers import Bounded, Replay
from .once import execute
from .shorten import order

if TYPE_CHECKING:
    from ..engine.machine import Observer
    from ..engine.scheduler import Scheduler
    from ..engine.thread import Thread
    from .once import Execution

__all__ = ["Shrinker", "shrink"]

#: How many executions a call may cost.
_TRIES: Final = 2000

#: A thread's name, and how many steps it takes in a row.
_Block = tuple[str, int]


def shrink(
    scenario: Callable[[Any], object] | Scenario,
    schedule: Schedule | str,
    *,
    keep: Callable[[Execution], object] | None = None,
    observers: Sequence[Callable[[], Observer]] = (),
    detectors: Sequence[str] | None = None,
) -> Schedule:
    """Find a schedule with few preemptions and few steps for which *keep* holds.

    By default the execution must end with the same outcome or report, and detectors
    must find what they found. *observers* and *detectors* are as for
    :func:`explore`. :class:`~pykmm.errors.Nondeterminism` says that *schedule* does
    not fit; if *keep* does not hold for it, nothing is changed. With fewer preemptions
    *keep* is asked about some execution of each order that matters, not about all.

    Return: the schedule of an execution that was run and kept, all of it.
    """
    scenario = Scenario.of(scenario)
    if isinstance(schedule, str):
        schedule = Schedule.parse(schedule)
    if not isinstance(schedule, Schedule):
        raise UsageError(f"schedule={schedule!r} must be a Schedule or its text")
    with Pool() as pool:

        def run(scheduler: Scheduler) -> Execution:
            begun = campaigns(detectors)
            watching = [*(c.execution for c in begun), *observers]
            execution = execute(scenario, scheduler, pool=pool, observers=watching)
            return evolve(
                execution, findings=tuple(r for c in begun for r in c.reports())
            )

        replay = Replay(schedule)
        first = run(replay)
        replay.check_end(first.machine)
        return Shrinker(run, keep or _same_as(first), first).shrink().schedule


def _same_as(first: Execution) -> Callable[[Execution], bool]:
    found = {report.summary for report in first.findings}

    def keep(execution: Execution) -> bool:
        return execution.label == first.label and found.issubset(
            report.summary for report in execution.findings
        )

    return keep


class _Loose:
    """Follow a schedule where it can be followed, and leave out the rest of it."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._steps = iter(steps)

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the next thread that the schedule names and that can go on."""
        for name in self._steps:
            for t in enabled:
                if t.name == name:
                    return t
        return running or enabled[0]


@define
class Shrinker:
    """One search. *run* runs a scheduler's execution, *best* is the best so far."""

    run: Callable[[Scheduler], Execution]
    keep: Callable[[Execution], object]
    best: Execution
    tries: int = _TRIES
    _tried: set[Schedule] = field(factory=set)

    def shrink(self) -> Execution:
        """Return the best execution to be had."""
        if self.keep(self.best):
            self._try(order(self.best.machine).steps)
            self._descend()
            if self._search():
                self._descend()
        return self.best

    def _descend(self) -> None:
        """Change the best schedule for as long as that makes it better."""
        while any(self._try(_words(blocks)) for blocks in self._changes()):
            pass

    def _try(self, steps: Sequence[str]) -> bool:
        wanted = Schedule(steps)
        if self.tries <= 0 or wanted in self._tried:
            return False
        self._tried.add(wanted)
        return self._look(self.run(_Loose(steps)))

    def _look(self, execution: Execution) -> bool:
        """Take *execution* for the best one if it is better."""
        self.tries -= 1
        better = _rank(execution) < _rank(self.best) and bool(self.keep(execution))
        if better:
            self.best = execution
        return better

    def _changes(self) -> Iterator[list[_Block]]:
        """Yield variants of the best schedule, those that take away much first."""
        blocks = [(n, len(list(run))) for n, run in groupby(self.best.schedule)]
        for i in range(len(blocks)):
            yield blocks[:i]
        for i in range(len(blocks)):
            yield blocks[:i] + blocks[i + 1 :]
        for i, (name, count) in enumerate(blocks):
            for j in range(i + 1, len(blocks)):
                other, many = blocks[j]
                if other == name:
                    both = [(name, count + many)]
                    between = blocks[i + 1 : j]
                    yield blocks[:i] + both + between + blocks[j + 1 :]
                    yield blocks[:i] + between + both + blocks[j + 1 :]
        for i, (name, count) in enumerate(blocks):
            yield [*blocks[:i], *blocks[i + 1 : i + 2], (name, count), *blocks[i + 2 :]]
            yield [*blocks[:i], (name, count - 1), *blocks[i + 1 :]]
            yield [*blocks[:i], (name, count + 1), *blocks[i + 1 :]]

    def _search(self) -> bool:
        """Go through all orders with fewer preemptions, as far as tries last."""
        for bound in range(self.best.preemptions):
            search = Bounded(bound)
            while self.tries > 0 and (scheduler := search.begin()) is not None:
                execution = self.run(scheduler)
                search.end(execution.machine)
                if self._look(execution):
                    return True
        return False


def _words(blocks: Sequence[_Block]) -> list[str]:
    return [name for name, count in blocks for _ in range(count)]


def _rank(execution: Execution) -> tuple[int, int]:
    return execution.preemptions, len(execution.machine.steps)
