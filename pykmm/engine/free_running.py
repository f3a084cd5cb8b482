# SPDX-License-Identifier: GPL-2.0-only
"""Real threads, all at once: the operating system decides.

Each object carries a raw lock that makes one step on it atomic, and a list of
the threads that wait for its state to change. A thread that ends a step looks
through that list and wakes whoever can go on. The machine counts its active
threads; when none is left, it is at rest.

A step may not begin inside another step, so a thread holds at most one raw lock.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from typing import TYPE_CHECKING

from .step import step_at_rest, use_after_free
from .thread import AsThread, Sleep, Thread, ThreadState, Unwind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine
    from .objects import Named
    from .pool import Worker

__all__ = ["FreeRunning"]

_MINT = allocate_lock()


class FreeRunning:
    """The uncontrolled backend of one machine.

    *jitter* makes threads give way before about one step in so many; 0 never.
    The pseudo-random pattern comes from *seed* and the thread's name.
    """

    def __init__(self, machine: Machine, *, seed: int = 0, jitter: int = 0) -> None:
        self.machine = machine
        self.jitter = jitter
        self.seed = seed
        self.count = allocate_lock()
        self.active = 0
        self.rest = allocate_lock()
        self.rest.acquire()
        self.running = False
        self._noise: dict[str, int] = {}
        #: The object of each step that had to wait, in no order to rely on.
        self.waits: list[Named] = []
        self.after_step = self.leave

    # -- what primitives call -------------------------------------------------

    def enter(
        self,
        t: Thread,
        obj: Named,
        kind: str,
        guard: Callable[[], object] | None,
        sleep: Sleep,
    ) -> None:
        """Return inside the object's raw lock, once the guard allows it."""
        machine = self.machine
        if machine.stopping or t is machine.boot:
            step_at_rest(t, obj, kind, guard)
            return
        if self.jitter:
            self._give_way(t)
        t.obj, t.kind, t.sleep = obj, kind, sleep
        raw = obj.raw or _mint_raw(obj)
        t.guard = guard
        t.waiting_on = obj
        raw.acquire()
        if guard is not None and not guard():
            self.waits.append(obj)
        while guard is not None and not guard():
            if obj.raw_waiters is None:
                obj.raw_waiters = []
            obj.raw_waiters.append(t)
            raw.release()
            self._rest_of(t)
            raw.acquire()
        t.waiting_on = None
        t.guard = None
        t.entered = obj
        owner = obj.owner
        if (obj if owner is None else owner)._death is not None:
            self.leave(t)
            use_after_free(obj, kind)

    def leave(self, t: Thread) -> None:
        """Wake whoever the step allowed to go on, and let others step."""
        obj = t.entered
        if obj is None:
            if t is self.machine.boot and t.obj is not None:
                self._wake(t.obj)
            return
        t.entered = None
        self._wake(obj)
        obj.raw.release()  # type: ignore[union-attr]  # made when it was entered

    def kick(self, t: Thread) -> None:
        """Let *t* look at its guard again: something else that it reads changed."""
        obj = t.waiting_on
        if obj is None:
            return
        raw = obj.raw or _mint_raw(obj)
        with raw:
            self._wake(obj)

    def made(self, t: Thread) -> None:
        """Start a thread that was made while others run, if its guard allows."""
        if self.running and (t.guard is None or t.guard()):
            self._count(1)
            self._start(t)

    def _wake(self, obj: Named) -> None:
        # At rest nobody is woken by the host: the next run finds who can go on.
        if not obj.raw_waiters or not self.running:
            return
        for w in [w for w in obj.raw_waiters if w.guard is None or w.guard()]:
            obj.raw_waiters.remove(w)
            self._count(1)
            w.lock.release()  # type: ignore[union-attr]  # it has started

    def _rest_of(self, t: Thread) -> None:
        """Sleep until woken; the waker has counted us as active already."""
        self._count(-1)
        t.lock.acquire()  # type: ignore[union-attr]  # it has started
        if self.machine.stopping:
            t.unwinding = True
            raise Unwind

    def _count(self, change: int) -> None:
        with self.count:
            self.active += change
            if self.active == 0 and self.running:
                self.running = False
                self.rest.release()

    def _give_way(self, t: Thread) -> None:
        # A small linear congruential generator: no state shared with anybody.
        noise = self._noise.get(t.name)
        if noise is None:
            noise = self.seed
            for char in t.name:
                noise = (noise * 31 + ord(char)) % 2147483647
        noise = (noise * 48271 + 11) % 2147483647
        self._noise[t.name] = noise
        if noise % self.jitter == 0:
            time.sleep(0)

    # -- what the host calls --------------------------------------------------

    def run(self) -> None:
        """Run until no thread is active; the clock jumps as long as that helps."""
        try:
            with AsThread(None):
                while self._go():
                    pass
        except BaseException:
            self.machine.stopping = True
            raise

    def _go(self) -> bool:
        machine = self.machine
        ready = self._ready()
        while not ready and machine.clock.jump():
            ready = self._ready()
        if not ready or machine.stopping:
            return False
        with self.count:
            self.active = len(ready)
            self.running = True
        for t in ready:
            if t.state is ThreadState.NEW:
                self._start(t)
            else:
                self._resume(t)
        self.rest.acquire()
        return not machine.stopping

    def _ready(self) -> list[Thread]:
        return [x for x in self.machine.live if x.guard is None or x.guard()]

    def _resume(self, t: Thread) -> None:
        """Wake *t*, which is counted as active, unless one that runs by now has."""
        obj = t.waiting_on
        if obj is None or not self._take_off(t, obj):
            self._count(-1)
            return
        t.lock.release()  # type: ignore[union-attr]  # it has started

    def _take_off(self, t: Thread, obj: Named) -> bool:
        """Take *t* off the list of who waits; whoever succeeds wakes it."""
        with obj.raw or _mint_raw(obj):
            if obj.raw_waiters is None or t not in obj.raw_waiters:
                return False
            obj.raw_waiters.remove(t)
            return True

    def _start(self, t: Thread) -> None:
        t.state = ThreadState.STARTED
        with self.count:
            worker = self.machine.pool.take()
        t.lock = worker.lock
        worker.give(lambda worker: self._carry(t, worker))

    def _carry(self, t: Thread, worker: Worker) -> None:
        machine = self.machine
        machine.live_body(t)
        if t.entered is not None:  # it died inside a step
            raw, t.entered = t.entered.raw, None
            raw.release()  # type: ignore[union-attr]  # it was entered
        with self.count:
            machine.pool.idle.append(worker)
        if machine.stopping:
            self._wake_all()
        self._count(-1)

    def _wake_all(self) -> None:
        """A thread failed: everybody who sleeps comes down now."""
        for t in list(self.machine.live):
            obj = t.waiting_on
            if obj is None or not self._take_off(t, obj):
                continue
            self._count(1)
            t.lock.release()  # type: ignore[union-attr]  # it has started

    def unwind(self) -> None:
        """Take all started threads down and wait until they are gone."""
        while True:
            with self.count:
                self.running = True
                self.active += 1
            self._wake_all()
            self._count(-1)
            self.rest.acquire()
            if not any(x.state is ThreadState.STARTED for x in self.machine.live):
                return


def _mint_raw(obj: Named) -> LockLike:
    with _MINT:
        if obj.raw is None:
            obj.raw = allocate_lock()
        return obj.raw


if TYPE_CHECKING:
    from _thread import LockType as LockLike
