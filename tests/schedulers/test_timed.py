# SPDX-License-Identifier: GPL-2.0-only
"""Threads with clocks: who is behind goes next, and who waits loses time."""

from __future__ import annotations

from pykmm.engine import Cell, Machine, Mutex
from pykmm.engine.thread import Thread
from pykmm.schedulers.timed import Timed


def one(thread: Thread) -> int:
    return 1


def order(clock: Timed, *threads: tuple[str, int]) -> list[str]:
    with Machine(scheduler=clock) as m:
        cell = Cell(0)

        def body(steps: int) -> None:
            for _ in range(steps):
                cell.get()

        for name, steps in threads:
            m.thread(name, lambda steps=steps: body(steps))
        m.run()
        return [t.name for t in m.steps]


# The first step of a thread is its start.


def test_equal_threads_take_turns() -> None:
    assert order(Timed(one), ("a", 2), ("b", 2)) == ["a", "b"] * 3


def test_who_starts_late_comes_late() -> None:
    late = Timed(one, {"a": 3})
    assert order(late, ("a", 2), ("b", 3)) == ["b", "b", "b", "a", "b", "a", "a"]


def test_dear_steps_let_others_go_first() -> None:
    clock = Timed(lambda t: 3 if t.name == "a" else 1)
    assert order(clock, ("a", 2), ("b", 4)) == ["a", "b", "b", "b", "a", "b", "b", "a"]


def test_a_wait_lasts_until_the_lock_is_free() -> None:
    clock = Timed(lambda t: 5 if t.kind == "read" else 1)
    with Machine(scheduler=clock) as m:
        lock, cell = Mutex(), Cell(0)

        def body() -> None:
            with lock:
                cell.get()

        m.thread("a", body)
        m.thread("b", body)
        m.run()
    # a: starts until 1, locks until 2, reads until 7, unlocks until 8; b came at 1.
    assert [(w.thread.name, w.ticks) for w in clock.waits] == [("b", 7)]
    assert {t.name: at for t, at in clock.clocks.items()} == {"a": 8, "b": 15}
