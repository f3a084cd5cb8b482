# SPDX-License-Identifier: GPL-2.0-only
"""Run a scenario again and again, and sort what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from ..detect import campaigns
from ..engine.pool import Pool
from ..engine.scheduler import Schedule
from ..errors import UsageError
from ..scenario import Scenario
from ..schedulers import Verdict
from .explorers import explorer
from .once import execute
from .result import Outcome, Result
from .shorten import shorten

if TYPE_CHECKING:
    from ..detect import Campaign as Detecting
    from ..engine.machine import Observer
    from ..errors import Report
    from ..schedulers import Explorer
    from .once import Execution

__all__ = ["Progress", "explore"]

#: How many executions if nothing else sets an end.
_SAMPLES = 1000
#: How many schedules to keep for each outcome, in search of a short one.
_CANDIDATES = 3
_PROGRESS_SECONDS = 0.1


@frozen
class Progress:
    """How far an exploration has come."""

    executions: int
    blocked: int
    outcomes: int
    reports: int
    seconds: float


def explore(
    scenario: Callable[[Any], object] | Scenario,
    *,
    scheduler: str | Explorer = "dpor",
    executions: int | None = None,
    seconds: float | None = None,
    bound: int | None = None,
    seed: int = 0,
    stop_on_report: bool = False,
    observers: Sequence[Callable[[], Observer]] = (),
    detectors: Sequence[str] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Result:
    """Find all outcomes of *scenario*, and all bugs.

    *scenario* is a function that takes a machine, or a :class:`Scenario`.
    *scheduler* is ``dpor`` (one execution for each order that matters), ``dfs``
    (every interleaving), ``random``, ``round_robin``, or an explorer of your own.
    *executions* and *seconds* set an end; *bound* is the number of preemptions
    that an execution may have. *seed* is for random ones. *detectors* are names out
    of :data:`pykmm.detect.DETECTORS`, by default all; *observers* are called without
    arguments for each execution and return one of your own. *progress* is told now
    and then how far it has come.

    Return: outcomes and bugs with a short schedule for each, and whether there
        can be others.
    """
    scenario = Scenario.of(scenario)
    bound = scenario.bound if bound is None else bound
    executions = scenario.executions if executions is None else executions
    _check(executions, seconds, bound)
    search = explorer(scheduler, bound, seed)
    if executions is None and seconds is None and not search.claim:
        executions = _SAMPLES
    campaign = _Campaign(
        scenario, search, tuple(observers), campaigns(detectors), executions, seconds
    )
    campaign.stop_on_report = stop_on_report
    campaign.progress = progress
    return campaign.run()


def _check(executions: int | None, seconds: float | None, bound: int | None) -> None:
    if executions is not None and not (_is_whole(executions) and executions > 0):
        raise UsageError(f"executions={executions!r} must be a whole number above 0")
    if bound is not None and not (_is_whole(bound) and bound >= 0):
        raise UsageError(f"bound={bound!r} must be a whole number of preemptions")
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):
        raise UsageError(f"seconds={seconds!r} must be a number above 0")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@define
class _Tally:
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
        best = self.best
        if len(best) == _CANDIDATES:
            if rank >= best[-1][:2]:
                return
            best.pop()
        best.append((*rank, machine.schedule))
        best.sort()


@define
class _Campaign:
    """One call of :func:`explore`."""

    scenario: Scenario
    search: Explorer
    observers: tuple[Callable[[], Observer], ...]
    detectors: list[Detecting]
    executions: int | None
    seconds: float | None
    stop_on_report: bool = False
    progress: Callable[[Progress], object] | None = None
    outcomes: dict[str, _Tally] = field(factory=dict)
    reports: dict[str, _Tally] = field(factory=dict)
    counted: int = 0
    blocked: int = 0
    events: int = 0
    begun: float = field(factory=perf_counter)
    told: float = 0.0

    def run(self) -> Result:
        """Go through executions until there is a reason to stop."""
        with Pool() as pool:
            reason = self._loop(pool)
            seconds = perf_counter() - self.begun
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

    def _loop(self, pool: Pool) -> str:
        search = self.search
        watching = [*(d.execution for d in self.detectors), *self.observers]
        while True:
            scheduler = search.begin()
            if scheduler is None:
                return search.claim
            reason = self._reason()
            if reason:
                return reason
            execution = execute(self.scenario, scheduler, pool=pool, observers=watching)
            self._count(execution, search.end(execution.machine))

    def _reason(self) -> str:
        """Say why to stop here; empty if there is no reason."""
        if (
            self.executions is not None
            and self.counted + self.blocked >= self.executions
        ):
            many = "execution" if self.executions == 1 else "executions"
            return f"stopped after {self.executions} {many}"
        now = perf_counter()
        if self.seconds is not None and now - self.begun >= self.seconds:
            return f"stopped after {self.seconds:g} s"
        if self.stop_on_report and (self.reports or self._findings()):
            return "stopped at the first bug"
        if self.progress is not None and now - self.told >= _PROGRESS_SECONDS:
            self.told = now
            self.progress(self._progress(now))
        return ""

    def _findings(self) -> list[Report]:
        """Return what detectors found without ending an execution."""
        return [
            report for detecting in self.detectors for report in detecting.reports()
        ]

    def _progress(self, now: float) -> Progress:
        return Progress(
            self.counted,
            self.blocked,
            len(self.outcomes),
            len(self.reports) + len(self._findings()),
            now - self.begun,
        )

    def _count(self, execution: Execution, verdict: Verdict) -> None:
        self.events += len(execution.events)
        if verdict is Verdict.RESTART:
            self.outcomes.clear()
            self.reports.clear()
            self.counted = self.blocked = self.events = 0
        elif verdict is Verdict.REDUNDANT:
            self.blocked += 1
        else:
            self.counted += 1
            tallies = self.outcomes if execution.report is None else self.reports
            tally = tallies.get(execution.label)
            if tally is None:
                tally = _Tally(execution.outcome, execution.report)
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
        for report in self._findings():
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
        short = shorten(self.scenario, best, pool, watching, stacks=True).report
        same = short is not None and short.summary == report.summary
        return short if short is not None and same else report
