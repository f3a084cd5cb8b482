# SPDX-License-Identifier: GPL-2.0-only
"""Data races, after ``Documentation/dev-tools/kcsan.rst``.

Two accesses race if they conflict, at least one of them is plain, and nothing
orders them: that they came one after the other is an accident then. *Plain* is what
a ``shared()`` or ``owned()`` field does when it is named without a mark, and a
:class:`~pykmm.engine.sync.PlainCell`. ``READ_ONCE()``, ``WRITE_ONCE()``, atomics and
bits are marked; ``data_race()`` excuses an access for good.

Unlike KCSAN, which has to catch both in the act, this decides by happens-before:
FastTrack (Flanagan and Freund, PLDI 2009), with epochs for plain writes and for
reads as long as there is one reader, and a table once there are several. What
counts as ordered is told in :mod:`pykmm.detect.ordering`. The verdict is exact for
the execution at hand, and the same for all executions that differ only in the order
of independent steps; an exploration therefore finds all races that there are.

Like KCSAN in its default configuration (``CONFIG_KCSAN_ASSUME_PLAIN_WRITES_ATOMIC``)
it lets a plain write meet a marked read: fields that are written under a lock and
looked at without it are the kernel's daily bread. ``strict=True`` does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.events import Access
from ..errors import DataRace, call_path, named_frames
from .clocks import Clock, Clocks
from .detector import stop
from .ordering import ACQUIRE, DEFAULTS, FOUND, ORDERS, RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..engine.events import Event
    from ..engine.machine import Machine
    from ..engine.objects import Named
    from ..engine.thread import Thread
    from .detector import Found

__all__ = ["Kcsan"]

_PLAIN = ("read", "write")
_EXCUSED = "data_race"

#: Each thread's last access of a sort: in which epoch, the step, and the locks.
_Accesses = dict["Thread", tuple[int, "Event", tuple["Named", ...]]]
_READ = Access.READ


class _Variable:
    """What is remembered of one variable: the accesses that others could race with.

    Plain writes come one after the other, or else there was a race. Marked ones need
    not, so each thread's last one counts.
    """

    __slots__ = ("marked_reads", "marked_writes", "reads", "writes")

    def __init__(self) -> None:
        self.writes: _Accesses = {}
        self.reads: _Accesses = {}
        self.marked_writes: _Accesses = {}
        self.marked_reads: _Accesses = {}


class Kcsan:
    """Watches one machine for data races; with *strict*, against marked reads, too.

    *found* is told of each race; by default the first one ends the execution.
    """

    def __init__(self, found: Found = stop, *, strict: bool = False) -> None:
        self._found = found
        self._strict = strict
        self._clocks = Clocks()
        self._variables: dict[Named, _Variable] = {}

    def event(self, event: Event) -> None:
        """Follow what orders what, and check accesses to what can race."""
        access = event.access
        kind = event.kind
        obj = event.obj
        order = ORDERS[access].get(kind, DEFAULTS[access])
        if not obj.plain:
            if order and (not order & FOUND or event.value):
                self._clocks.step(event.thread, obj, order)
            return
        clock = self._clocks.of(event.thread)
        if order & ACQUIRE:
            self._clocks.acquire(clock, obj, order)
        if kind in _PLAIN:
            self._access(event, clock, plain=True)
        elif (self._strict or access is not _READ) and kind != _EXCUSED:
            self._access(event, clock, plain=False)
        if order & RELEASE:
            self._clocks.release(clock, obj, order)

    def at_rest(self, machine: Machine) -> None:
        """Nothing to say: races are found where they happen."""

    def _access(self, event: Event, clock: Clock, *, plain: bool) -> None:
        """Note an access, and look at others unless this thread has just done so."""
        variable = self._variables.get(event.obj)
        if variable is None:
            variable = self._variables[event.obj] = _Variable()
        if event.access is _READ:
            mine = variable.reads if plain else variable.marked_reads
        else:
            mine = variable.writes if plain else variable.marked_writes
        last = mine.get(event.thread)
        if last is not None and last[0] == clock.epoch:
            return
        self._check(event, clock, variable, plain=plain)
        mine[event.thread] = (clock.epoch, event, tuple(event.thread.held))

    def _check(
        self, event: Event, clock: Clock, variable: _Variable, *, plain: bool
    ) -> None:
        reads = event.access is _READ
        if plain or not reads or self._strict:
            self._compare(event, clock, variable.writes)
        if plain:
            self._compare(event, clock, variable.marked_writes)
        if not reads:
            self._compare(event, clock, variable.reads)
            if plain:
                self._compare(event, clock, variable.marked_reads)
                # From now on this write stands for all that came before it.
                for accesses in (
                    variable.writes,
                    variable.reads,
                    variable.marked_writes,
                    variable.marked_reads,
                ):
                    accesses.clear()

    def _compare(self, event: Event, clock: Clock, others: _Accesses) -> None:
        for thread, (epoch, other, held) in others.items():
            if not clock.is_after(thread, epoch):
                self._found(_race(other, held, event))


# -- the report ---------------------------------------------------------------------


def _race(first: Event, held: Sequence[Named], second: Event) -> DataRace:
    a, b = sorted((first, second), key=_side)
    race = DataRace(
        f"{a.thread.name} {_verb(a)} {a.obj.name} and {b.thread.name} "
        f"{_verb(b)} it, and nothing orders the two",
        facts=[
            *_told(first, held),
            *_told(second, second.thread.held),
            *_change(first, second),
        ],
    )
    race.functions = tuple(
        dict.fromkeys(
            name for event in (first, second) for name in named_frames(event.stack)[:1]
        )
    )
    return race


def _side(event: Event) -> tuple[bool, str]:
    """Sort the sides so that the two orders of one race read the same."""
    return event.access is Access.READ, event.thread.name


def _verb(event: Event) -> str:
    verb = "reads" if event.access is Access.READ else "writes"
    return verb if event.kind in _PLAIN else f"{verb} ({event.kind})"


def _told(event: Event, held: Sequence[Named]) -> Iterator[tuple[str, str]]:
    what = event.kind if event.kind in _PLAIN else f"{event.kind} (marked)"
    locks = ", ".join(lock.name for lock in held)
    under = f", holding {locks}" if locks else ""
    by = f"by {event.thread.name} at step {event.index}{under}"
    yield what, f"{by}{call_path(event.stack)}"


def _change(first: Event, second: Event) -> Iterator[tuple[str, str]]:
    """Say what the write changed, the later one if both are."""
    write = first if second.access is Access.READ else second
    before = getattr(write.obj, "before", None)
    yield "value changed", f"{before!r} -> {write.value!r}"
