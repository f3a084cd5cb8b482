# SPDX-License-Identifier: GPL-2.0-only
"""Who unmapped what, and who could have met whom, read off a finished execution.

What is said here holds for all executions that differ only in the order of steps
that do not depend on each other: an explorer runs one of them only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from ...engine.events import CONFLICTS, Access
from ...linux.mm_types import mm_struct
from ...linux.pgtable import _ptlock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...engine.events import Event
    from ...engine.machine import Machine
    from ...engine.thread import Thread

    #: For each thread, how many of its events came before.
    Clock = dict[Thread, int]

__all__ = ["Visit", "last_user", "may_contend", "visits"]

_COUNTED: Final = "add_mm_counter"


@frozen
class Visit:
    """One hold of a page-table lock: by whom, of which 2 MiB, and what for."""

    thread: Thread
    table: int
    #: Numbers of the events that took and released the lock.
    start: int
    end: int
    #: Whether anything was there to be unmapped.
    found: bool


def last_user(machine: Machine, mm: mm_struct) -> Thread | None:
    """Return the thread that dropped the last of ``mm_users``."""
    for event in machine.events:
        if event.obj is mm.mm_users and event.value == 0:
            if event.kind == "atomic_dec_and_test":
                return event.thread
    return None


def visits(machine: Machine, mm: mm_struct) -> list[Visit]:
    """Return all holds of page-table locks of *mm*, in the order of their ends."""
    held: dict[Thread, tuple[int, int]] = {}
    busy: set[Thread] = set()
    found = []
    for event in machine.events:
        if isinstance(event.obj, _ptlock) and event.obj.mm is mm:
            if event.access is Access.ACQUIRE:
                held[event.thread] = event.index, event.obj.index
                busy.discard(event.thread)
            elif event.access is Access.RELEASE:
                start, table = held.pop(event.thread)
                full = event.thread in busy
                found.append(Visit(event.thread, table, start, event.index, full))
        elif event.kind == _COUNTED and event.thread in held:
            busy.add(event.thread)
    return found


def may_contend(
    machine: Machine, mine: Iterable[Visit], theirs: Iterable[Visit]
) -> list[int]:
    """Return the tables for which two walks may have to wait for each other.

    They do if nothing but the table's own lock says whose visit comes first.
    """
    first = {visit.table: visit for visit in mine}
    pairs = [(first[v.table], v) for v in theirs if v.table in first]
    return [a.table for a, b in pairs if not _ordered(machine.events, a, b)]


def _ordered(events: Sequence[Event], a: Visit, b: Visit) -> bool:
    """Tell whether the visits are ordered by anything but their own lock."""
    earlier, later = (a, b) if a.start < b.start else (b, a)
    lock = events[earlier.start].obj.uid
    clock = _clock_before(events, later.start, lock)
    return clock.get(earlier.thread, -1) >= earlier.start


def _clock_before(events: Sequence[Event], until: int, but: object) -> Clock:
    """Return what happened before event *until*, the object *but* left aside."""
    clocks: dict[Thread, Clock] = {}
    left: dict[object, dict[Access, Clock]] = {}
    for event in events[:until]:
        clock = dict(clocks.get(event.thread) or _birth(clocks, event.thread))
        clock[event.thread] = event.index
        clocks[event.thread] = clock
        uid = event.obj.uid
        if uid == but:
            continue
        traces = left.setdefault(uid, {})
        for access, seen in traces.items():
            if CONFLICTS[event.access][access]:
                _join(clock, seen)
        _join(traces.setdefault(event.access, {}), clock)
    return clocks.get(events[until].thread) or _birth(clocks, events[until].thread)


def _birth(clocks: dict[Thread, Clock], thread: Thread) -> Clock:
    creator = thread.creator
    return {} if creator is None else clocks.get(creator, {})


def _join(clock: Clock, other: Clock) -> None:
    for thread, index in other.items():
        if clock.get(thread, -1) < index:
            clock[thread] = index
