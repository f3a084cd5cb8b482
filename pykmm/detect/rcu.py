# SPDX-License-Identifier: GPL-2.0-only
"""Misuse of RCU read sections, after ``Documentation/RCU/checklist.rst``.

A pointer that was found inside a read section is good for the section. Who wants
to go on with it takes a reference or a lock on the structure before leaving. Here a
structure that a thread came to know in a section, and touches right after it with
neither, is reported, although it may be alive yet.

So as never to blame correct code, a finding is dropped as soon as the thread could
have got hold of the structure in another way: when it holds a lock, or takes one, or
sleeps, or reads a pointer to the structure again, or if its own task refers to it.
What is missed then is left to the use-after-free check, which sees every structure
that is really gone.

Sleeping inside a section is reported, too, where a primitive does not do so itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.events import Access
from ..engine.ledger import calls, is_drop, section
from ..engine.objects import Root, Struct
from ..errors import ContextError

if TYPE_CHECKING:
    from ..engine.events import Event
    from ..engine.machine import Machine
    from ..engine.thread import Thread

__all__ = ["Rcu"]

#: Steps from which on a thread may know more than it found in its section.
_LEARNS = tuple(
    access in (Access.ACQUIRE, Access.SHARE, Access.WAIT, Access.BARRIER)
    for access in Access
)
_COUNTS = tuple(
    x in (Access.INC, Access.DEC, Access.DROP, Access.WRITE) for x in Access
)
_SLEEPS = tuple(x in (Access.WAIT, Access.BARRIER) for x in Access)
_INC, _READ, _RELEASE, _WRITE = Access.INC, Access.READ, Access.RELEASE, Access.WRITE
#: What waits by spinning, which is no sleep.
_SPINS = ("timer_delete_sync",)


class _Reader:
    """What one thread found in read sections."""

    __slots__ = ("found", "left", "references", "stale")

    def __init__(self) -> None:
        #: In the section that is open, and in the one that was left last.
        self.found: dict[Struct, Event] = {}
        self.stale: dict[Struct, Event] = {}
        #: The step that left it.
        self.left: Event | None = None
        #: How many references it took itself and has not given back.
        self.references: dict[Struct, int] = {}


class Rcu:
    """Watches one machine's read sections and what is found in them."""

    def __init__(self) -> None:
        self._readers: dict[Thread, _Reader] = {}

    def event(self, event: Event) -> None:
        """Follow what a thread finds, keeps and touches."""
        t = event.thread
        access = event.access
        reader = self._readers.get(t)
        if reader is None:
            if not t.rcu_depth and access is not _INC:
                return
            reader = self._readers[t] = _Reader()
        if reader.stale:
            self._check(event, reader)
        if access is _READ:
            if t.rcu_depth and isinstance(event.value, Struct):
                reader.found.setdefault(event.value, event)
        elif access is _RELEASE:
            if reader.found and event.kind == "rcu_read_unlock":
                reader.stale, reader.found = _unprotected(reader, t), {}
                reader.left = event
        elif _COUNTS[access]:
            if access is not _WRITE or is_drop(event):
                _count(event, reader)
        elif t.rcu_depth and _SLEEPS[access]:
            _sleeps(event)

    def at_rest(self, machine: Machine) -> None:
        """Nothing to say: sections are judged when they are left."""

    def _check(self, event: Event, reader: _Reader) -> None:
        """Look at a step after a section was left."""
        obj = event.obj
        struct = obj if obj.owner is None else obj.owner
        assert isinstance(struct, Struct) or obj.owner is None
        first = reader.stale.get(struct) if isinstance(struct, Struct) else None
        if first is not None and isinstance(struct, Struct):
            if not _refers(event.thread.task, struct):
                raise _stale(struct, first, reader.left or first, event)
            del reader.stale[struct]
        if isinstance(event.value, Struct):
            reader.stale.pop(event.value, None)
        if _LEARNS[event.access] and event.kind != "rcu_read_lock":
            reader.stale.clear()


def _sleeps(event: Event) -> None:
    if event.kind not in _SPINS:
        raise ContextError(
            f"{event.thread.name} sleeps inside an RCU read section: {event.kind} "
            f"{event.obj.name}",
            facts=section(event.thread),
        )


def _count(event: Event, reader: _Reader) -> None:
    struct = event.obj.owner
    if struct is None:
        return
    before = reader.references.get(struct, 0)
    reader.references[struct] = max(0, before + (-1 if is_drop(event) else 1))


def _unprotected(reader: _Reader, t: Thread) -> dict[Struct, Event]:
    """Return what nothing keeps that the thread has: no lock and no reference."""
    if t.held:
        return {}
    return {
        struct: event
        for struct, event in reader.found.items()
        if not reader.references.get(struct) and not isinstance(struct, Root)
    }


def _refers(task: object, struct: Struct) -> bool:
    """Tell whether *task* is *struct*, or refers to it directly or by one other."""
    if task is struct:
        return True
    direct = [x for x in vars(task).values() if isinstance(x, Struct)] if task else []
    return any(x is struct or struct in vars(x).values() for x in direct)


def _stale(struct: Struct, first: Event, left: Event, event: Event) -> ContextError:
    return ContextError(
        f"{event.thread.name} uses {struct.name}, which it found in an RCU read "
        "section that it has left, without a reference",
        facts=[
            ("found", f"at step {first.index} ({first.kind}){calls(first)}"),
            ("left", f"at step {left.index} ({left.kind}){calls(left)}"),
            ("used", f"at step {event.index} ({event.kind} {event.obj.name})"),
        ],
    )
