# SPDX-License-Identifier: GPL-2.0-only
"""What a machine costs: boot and teardown, a step, an execution of a scenario.

Run it with ``python tests/benchmarks/bench_machine.py``. Each figure is the median
of several rounds, beside a bare Python loop of the same length for scale. The last
lines are random executions of three threads that take a lock three times each, in the
processor's time, the best of many short rounds: 3,000 a second and 100,000 steps are
the goal on threads, 10,000 and 400,000 on greenlets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from pykmm.engine import Cell, Mutex, Pool
from pykmm.engine import Machine as Bare
from pykmm.errors import UsageError
from pykmm.runner.carriers import CARRIERS, carried
from pykmm.runner.once import execute
from pykmm.scenario import Scenario
from pykmm.scenarios.mrelease import mrelease_vs_exit
from pykmm.schedulers import RandomWalk
from pykmm.workbench import Machine

ROUNDS = 7
SHORT_ROUNDS = 40
WALKS = 200


def timed(body: Callable[[], object], count: int) -> float:
    """Return the median seconds of one of *count* calls."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            body()
        rounds.append((time.perf_counter() - start) / count)
    return median(rounds)


def boot(pool: Pool) -> None:
    with Machine(pool=pool) as m:
        m.boot_kernel()


def steps(pool: Pool) -> None:
    with Machine(pool=pool) as m:
        cell = Cell(0)

        def body() -> None:
            for number in range(1000):
                cell.set(number)

        m.thread("t", body)
        m.run()


def bare() -> None:
    cell = [0]

    def body(number: int) -> None:
        cell[0] = number

    for number in range(1000):
        body(number)


def execution(pool: Pool) -> None:
    with Machine(pool=pool, reaper=False) as m:
        mrelease_vs_exit(m)


def increments(m: Bare) -> None:
    lock, cell = Mutex(), Cell(0)

    def body() -> None:
        for _ in range(3):
            with lock:
                cell.set(cell.get() + 1)

    for name in ("a", "b", "c"):
        m.thread(name, body)
    m.run()


def walk(carrier: str, pool: Pool) -> tuple[float, float]:
    """Return how many executions and steps a second there are on *carrier*."""
    bare = Scenario(name="increments", function=increments, machine=Bare)
    scenario = carried(bare, carrier)
    rounds = []
    for _ in range(SHORT_ROUNDS):
        start, steps = time.process_time(), 0
        for seed in range(WALKS):
            run = execute(scenario, RandomWalk(seed), pool=pool)
            steps += len(run.machine.steps)
        seconds = time.process_time() - start
        rounds.append((WALKS / seconds, steps / seconds))
    return max(rounds)


def main() -> None:
    with Pool() as pool:
        print(f"boot and teardown      {timed(lambda: boot(pool), 50) * 1e3:8.3f} ms")
        one = timed(lambda: steps(pool), 5) / 1000
        call = timed(bare, 50) / 1000
        print(
            f"one step               {one * 1e6:8.3f} us, {one / call:.0f} bare calls"
        )
        seconds = timed(lambda: execution(pool), 20)
        print(f"one mrelease-vs-exit   {seconds * 1e3:8.3f} ms")
        for carrier in CARRIERS:
            try:
                executions, points = walk(carrier, pool)
            except UsageError as error:
                print(error)
            else:
                print(f"on {carrier:<19} {executions:8.0f} executions/s")
                print(f"{'':<22} {points:8.0f} steps/s")


if __name__ == "__main__":
    main()
