# SPDX-License-Identifier: GPL-2.0-only
"""The same programs under pykmm and under Frontrun 0.7.0, side by side.

Run it from the top, where Frontrun is installed beside pykmm's dependencies:
``frontrun python -m tests.benchmarks.bench_frontrun [SECONDS]``. For each program and
tool it prints executions, how many orders differ in more than irrelevant order, how
many lock orders were reached, and executions a second. Frontrun explores with its own
defaults, but without its bound on preemptions, and goes on behind the first failure.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import process_time
from typing import Any

import frontrun
from attrs import define, field

from pykmm.engine import Cell, Machine, Mutex, current_thread
from tests.litmus.harness import explore_bare, litmus, run

_SECONDS = 60.0


@define
class State:
    """What Frontrun's threads share."""

    x: int = 0
    locks: list[Any] = field(factory=lambda: [threading.Lock() for _ in range(3)])
    order: list[int] = field(factory=list)


def locked(me: int) -> Callable[[State], None]:
    def body(state: State) -> None:
        for _ in range(3):
            with state.locks[0]:
                state.order.append(me)
                state.x += 1

    return body


def unlocked(state: State) -> None:
    state.x = state.x + 1


def nested(*names: int) -> Callable[[State], None]:
    def body(state: State) -> None:
        one, other = (state.locks[name] for name in names)
        with one, other:
            pass

    return body


def ours_locked(m: Machine) -> str:
    lock, x, order = Mutex(), Cell(0), []

    def body() -> None:
        for _ in range(3):
            with lock:
                order.append(current_thread().name)
                x.set(x.get() + 1)

    run(m, body, body, body)
    return " ".join(order)


def ours_unlocked(m: Machine) -> int:
    x = Cell(0)
    run(m, *[lambda: x.set(x.get() + 1)] * 2)
    return x.peek()


def ours_nested(*pairs: tuple[int, int]) -> Callable[[Machine], None]:
    def program(m: Machine) -> None:
        locks = [Mutex() for _ in range(3)]

        def body(one: int, other: int) -> None:
            with locks[one], locks[other]:
                pass

        run(m, *[lambda pair=pair: body(*pair) for pair in pairs])

    return program


_RING = ((0, 1), (1, 2), (2, 0))
_ABBA = ((0, 1), (1, 0))
#: By name: traces, our program, Frontrun's threads.
PROGRAMS: dict[str, tuple[int, Any, list[Any]]] = {
    "3x3 locked": (1680, ours_locked, [locked(me) for me in range(3)]),
    "lost update": (4, ours_unlocked, [unlocked, unlocked]),
    "ABBA": (3, ours_nested(*_ABBA), [nested(*pair) for pair in _ABBA]),
    "philosophers": (7, ours_nested(*_RING), [nested(*pair) for pair in _RING]),
}


def theirs(threads: list[Any], seconds: float) -> tuple[int, int]:
    """Return how many executions there were, and how many different ends."""
    ends: set[tuple[tuple[int, ...], int]] = set()

    def look(state: State) -> bool:
        ends.add((tuple(state.order), state.x))
        return True

    result = frontrun.explore(
        State,
        threads,
        look,
        preemption_bound=None,
        stop_on_first=False,
        total_timeout=seconds,
    )
    return result.num_explored, len(ends)


def main(seconds: float) -> None:
    """Print two lines for each program."""
    for name, (traces, ours, threads) in PROGRAMS.items():
        begun = process_time()
        result = explore_bare(litmus(ours))
        took = process_time() - begun
        orders = len(result.outcomes)
        rows = [("pykmm", result.executions, orders, took)]
        begun = process_time()
        rows.append(("Frontrun", *theirs(threads, seconds), process_time() - begun))
        for tool, many, orders, took in rows:
            print(
                f"{name:<13} {tool:<9} {many:>5} executions for {traces:>4} traces, "
                f"{orders:>4} ends, {many / took:>7.0f} /s",
                flush=True,
            )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else _SECONDS)
