# SPDX-License-Identifier: GPL-2.0-only
"""What two processes gain over one, on explorations of tens of seconds.

Run it from the top: ``python -m tests.benchmarks.bench_processes [TURNS]``. Each line
is an exploration; it is run by one process and over a pool of two, in turns, and each
keeps its best turn. The first ratio is of elapsed time, which says something only on a
machine with two idle processors. The second is what it would be there: processor time
of one process, to that of the busier one of the parent and half of the workers.
Nothing asserts them.
"""

from __future__ import annotations

import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Any, Final

from attrs import frozen

from pykmm.runner import explore
from pykmm.scenarios import SCENARIOS

_TURNS: Final = 2
_WORKERS: Final = 2

EXPLORATIONS: Final[dict[str, dict[str, Any]]] = {
    "dpor": {},
    "dpor, 1500": {"executions": 1500},
    "random": {"scheduler": "random", "executions": 3000},
}
SCENARIO: Final = "mrelease-two-callers"


@frozen(order=True)
class Cost:
    """Seconds of one exploration: elapsed, of this processor, of the workers."""

    elapsed: float
    here: float
    workers: float = 0.0
    executions: int = 0


def _used(who: int) -> float:
    usage = getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _once(options: dict[str, Any], executor: Executor | None) -> Cost:
    begun, here, workers = perf_counter(), _used(RUSAGE_SELF), _used(RUSAGE_CHILDREN)
    result = explore(SCENARIOS[SCENARIO], detectors=(), executor=executor, **options)
    elapsed = perf_counter() - begun
    if executor is not None:
        executor.shutdown()  # only who has ended is counted
    return Cost(
        elapsed,
        _used(RUSAGE_SELF) - here,
        _used(RUSAGE_CHILDREN) - workers,
        result.executions,
    )


def main(turns: int = _TURNS) -> None:
    """Print a line for each exploration."""
    print(f"{'':14} {'executions':>10} {'one':>6} {'two':>6} {'ratio':>6} {'idle':>6}")
    for name, options in EXPLORATIONS.items():
        ones, twos = [], []
        for _ in range(turns):
            ones.append(_once(options, None))
            twos.append(_once(options, ProcessPoolExecutor(_WORKERS)))
        one, two = min(ones), min(twos)
        assert one.executions == two.executions
        busiest = max(two.here, two.workers / _WORKERS)
        print(
            f"{name:14} {one.executions:10} {one.elapsed:6.1f} {two.elapsed:6.1f} "
            f"{one.elapsed / two.elapsed:6.2f} {one.here / busiest:6.2f}"
            f"   parent {two.here:.1f} s, workers {two.workers:.1f} s"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
