# SPDX-License-Identifier: GPL-2.0-only
"""Timers — ``include/linux/timer.h``, ``kernel/time/timer.c``.

An armed timer is a thread that waits to run the timer's function. It takes its
first step even if the timer is deleted meanwhile, but then does nothing: which
of the two comes first is a race that an explorer has to see.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.config import Timers
from ..engine.events import Access
from ..engine.guards import AllOf
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..engine.thread import current_thread
from ..errors import Deadlock, UsageError
from ._primitive import Primitive
from .lockdep import lock_map_acquire, lock_map_release, lock_map_sync
from .preempt import SOFTIRQ, _run_as

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.clock import Clock
    from ..engine.objects import Named, Struct
    from ..engine.thread import Thread

__all__ = [
    "add_timer",
    "mod_timer",
    "timer_delete",
    "timer_delete_sync",
    "timer_list",
    "timer_pending",
    "timer_setup",
]


class _Arming:
    """One arming of a timer, until firing or deleting it claims it.

    Its time comes in one step, on the clock, and it fires in the next one, on the
    timer. In between it can be deleted, or moved so that another time has to come.
    """

    def __init__(self, timer: timer_list, expires: int, base: _Base) -> None:
        self.timer = timer
        self.expires = expires
        self.base = base
        self._claims = [timer]
        self._was_moved = False
        #: Its timer, and those that it had to wait for.
        self._met: dict[Named, None] = {timer: None}

    @property
    def pending(self) -> bool:
        """Whether nobody has claimed it."""
        return bool(self._claims)

    def claim(self) -> bool:
        """Decide once, and atomically in any backend, who ends the arming."""
        try:
            self._claims.pop()
        except IndexError:
            return False
        return True

    def cancel(self) -> bool:
        """Claim the arming so that it does not fire."""
        return self.claim()

    def move(self, expires: int) -> bool:
        """Let it fire at another time; False if it has been claimed."""
        self.expires = expires
        self._was_moved = True
        return self.pending

    def start(self, name: str, t: Thread) -> None:
        """Make its thread, being *t*."""
        t.machine.thread(
            name,
            self._run,
            obj=self.base.clock,
            kind="tick",
            guard=AllOf(self._parts, self._met),
            first=self._tick,
        )

    def fire(self, t: Thread) -> None:
        """Call the timer's function, having been claimed."""
        _run_as(SOFTIRQ, self.timer._call)
        self.timer._end(t)

    def _parts(self) -> list[tuple[Named, Callable[[], object]]]:
        """List all timers: one that is due earlier goes first."""
        clock, expires, timers = self.base.clock, self.expires, list(self.base.timers)
        self._met.update((x, None) for x in timers if not x._lets(expires))
        if clock.stands:
            return [(clock, lambda: False)]
        if self._was_moved:  # asked of an earlier time this would tell nothing
            return [(x, partial(self._may_pass, x)) for x in timers]
        return [(x, partial(x._lets, expires)) for x in timers]

    def _may_pass(self, timer: timer_list) -> bool:
        return timer._lets(self.expires)

    def _tick(self) -> tuple[Access, int]:
        """Have its time come, unless it has come, or nobody waits for it any more."""
        clock = self.base.clock
        moves = self.pending and self.expires > clock.now
        if moves:
            clock.reach(self.expires)
        return Access.WRITE if moves else Access.READ, clock.now

    def _run(self) -> None:
        clock, timer = self.base.clock, self.timer
        while self.pending:
            t = enter(timer, "timer_fire", timer._is_free if timer.synced else None)
            fires = self.expires <= clock.now and self.claim()
            if fires:
                timer._running.append(t)
            access = Access.WRITE if fires else Access.READ
            leave(t, timer, access, "due" if fires else "not due", timer.synced)
            if fires:
                self.fire(t)
            elif self.pending:
                t = enter(clock, "tick", AllOf(self._parts, self._met))
                leave(t, clock, *self._tick(), blocking=True)


class _IdleArming(_Arming):
    """One whose time comes when nobody else can go on."""

    def cancel(self) -> bool:
        if not self.claim():
            return False
        self.base.clock.forget(self.expires)
        return True

    def move(self, expires: int) -> bool:
        before, self.expires = self.expires, expires
        self.base.clock.due.append(expires)
        self.base.clock.forget(before)
        return self.pending

    def start(self, name: str, t: Thread) -> None:
        self.base.clock.due.append(self.expires)
        t.machine.thread(
            name,
            self._run,
            obj=self.timer,
            kind="timer_fire",
            guard=self._may_fire,
            first=self._begin,
        )

    def _may_fire(self) -> bool:
        """Tell whether its turn has come, or it has been deleted."""
        clock, expires = self.base.clock, self.expires
        if clock.stands or not self.timer._is_free():
            return not self.pending
        first = all(x._lets(expires) for x in list(self.base.timers))
        return not self.pending or (first and clock.now >= expires)

    def _begin(self) -> tuple[Access, object]:
        if not self.claim():
            return Access.READ, None
        self.timer._running.append(current_thread())
        self.base.clock.reach(self.expires)
        return Access.BARRIER, None

    def _run(self) -> None:
        t = current_thread()
        if t in self.timer._running:
            self.fire(t)


