# SPDX-License-Identifier: GPL-2.0-only
"""Wait queues — ``include/linux/wait.h``, ``kernel/sched/wait.c``.

No wake-up is lost because a sleeper queues *before* it looks at what it waits
for: whoever changes that afterwards finds the sleeper in the queue.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.config import Timers
from ..engine.events import Access
from ..engine.guards import one_way
from ..engine.step import enter, leave
from ..engine.thread import Sleep, Thread, current_thread
from ..errno import ERESTARTSYS
from ._primitive import Primitive
from ._waiting import fatal_or_any, look_at_signals, refuse_host, wait_for
from .kernel import might_sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.objects import Struct

__all__ = [
    "init_waitqueue_head",
    "wait_event",
    "wait_event_freezable",
    "wait_event_idle",
    "wait_event_interruptible",
    "wait_event_interruptible_timeout",
    "wait_event_killable",
    "wait_event_timeout",
    "wait_queue_entry",
    "wait_queue_head_t",
    "waitqueue_active",
    "wake_up",
    "wake_up_all",
    "wake_up_interruptible",
]


_NO_FREEZER = "nothing freezes"


class wait_queue_entry:
    """One sleeper in a queue. Being woken takes it out."""

    __slots__ = ("sleep", "thread", "woken")

    def __init__(self, thread: Thread, sleep: Sleep) -> None:
        self.thread = thread
        self.sleep = sleep
        self.woken = False


class wait_queue_head_t(Primitive):
    """Who waits for something to change."""

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        #: In order of arrival; nobody sleeps in a queue twice at once.
        self.entries: dict[Thread, wait_queue_entry] = {}

    @one_way
    def _lets_go(self, thread: Thread) -> bool:
        """Be the guard of the sleep of who has queued: whether it was woken."""
        return thread not in self.entries


def init_waitqueue_head(wq: wait_queue_head_t) -> None:
    """Make the queue empty; no step, for nobody else knows it yet."""
    wq.entries.clear()


def _prepare(wq: wait_queue_head_t, entry: wait_queue_entry, *, signal: bool) -> None:
    """Queue before looking; a sleeper that has a signal leaves the queue instead."""
    t = enter(wq, "prepare_to_wait")
    refuse_host(t, wq)
    entry.woken = False
    if signal:
        wq.entries.pop(t, None)
    else:
        wq.entries.setdefault(t, entry)
    leave(t, wq, Access.WRITE, len(wq.entries))


def _finish(wq: wait_queue_head_t) -> None:
    t = enter(wq, "finish_wait")
    queued = wq.entries.pop(t, None)
    leave(t, wq, Access.WRITE if queued else Access.READ, len(wq.entries))


def _sleep(
    wq: wait_queue_head_t, entry: wait_queue_entry, condition: Callable[[], object]
) -> bool:
    """Sleep until woken; *condition* is what a detector may look at meanwhile.

    Return: Whether a signal came first.
    """
    if look_at_signals(entry.sleep):
        return True
    here = current_thread()
    here.condition = condition
    t = wait_for(wq, "schedule", partial(wq._lets_go, here), entry.sleep)
    here.condition = None
    if t is None:
        return True
    leave(t, wq, Access.WAIT, len(wq.entries), True)
    return False


def _wait_event(
    wq: wait_queue_head_t, condition: Callable[[], object], sleep: Sleep
) -> int:
    might_sleep()
    if condition():
        return 0
    entry = wait_queue_entry(current_thread(), sleep)
    signal = False
    while True:
        _prepare(wq, entry, signal=signal)
        if condition():
            break
        if signal:
            return -ERESTARTSYS
        signal = _sleep(wq, entry, condition)
    _finish(wq)
    return 0


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def wait_event(wq: wait_queue_head_t, condition: Callable[[], object]) -> None:
    """Sleep until *condition*, looking again whenever somebody wakes *wq*.

    Context: May sleep. Whoever changes what *condition* looks at wakes *wq*
        afterwards.
    """
    _wait_event(wq, condition, Sleep.UNINTERRUPTIBLE)


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def wait_event_interruptible(
    wq: wait_queue_head_t, condition: Callable[[], object]
) -> int:
    """Sleep until *condition*, or until there is a signal.

    Context: May sleep.
    Return: 0, or -ERESTARTSYS while *condition* does not hold.
    """
    return _wait_event(wq, condition, Sleep.INTERRUPTIBLE)


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def wait_event_killable(wq: wait_queue_head_t, condition: Callable[[], object]) -> int:
    """Sleep until *condition*, or until killed.

    Context: May sleep.
    Return: 0, or -ERESTARTSYS while *condition* does not hold.
    """
    return _wait_event(wq, condition, Sleep.KILLABLE)


@mirrors("include/linux/wait.h", checked="v7.2", abridged=_NO_FREEZER, inline=True)
def wait_event_freezable(wq: wait_queue_head_t, condition: Callable[[], object]) -> int:
    """Sleep until *condition* or a signal, being frozen if the system is.

    Context: May sleep.
    Return: 0, or -ERESTARTSYS while *condition* does not hold.
    """
    return _wait_event(wq, condition, Sleep.INTERRUPTIBLE)


@mirrors(
    "include/linux/wait.h",
    checked="v7.2",
    abridged="a kernel thread gets no signals, so the interruptible sleep serves",
    inline=True,
)
def wait_event_idle(wq: wait_queue_head_t, condition: Callable[[], object]) -> None:
    """Sleep until *condition* without counting as hung.

    Context: May sleep; for kernel threads.
    """
    _wait_event(wq, condition, Sleep.IDLE)


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def wait_event_timeout(
    wq: wait_queue_head_t, condition: Callable[[], object], timeout: int
) -> int:
    """Sleep until *condition*, but no longer than *timeout* jiffies.

    Context: May sleep.
    Return: 0 if time ran out while *condition* did not hold, else what was left
        of *timeout*, at least 1.
    """
    might_sleep()
    if condition():
        return max(1, timeout)
    entry = wait_queue_entry(current_thread(), Sleep.UNINTERRUPTIBLE)
    left = timeout
    while True:
        _prepare(wq, entry, signal=False)
        if condition():
            left = max(1, left)
            break
        if left == 0:
            break
        left = _sleep_timeout(wq, entry, left)
    _finish(wq)
    return left


def _sleep_timeout(wq: wait_queue_head_t, entry: wait_queue_entry, left: int) -> int:
    """Sleep until woken or, at the latest, for *left* jiffies.

    Return: The jiffies left, 0 if time ran out. A signal, where one ends the sleep,
        leaves some.
    """
    t = current_thread()
    clock = t.machine.clock
    adversarial = t.machine.config.timers is Timers.ADVERSARIAL
    expires = clock.now + left

    def ready() -> bool:
        if adversarial or entry.woken or clock.now >= expires:
            return True
        return fatal_or_any(t, entry.sleep)

    if not adversarial:
        clock.due.append(expires)
    t = enter(wq, "schedule_timeout", ready, entry.sleep)
    woken = entry.woken or fatal_or_any(t, entry.sleep)
    access = Access.WAIT if woken or adversarial else Access.BARRIER
    leave(t, wq, access, len(wq.entries), not adversarial)
    if adversarial and woken:
        return left
    if adversarial:
        t = enter(clock, "tick")
        clock.reach(clock.now + left)
        leave(t, clock, Access.WRITE, clock.now)
        return 0
    clock.forget(expires)
    return max(0, expires - clock.now)


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def wait_event_interruptible_timeout(
    wq: wait_queue_head_t, condition: Callable[[], object], timeout: int
) -> int:
    """Sleep until *condition* or a signal, but no longer than *timeout* jiffies.

    Context: May sleep.
    Return: As :func:`wait_event_timeout`, or -ERESTARTSYS if a signal came while
        *condition* did not hold.
    """
    might_sleep()
    if condition():
        return max(1, timeout)
    if timeout == 0:
        return 0
    entry = wait_queue_entry(current_thread(), Sleep.INTERRUPTIBLE)
    left, signal = timeout, False
    while True:
        _prepare(wq, entry, signal=signal)
        if condition():
            left = max(1, left)
            break
        if left == 0:
            break
        if signal:
            return -ERESTARTSYS
        signal = look_at_signals(entry.sleep)
        if not signal:
            left = _sleep_timeout(wq, entry, left)
            signal = left > 0 and not entry.woken
    _finish(wq)
    return left


# -- waking ---------------------------------------------------------------------------


def _wake(wq: wait_queue_head_t, kind: str, whom: tuple[Sleep, ...]) -> None:
    t = enter(wq, kind)
    woken = [entry for entry in wq.entries.values() if entry.sleep in whom]
    for entry in woken:
        entry.woken = True
        del wq.entries[entry.thread]
    leave(t, wq, Access.WRITE if woken else Access.READ, len(wq.entries))


#: TASK_NORMAL, of which TASK_IDLE is a part.
_ALL = tuple(Sleep)


@mirrors(
    "include/linux/wait.h",
    checked="v7.2",
    abridged="nobody waits exclusively, so all are woken",
    inline=True,
)
def wake_up(wq: wait_queue_head_t) -> None:
    """Wake who waits in *wq*; with nobody there it has only read.

    Context: Any; never sleeps.
    """
    _wake(wq, "wake_up", _ALL)


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def wake_up_all(wq: wait_queue_head_t) -> None:
    """Wake everybody who waits in *wq*.

    Context: Any; never sleeps.
    """
    _wake(wq, "wake_up_all", _ALL)


@mirrors(
    "include/linux/wait.h",
    checked="v7.2",
    abridged="nobody waits exclusively, so all are woken",
    inline=True,
)
def wake_up_interruptible(wq: wait_queue_head_t) -> None:
    """Wake those in *wq* whom any signal would wake, too.

    Context: Any; never sleeps.
    """
    _wake(wq, "wake_up_interruptible", (Sleep.INTERRUPTIBLE,))


@mirrors("include/linux/wait.h", checked="v7.2", inline=True)
def waitqueue_active(wq: wait_queue_head_t) -> bool:
    """Tell whether anybody waits in *wq*.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(wq, "waitqueue_active")
    active = bool(wq.entries)
    leave(t, wq, Access.READ, len(wq.entries))
    return active
