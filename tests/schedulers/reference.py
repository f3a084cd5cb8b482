# SPDX-License-Identifier: GPL-2.0-only
"""Run an explorer to its end, and tell executions apart as theory does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from attrs import define, field

from pykmm.engine import Machine, Pool, conflict
from pykmm.runner.once import execute
from pykmm.schedulers import Explorer, Verdict
from tests.litmus.harness import Program, litmus


@define
class Seen:
    """What all executions together showed."""

    outcomes: set[str] = field(factory=set)
    orders: Counter[Hashable] = field(factory=Counter)
    redundant: int = 0
    restarts: int = 0


def order(machine: Machine) -> Hashable:
    """Return what an execution did: its steps, and the order of those in conflict."""
    count: Counter[Hashable] = Counter()
    steps = []
    for event in machine.events:
        count[event.thread.key] += 1
        key = (event.thread.key, count[event.thread.key], event.kind, event.access)
        steps.append((key, event))
    return frozenset(key for key, _ in steps), frozenset(
        (a, b)
        for place, (b, later) in enumerate(steps)
        for a, earlier in steps[:place]
        if earlier.thread is not later.thread and conflict(earlier, later)
    )


def explore_all(program: Program, explorer: Explorer, at_most: int = 20_000) -> Seen:
    """Run everything; executions that a bug cut short show no order."""
    seen = Seen()
    with Pool() as pool:
        for _ in range(at_most):
            scheduler = explorer.begin()
            if scheduler is None:
                return seen
            execution = execute(litmus(program), scheduler, pool=pool)
            verdict = explorer.end(execution.machine)
            if verdict is Verdict.RESTART:
                seen = Seen(restarts=seen.restarts + 1)
            elif verdict is Verdict.REDUNDANT:
                seen.redundant += 1
            elif verdict is Verdict.NEW:
                seen.outcomes.add(execution.label)
                if execution.report is None or execution.report.kind == "deadlock":
                    seen.orders[order(execution.machine)] += 1
    raise AssertionError(f"more than {at_most} executions")
