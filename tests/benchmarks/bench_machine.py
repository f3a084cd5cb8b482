# SPDX-License-Identifier: GPL-2.0-only
"""What a machine costs: boot and teardown, a step, an execution of a scenario.

Run it with ``python tests/benchmarks/bench_machine.py``. Each figure is the median
of several rounds, beside a bare Python loop of the same length for scale.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from pykmm.engine import Cell, Pool
from pykmm.scenarios.mrelease import mrelease_vs_exit
from pykmm.workbench import Machine

ROUNDS = 7


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


if __name__ == "__main__":
    main()