class _Base:
    """The timers of a machine that ever were armed."""

    def __init__(self) -> None:
        machine = current_machine()
        self.clock: Clock = machine.clock
        self.timers: dict[timer_list, None] = {}
        self.kind = _IdleArming if machine.config.timers is Timers.IDLE else _Arming


_base = MachineLocal(_Base)


class timer_list(Primitive):
    """A function to call at a time.

    With *synced* the end of the function is a step, too. That is needed for
    :func:`timer_delete_sync`, and to keep the function from running beside itself
    where the timer is armed again meanwhile.
    """

    def __init__(self, owner: Struct | None = None, *, synced: bool = False) -> None:
        super().__init__(owner)
        self.function: Callable[[timer_list], object] | None = None
        self.synced = synced
        self._arming: _Arming | None = None
        self._running: list[Thread] = []

    @property
    def expires(self) -> int | None:
        """When it is to fire, or None; for looking without a step."""
        arming = self._arming
        return arming.expires if arming is not None and arming.pending else None

    def _is_quiet(self) -> bool:
        return not self._running

    def _is_free(self) -> bool:
        return not (self.synced and self._running)

    def _lets(self, expires: int) -> bool:
        """Tell whether one that is due then may go before this one."""
        arming = self._arming
        return arming is None or not arming.pending or arming.expires >= expires

    def _call(self) -> None:
        lock_map_acquire(self)
        if self.function is not None:
            self.function(self)
        lock_map_release(self)

    def _end(self, t: Thread) -> None:
        if self.synced:
            enter(self, "timer_done")
        self._running.remove(t)
        if self.synced:
            leave(t, self, Access.WRITE, "done")


def timer_setup(timer: timer_list, function: Callable[[timer_list], object]) -> None:
    """Say what the timer does; no step, for nobody else knows it yet."""
    timer.function = function


def _arm(timer: timer_list, expires: int, kind: str) -> bool:
    function = timer.function
    if function is None:
        raise UsageError(f"{timer.name} has no function: timer_setup() comes first")
    base = _base()
    t = enter(timer, kind)
    arming = timer._arming
    pending = arming is not None and arming.move(expires)
    if not pending:
        arming = timer._arming = base.kind(timer, expires, base)
        base.timers[timer] = None
    leave(t, timer, Access.WRITE, expires)
    if not pending and arming is not None:
        arming.start(f"timer:{function.__name__}", t)
    return pending


def _fire_now(timer: timer_list) -> bool:
    """Have the time come at which *timer* is due, and call its function right here.

    Context: The host, on a machine at rest: no thread has to wait for its turn.
    Return: Whether it was armed.
    """
    arming = timer._arming
    if arming is None or not arming.claim():
        return False
    t = current_thread()
    arming.base.clock.reach(arming.expires)
    timer._running.append(t)
    arming.fire(t)
    return True


@mirrors("kernel/time/timer.c", checked="v7.2", inline=True)
def mod_timer(timer: timer_list, expires: int) -> bool:
    """Let the timer fire at *expires*, armed or not.

    Context: Any; never sleeps. The function will run in softirq context.
    Return: Whether it was armed before.
    """
    return _arm(timer, expires, "mod_timer")


@mirrors("kernel/time/timer.c", checked="v7.2", inline=True)
def add_timer(timer: timer_list, expires: int) -> None:
    """Arm a timer that is not armed.

    Linux takes the time from ``timer->expires``; here it is an argument.

    Context: Any; never sleeps.
    """
    _arm(timer, expires, "add_timer")


@mirrors("include/linux/timer.h", checked="v7.2", inline=True)
def timer_pending(timer: timer_list) -> bool:
    """Tell whether the timer is armed.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(timer, "timer_pending")
    pending = timer.expires is not None
    leave(t, timer, Access.READ, pending)
    return pending


def _cancel(timer: timer_list, t: Thread, *, waited: bool) -> bool:
    arming = timer._arming
    hit = arming is not None and arming.cancel()
    miss = Access.WAIT if waited else Access.READ
    leave(t, timer, Access.WRITE if hit else miss, "deleted" if hit else "idle", waited)
    return hit


@mirrors("kernel/time/timer.c", checked="v7.2", inline=True)
def timer_delete(timer: timer_list) -> bool:
    """Disarm the timer; its function may be running, and go on.

    Context: Any; never sleeps.
    Return: Whether it was armed.
    """
    t = enter(timer, "timer_delete")
    return _cancel(timer, t, waited=False)


@mirrors("kernel/time/timer.c", checked="v7.2", inline=True)
def timer_delete_sync(timer: timer_list) -> bool:
    """Disarm the timer, and wait until its function does not run any more.

    Context: Not from the function itself, and without locks that it takes.
    Return: Whether it was armed.
    """
    t = current_thread()
    if not timer.synced:
        raise UsageError(
            f"timer_delete_sync() waits for the end of {timer.name}'s function: "
            "make the timer with synced=True"
        )
    if t in timer._running and not t.machine.stopping:
        raise Deadlock(f"{t.name} waits for itself: timer_delete_sync {timer.name}")
    t = enter(timer, "timer_delete_sync", timer._is_quiet)
    deleted = _cancel(timer, t, waited=True)
    lock_map_sync(timer)
    return deleted
