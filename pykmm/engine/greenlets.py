# SPDX-License-Identifier: GPL-2.0-only
"""The baton without OS threads: flows that switch within one of them.

All that is decided is decided as in :mod:`.baton`, so schedules and traces are the
same; only the hand-over is another one, and cheaper. It takes the greenlet package,
which the extra ``fast`` installs: ``Machine(baton=Greenlets)``. The reference remains
the other one: its threads are those that debuggers and profilers know.

All flows of a machine belong to the OS thread that ran it first, and share what that
one has; so the ambient thread has to be set whenever a flow goes on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

from .baton import Baton
from .thread import Thread, ThreadState, ambient

if TYPE_CHECKING:
    from typing import Protocol

    from .machine import Machine
    from .scheduler import Scheduler

    class Flow(Protocol):
        """What is used of a greenlet."""

        parent: Flow | None

        def switch(self, *values: object) -> Thread | None: ...


__all__ = ["Greenlets"]


class Greenlets(Baton):
    """The controlled backend of one machine, on a greenlet for each thread."""

    def __init__(self, machine: Machine, scheduler: Scheduler) -> None:
        super().__init__(machine, scheduler)
        self._flows: dict[Thread, Flow] = {}
        self._home: Flow = getcurrent()

    def give_way(self, t: Thread, chosen: Thread | None) -> None:
        """Switch to *chosen*, or to the host; return when *t* is to go on."""
        if chosen is None:
            self._home.switch(None)
        else:
            self._flow(chosen).switch()
        ambient.thread = t

    def _flow(self, t: Thread) -> Flow:
        """Return the flow that *t* runs on; it gets one when it is first chosen."""
        if t.state is ThreadState.NEW:
            t.state = ThreadState.STARTED
            self._flows[t] = greenlet(partial(self._live, t), self._home)
        return self._flows[t]

    def _live(self, t: Thread) -> Thread | None:
        """Run *t* from start to end, then tell the host who is next."""
        self.machine.live_body(t)
        del self._flows[t]
        return self.pick_after_end()

    def run(self) -> None:
        """Run until nobody can go on, or somebody failed."""
        try:
            chosen = self.pick(None)
        except BaseException as error:
            self.machine.fail(error, None)
            return
        self._come_home()
        outer, ambient.thread = ambient.thread, None
        try:
            while chosen is not None:
                chosen = self._flow(chosen).switch()
        finally:
            ambient.thread = outer

    def unwind(self) -> None:
        """Take all started threads down, one after the other."""
        self._come_home()
        for t in [x for x in self.machine.live if x.state is ThreadState.STARTED]:
            self._flows[t].switch()

    def _come_home(self) -> None:
        """Have flows that end come back to here."""
        self._home = getcurrent()
        for flow in self._flows.values():
            flow.parent = self._home
