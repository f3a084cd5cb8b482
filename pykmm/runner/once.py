# SPDX-License-Identifier: GPL-2.0-only
"""One execution of a scenario, from boot to power-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from ..detect import campaigns
from ..engine.pool import Pool
from ..engine.scheduler import Schedule
from ..engine.stacks import stack_of
from ..errors import (
    KernelBug,
    Nondeterminism,
    Report,
    UsageError,
    check_is,
    check_whole,
)
from ..scenario import Scenario
from ..schedulers import RandomWalk, Redundant, Replay
from ..trace import Trace, complete

if TYPE_CHECKING:
    from ..engine.events import Event
    from ..engine.machine import Machine, Observer
    from ..engine.scheduler import Scheduler

__all__ = ["Execution", "double_run", "execute", "replay"]


@frozen(eq=False)
class Execution:
    """What one execution came to: an outcome or a report, and its machine, closed.

    *findings* are what detectors found without ending the execution.
    """

    scenario: Scenario
    machine: Machine
    outcome: object
    report: Report | None
    findings: tuple[Report, ...] = ()

    @property
    def schedule(self) -> Schedule:
        """Who took each step."""
        return self.machine.schedule

    @property
    def preemptions(self) -> int:
        """How often a thread gave way that could have gone on."""
        return len(self.machine.preemptions)

    @property
    def events(self) -> list[Event]:
        """Everything that happened, in order."""
        return self.machine.events

    @property
    def trace(self) -> Trace:
        """Everything that happened, as a value that outlives the machine."""
        return Trace.of(self.machine)

    @property
    def label(self) -> str:
        """What tells this execution's outcome or report from others."""
        if self.report is not None:
            return f"{self.report.kind}: {self.report.summary}"
        return repr(self.outcome)

    def __str__(self) -> str:
        found = "".join(f"\n{finding.render()}" for finding in self.findings)
        if self.report is not None:
            if not self.report.drawing:
                complete(self.report, self.trace)
            return self.report.render() + found
        return f"{self.trace}outcome: {self.label}\n{found}"


def execute(
    scenario: Scenario,
    scheduler: Scheduler,
    *,
    pool: Pool | None = None,
    observers: Sequence[Callable[[], Observer]] = (),
    stacks: bool = False,
) -> Execution:
    """Run *scenario* once under *scheduler*.

    An exception out of the scenario is a finding, unless it says that pykmm was
    used wrongly: that one is raised.
    """
    machine = scenario.boot(
        scheduler=scheduler,
        observers=[make() for make in observers],
        pool=pool,
        stacks=stacks,
    )
    outcome, report = None, None
    try:
        with machine:
            outcome = scenario.function(machine)
    except (UsageError, Nondeterminism):
        raise
    except Report as found:
        report = found
    except Redundant:
        pass
    except Exception as error:
        report = _bug(machine, error)
    if isinstance(machine.failure, Nondeterminism | UsageError):
        raise machine.failure  # the scenario caught it, but nothing can be made of it
    return Execution(scenario, machine, outcome, report)


def _bug(machine: Machine, error: Exception) -> Report:
    """Make a report of an exception that is none."""
    text = str(error).partition("\n")[0]
    report = KernelBug(
        f"{type(error).__name__}: {text}" if text else type(error).__name__
    )
    report.__cause__ = error
    report.schedule = str(machine.schedule)
    report.thread = next((t.name for t in machine.threads if t.error is error), "")
    report.stack = stack_of(error)
    return report


def replay(
    scenario: Callable[[Any], object] | Scenario,
    schedule: Schedule | str,
    *,
    stacks: bool = True,
    observers: Sequence[Callable[[], Observer]] = (),
    detectors: Sequence[str] | None = None,
    report: Report | None = None,
) -> Execution:
    """Run *scenario* once more, each step taken by whom *schedule* names.

    Behind the schedule's end, the running thread goes on as long as it can, then
    the first one that can. *detectors* are as for :func:`explore`; a *report* that
    one of them made without ending an execution ends this one.

    :class:`~pykmm.errors.Nondeterminism` says that the schedule does not fit.
    """
    if isinstance(schedule, str):
        schedule = Schedule.parse(schedule)
    if not isinstance(schedule, Schedule):
        raise UsageError(f"schedule={schedule!r} must be a Schedule or its text")
    check_is("report", report, Report | None, "a Report, as in Result.reports")
    check_is("observers", observers, Sequence, "a list of functions")
    scheduler = Replay(schedule)
    begun = campaigns(detectors)
    watching = [
        c.execution if report is None else partial(c.again, report) for c in begun
    ]
    execution = execute(
        Scenario.of(scenario),
        scheduler,
        observers=[*watching, *observers],
        stacks=stacks,
    )
    scheduler.check_end(execution.machine)
    return evolve(execution, findings=tuple(r for c in begun for r in c.reports()))


def double_run(
    scenario: Callable[[Any], object] | Scenario, *, executions: int = 20, seed: int = 0
) -> int:
    """Run random schedules twice each and compare all that happened.

    Return: How many schedules were run.
    """
    scenario = Scenario.of(scenario)
    check_whole("executions", executions)
    with Pool() as pool:
        for number in range(executions):
            first = execute(scenario, RandomWalk(f"{seed}/{number}"), pool=pool)
            again = execute(scenario, Replay(first.schedule, exact=True), pool=pool)
            _compare(first, again)
    return executions


def _compare(first: Execution, again: Execution) -> None:
    before, now = (
        [*str(run.trace).splitlines(), f"outcome: {run.label}"]
        for run in (first, again)
    )
    for step, (a, b) in enumerate(zip(before, now, strict=False)):
        if a != b:
            raise Nondeterminism(step, a.strip(), [b.strip()])
    if len(before) != len(now):
        raise Nondeterminism(min(len(before), len(now)), "as many steps", ["others"])
