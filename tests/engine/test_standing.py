# SPDX-License-Identifier: GPL-2.0-only
"""Threads that the host makes stand: they are as good as waiting."""

from __future__ import annotations

import pytest

from pykmm.engine import Backend, Cell, Counter, Machine
from pykmm.engine.standing import Point
from pykmm.runner import explore
from pykmm.scenario import Scenario


@pytest.mark.parametrize("backend", list(Backend), ids=str)
def test_a_thread_stands_before_its_step_and_others_go_on(backend: Backend) -> None:
    with Machine(backend=backend) as m:
        cells = [Cell(0), Cell(0)]
        m.thread("a", lambda: [cell.set(1) for cell in cells], task="a")
        m.thread("b", lambda: cells[0].set(2) or cells[1].set(2), task="b")
        assert m.standing.run_to("a", Point("write", cells[1]))
        assert cells[1].peek() == 2
        assert m.is_kept_waiting()
        m.standing.go("a")
        m.run()
        assert cells[1].peek() == 1
        assert not m.is_kept_waiting()


def test_a_thread_that_is_made_later_stands_too() -> None:
    with Machine() as m:
        cell = Cell(0)
        m.standing.stop("a")
        m.thread("a", lambda: cell.set(1), task="a")
        m.run()
        assert cell.peek() == 0
        m.standing.go("a")
        m.run()
        assert cell.peek() == 1


def test_a_point_that_nobody_comes_to_is_forgotten() -> None:
    with Machine() as m:
        cell = Cell(0)
        m.thread("a", lambda: cell.set(1), task="a")
        assert not m.standing.run_to("a", Point("read"))
        m.thread("late", cell.get, task="a")
        m.run()
        assert not m.is_kept_waiting()


def _stopped(m: Machine) -> object:
    """Three threads race; the first stands in the middle of it."""
    a, b = Counter(0), Cell(0)
    seen: list[tuple[object, ...]] = []
    m.thread("x", lambda: seen.append(("x", a.fetch_add(), b.get(), a.get())), task="x")
    m.thread("y", lambda: seen.append(("y", a.fetch_add(), b.set(1))), task="y")
    assert m.standing.run_to("x", Point("read", b))
    m.thread("z", lambda: seen.append(("z", a.fetch_add(), b.set(2))), task="z")
    m.standing.go("x")
    m.run()
    return sorted(seen), a.peek(), b.peek()


def test_reduction_sees_all_that_brute_force_sees() -> None:
    scenario = Scenario(name="stopped", function=_stopped, machine=Machine)
    found = [explore(scenario, scheduler=name) for name in ("dpor", "dfs")]
    assert all(result.complete for result in found)
    outcomes = [{repr(o.value) for o in result.outcomes} for result in found]
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) > 2
