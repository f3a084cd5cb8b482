# SPDX-License-Identifier: GPL-2.0-only
"""Programs for detectors: run once by a schedule, or in every way there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat

from pykmm.detect import DETECTORS
from pykmm.engine import Machine, Thread
from pykmm.errors import DataRace, Report
from pykmm.runner import Result, explore
from pykmm.scenario import Scenario

Body = Callable[[], object]
#: Makes the shared things, and returns what each thread does.
Setup = Callable[[Machine], Sequence[Body]]


class Follow:
    """Take a few steps as told, each a thread's number, then go on as one likes."""

    def __init__(self, text: str) -> None:
        self.steps = chain(text.replace(" ", ""), repeat(""))

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        wanted = f"t{next(self.steps)}"
        named = [t for t in enabled if t.name == wanted]
        return named[0] if named else running or enabled[0]


def start(m: Machine, setup: Setup) -> None:
    """Make the threads t0, t1 and so on, and run them to rest."""
    for number, body in enumerate(setup(m)):
        m.thread(f"t{number}", body)
    m.run()


def found(setup: Setup, schedule: str = "", *, detectors: str = "") -> Report | None:
    """Return what detectors, all by default, find in one execution, if anything."""
    names = detectors.split() or list(DETECTORS)
    watching = [DETECTORS[name].campaign().again() for name in names]
    with Machine(scheduler=Follow(schedule), observers=watching, stacks=True) as m:
        try:
            start(m, setup)
        except Report as report:
            return report
    return None


def explored(setup: Setup, *, detectors: str = "", **more: object) -> Result:
    """Explore the program with detectors, all by default."""
    scenario = Scenario(
        name="program", function=lambda m: start(m, setup), machine=Machine
    )
    return explore(scenario, detectors=detectors.split() or None, **more)


def races(setup: Setup) -> list[str]:
    """Return the races of a program, in whatever interleaving they show."""
    result = explored(setup, detectors="kcsan")
    assert result.complete
    assert all(isinstance(report, DataRace) for report in result.reports)
    return [report.summary for report in result.reports]


def between(take: Callable[[], object], give: Callable[[], object], body: Body) -> Body:
    def locked() -> None:
        take()
        body()
        give()

    return locked
