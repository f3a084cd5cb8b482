# SPDX-License-Identifier: GPL-2.0-only
"""Run scenarios on threads that really run at once, with every detector watching.

It needs a Python without the global lock (3.13t or later), with attrs and
sortedcontainers; continuous integration does without. From the top:
``python3.13t -X gil=0 -m tests.free_threaded [ROUNDS]``. To build one from source:
``./configure --disable-gil --with-ensurepip=install && make && make install``.

Each round gives threads of their own to a program whose lock is left out, which has
to be found, to the same program with its lock, and to kernel scenarios, which have
to be clean. The status is 1 if something else comes out.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from time import perf_counter

from pykmm.detect import Kcsan, Serialized, campaigns
from pykmm.engine import Backend, Machine, Mutex, PlainCell
from pykmm.errors import Report
from pykmm.scenarios import SCENARIOS
from pykmm.workbench import Machine as Workbench

_ROUNDS = 100
_SCENARIOS = ("mrelease-vs-exit", "oom-kill")


def races(seed: int, *, locked: bool) -> list[str]:
    """Let three threads add five times each."""
    seen: list[str] = []
    watch = Serialized(Kcsan(lambda report: seen.append(report.summary)))
    with Machine(backend=Backend.FREE, observers=[watch], seed=seed, jitter=2) as m:
        x, lock = PlainCell(0), Mutex()

        def add() -> None:
            for _ in range(5):
                with lock if locked else nullcontext():
                    x.set(x.get() + 1)

        for number in range(3):
            m.thread(f"t{number}", add)
        m.run()
    return seen


def kernel(name: str, seed: int) -> list[str]:
    """Run a scenario, and return what the detectors say."""
    scenario = SCENARIOS[name]
    watching = campaigns()
    observers = [Serialized(campaign.execution()) for campaign in watching]
    try:
        with Workbench(
            scenario.config,
            backend=Backend.FREE,
            observers=observers,
            seed=seed,
            jitter=2,
        ) as m:
            scenario.function(m)
    except Report as report:
        return [report.summary]
    return [report.summary for campaign in watching for report in campaign.reports()]


def main(rounds: int) -> int:
    """Run so many rounds, and say what they came to."""
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        print("this Python runs one thread at a time: take one built for more")
        return 2
    begun = perf_counter()
    missed, wrong = 0, []
    for seed in range(rounds):
        missed += not races(seed, locked=False)
        wrong += races(seed, locked=True)
        for name in _SCENARIOS:
            wrong += [f"{name}: {found}" for found in kernel(name, seed)]
    seconds = perf_counter() - begun
    print(f"{rounds} rounds in {seconds:.1f} s on Python {sys.version.split()[0]}")
    print(f"races that were not found: {missed}; findings where there is nothing:")
    print("\n".join(dict.fromkeys(wrong)) or "none")
    return int(bool(missed or wrong))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS))
