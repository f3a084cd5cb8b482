# SPDX-License-Identifier: GPL-2.0-only
"""Whether an exploration needs more memory the longer it runs.

Run it from the top: ``python -m tests.benchmarks.bench_memory [EXECUTIONS]``. It
explores a tree of 369,600 executions and prints the resident memory every tenth of
the way to EXECUTIONS (100,000). From the first line to the last it should grow by
less than a tenth; the status is 1 if it does not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.litmus import programs as p
from tests.litmus.harness import explore_bare, litmus

if TYPE_CHECKING:
    from pykmm.runner import Progress

_EXECUTIONS = 100_000


def resident() -> int:
    """Return this process's resident memory in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LookupError("/proc/self/status has no VmRSS")


def main(executions: int) -> int:
    """Explore, and print one line for each tenth."""
    seen: list[int] = []
    step = executions // 10

    def look(progress: Progress) -> None:
        if progress.executions >= step * (len(seen) + 1):
            seen.append(resident())
            print(f"{progress.executions:>7} executions  {seen[-1]:>8} KiB", flush=True)

    explore_bare(litmus(p.locked_inc(4, 3)), executions=executions, progress=look)
    seen.append(resident())
    print(f"{executions:>7} executions  {seen[-1]:>8} KiB")
    return int(seen[-1] > seen[0] * 1.1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else _EXECUTIONS))
