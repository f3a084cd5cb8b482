# SPDX-License-Identifier: GPL-2.0-only
"""Let others run an exploration's executions: processes, or machines far away.

An exploration falls into parts, and how does not depend on who will run them: for
samplers so many numbers each, for all interleavings the paths that begin alike. The
parts are put together in their order, so the answer is the one of a single process.

The reduction of ``dpor`` is not spread: what an execution teaches decides which
others are left out, wherever these begin.
"""

from __future__ import annotations

import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import count, islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from ..detect import campaigns
from ..engine.pool import Pool
from ..errors import UsageError
from ..patches.patch import Patch
from ..schedulers import Dfs
from .campaign import Campaign, Tally
from .explorers import Probed, Series, Steps, Wanted, explorer
from .once import execute

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ..engine.machine import Observer
    from ..errors import Report
    from ..scenario import Scenario
    from ..schedulers import Explorer

__all__ = ["Part", "Spread", "Task", "run_task"]

#: How many executions of a sampler make a part.
_SAMPLES: Final = 250
#: Into how many parts to split the paths, at least, if there are so many.
_PATHS: Final = 32
#: How many parts to hand out before the first of them is done.
_AHEAD: Final = 32


# -- sending a scenario -------------------------------------------------------------


class _Pickler(pickle.Pickler):
    """Sends a patch as the name that it has beside one of its functions."""

    def reducer_override(self, obj: object) -> Any:  # as the base class has it
        """Reduce patches, and leave all else to pickle."""
        if isinstance(obj, Patch):
            return _beside, _place(obj)
        return NotImplemented


def _place(patch: Patch) -> tuple[Callable[..., object], str]:
    for function in patch.functions.values():
        for name, value in vars(sys.modules[function.__module__]).items():
            if value is patch:
                return function, name
    raise pickle.PicklingError(f"patch {patch.name!r} is in no module")


def _beside(function: Callable[..., object], name: str) -> object:
    return vars(sys.modules[function.__module__])[name]


def _packed(what: str, value: object) -> bytes:
    """Pickle *value*, or say that it cannot be sent."""
    file = BytesIO()
    try:
        _Pickler(file).dump(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{what} cannot be sent to an executor's worker ({error}): use functions "
            "and classes of modules, or drop executor"
        ) from None
    return file.getvalue()


# -- parts --------------------------------------------------------------------------


@frozen
class Task:
    """A part of an exploration, for a worker to run."""

    #: The scenario and the observers, pickled.
    packed: bytes
    scheduler: str
    wanted: Wanted
    detectors: Sequence[str] | None
    stop_on_report: bool = False
    executions: int | None = None
    seconds: float | None = None
    #: For samplers: from which execution to before which, and what a probe has told.
    numbers: tuple[int, int] = (0, 0)
    steps: Steps = field(factory=dict)
    #: For all interleavings: how the paths begin.
    prefix: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        scheduler: str | Explorer,
        wanted: Wanted,
        observers: tuple[Callable[[], Observer], ...],
        detectors: Sequence[str] | None,
    ) -> Task:
        """Make a task of all that parts have in common."""
        search = explorer(scheduler, wanted)
        endless = isinstance(search, Series) and not search.claim
        if not isinstance(scheduler, str) or not (endless or isinstance(search, Dfs)):
            raise UsageError(
                f"executor does not go with scheduler={scheduler!r}: choose dfs, "
                "random, pct, pos or urw, or drop executor"
            )
        packed = _packed(f"scenario {scenario.name!r}", (scenario, observers))
        return cls(packed, scheduler, wanted, detectors)

    def search(self) -> Explorer:
        """Return the explorer of this part."""
        search = explorer(self.scheduler, self.wanted)
        if isinstance(search, Dfs):
            search.under(self.prefix)
        elif isinstance(search, Series):
            search.only(*self.numbers)
        if isinstance(search, Probed):
            search.learned(self.steps)
        return search


@frozen
class Part:
    """What a worker found."""

    outcomes: dict[str, Tally]
    reports: dict[str, Tally]
    found: tuple[Report, ...]
    counted: int
    events: int
    #: Why it stopped; empty if it has done all of its part.
    reason: str


def run_task(task: Task) -> bytes:
    """Run a part and return the :class:`Part`, pickled; called in a worker."""
    scenario, observers = pickle.loads(task.packed)
    search = task.search()
    campaign = Campaign(
        scenario,
        search,
        observers,
        campaigns(task.detectors),
        task.executions,
        task.seconds,
        task.stop_on_report,
    )
    with Pool() as pool:
        reason = campaign.loop(pool)
    part = Part(
        campaign.outcomes,
        campaign.reports,
        tuple(campaign.findings()),
        campaign.counted,
        campaign.events,
        "" if reason == search.claim else reason,
    )
    return _packed(f"an outcome of scenario {scenario.name!r}", part)


