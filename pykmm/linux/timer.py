# SPDX-License-Identifier: GPL-2.0-only
"""Timers — ``include/linux/timer.h``, ``kernel/time/timer.c``.

An armed timer is a thread that waits to run the timer's function. It takes its
first step even if the timer is deleted meanwhile, but then does nothing: which
of the two comes first is a race that an explorer has to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.config import Timers
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave, use_after_free
from ..engine.thread import Thread, current_thread
from ..errors import Deadlock, UsageError
from ._primitive import Primitive

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.clock import Clock
    from ..engine.objects import Struct

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
    """One arming of a timer, until firing or deleting it claims it."""

    def __init__(self, timer: timer_list, expires: int, base: _Base) -> None:
        self.timer = timer
        self.expires = expires
        self.base = base
        self.thread: Thread | None = None
        self._claims = [timer]
        base.add(self)

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
        if not self.claim():
            return False
        self.base.armings.remove(self)
        self.base.clock.forget(self.expires)
        if self.thread is not None:
            self.thread.access = Access.READ
        return True

    def move(self, expires: int) -> bool:
        """Let it fire at another time; False if it has been claimed."""
        before, self.expires = self.expires, expires
        if self.base.idle:
            self.base.clock.due.append(expires)
            self.base.clock.forget(before)
        return self.pending

    def may_go(self) -> bool:
        """Guard the thread: earlier timers go first, a deleted one any time."""
        if not self.pending:
            return True
        if self.base.clock.stands or self.timer._is_busy():
            return False
        if any(other.expires < self.expires for other in list(self.base.armings)):
            return False
        return not self.base.idle or self.base.clock.now >= self.expires

    def fire(self) -> None:
        """Be the body of the thread."""
        t = current_thread()
        timer = self.timer
        timer._running.append(t)
        if not self.claim():
            timer._running.remove(t)
            return
        if timer.owner is not None and timer.owner._death is not None:
            use_after_free(timer, "timer_fire")
        t.atomic += 1
        self.base.pass_time(self.expires)
        self.base.armings.remove(self)  # only now may later ones go
        timer._call()
        t.atomic -= 1
        timer._end(t)


class _Base:
    """The armings of a machine for which it is not too late."""

    def __init__(self) -> None:
        machine = current_machine()
        self.clock: Clock = machine.clock
        self.idle = machine.config.timers is Timers.IDLE
        self.armings: list[_Arming] = []

    def add(self, arming: _Arming) -> None:
        """Note an arming; idle timers tell the clock when it is due."""
        self.armings.append(arming)
        if self.idle:
            self.clock.due.append(arming.expires)

    def pass_time(self, expires: int) -> None:
        """Let it be *expires*, or as late as it is; idle clocks are there already."""
        clock = self.clock
        if self.idle:
            clock.reach(expires)
            return
        t = enter(clock, "tick")
        moved = expires > clock.now
        clock.reach(expires)
        leave(t, clock, Access.WRITE if moved else Access.READ, clock.now)


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

    def _is_busy(self) -> bool:
        return self.synced and bool(self._running)

    def _call(self) -> None:
        if self.function is not None:
            self.function(self)

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
        arming = timer._arming = _Arming(timer, expires, base)
    leave(t, timer, Access.WRITE, expires)
    if not pending and arming is not None:
        _start(arming, function.__name__, t)
    return pending


def _fire_now(timer: timer_list) -> bool:
    """Have the time come at which *timer* is due, and call its function right here.

    Context: The host, on a machine at rest: no thread has to wait for its turn.
    Return: Whether it was armed.
    """
    arming = timer._arming
    if arming is None or not arming.pending:
        return False
    arming.fire()
    return True


def _start(arming: _Arming, function: str, t: Thread) -> None:
    arming.thread = t.machine.thread(
        f"timer:{function}",
        arming.fire,
        obj=arming.timer,
        kind="timer_fire",
        guard=arming.may_go,
        access=Access.BARRIER if arming.base.idle else Access.WRITE,
    )


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
    return _cancel(timer, t, waited=True)
