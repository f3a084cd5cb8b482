# SPDX-License-Identifier: GPL-2.0-only
"""What users call to find everything that a scenario can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from ..detect import campaigns
from ..errors import Nondeterminism, UsageError, check_calls, check_is, check_whole
from ..scenario import Scenario
from ..schedulers import Dfs, Subtree
from .campaign import Campaign
from .carriers import carried
from .explorers import SCHEDULERS, Series, Wanted, explorer
from .saved import header, saved
from .saved import resume as go_on
from .spread import Spread
from .spread_tree import SpreadTree
from .task import Task

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..engine.machine import Observer
    from ..schedulers import Explorer
    from .campaign import Progress
    from .result import Result

__all__ = ["explore"]

#: How many executions if nothing else sets an end.
_SAMPLES = 1000


def explore(
    scenario: Callable[[Any], object] | Scenario,
    *,
    scheduler: str | Explorer = "dpor",
    executions: int | None = None,
    seconds: float | None = None,
    bound: int | None = None,
    depth: int | None = None,
    seed: int | None = None,
    stop_on_report: bool = False,
    observers: Sequence[Callable[[], Observer]] = (),
    detectors: Sequence[str] | None = None,
    progress: Callable[[Progress], object] | None = None,
    executor: Executor | None = None,
    carrier: str = "threads",
    save: Callable[[str], object] | None = None,
    resume: str | None = None,
) -> Result:
    """Find all outcomes of *scenario*, and all bugs.

    *scenario* is a function that takes a machine, or a :class:`Scenario`.
    *scheduler* is ``dpor`` (one execution for each order that matters), ``dfs``
    (every interleaving), one of the samplers ``random``, ``pct``, ``pos`` and ``urw``,
    ``round_robin``, or an explorer of your own. *executions* and *seconds* set an
    end; *bound* is the number of preemptions that an execution may have, of which
    ``dpor`` runs some for each order that matters; *depth*, for ``pct``, is how many
    orderings a bug may need (3). *seed* is what samplers begin with (0). *detectors*
    are names out of :data:`pykmm.detect.DETECTORS`, by default all; *observers* are
    called without arguments for each execution and return one of your own. *progress*
    is told now and then how far it has come.

    *executor* runs the executions, and what comes out does not depend on how many
    workers it has. The scenario has to be one that can be pickled.

    *carrier* is what the machine's threads run on: ``threads`` of the operating
    system, or ``greenlets``, which are faster and need the extra ``fast``. What comes
    out is the same.

    *save* is called with a text (JSON) from which another call goes on, as its
    *resume*: with the same options, but for *executions* and *seconds*, which set an
    end to what is done from here on. In the end that is what one go comes to.

    Return: outcomes and bugs with a short schedule for each, and whether there
        can be others.
    """
    scenario = carried(Scenario.of(scenario), carrier)
    if bound is None and _takes_bound(scheduler):
        bound = scenario.bound
    executions = scenario.executions if executions is None else executions
    _check(executions, seconds, bound, depth)
    wanted = Wanted(bound, seed, depth)
    search = explorer(scheduler, wanted)
    if executions is None and seconds is None and not search.claim:
        executions = _SAMPLES
    _check_hooks(observers, progress, executor, save, resume)
    campaign = Campaign(
        scenario, search, tuple(observers), campaigns(detectors), executions, seconds
    )
    names = None if detectors is None else list(detectors)
    head = header(scenario, scheduler, wanted, names)
    if resume is not None:
        go_on(resume, head, campaign)
    if executor is not None:
        task = Task.of(scenario, scheduler, wanted, tuple(observers), detectors)
        task = evolve(task, stop_on_report=stop_on_report)
        campaign.spread = _spread(executor, task, search).run
    campaign.stop_on_report = stop_on_report
    campaign.progress = progress
    result = campaign.run() if resume is None else _run_on(campaign)
    if save is not None:
        save(saved(head, campaign, result.seconds))
    return result


def _run_on(campaign: Campaign) -> Result:
    """Run what was begun by another call, which may have been about something else."""
    try:
        return campaign.run()
    except Nondeterminism as error:
        raise UsageError(
            f"resume does not fit scenario {campaign.scenario.name!r}: {error}"
        ) from error


def _spread(executor: Executor, task: Task, search: Explorer) -> Spread | SpreadTree:
    if isinstance(search, Subtree):
        return SpreadTree(executor, task, search)
    assert isinstance(search, Series | Dfs)  # that is what a task is of
    return Spread(executor, task, search)


def _check(
    executions: int | None,
    seconds: float | None,
    bound: int | None,
    depth: int | None,
) -> None:
    if executions is not None:
        check_whole("executions", executions)
    if bound is not None:
        check_whole("bound", bound, 0)
    if depth is not None:
        check_whole("depth", depth)
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):
        raise UsageError(f"seconds={seconds!r} must be a number above 0")


def _check_hooks(
    observers: Sequence[object],
    progress: object,
    executor: object,
    save: object,
    resume: object,
) -> None:
    check_is("observers", observers, Sequence, "a list of functions")
    for observer in observers:
        check_calls("one of observers", observer)
    check_calls("progress", progress)
    check_calls("save", save)
    check_is("resume", resume, str | None, "the text that save was called with")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise UsageError(
            f"executor={executor!r} must be an Executor, as ProcessPoolExecutor(2)"
        )


def _takes_bound(scheduler: object) -> bool:
    named = SCHEDULERS.get(scheduler) if isinstance(scheduler, str) else None
    return named is not None and named.takes_bound
