# SPDX-License-Identifier: GPL-2.0-only
"""Ctrl-C while threads run: the machine comes down at once, with all of them."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator

import pytest
from attrs import define

from pykmm.engine import Cell, Machine, ThreadState, baton
from pykmm.engine.standing import Point
from pykmm.runner import explore


@define
class Interrupted:
    """The host's lock, of which each call that waits is interrupted."""

    inner: _thread.LockType
    #: Whether the call gets the lock before it is interrupted.
    gets_it: bool
    #: What it waits for before that.
    begun: threading.Event | None = None
    glances: int = 0

    def acquire(self, timeout: float = -1) -> bool:
        """Do what a lock does; raise unless there is a time limit."""
        if timeout != -1:
            self.glances += 1
            return self.inner.acquire(timeout=timeout)
        if self.begun is not None:
            self.begun.wait()
        if self.gets_it:
            self.inner.acquire()
        raise KeyboardInterrupt

    def release(self) -> None:
        """Release the lock."""
        self.inner.release()


def interrupt(
    machine: Machine, *, gets_it: bool, begun: threading.Event | None = None
) -> Interrupted:
    carrier = machine.carrier
    assert isinstance(carrier, baton.Baton)
    lock = Interrupted(carrier.host, gets_it, begun)
    carrier.host = lock  # type: ignore[assignment]  # does what a lock does
    return lock


def test_who_has_the_baton_back_waits_for_nobody() -> None:
    with pytest.raises(KeyboardInterrupt), Machine() as m:
        m.thread("a", Cell(0).get)
        lock = interrupt(m, gets_it=True)
        m.run()
    assert lock.glances == 0
    assert m.closed


def test_who_runs_stops_at_the_next_step() -> None:
    with pytest.raises(KeyboardInterrupt), Machine(max_steps=10**9) as m:
        cell = Cell(0)

        def forever() -> None:
            while True:
                cell.set(cell.get() + 1)

        a, b = m.thread("a", forever), m.thread("b", forever)
        interrupt(m, gets_it=False)
        m.run()
    assert not [t for t in m.live if t.state is ThreadState.STARTED]
    assert (a.error, b.error) == (None, None)


def test_the_others_come_down_too_if_that_is_interrupted() -> None:
    with pytest.raises(KeyboardInterrupt), Machine() as m:
        cell = Cell(0)
        for name in ("a", "b", "c"):
            m.thread(name, cell.get, obj=cell, task=name)
            assert m.standing.run_to(name, Point("read", cell))
        interrupt(m, gets_it=True)
        m.close()
    assert not m.live


def test_who_takes_no_steps_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baton, "_GLANCES", 1)
    monkeypatch.setattr(baton, "_GLANCE_SECONDS", 0)
    begun, go_on = threading.Event(), threading.Event()
    here: list[threading.Thread] = []

    def stuck() -> None:
        here.append(threading.current_thread())
        begun.set()
        go_on.wait()

    with pytest.raises(KeyboardInterrupt), Machine() as m:
        m.thread("stuck", stuck)
        interrupt(m, gets_it=False, begun=begun)
        m.run()
    go_on.set()
    here[0].join()


@pytest.fixture
def heard() -> Iterator[None]:
    """Have Ctrl-C do what it does, also where a shell began this in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_ends_an_exploration(heard: None) -> None:
    def scenario(m: Machine) -> None:
        cell = Cell(0)
        m.thread("a", lambda: (_thread.interrupt_main(), cell.set(1)))
        m.thread("b", cell.get)
        m.run()

    with pytest.raises(KeyboardInterrupt):
        explore(scenario)
