# SPDX-License-Identifier: GPL-2.0-only
"""A part of an exploration, as it is sent to a worker, and what the worker does."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..detect import campaigns
from ..engine.pool import Pool
from ..errors import UsageError
from ..patches.patch import Patch
from ..schedulers import Dfs, Subtree
from ..schedulers.frontier import Writer, read, write
from .campaign import Campaign
from .explorers import Probed, Series, Steps, Wanted, explorer

if TYPE_CHECKING:
    from ..engine.machine import Observer
    from ..scenario import Scenario
    from ..schedulers import Explorer
    from ..schedulers.frontier import Plain

__all__ = ["Task", "run_task"]


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
    path: Sequence[Sequence[int]] = ()
    #: For the reduction: the frontier to go on from, for how many seconds, and what
    #: detectors know by then.
    frontier: Plain = None
    pause: float | None = None
    known: Sequence[Plain] = ()

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
        splits = endless or isinstance(search, Dfs | Subtree)
        if not isinstance(scheduler, str) or not splits:
            raise UsageError(
                f"executor does not go with scheduler={scheduler!r}: choose dpor, "
                "dfs, random, pct, pos or urw, or drop executor"
            )
        packed = _packed(f"scenario {scenario.name!r}", (scenario, observers))
        return cls(packed, scheduler, wanted, detectors)

    def search(self) -> Explorer:
        """Return the explorer of this part."""
        search = explorer(self.scheduler, self.wanted)
        if isinstance(search, Dfs):
            search.under(self.prefix)
            if self.path:
                search.resume(self.path)
        elif isinstance(search, Subtree):
            search.resume(read(self.frontier, search.world))
        elif isinstance(search, Series):
            search.only(*self.numbers)
        if isinstance(search, Probed):
            search.learned(self.steps)
        return search


def run_task(task: Task) -> bytes:
    """Run a part and return the :class:`~.campaign.Part`, pickled; for workers."""
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
    for detector, state in zip(campaign.detectors, task.known, strict=False):
        detector.add(state)
    with Pool() as pool:
        reason = campaign.loop(pool, task.pause)
    stand: Plain = None
    if isinstance(search, Subtree):
        stand = _stand(search)
    elif isinstance(search, Dfs):
        stand = search.leave()
    part = campaign.part(reason, stand)
    return _packed(f"an outcome of scenario {scenario.name!r}", part)


def _stand(search: Subtree) -> Plain:
    """Return what there is to know for whoever explores the rest of the tree."""
    writer = Writer()
    outward: dict[tuple[str, int, tuple[int, ...]], None] = {}
    for how, index, steps in search.outward:  # a second time makes no difference
        outward[how, index, tuple(writer.steps(steps))] = None
    more = {
        "spoiled": search.spoiled,
        "taught": search.learned,
        "outward": list(outward),
        "trunk": [
            (writer.step(step), writer.steps(sleep.values()))
            for step, sleep in search.trunk
        ],
    }
    stand = write(search.leave(), search.world, writer)
    assert not stand.keys() & more.keys()
    return stand | more
