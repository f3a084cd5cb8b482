# SPDX-License-Identifier: GPL-2.0-only
"""Threads that run all at once: nobody is woken twice, and nobody is forgotten."""

from __future__ import annotations

from threading import Event as OsEvent

import pytest

from pykmm.engine import Access, Backend, Cell, Machine, Thread, enter, leave
from pykmm.engine.free_running import FreeRunning
from pykmm.engine.thread import Sleep

PATIENCE_SECONDS = 10.0


def wait_for(cell: Cell[int], least: int) -> None:
    """Sleep until a cell holds so much."""
    t = enter(cell, "wait_for", lambda: cell.peek() >= least, Sleep.INTERRUPTIBLE)
    leave(t, cell, Access.WAIT, None, True)


def test_who_is_woken_by_a_thread_is_not_woken_by_the_host_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the begin of a run the host wakes one after the other, who wake others."""
    with Machine(backend=Backend.FREE) as m:
        cell, seen = Cell(0), list[str]()
        second_runs, host_is_done = OsEvent(), OsEvent()

        def first() -> None:
            wait_for(cell, 1)
            seen.append("first")

        def second() -> None:
            wait_for(cell, 1)
            seen.append("second")
            second_runs.set()
            assert host_is_done.wait(PATIENCE_SECONDS)
            wait_for(cell, 2)
            seen.append("second again")

        m.thread("first", first)
        m.thread("second", second)
        m.run()
        carrier = m.carrier
        assert isinstance(carrier, FreeRunning)
        resume = carrier._resume

        def slowly(t: Thread) -> None:
            resume(t)
            if t.name == "second":
                host_is_done.set()
            elif not second_runs.is_set():  # the first one's step has to wake it
                assert second_runs.wait(PATIENCE_SECONDS)

        monkeypatch.setattr(carrier, "_resume", slowly)
        cell.set(1)
        m.run()
        assert seen == ["first", "second"]
        assert carrier.active == 0
        assert cell.raw_waiters == [t for t in m.live if t.name == "second"]
        cell.set(2)
        m.run()
        assert seen == ["first", "second", "second again"]
        assert carrier.active == 0


def test_who_dies_inside_of_a_step_leaves_the_object_to_others() -> None:
    with Machine(backend=Backend.FREE) as m:
        cell = Cell(0)

        def dies() -> None:
            enter(cell, "write")
            raise ValueError("half-way")

        m.thread("t", dies)
        with pytest.raises(ValueError, match="half-way"):
            m.run()
        assert cell.raw is not None
        assert not cell.raw.locked()
