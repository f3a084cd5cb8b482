# SPDX-License-Identifier: GPL-2.0-only
"""Real threads, one at a time: whoever holds the baton runs.

A thread that comes to a step asks the scheduler who goes next and hands the
baton straight to that thread's OS thread; there is no scheduler thread in
between, and nothing is handed over when the same thread goes on. The host
thread holds the baton before a run and gets it back when nobody can run.
"""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import StepLimit
from .step import step_at_rest, use_after_free
from .thread import NEW, STARTED, Sleep, Thread, Unwind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine
    from .objects import Named
    from .pool import Worker
    from .scheduler import Scheduler

__all__ = ["Baton"]

#: How often a host that was interrupted looks whether the running thread has
#: noticed, and how long it waits each time.
_GLANCES = 200
_GLANCE_SECONDS = 0.05


class Baton:
    """The controlled backend of one machine."""

    #: When a step is over nothing has to be done: nobody else runs.
    after_step: Callable[[Thread], None] | None = None

    def __init__(self, machine: Machine, scheduler: Scheduler) -> None:
        self.machine = machine
        self.scheduler = scheduler
        self.host = allocate_lock()
        self.host.acquire()
        #: Whether a thread has the baton. The lock alone cannot tell that to a host
        #: that was interrupted: it may or may not have got the lock by then.
        self.away = False

    # -- what primitives call -------------------------------------------------

    def enter(
        self,
        t: Thread,
        obj: Named,
        kind: str,
        guard: Callable[[], object] | None,
        sleep: Sleep,
    ) -> None:
        """Announce *t*'s next step and return when it may be taken."""
        machine = self.machine
        if machine.stopping:
            step_at_rest(t, obj, kind, guard)
            return
        t.obj = obj
        t.kind = kind
        t.guard = guard
        t.sleep = sleep
        chosen: Thread | None
        enabled = []
        for x in machine.live:
            held_up = x.guard
            if held_up is None or held_up():
                enabled.append(x)
        if guard is None or t in enabled:
            # What pick() does, spelled out: nearly all steps come here.
            chosen = self.scheduler.choose(enabled, t)
            steps = machine.steps
            steps.append(chosen)
            if chosen is not t:
                machine.preemptions.append(len(steps) - 1)
            if len(steps) > machine.max_steps:
                raise _too_many(machine)
        else:
            chosen = self.pick(t)
        if chosen is not t:
            self.give_way(t, chosen)
            if machine.stopping:
                t.unwinding = True
                raise Unwind
        t.guard = None
        if machine.dead:
            owner = obj.owner
            if (obj if owner is None else owner)._death is not None:
                use_after_free(obj, kind)

    def kick(self, t: Thread) -> None:
        """Guards are looked at before each step anyway."""

    def made(self, t: Thread) -> None:
        """All threads are looked at before each step anyway."""

    # -- who goes next --------------------------------------------------------

    def pick(self, running: Thread | None = None) -> Thread | None:
        """Ask the scheduler for the next thread; None if nobody can run."""
        machine = self.machine
        enabled = []
        while True:
            for x in machine.live:
                guard = x.guard
                if guard is None or guard():
                    enabled.append(x)
            if enabled:
                break
            if not machine.clock.jump():
                return None
            machine.cuts.append(len(machine.events))
        if running is not None and running not in enabled:
            running = None
        chosen = self.scheduler.choose(enabled, running)
        steps = machine.steps
        if running is not None and chosen is not running:
            machine.preemptions.append(len(steps))
        steps.append(chosen)
        if len(steps) > machine.max_steps:
            raise _too_many(machine)
        return chosen

    def give_way(self, t: Thread, chosen: Thread | None) -> None:
        """Let *chosen* go on, or the host, and return when *t* is to go on."""
        self._hand(chosen)
        t.lock.acquire()  # type: ignore[union-attr]  # set when it started

    def pick_after_end(self) -> Thread | None:
        """Ask for the next thread when one has ended; None if the host is next."""
        if self.machine.stopping:
            return None
        try:
            return self.pick()
        except BaseException as error:
            self.machine.fail(error, None)
            return None

    def _hand(self, chosen: Thread | None) -> None:
        if chosen is None:
            host = self.host
            self.away = False
            host.release()
        elif chosen.state is NEW:
            worker = self.machine.pool.take()
            worker.job = lambda worker: self._carry(chosen, worker)
            chosen.lock = worker.lock
            chosen.state = STARTED
            self.away = True  # no interrupt comes between this and the release
            worker.lock.release()
        else:
            self.away = True
            chosen.lock.release()  # type: ignore[union-attr]  # set when it started

    def _carry(self, t: Thread, worker: Worker) -> None:
        """Run *t* from start to end on its OS thread, then pass the baton on."""
        machine = self.machine
        machine.live_body(t)
        machine.pool.idle.append(worker)
        self._hand(self.pick_after_end())

    # -- what the host calls --------------------------------------------------

    def run(self) -> None:
        """Run until nobody can go on, or somebody failed."""
        try:
            chosen = self.pick()
        except BaseException as error:
            self.machine.fail(error, None)
            return
        if chosen is None:
            return
        self._lend(chosen)

    def unwind(self) -> None:
        """Take all started threads down, one after the other."""
        interrupt: BaseException | None = None
        for t in [x for x in self.machine.live if x.state is STARTED]:
            if self.away:
                break  # who has the baton takes no steps: nobody else may run
            try:
                self._lend(t)
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _lend(self, t: Thread) -> None:
        """Give *t* the baton and wait for it.

        If that is interrupted, whoever has it stops at the next step.
        """
        try:
            self._hand(t)
            self.host.acquire()
        except BaseException:
            self.machine.stopping = True
            for _ in range(_GLANCES):
                if not self.away:
                    break
                with suppress(BaseException):  # it is enough to say it once
                    self.host.acquire(timeout=_GLANCE_SECONDS)
            self.host = allocate_lock()
            self.host.acquire()
            raise


def _too_many(machine: Machine) -> StepLimit:
    last = machine.steps[-1]
    return StepLimit(
        f"no rest after {machine.max_steps} steps: {last.name} is about "
        f"to {last.waits()}"
    )