# -- putting them together ----------------------------------------------------------


@frozen
class Spread:
    """Runs a campaign's executions on *executor*."""

    executor: Executor
    task: Task
    search: Explorer

    def run(self, campaign: Campaign, pool: Pool) -> str:
        """Hand out parts and merge what comes back; return why this ended."""
        search = self.search
        if isinstance(search, Series):
            search.only(0, 0)
            reason = campaign.loop(pool)  # the probes, where there are any
            if reason:
                return reason
            return self._merge(campaign, self._samples(campaign))
        return self._merge(campaign, iter(_prefixes(campaign, self.task, pool)))

    def _samples(self, campaign: Campaign) -> Iterator[Task]:
        steps = self.search.steps if isinstance(self.search, Probed) else {}
        end = None
        if campaign.executions is not None:
            end = campaign.executions - campaign.counted
        for first in count(0, _SAMPLES):
            if end is not None and first >= end:
                return
            last = first + _SAMPLES if end is None else min(end, first + _SAMPLES)
            yield evolve(self.task, numbers=(first, last), steps=steps)

    def _merge(self, campaign: Campaign, tasks: Iterator[Task]) -> str:
        flying: deque[tuple[Task, Future[bytes]]] = deque()
        try:
            while True:
                for task in islice(tasks, _AHEAD - len(flying)):
                    timed = self._timed(campaign, task)
                    flying.append((timed, self.executor.submit(run_task, timed)))
                if not flying:
                    return self.search.claim or campaign.reason()
                reason = campaign.reason() or self._land(campaign, *flying.popleft())
                if reason:
                    if campaign.is_late:  # what has begun still counts
                        begun = [pair for pair in flying if not pair[1].cancel()]
                        for task, future in begun:
                            self._land(campaign, task, future)
                    return reason
        finally:
            for _, future in flying:
                future.cancel()

    def _land(self, campaign: Campaign, task: Task, future: Future[bytes]) -> str:
        """Wait for a part and count it; say why it was not done to its end, if so."""
        part = self._within(campaign, task, pickle.loads(future.result()))
        _add(campaign, part)
        if not part.reason:
            return ""
        return campaign.reason() or f"stopped after {campaign.seconds:g} s"

    def _timed(self, campaign: Campaign, task: Task) -> Task:
        """Give *task* what is left of the time."""
        if campaign.seconds is None:
            return task
        left = campaign.begun + campaign.seconds - perf_counter()
        return evolve(task, seconds=max(left, 0.0))

    def _within(self, campaign: Campaign, task: Task, part: Part) -> Part:
        """Return *part*, or run it again to the end that *executions* sets."""
        if campaign.executions is None:
            return part
        left = campaign.executions - campaign.counted
        if part.counted <= left:
            return part
        task = evolve(task, executions=left)
        again: Part = pickle.loads(self.executor.submit(run_task, task).result())
        return again


def _prefixes(campaign: Campaign, task: Task, pool: Pool) -> list[Task]:
    """Split all paths level by level, until there are parts enough.

    The executions that this takes are watched like all others, because a report can
    end one, and its path.
    """
    detectors = campaigns(task.detectors)  # what they find here is found again
    watching = [*(d.execution for d in detectors), *campaign.observers]

    def branches_of(prefix: tuple[int, ...]) -> int:
        search = Dfs(task.wanted.bound)
        search.under(prefix)
        scheduler = search.begin()
        assert scheduler is not None  # the first execution is always there
        execute(campaign.scenario, scheduler, pool=pool, observers=watching)
        return search.branches

    prefixes: list[tuple[int, ...]] = [()]
    ended: set[tuple[int, ...]] = set()
    while len(prefixes) < _PATHS and len(ended) < len(prefixes):
        longer: list[tuple[int, ...]] = []
        for prefix in prefixes:
            branches = 0 if prefix in ended else branches_of(prefix)
            longer += [(*prefix, n) for n in range(branches)]
            if not branches:
                ended.add(prefix)
                longer.append(prefix)
        prefixes = longer
    return [evolve(task, prefix=prefix) for prefix in prefixes]


def _add(campaign: Campaign, part: Part) -> None:
    """Count what *part* found."""
    campaign.counted += part.counted
    campaign.events += part.events
    for mine, theirs in (
        (campaign.outcomes, part.outcomes),
        (campaign.reports, part.reports),
    ):
        for label, tally in theirs.items():
            if label in mine:
                mine[label].merge(tally)
            else:
                mine[label] = tally
    for report in part.found:
        campaign.found.setdefault(report.summary, report)
