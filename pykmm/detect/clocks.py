# SPDX-License-Identifier: GPL-2.0-only
"""Happens-before by vector clocks, as a race detector needs it.

Each thread counts *epochs*: a new one begins whenever it releases something. A
thread's clock says, for each other thread, up to which epoch that one's steps came
before. What was released is shared instead of copied, and a thread that acquires
what it has seen already finds out by one comparison; that is most of what FastTrack
(Flanagan and Freund, PLDI 2009) is about, applied to the synchronising side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ordering import ACQUIRE, ALL, CUT, RELAXED, RELEASE, REPLACE, WOKEN

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..engine.objects import Named
    from ..engine.thread import Thread

    #: For each other thread, its last epoch that came before. Never changed in place.
    Seen = dict[Thread, int]

__all__ = ["Clock", "Clocks"]


class Clock:
    """One thread's epoch, and what it has seen of others."""

    __slots__ = ("epoch", "seen", "thread")

    def __init__(self, thread: Thread, seen: Seen) -> None:
        self.thread = thread
        self.epoch = 0
        self.seen = seen

    def acquire(self, thread: Thread, epoch: int, theirs: Seen) -> None:
        """Come after what *thread* released at the end of *epoch*."""
        seen = self.seen
        if thread is self.thread or seen.get(thread, -1) >= epoch:
            return
        self.seen = seen = seen.copy()
        seen[thread] = epoch
        for other, their_epoch in theirs.items():
            if seen.get(other, -1) < their_epoch:
                seen[other] = their_epoch

    def is_after(self, thread: Thread, epoch: int) -> bool:
        """Tell whether what *thread* did in *epoch* comes before what comes now."""
        return thread is self.thread or self.seen.get(thread, -1) >= epoch


class _Releases:
    """What was released at one object: by one alone, and since then by several."""

    __slots__ = ("epoch", "relaxed", "seen", "thread", "together")

    def __init__(self) -> None:
        self.thread: Thread | None = None
        self.epoch = 0
        self.seen: Seen = {}
        self.together: dict[Thread, tuple[int, Seen]] | None = None
        #: The last change that orders nothing but those it wakes.
        self.relaxed: tuple[Thread, int, Seen] | None = None


class Clocks:
    """The clocks of a machine's threads, and what was released where."""

    def __init__(self) -> None:
        self._clocks: dict[Thread, Clock] = {}
        self._releases: dict[Named, _Releases] = {}
        #: What came before the last point at which nobody was under way.
        self._base: Seen = {}
        self._met = 0
        self._cuts = 0

    def of(self, t: Thread) -> Clock:
        """Return the running thread's clock."""
        machine = t.machine
        if len(machine.threads) != self._met or len(machine.cuts) != self._cuts:
            self._meet(machine)
        return self._clocks[t]

    def _meet(self, machine: Machine) -> None:
        """Take note of new threads, and of points where everybody was at rest."""
        if len(machine.cuts) != self._cuts:
            self._cuts = len(machine.cuts)
            self.cut()
        threads = machine.threads
        for t in threads[self._met :]:
            maker = self._clocks.get(t.creator) if t.creator is not None else None
            clock = self._clocks[t] = Clock(t, self._base)
            if maker is not None:
                clock.acquire(maker.thread, maker.epoch, maker.seen)
                maker.epoch += 1
            if t.made_by is not None:
                self.acquire(clock, t.made_by, ACQUIRE | ALL)
        self._met = len(threads)

    def cut(self) -> None:
        """Let everything so far come before everything that will."""
        self._base = {t: clock.epoch for t, clock in self._clocks.items()}
        for clock in self._clocks.values():
            clock.seen = self._base
            clock.epoch += 1
        self._releases.clear()

    def acquire(self, clock: Clock, obj: Named, order: int) -> None:
        """Bring *clock* behind those who released *obj*."""
        found = self._releases.get(obj)
        if found is None:
            return
        if found.thread is not None:
            clock.acquire(found.thread, found.epoch, found.seen)
        if order & ALL and found.together:
            for thread, (epoch, seen) in found.together.items():
                clock.acquire(thread, epoch, seen)
        if order & WOKEN and found.relaxed is not None:
            clock.acquire(*found.relaxed)

    def release(self, clock: Clock, obj: Named, order: int) -> None:
        """Let those who acquire *obj* later come after *clock*."""
        if order & CUT:
            self.cut()
            return
        found = self._releases.get(obj)
        if found is None:
            found = self._releases[obj] = _Releases()
        if order & REPLACE:
            found.thread = clock.thread
            found.epoch = clock.epoch
            found.seen = clock.seen
            found.together = None
        elif order & RELEASE:
            if found.together is None:
                found.together = {}
            found.together[clock.thread] = clock.epoch, clock.seen
        elif order & RELAXED:
            found.relaxed = clock.thread, clock.epoch, clock.seen
        clock.epoch += 1

    def step(self, t: Thread, obj: Named, order: int) -> None:
        """Do both, in a step of *t* that does nothing in between."""
        clock = self.of(t)
        if order & ACQUIRE:
            self.acquire(clock, obj, order)
        if order & (RELEASE | RELAXED | CUT):
            self.release(clock, obj, order)
