# SPDX-License-Identifier: GPL-2.0-only
"""Time the oracle: how many small worlds a second, and how long a large one takes.

Run it as ``python tests/benchmarks/bench_oracle.py [TASKS]``. It prints figures and
judges nothing, because a busy machine must not fail a test. The last figure of each
line compares with Python's own reading and spelling of the same world, which a busy
machine slows as well: that is what to look at after a change.
"""

from __future__ import annotations

import io
import json
import sys
import time
from typing import Any

from pykmm.oracle import serve

SMALL_TASKS = 10
SMALL_WORLDS = 500
LARGE_TASKS = 100_000


def world(tasks: int, *calls: dict[str, Any], table: bool = True) -> str:
    """Spell a world of *tasks* processes with an address space each.

    With *table* a report of the OOM killer has a row for each of them.
    """
    value = {
        "format": "pykmm-world/1",
        "sysctl": {"oom_dump_tasks": int(table)},
        "mms": [
            {"id": f"m{n}", "anon": 1000 + n % 977, "file": 50, "pgtables_bytes": 40960}
            for n in range(tasks)
        ],
        "tasks": [
            {"pid": n + 1, "comm": f"p{n}", "uid": 1000, "mm": f"m{n}"}
            for n in range(tasks)
        ],
        "calls": list(calls),
    }
    return json.dumps(value)


def timed(what: str, count: int, line: str) -> None:
    """Have *line* answered so many times and print what it took.

    The processor's time is that of this process alone, whoever else is there.
    """
    out = io.StringIO()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    serve([line] * count, out)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    size = len(out.getvalue()) // count
    print(
        f"{what:<38} {seconds:7.2f} s {cpu:7.2f} s CPU {count / seconds:9.1f} worlds/s "
        f"{size:>10} bytes each {cpu / copied(count, line):6.1f} x copying it"
    )


def copied(count: int, line: str) -> float:
    """Read and spell *line* so many times, and return the best of three times."""
    taken = []
    for _ in range(3):
        begin = time.process_time()
        for _ in range(count):
            json.dumps(json.loads(line))
        taken.append(time.process_time() - begin)
    return min(taken)


def main() -> None:
    """Print all figures."""
    large = int(sys.argv[1]) if len(sys.argv) > 1 else LARGE_TASKS
    oom = {"fn": "out_of_memory", "gfp_mask": 0xCC0}
    wake = {"fn": "wake_oom_reaper", "pid": SMALL_TASKS}
    reap = {"fn": "oom_reaper"}
    timed("a kill and a reap of 10", SMALL_WORLDS, world(SMALL_TASKS, oom, wake, reap))
    timed(f"{large} tasks, no call", 1, world(large))
    score = {"fn": "proc_oom_score", "pid": 2}
    timed(f"{large} tasks, one score", 1, world(large, score))
    timed(f"{large} tasks, a kill", 1, world(large, oom, table=False))
    timed(f"{large} tasks, a kill with the table", 1, world(large, oom))


if __name__ == "__main__":
    main()
