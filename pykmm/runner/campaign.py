# SPDX-License-Identifier: GPL-2.0-only
"""Run a scenario again and again, and sort what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from ..engine.collector import set_aside
from ..engine.pool import Pool
from ..engine.scheduler import Schedule
from ..scenario import Scenario
from ..schedulers import Replay, Subtree, Verdict
from .once import execute
from .result import Outcome, Result
from .shorten import shorten
from .shrink import Shrinker

if TYPE_CHECKING:
    from ..detect import Campaign as Detecting
    from ..detect.detector import Plain
    from ..engine.machine import Observer
    from ..engine.scheduler import Scheduler
    from ..errors import Report
    from ..schedulers import Explorer
    from .once import Execution

__all__ = ["Campaign", "Part", "Progress", "Tally"]

#: How many schedules to keep for each outcome, in search of a short one.
_CANDIDATES = 3
#: How many executions to spend on making a bug's schedule small.
_SHRINKING = 200
#: After how many executions Python's garbage collector passes over what was there
#: before, such as all of pykmm: each machine leaves enough for it to walk that again.
_MANY = 200
_PROGRESS_SECONDS = 0.1


@frozen
class Progress:
    """How far an exploration has come."""

    executions: int
    blocked: int
    outcomes: int
    reports: int
    seconds: float


@define
class Tally:
    """What is known of one outcome, or of one bug."""

    value: object
    report: Report | None
    count: int = 0
    #: The best schedules, with the number of their preemptions.
    best: list[tuple[int, int, Schedule]] = field(factory=list)

    def add(self, execution: Execution) -> None:
        """Count *execution*, and keep its schedule if that is a short one."""
        self.count += 1
        machine = execution.machine
        rank = (len(machine.preemptions), len(machine.steps))
        if len(self.best) < _CANDIDATES or rank < self.best[-1][:2]:
            self._keep([(*rank, machine.schedule)])

    def merge(self, later: Tally) -> None:
        """Count what *later* has counted, as if it had been counted here."""
        self.count += later.count
        self._keep(later.best)

    def _keep(self, more: list[tuple[int, int, Schedule]]) -> None:
        # The sort is stable: of those that are alike the first ones stay.
        self.best = sorted(self.best + more, key=_length)[:_CANDIDATES]


def _length(candidate: tuple[int, int, Schedule]) -> tuple[int, int]:
    return candidate[:2]


@frozen
class Part:
    """What came of a part of an exploration; it can be sent."""

    outcomes: dict[str, Tally]
    reports: dict[str, Tally]
    #: What each detector's campaign has seen.
    detectors: list[Plain]
    counted: int
    blocked: int
    events: int
    seconds: float
    #: Why it stopped; empty if it has done all there was for it to do.
    reason: str
    #: Whether the executions that were counted before count no more.
    restarted: bool = False
    #: Where it stands, if there are parts of it.
    stand: Plain = None


@define
class Campaign:
    """One call of :func:`explore`."""

    scenario: Scenario
    search: Explorer
    observers: tuple[Callable[[], Observer], ...]
    detectors: list[Detecting]
    executions: int | None
    seconds: float | None
    stop_on_report: bool = False
    progress: Callable[[Progress], object] | None = None
    #: Runs the executions; :meth:`loop` unless they are spread.
    spread: Callable[[Campaign, Pool], str] | None = None
    outcomes: dict[str, Tally] = field(factory=dict)
    reports: dict[str, Tally] = field(factory=dict)
    counted: int = 0
    blocked: int = 0
    events: int = 0
    #: How long those took who explored before, and left the rest.
    earlier: float = 0.0
    begun: float = field(factory=perf_counter)
    told: float = 0.0

    def run(self) -> Result:
        """Go through executions until there is a reason to stop."""
        with Pool() as pool:
            reason = self.loop(pool) if self.spread is None else self.spread(self, pool)
            seconds = self.earlier + perf_counter() - self.begun
            outcomes, reports = self._short(pool)
        return Result(
            self.scenario,
            outcomes,
            reports,
            reason == "complete",
            reason,
            self.counted,
            self.blocked,
            self.events,
            seconds,
        )

    def loop(self, pool: Pool, pause: float | None = None) -> str:
        """Go through executions; return why this has come to an end.

        After *pause* seconds that is nothing.
        """
        until = None if pause is None else perf_counter() + pause
        search = self.search
        watching = [*(d.execution for d in self.detectors), *self.observers]
        done = 0
        with ExitStack() as block:
            while True:
                scheduler = search.begin()
                if scheduler is None:
                    return search.claim
                reason = self.reason()
                if reason:
                    return reason
                execution = execute(
                    self.scenario, scheduler, pool=pool, observers=watching
                )
                self._count(execution, search.end(execution.machine))
                if until is not None and perf_counter() >= until:
                    return ""
                done += 1
                if done == _MANY:
                    block.enter_context(set_aside())

    def reason(self) -> str:
        """Say why to stop here; empty if there is no reason."""
        if self.left is not None and self.left <= 0:
            many = "execution" if self.executions == 1 else "executions"
            return f"budget spent after {self.executions} {many}"
        now = perf_counter()
        if self.is_late:
            return f"budget spent after {self.seconds:g} s"
        if self.stop_on_report and (self.reports or self.findings()):
            return "stopped at the first bug"
        if self.progress is not None and now - self.told >= _PROGRESS_SECONDS:
            self.told = now
            self.progress(self._progress(now))
        return ""

    @property
    def left(self) -> int | None:
        """How many executions it may yet take; None if as many as there are."""
        if self.executions is None:
            return None
        return self.executions - self.counted - self.blocked

    @property
    def is_late(self) -> bool:
        """Whether time is up."""
        return self.seconds is not None and perf_counter() >= self.begun + self.seconds

    def findings(self) -> list[Report]:
        """Return what detectors found without ending an execution."""
        return [report for d in self.detectors for report in d.reports()]

    # -- parts -------------------------------------------------------------------

    def part(self, reason: str, stand: Plain = None) -> Part:
        """Return what there is so far."""
        return Part(
            self.outcomes,
            self.reports,
            [d.state() for d in self.detectors],
            self.counted,
            self.blocked,
            self.events,
            perf_counter() - self.begun,
            "" if reason == self.search.claim else reason,
            isinstance(self.search, Subtree) and self.search.restarted,
            stand,
        )

    def add(self, part: Part) -> None:
        """Count what *part* found, as if it had been found here and now."""
        if part.restarted:
            self._forget()
        self.counted += part.counted
        self.blocked += part.blocked
        self.events += part.events
        for mine, theirs in (
            (self.outcomes, part.outcomes),
            (self.reports, part.reports),
        ):
            for label, tally in theirs.items():
                if label in mine:
                    mine[label].merge(tally)
                else:
                    mine[label] = tally
        for detector, state in zip(self.detectors, part.detectors, strict=True):
            detector.add(state)

    def stays_clean(self, parts: Sequence[Part]) -> bool:
        """Tell whether no bug would be known after *parts* either."""
        detectors = deepcopy(self.detectors)
        for part in parts:
            for detector, state in zip(detectors, part.detectors, strict=True):
                detector.add(state)
        found = any(detector.reports() for detector in detectors)
        return not found and not any(part.reports for part in parts)

    def _forget(self) -> None:
        self.outcomes.clear()
        self.reports.clear()
        self.counted = self.blocked = self.events = 0

    def _progress(self, now: float) -> Progress:
        return Progress(
            self.counted,
            self.blocked,
            len(self.outcomes),
            len(self.reports) + len(self.findings()),
            now - self.begun,
        )

    def _count(self, execution: Execution, verdict: Verdict) -> None:
        self.events += len(execution.events)
        if verdict is Verdict.RESTART:
            self._forget()
        elif verdict is Verdict.REDUNDANT:
            self.blocked += 1
        elif verdict is not Verdict.AGAIN:
            self.counted += 1
            tallies = self.outcomes if execution.report is None else self.reports
            tally = tallies.get(execution.label)
            if tally is None:
                tally = Tally(execution.outcome, execution.report)
                tallies[execution.label] = tally
            tally.add(execution)

    def _short(self, pool: Pool) -> tuple[tuple[Outcome, ...], tuple[Report, ...]]:
        outcomes = []
        for tally in self.outcomes.values():
            short = shorten(self.scenario, tally.best, pool)
            outcomes.append(
                Outcome(
                    tally.value,
                    tally.count,
                    short.schedule,
                    short.preemptions,
                    self.scenario,
                )
            )
        reports = []
        for tally in self.reports.values():
            assert tally.report is not None  # that is what these tallies are of
            reports.append(self._again(tally.report, tally.best, pool))
        for report in self.findings():
            best = [(0, 0, Schedule.parse(report.schedule))]
            reports.append(self._again(report, best, pool))
        return tuple(outcomes), tuple(reports)

    def _again(
        self, report: Report, best: Sequence[tuple[int, int, Schedule]], pool: Pool
    ) -> Report:
        """Find *report* once more, in a short execution and with stacks."""
        watching: list[Callable[[], Observer]] = [
            *(partial(d.again, report) for d in self.detectors),
            *self.observers,
        ]

        def run(scheduler: Scheduler, *, stacks: bool = False) -> Execution:
            return execute(
                self.scenario, scheduler, pool=pool, observers=watching, stacks=stacks
            )

        def same(execution: Execution) -> bool:
            found = execution.report
            return found is not None and found.summary == report.summary

        short = shorten(self.scenario, best, pool, watching)
        small = Shrinker(run, same, short, tries=_SHRINKING).shrink().schedule
        again = run(Replay(small), stacks=True).report
        return report if again is None or again.summary != report.summary else again
