# SPDX-License-Identifier: GPL-2.0-only
"""The state of a read-write semaphore, and who is let in next.

Everything here happens inside of a step on the semaphore. A woken writer that finds
the lock taken again and again asks for a *handoff* after 4 ms: from then on nobody
overtakes the queue. Those 4 ms pass on the clock, which with adversarial timers does
not tell how long anything took; there nobody asks, because who comes late and has to
queue behind a handoff ends like one who comes later still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.config import Timers
from ..engine.guards import one_way
from ..engine.thread import Sleep, Thread
from ._primitive import Lock
from ._waiting import fatal_or_any, refuse_host

if TYPE_CHECKING:
    from ..engine.objects import Struct

__all__ = [
    "MAX_READERS_WAKEUP",
    "Waiter",
    "cancel",
    "enqueue",
    "grant_readers",
    "rw_semaphore",
    "take_in_turn",
    "wake_head",
]

#: How many readers one wake-up lets in at most.
MAX_READERS_WAKEUP: Final = 0x100


class Waiter:
    """One entry of the queue. A woken reader has the lock, a woken writer tries."""

    __slots__ = ("handoff_set", "thread", "timeout", "woken", "writes")

    def __init__(self, thread: Thread, *, writes: bool) -> None:
        self.thread = thread
        self.writes = writes
        self.woken = False
        #: From when on it may ask for a handoff, and whether the queue's one is its.
        self.timeout = thread.machine.clock.now + -(-thread.machine.config.hz // 250)
        self.handoff_set = False

    def is_overdue(self) -> bool:
        """Tell whether it has waited too long for others to overtake it."""
        machine = self.thread.machine
        return machine.config.timers is Timers.IDLE and machine.clock.now > self.timeout


class rw_semaphore(Lock):
    """A lock that one writer or many readers hold, with one queue for both."""

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        self.writer: Thread | None = None
        self.readers = 0
        self.queue: list[Waiter] = []
        #: Nobody may overtake the queue any more.
        self.handoff = False

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* keeps everybody else out."""
        return self.writer is thread

    def _may_be_stolen(self) -> bool:
        """Tell whether somebody who does not queue may take it."""
        return self.writer is None and not self.readers and not self.handoff

    @one_way
    def _lets_go(self, thread: Thread) -> bool:
        """Be the guard of the sleep of who has queued: whether it was woken."""
        for waiter in [*self.queue]:
            if waiter.thread is thread:
                return waiter.woken
        return True

    def _state(self) -> str:
        """Spell the lock's state: its holders, and how many wait."""
        holders = self.writer.name if self.writer else "free"
        if self.readers:
            holders = f"{self.readers} reader" + "s" * (self.readers > 1)
        if not self.queue:
            return holders
        return f"{holders}, {len(self.queue)} wait" + ", handoff" * self.handoff


def grant_readers(sem: rw_semaphore) -> None:
    """Give the lock to the readers of the queue, also those behind writers."""
    readers = [w for w in sem.queue if not w.writes][:MAX_READERS_WAKEUP]
    for waiter in readers:
        sem.queue.remove(waiter)
        sem.readers += 1
        waiter.woken = True
    sem.handoff = False


def wake_head(sem: rw_semaphore) -> None:
    """Let the head of the queue in, or try; a reader kept out too long hands off."""
    head = sem.queue[0] if sem.queue else None
    if head is None:
        return
    if head.writes:
        head.woken = True
    elif sem.writer is None:
        grant_readers(sem)
    elif head.is_overdue():
        sem.handoff = head.handoff_set = True


def take_in_turn(sem: rw_semaphore, waiter: Waiter) -> bool:
    """Take the lock for a writer of the queue, if it is free and the writer's turn.

    One that finds it taken, and has waited too long, asks for the handoff.
    """
    first = sem.queue[0]
    if sem.handoff and first.handoff_set and first is not waiter:
        return False
    if sem.writer is not None or sem.readers:
        if not sem.handoff and waiter.is_overdue():
            sem.handoff = first.handoff_set = True
        return False
    sem.queue.remove(waiter)
    sem.handoff = False
    return True


def enqueue(sem: rw_semaphore, t: Thread, sleep: Sleep, *, writes: bool) -> Waiter:
    """Put *t* at the end of the queue."""
    if not fatal_or_any(t, sleep):  # else it is about to give up
        refuse_host(t, sem)
    waiter = Waiter(t, writes=writes)
    sem.queue.append(waiter)
    sem.contended += 1
    # Readers that one wake-up left behind, being too many, get in with others.
    if sem.writer is None and not sem.queue[0].writes:
        grant_readers(sem)
    return waiter


def cancel(sem: rw_semaphore, waiter: Waiter) -> None:
    """Leave the queue; a head that leaves makes way for the others."""
    was_head = sem.queue[0] is waiter
    sem.queue.remove(waiter)
    if not sem.queue:
        sem.handoff = False
    elif was_head:
        wake_head(sem)
