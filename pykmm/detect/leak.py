# SPDX-License-Identifier: GPL-2.0-only
"""References that nobody can give back any more, after ``kmemleak``.

When a machine is at rest, a structure that is alive although nothing leads to it is
lost: whoever could have dropped its references has forgotten it. As kmemleak does,
this walks from the roots - file statics, tasks, the frames of whoever sleeps, and the
host's own - along everything that refers to something. Only counted structures are
looked for, and only if more references were taken than dropped or the structure was
made in the run, so that most executions need no walk.

The report says who took the references that were never given back
(:mod:`pykmm.engine.ledger`). The kernel's own laws, which know who *should* hold a
reference, are in :mod:`pykmm.invariants` and tell the same account.
"""

from __future__ import annotations

import gc
import sys
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    ModuleType,
    TracebackType,
)
from typing import TYPE_CHECKING

from ..engine.events import Access, Event
from ..engine.ledger import Account, born
from ..engine.machine import Machine
from ..engine.objects import Root, Struct
from ..engine.thread import Thread
from ..errors import Leak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..engine.objects import Named

__all__ = ["LeakDetector"]

_COUNTS = tuple(access in (Access.INC, Access.DEC, Access.DROP) for access in Access)

#: What leads everywhere, or nowhere.
_NO_WAY = (
    BuiltinFunctionType,
    CodeType,
    Event,
    FrameType,
    Machine,
    ModuleType,
    Thread,
    TracebackType,
    bytes,
    float,
    int,
    str,
    type,
)


class LeakDetector:
    """Watches one machine's reference counts, and walks its memory at rest."""

    def __init__(self) -> None:
        self._counters: dict[Named, None] = {}

    def event(self, event: Event) -> None:
        """Remember what is counted."""
        if _COUNTS[event.access]:
            self._counters[event.obj] = None

    def at_rest(self, machine: Machine) -> None:
        """Report a counted structure that is alive and out of everybody's reach."""
        suspects: dict[Struct, list[Account]] = {}
        for counter in self._counters:
            struct = counter.owner
            if struct is None or struct._death is not None or isinstance(struct, Root):
                continue
            account = Account(counter, machine.events)
            if account.surplus > 0 or struct._birth[0] != machine.boot.name:
                suspects.setdefault(struct, []).append(account)
        if suspects:
            _report(machine, suspects)


def _report(machine: Machine, suspects: dict[Struct, list[Account]]) -> None:
    for struct in _lost(machine, suspects):
        facts = born(struct, machine)
        for account in suspects[struct]:
            facts.append(("counter", account.counter.name))
            facts += account.facts()
        raise Leak(f"{struct.name} is alive, but nothing leads to it", facts=facts)


def _lost(machine: Machine, suspects: dict[Struct, list[Account]]) -> list[Struct]:
    """Return those of *suspects* that no walk from the roots comes to."""
    missing = dict.fromkeys(suspects)
    met: dict[int, object] = {}
    todo = list(_roots(machine))
    todo.reverse()  # what the machine keeps comes before all that the host has
    while todo and missing:
        found = todo.pop()
        if isinstance(found, _NO_WAY) or id(found) in met:
            continue
        met[id(found)] = found
        if type(found).__module__.startswith(__package__):
            continue  # detectors remember more than there is
        if isinstance(found, Struct):
            missing.pop(found, None)
        todo += _referents(found)
    return list(missing)


def _referents(found: object) -> list[object]:
    if isinstance(found, FunctionType):  # its globals lead everywhere
        cells = found.__closure__ or ()
        return [*(_content(cell) for cell in cells), *(found.__defaults__ or ())]
    return gc.get_referents(found)


def _content(cell: object) -> object:
    return next(iter(gc.get_referents(cell)), None)


def _roots(machine: Machine) -> Iterator[object]:
    yield from machine.locals.values()
    yield machine.boot.task
    yield [value for name, value in vars(machine).items() if name not in _RECORDS]
    for t in machine.threads:
        yield from (t.result, t.error)
    for t in machine.live:
        yield from (t.task, t.held, t.body, t.guard, t.condition, t.obj)
    yield from _frames(machine)


#: What a machine keeps for the record, not for use.
_RECORDS = (
    "alive",
    "dead",
    "events",
    "steps",
    "observers",
    "carrier",
    "threads",
    "live",
)


#: Whose frames hold what a machine keeps, and who looks at it.
_MACHINERY = ("pykmm.engine", "pykmm.detect")


def _current_frames() -> dict[int, FrameType]:
    """Return the frame that each OS thread is in.

    A collection in the middle of that call may wait for ever for a lock that the
    call holds (CPython issue 106883), so there is none.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collects:
            gc.enable()


def _frames(machine: Machine) -> Iterator[object]:
    """Yield what is in the frames of the host, and of the machine's OS threads."""
    running = _current_frames()
    workers = [running.get(w.os_thread.ident or 0) for w in machine.pool.all]
    for top in (sys._getframe(1), *workers):
        frame: FrameType | None = top
        while frame is not None:
            if not frame.f_globals.get("__name__", "").startswith(_MACHINERY):
                yield from frame.f_locals.values()
            frame = frame.f_back
