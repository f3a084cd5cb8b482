# SPDX-License-Identifier: GPL-2.0-only
"""Let others run an exploration's executions: processes, or machines far away.

An exploration falls into parts, and how does not depend on who will run them: for
samplers so many numbers each, for all interleavings the paths that begin alike. The
parts are put together in their order, so the answer is the one of a single process.
The reduction is spread by :mod:`.spread_tree`.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Final

from attrs import define, evolve

from ..detect import campaigns
from ..schedulers import Dfs
from .explorers import Probed, Series
from .once import execute
from .task import run_task

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ..engine.pool import Pool
    from .campaign import Campaign, Part
    from .task import Task

__all__ = ["Spread"]

#: How many executions of a sampler make the first parts; later ones are as large as
#: makes them take so many seconds.
_SAMPLES: Final = 50
_SECONDS: Final = 0.3
#: Into how many parts to split the paths, at least, if there are so many.
_PATHS: Final = 32
#: How many parts to hand out before the first of them is done.
_AHEAD: Final = 32
#: The same where time ends it all, and nobody knows how many workers there are: a part
#: that waits for one would take as long as was left when it was handed out.
_AT_ONCE: Final = 2


@define
class Spread:
    """Runs a campaign's executions on *executor*."""

    executor: Executor
    task: Task
    search: Series | Dfs
    #: How many executions of a sampler make a part now.
    samples: int = _SAMPLES

    def run(self, campaign: Campaign, pool: Pool) -> str:
        """Hand out parts and merge what comes back; return why this ended."""
        search = self.search
        if isinstance(search, Dfs):
            path = search.leave()
            if path is None:
                return search.claim
            task = evolve(self.task, path=path)
            return self._merge(campaign, iter(_prefixes(campaign, task, pool)))
        first = search.number
        search.only(first, first)
        reason = campaign.loop(pool)  # the probes, where there are any
        search.only(first)
        if reason:
            return reason
        return self._merge(campaign, self._numbers(campaign))

    def _numbers(self, campaign: Campaign) -> Iterator[Task]:
        search = self.search
        assert isinstance(search, Series)
        steps = search.steps if isinstance(search, Probed) else {}
        first, end = search.number, None
        if campaign.executions is not None:
            end = first + campaign.executions - campaign.counted
        while end is None or first < end:
            last = first + self.samples
            last = last if end is None else min(end, last)
            yield evolve(self.task, numbers=(first, last), steps=steps)
            first = last

    def _merge(self, campaign: Campaign, tasks: Iterator[Task]) -> str:
        flying: deque[tuple[Task, Future[bytes]]] = deque()
        ahead = _AHEAD
        if campaign.seconds is not None:
            ahead = getattr(self.executor, "_max_workers", _AT_ONCE)
        try:
            while True:
                for task in islice(tasks, ahead - len(flying)):
                    part = self._limited(campaign, task)
                    flying.append((part, self.executor.submit(run_task, part)))
                if not flying:
                    self._stand_behind()
                    return self.search.claim or campaign.reason()
                reason = campaign.reason()
                if reason:  # if time is up, what has begun still counts
                    while campaign.is_late and flying and not flying[0][1].cancel():
                        if self._land(campaign, *flying.popleft()):
                            return reason
                    if flying:
                        self._stand_before(flying[0][0])
                    return reason
                reason = self._land(campaign, *flying.popleft())
                if reason:
                    return reason
        finally:
            for _, future in flying:
                future.cancel()

    def _land(self, campaign: Campaign, task: Task, future: Future[bytes]) -> str:
        """Wait for a part and count it; say why it was not done to its end, if so."""
        part = self._within(campaign, task, pickle.loads(future.result()))
        campaign.add(part)
        self.samples = max(_SAMPLES, int(part.counted * _SECONDS / part.seconds))
        if isinstance(self.search, Series):
            self.search.only(task.numbers[0] + part.counted)
        if not part.reason:
            return ""
        if isinstance(self.search, Dfs):
            self.search.resume(part.stand)
        return campaign.reason() or f"budget spent after {campaign.seconds:g} s"

    def _stand_before(self, task: Task) -> None:
        """Leave the search where *task* begins, for whoever goes on later."""
        if isinstance(self.search, Dfs):
            self.search.resume(task.path or [(choice, 0) for choice in task.prefix])

    def _stand_behind(self) -> None:
        """Leave the search where nothing is left."""
        if isinstance(self.search, Dfs):
            self.search.resume(None)

    def _limited(self, campaign: Campaign, task: Task) -> Task:
        """Give *task* what is left of the time, and of the executions."""
        if isinstance(self.search, Dfs):  # a sampler's part has its numbers
            task = evolve(task, executions=campaign.left)
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
    """Split all paths, one choice after the other, until there are parts enough.

    The executions that this takes are watched like all others, because a report can
    end one, and its path.
    """
    detectors = campaigns(task.detectors)  # what they find here is found again
    watching = [*(d.execution for d in detectors), *campaign.observers]

    def fork_behind(prefix: tuple[int, ...]) -> list[tuple[int, ...]]:
        search = Dfs(task.wanted.bound)
        search.under(prefix)
        scheduler = search.begin()
        assert scheduler is not None  # the first execution is always there
        execute(campaign.scenario, scheduler, pool=pool, observers=watching)
        return search.fork

    prefixes: list[tuple[int, ...]] = [()]
    ended: set[tuple[int, ...]] = set()
    while len(prefixes) < _PATHS and len(ended) < len(prefixes):
        longer: list[tuple[int, ...]] = []
        for prefix in prefixes:
            done = prefix in ended or campaign.is_late
            fork = [] if done else fork_behind(prefix)
            longer += [(*prefix, *more) for more in fork]
            if not fork:
                ended.add(prefix)
                longer.append(prefix)
        prefixes = longer
    return list(_to_come(task, prefixes))


def _to_come(task: Task, prefixes: Iterable[tuple[int, ...]]) -> Iterator[Task]:
    """Leave out what comes before the path that *task* is to go on with."""
    path = tuple(choice for choice, _ in task.path)
    for prefix in prefixes:
        begins = path[: len(prefix)]
        if prefix == begins:
            yield evolve(task, prefix=prefix)
        elif prefix > begins:
            yield evolve(task, prefix=prefix, path=())
