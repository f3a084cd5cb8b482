# SPDX-License-Identifier: GPL-2.0-only
"""Find the schedule with the fewest preemptions that shows the same.

An explorer shows one order of many that come to the same. Here the steps of an
execution are put into another order, without touching what happened before what:
each thread goes on for as long as it can, and who comes next is searched for.
Where a bug stopped the execution, steps that did not lead there are left out.
Every answer is checked by running it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from operator import le
from typing import TYPE_CHECKING

from ..engine.scheduler import Schedule
from ..errors import Nondeterminism
from ..schedulers import Replay
from ..schedulers.past import Past
from ..schedulers.world import World
from .once import execute

if TYPE_CHECKING:
    from ..engine.machine import Machine, Observer
    from ..engine.pool import Pool
    from ..scenario import Scenario
    from .once import Execution

__all__ = ["order", "shorten"]

#: How many states to look at in search of an order.
_STATES = 1000


def shorten(
    scenario: Scenario,
    candidates: Sequence[tuple[int, int, Schedule]],
    pool: Pool,
    observers: Sequence[Callable[[], Observer]] = (),
    *,
    stacks: bool = False,
) -> Execution:
    """Return the best execution to be had from *candidates*, the best ones first.

    All candidates show the same outcome or bug.
    """

    def run(schedule: Schedule) -> Execution:
        return execute(
            scenario, Replay(schedule), pool=pool, observers=observers, stacks=stacks
        )

    best = run(candidates[0][2])
    tried = {schedule for *_, schedule in candidates}
    for number, (*_, schedule) in enumerate(candidates):
        if best.preemptions == 0 and best.report is None:
            break
        before = best if number == 0 else run(schedule)
        better = order(before.machine)
        if better in tried:
            continue
        tried.add(better)
        try:
            after = run(better)
        except Nondeterminism:
            continue  # names went to other threads, for instance
        if after.label == best.label and _rank(after) < _rank(best):
            best = after
    return best


def _rank(execution: Execution) -> tuple[int, int]:
    return execution.preemptions, len(execution.machine.steps)


def order(machine: Machine) -> Schedule:
    """Put the steps of *machine* into an order with few preemptions."""
    return Schedule(_Puzzle(machine).solve())


class _Puzzle:
    """Rows of steps, one a thread, each of which has to wait for some others."""

    def __init__(self, machine: Machine) -> None:
        past = Past(World())
        past.meet(machine)
        past.read(machine)
        if len(machine.steps) > len(machine.events):
            past.steps.append(past.next_step(machine.steps[-1]))
        past.held_up = [()] * len(past.steps)
        cuts = set(machine.cuts)
        for index in range(len(past.steps)):
            if index in cuts:
                past.cut()
            past.link()
        self.past = past
        self.names = {tid: t.name for t, tid in past.tids.items()}
        self.rows = [self._row(row, machine) for row in past.ran]

    def _row(self, row: list[int], machine: Machine) -> list[int]:
        """Keep the steps that are needed: all, or those that led to the bug."""
        if machine.failure is None or not any(
            t.error is machine.failure for t in machine.threads
        ):
            return row
        last = self.past.clocks[-1]
        return [index for index in row if index <= last[self.past.steps[index].tid]]

    def _run(self, state: tuple[int, ...], tid: int) -> tuple[int, ...]:
        """Let a thread go on from *state* as long as it can."""
        seen = [
            row[n - 1] if n else -1 for row, n in zip(self.rows, state, strict=True)
        ]
        seen[tid] = len(self.past.steps)
        row = self.rows[tid]
        done = state[tid]
        while done < len(row) and all(map(le, self.past.clocks[row[done]], seen)):
            done += 1
        return (*state[:tid], done, *state[tid + 1 :])

    def _gives_way(self, state: tuple[int, ...], tid: int) -> bool:
        """Tell whether stopping a thread in *state* is a preemption."""
        row = self.rows[tid]
        return state[tid] < len(row) and not self.past.steps[row[state[tid]]].gated

    def _moves(self, state: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
        for tid in range(len(self.rows)):
            after = self._run(state, tid)
            if after != state:
                yield tid, after

    def solve(self) -> list[str]:
        """Search best first: fewest preemptions, then furthest."""
        start = (0,) * len(self.rows)
        goal = tuple(len(row) for row in self.rows)
        cheapest = {start: 0}
        heap: list[tuple[int, int, int, tuple[int, ...], tuple[int, ...]]]
        heap = [(0, 0, 0, start, ())]
        while heap:
            cost, _, _, state, path = heappop(heap)
            if state == goal:
                return self._names(path)
            if len(cheapest) > _STATES:
                heap.clear()
            for tid, after in self._moves(state):
                spent = cost + (after != goal and self._gives_way(after, tid))
                if spent < cheapest.get(after, spent + 1):
                    cheapest[after] = spent
                    entry = (spent, -sum(after), len(cheapest), after, (*path, tid))
                    heappush(heap, entry)
        return []

    def _names(self, path: tuple[int, ...]) -> list[str]:
        state = (0,) * len(self.rows)
        names: list[str] = []
        for tid in path:
            after = self._run(state, tid)
            names += [self.names[tid]] * (after[tid] - state[tid])
            state = after
        return names
