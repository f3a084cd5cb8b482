# SPDX-License-Identifier: GPL-2.0-only
"""The baton without OS threads: flows that switch within one of them.

All that is decided is decided as in :mod:`.baton`, so schedules and traces are the
same; only the hand-over is another one, and cheaper. It takes the greenlet package,
which the extra ``fast`` installs: ``Machine(baton=Greenlets)``. The reference remains
the other one: its threads are those that debuggers and profilers know.

All flows of a machine belong to the OS thread that ran it, and share what that one
has; but each has context variables of its own, of which the ambient thread is one.
Making a greenlet costs as much as forty switches, so the pool keeps those whose
thread has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

from .baton import Baton
from .thread import STARTED, Thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from .machine import Machine
    from .scheduler import Scheduler

    class Flow(Protocol):
        """What is used of a greenlet."""

        parent: Flow | None

        def switch(self, *values: object) -> Any: ...


__all__ = ["Greenlets"]


class Greenlets(Baton):
    """The controlled backend of one machine, on a greenlet for each thread."""

    def __init__(self, machine: Machine, scheduler: Scheduler) -> None:
        super().__init__(machine, scheduler)
        #: What switches to each thread that has begun and not ended.
        self._switches: dict[Thread, Callable[..., Any]] = {}

    def give_way(self, t: Thread, chosen: Thread | None) -> None:
        """Switch to *chosen*, or to the host; return when *t* is to go on."""
        del t  # it goes on by itself where it is now
        if chosen is None:
            self._home.switch()
        elif chosen in self._switches:
            self._switches[chosen]()
        else:
            self._start(chosen)

    def _start(self, t: Thread) -> None:
        t.state = STARTED
        flow: Flow = self._parked.pop() if self._parked else greenlet(_serve)
        flow.parent = self._home
        self._switches[t] = flow.switch
        flow.switch(self, t)

    def live(self, t: Thread) -> Callable[..., Any]:
        """Run *t* from start to end, and whoever is to begin then; say who goes on."""
        switches = self._switches
        while True:
            self.machine.live_body(t)
            chosen = self.pick_after_end()
            if chosen is None or chosen in switches:
                del switches[t]
                self._parked.append(getcurrent())
                return switches[chosen] if chosen else self._home.switch
            chosen.state = STARTED
            switches[chosen] = switches.pop(t)
            t = chosen

    def run(self) -> None:
        """Run until nobody can go on, or somebody failed."""
        try:
            chosen = self.pick()
        except BaseException as error:
            self.machine.fail(error, None)
            return
        if chosen is None:
            return
        self._come_home()
        self.give_way(self.machine.boot, chosen)

    def unwind(self) -> None:
        """Take all started threads down, one after the other."""
        self._come_home()
        for switch in list(self._switches.values()):
            switch()

    def _come_home(self) -> None:
        """Have the flows go on from here, and come back to here."""
        self._home: Flow = getcurrent()
        self._parked: list[Flow] = self.machine.pool.flows.parked


def _serve(carrier: Greenlets, t: Thread) -> None:
    """Be a flow: run one thread after the other, of whatever machine."""
    while True:
        go_on = carrier.live(t)
        del carrier, t  # who is parked must not keep a machine
        carrier, t = go_on()
