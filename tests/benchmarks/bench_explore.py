# SPDX-License-Identifier: GPL-2.0-only
"""What an explorer costs beside the executions that it decides.

Run it from the top: ``python -m tests.benchmarks.bench_explore [TURNS]``. Each line
is a program; its executions are run under a random walk and under the explorer, in
turns, and each keeps its best turn, so that a busy machine slows both. The first
ratio is the time of an explored execution to that of a random one. The goals are
1,500 explored executions a second of the first program, and below 10 microseconds
of its own an event. Nothing asserts them.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import define

from pykmm.engine import Pool
from pykmm.runner.once import execute
from pykmm.schedulers import Dfs, Dpor, RandomWalk, Verdict
from tests.litmus import programs as p
from tests.litmus.harness import litmus

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykmm.engine import Machine, Scheduler
    from pykmm.scenario import Scenario

_TURNS = 5
_EXECUTIONS = 1500
_BRUTE = 20_000

PROGRAMS = {
    "locked_inc(3, 3)": p.locked_inc(3, 3),
    "lost_update(4)": p.lost_update(4),
    "lastzero(8)": p.lastzero(8),
    "circular_buffer(6)": p.circular_buffer(6),
    "indexer(13)": p.indexer(13),
    "filesystem(18)": p.filesystem(18),
    "philosophers(5)": p.philosophers(5),
}


@define
class Cost:
    """Seconds for so many executions and events, the best of several turns."""

    seconds: float = 0.0
    executions: int = 0
    events: int = 0

    @property
    def each(self) -> float:
        """Seconds an execution."""
        return self.seconds / self.executions

    @property
    def event(self) -> float:
        """Microseconds an event."""
        return 1e6 * self.seconds / self.events


class _Walks:
    """Random executions, one after the other."""

    def __init__(self, many: int) -> None:
        self.seeds = iter(range(many))

    def begin(self) -> Scheduler | None:
        seed = next(self.seeds, None)
        return None if seed is None else RandomWalk(seed)

    def end(self, machine: Machine) -> Verdict:
        del machine
        return Verdict.NEW


def _once(scenario: Scenario, search: Dpor | Dfs | _Walks, at_most: int) -> Cost:
    cost = Cost()
    with Pool() as pool:
        begun = perf_counter()
        while cost.executions < at_most:
            scheduler = search.begin()
            if scheduler is None:
                break
            machine = execute(scenario, scheduler, pool=pool).machine
            search.end(machine)
            cost.executions += 1
            cost.events += len(machine.events)
        cost.seconds = perf_counter() - begun
    return cost


def _compare(turns: int, *sides: Callable[[], Cost]) -> list[Cost]:
    """Run all sides in turns; each keeps its best turn."""
    best = [side() for side in sides]
    for _ in range(turns - 1):
        again = [side() for side in sides]
        best = [
            min(pair, key=lambda c: c.seconds) for pair in zip(best, again, strict=True)
        ]
    return best


def main(turns: int) -> None:
    """Print a line for each program."""
    print(
        "program             executions /s   us/event  x random  own us/event"
        "  of brute force"
    )
    for name, program in PROGRAMS.items():
        scenario = litmus(program)
        many = _once(scenario, Dpor(), _EXECUTIONS).executions
        explored, walked = _compare(
            turns,
            lambda s=scenario: _once(s, Dpor(), _EXECUTIONS),
            lambda s=scenario, n=many: _once(s, _Walks(n), n),
        )
        brute = _once(scenario, Dfs(), _BRUTE).executions
        share = f"{many}/{brute}" + ("+" if brute == _BRUTE else "")
        print(
            f"{name:<19} {explored.executions:>10} {1 / explored.each:>6.0f} "
            f"{explored.event:>8.1f} {explored.each / walked.each:>9.2f} "
            f"{explored.event - walked.event:>13.1f}  {share:>14}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _TURNS)
