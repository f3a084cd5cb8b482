# SPDX-License-Identifier: GPL-2.0-only
"""What turns a function over cells and locks into something to explore.

A program takes a machine, as :func:`pykmm.explore` wants it; there is no kernel on
it, and nobody watches it but the scheduler.
"""

from __future__ import annotations

from collections.abc import Callable

from pykmm.engine import Machine
from pykmm.runner import Result, explore
from pykmm.scenario import Scenario

Program = Callable[[Machine], object]
Body = Callable[[], object]


def litmus(program: Program, **more: object) -> Scenario:
    """Make a scenario of *program*, on a machine without a kernel."""
    name = getattr(program, "__qualname__", "litmus").partition(".")[0]
    return Scenario(name=name, function=program, machine=Machine, **more)


def explore_bare(scenario: Scenario, **more: object) -> Result:
    """Explore *scenario* without detectors: they have tests of their own."""
    return explore(scenario, detectors=(), **more)


def values(program: Program) -> list[str]:
    """Return what *program* returns in all its executions, none of which may fail."""
    result = explore_bare(litmus(program))
    assert result.complete
    assert not result.reports
    return sorted(map(repr, result.values))


def run(m: Machine, *bodies: Body) -> tuple[object, ...]:
    """Run *bodies* on a thread each, called t0, t1 and so on."""
    threads = [m.thread(f"t{number}", body) for number, body in enumerate(bodies)]
    m.run()
    return tuple(t.result for t in threads)
