# SPDX-License-Identifier: GPL-2.0-only
"""What detectors cost an exploration: none, each alone, and all of them.

Run it with ``python tests/benchmarks/bench_detectors.py [SCENARIO]``. The variants
take turns, and each figure is the median of its rounds in processor time, so that a
busy machine does not choose the winner.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from pykmm.detect import DETECTORS
from pykmm.runner import explore
from pykmm.scenarios import SCENARIOS

ROUNDS = 5
EXECUTIONS = 740


def cost(name: str, detectors: tuple[str, ...]) -> tuple[float, int]:
    """Return the processor seconds of an exploration, and its events."""
    start = time.process_time()
    result = explore(SCENARIOS[name], executions=EXECUTIONS, detectors=detectors)
    return time.process_time() - start, result.events


def main() -> None:
    """Print a line for each variant, against none."""
    name = sys.argv[1] if len(sys.argv) > 1 else "mrelease-vs-exit"
    variants = {"none": (), **{d: (d,) for d in DETECTORS}, "all": tuple(DETECTORS)}
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    events = 0
    for _ in range(ROUNDS):
        for variant, detectors in variants.items():
            spent, events = cost(name, detectors)
            seconds[variant].append(spent)
    bare = median(seconds["none"])
    print(f"{name}, {events} events")
    for variant, rounds in seconds.items():
        each = (median(rounds) - bare) / events * 1e6
        ratio = median(rounds) / bare
        print(
            f"  {variant:<10} {median(rounds):6.2f} s  x {ratio:4.2f}  {each:+5.2f} us"
        )


if __name__ == "__main__":
    main()
