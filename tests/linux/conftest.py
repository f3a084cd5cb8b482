# SPDX-License-Identifier: GPL-2.0-only
"""Machines to run primitives on: both backends, many seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from pykmm.engine import (
    Access,
    Backend,
    Config,
    Machine,
    Named,
    Pool,
    Thread,
    Timers,
    enter,
    leave,
)
from pykmm.linux.bitops import Bits, set_bit

#: How often each law is tried. Free running repeats itself more.
ROUNDS = {Backend.BATON: 40, Backend.FREE: 25}


class Dice:
    """Choose among the threads that can run by a small generator."""

    def __init__(self, seed: int) -> None:
        self.state = seed * 7919 + 1

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        self.state = (self.state * 48271 + 11) % 2147483647
        return enabled[(self.state >> 8) % len(enabled)]


class Script:
    """Run the named threads in this order, then whoever is first."""

    def __init__(self, text: str) -> None:
        self.names = text.split()

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        if not self.names:
            return enabled[0]
        name = self.names.pop(0)
        found = [t for t in enabled if t.name == name]
        assert found, f"{name} cannot run, only {[t.name for t in enabled]}"
        return found[0]


class Victim:
    """A task that signals can be sent to, as far as waiting is concerned."""

    def __init__(self) -> None:
        self.flags = Bits()
        self._signal_object = self.flags.bit(2)
        self.fatal = False

    def _signal_pending(self) -> bool:
        return self.flags._has(2)

    def _fatal_signal_pending(self) -> bool:
        return self.fatal and self.flags._has(2)

    def kill(self, *threads: Thread, fatal: bool = True) -> None:
        self.fatal = self.fatal or fatal
        set_bit(2, self.flags)
        for thread in threads:
            thread.machine.carrier.kick(thread)


def until(obj: Named, guard: Callable[[], object]) -> None:
    """Wait until *guard*, which looks at *obj* only."""
    t = enter(obj, "until", guard)
    leave(t, obj, Access.READ, None, True)


class Lab:
    """Makes machines of one backend."""

    def __init__(self, backend: Backend, pool: Pool) -> None:
        self.backend = backend
        self.pool = pool
        self.timers = Timers.ADVERSARIAL

    def __iter__(self) -> Iterator[Machine]:
        """Boot a machine for each seed; the loop's body is its host code."""
        for seed in range(ROUNDS[self.backend]):
            with self.machine(seed) as machine:
                yield machine

    def machine(self, seed: int) -> Machine:
        return Machine(
            Config(timers=self.timers),
            scheduler=Dice(seed),
            backend=self.backend,
            pool=self.pool,
            seed=seed,
            jitter=2,
            max_steps=20_000,
        )


@pytest.fixture(params=list(Backend), ids=lambda backend: backend.value)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Machines with adversarial timers, on both backends."""
    with Pool(pin=request.param is Backend.BATON) as pool:
        yield Lab(request.param, pool)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """One controlled machine; the test is its host code."""
    with Machine() as booted:
        yield booted


@pytest.fixture
def victim() -> type[Victim]:
    return Victim


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Named, Callable[[], object]], None]:
    return until


@pytest.fixture
def events() -> Callable[[Callable[[], object]], list[tuple[str, str]]]:
    """Run a function on a thread and tell its events: kind and access class."""

    def run(body: Callable[[], object]) -> list[tuple[str, str]]:
        with Machine() as booted:
            booted.thread("t", body)
            booted.run()
            return [(e.kind, e.access.name) for e in booted.events[1:]]

    return run


@pytest.fixture
def scripted() -> Iterator[Callable[[str], Machine]]:
    """Boot a machine that follows a script of thread names."""
    with Pool() as pool:
        yield lambda text: Machine(scheduler=Script(text), pool=pool)
