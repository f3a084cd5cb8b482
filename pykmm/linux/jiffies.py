# SPDX-License-Identifier: GPL-2.0-only
"""Time — ``include/linux/jiffies.h``, ``kernel/time/sleep_timeout.c``.

With adversarial timers a sleep is an ordinary step: it may be over before others
have moved at all, or long after. With idle timers it is over when nobody else can
do anything, and the clock has jumped there.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.config import Timers
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.step import enter, leave
from ..engine.thread import Sleep, current_thread
from ._waiting import fatal_or_any, look_at_signals
from .kernel import might_sleep

__all__ = [
    "HZ",
    "jiffies",
    "msecs_to_jiffies",
    "schedule_timeout_idle",
    "schedule_timeout_interruptible",
    "schedule_timeout_killable",
    "schedule_timeout_uninterruptible",
    "time_after",
    "time_after_eq",
    "time_before",
]


def HZ() -> int:  # noqa: N802 -- Linux's name
    """Return how many jiffies make a second."""
    return current_machine().config.hz


def jiffies() -> int:
    """Read the clock; a step, because sleeps and timers move it."""
    clock = current_machine().clock
    t = enter(clock, "jiffies")
    now = clock.now
    leave(t, clock, Access.READ, now)
    return now


@mirrors("include/linux/jiffies.h", checked="v7.2", inline=True)
def msecs_to_jiffies(msecs: int) -> int:
    """Convert milliseconds, rounding up."""
    return -(-msecs * HZ() // 1000)


@mirrors("include/linux/jiffies.h", checked="v7.2", abridged="never wraps", inline=True)
def time_after(a: int, b: int) -> bool:
    """Tell whether *a* is later than *b*."""
    return a > b


@mirrors("include/linux/jiffies.h", checked="v7.2", abridged="never wraps", inline=True)
def time_after_eq(a: int, b: int) -> bool:
    """Tell whether *a* is not earlier than *b*."""
    return a >= b


@mirrors("include/linux/jiffies.h", checked="v7.2", abridged="never wraps", inline=True)
def time_before(a: int, b: int) -> bool:
    """Tell whether *a* is earlier than *b*."""
    return a < b


def _schedule_timeout(timeout: int, kind: str, sleep: Sleep) -> int:
    might_sleep()
    if look_at_signals(sleep):
        return timeout
    if current_machine().config.timers is Timers.ADVERSARIAL:
        return _sleep_at_will(timeout, kind, sleep)
    return _sleep_until_idle(timeout, kind, sleep)


def _sleep_at_will(timeout: int, kind: str, sleep: Sleep) -> int:
    clock = current_machine().clock
    t = enter(clock, kind, None, sleep)
    clock.reach(clock.now + timeout)
    leave(t, clock, Access.WRITE, clock.now)
    return 0


def _sleep_until_idle(timeout: int, kind: str, sleep: Sleep) -> int:
    t = current_thread()
    clock = t.machine.clock
    expires = clock.now + timeout

    def ready() -> bool:
        return clock.now >= expires or fatal_or_any(t, sleep)

    if t.is_boot:
        clock.reach(expires)
    clock.due.append(expires)
    t = enter(clock, kind, ready, sleep)
    left = max(0, expires - clock.now)
    clock.forget(expires)
    leave(t, clock, Access.BARRIER, clock.now, True)
    return left


@mirrors("kernel/time/sleep_timeout.c", checked="v7.2", inline=True)
def schedule_timeout_idle(timeout: int) -> int:
    """Sleep for *timeout* jiffies without counting as hung.

    Context: May sleep.
    Return: 0.
    """
    return _schedule_timeout(timeout, "schedule_timeout_idle", Sleep.UNINTERRUPTIBLE)


@mirrors("kernel/time/sleep_timeout.c", checked="v7.2", inline=True)
def schedule_timeout_uninterruptible(timeout: int) -> int:
    """Sleep for *timeout* jiffies, whatever signals come.

    Context: May sleep.
    Return: 0.
    """
    kind = "schedule_timeout_uninterruptible"
    return _schedule_timeout(timeout, kind, Sleep.UNINTERRUPTIBLE)


@mirrors("kernel/time/sleep_timeout.c", checked="v7.2", inline=True)
def schedule_timeout_killable(timeout: int) -> int:
    """Sleep for *timeout* jiffies, or until killed.

    Context: May sleep.
    Return: The jiffies that were left when a fatal signal came, else 0.
    """
    return _schedule_timeout(timeout, "schedule_timeout_killable", Sleep.KILLABLE)


@mirrors("kernel/time/sleep_timeout.c", checked="v7.2", inline=True)
def schedule_timeout_interruptible(timeout: int) -> int:
    """Sleep for *timeout* jiffies, or until there is a signal.

    Context: May sleep.
    Return: The jiffies that were left when a signal came, else 0.
    """
    kind = "schedule_timeout_interruptible"
    return _schedule_timeout(timeout, kind, Sleep.INTERRUPTIBLE)
