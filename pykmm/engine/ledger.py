# SPDX-License-Identifier: GPL-2.0-only
"""Who took what, and gave it back: references, locks, and lives of structures.

The accounts are drawn up when something is wrong, from the events that the machine
has kept; as long as nothing is, they cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import call_path
from .events import Access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import Event
    from .machine import Machine
    from .objects import Named, Struct
    from .thread import Thread

    #: A line of a report: a label, and a text with calls behind two spaces.
    Fact = tuple[str, str]

__all__ = [
    "Account",
    "at",
    "born",
    "calls",
    "calls_around",
    "died",
    "holders",
    "is_drop",
    "references",
    "section",
    "since",
    "told",
]


#: How many takes with their drops to tell, where that is all that can be told.
_PAIRS_AT_MOST = 8


class Account:
    """The takes and drops of one counter, each thread's own matched last in first out.

    A reference can be handed over: then one thread's take stays open, and another
    has dropped what it never took. Which belong together nobody can tell.
    """

    def __init__(self, counter: Named, events: Sequence[Event]) -> None:
        self.counter = counter
        #: Takes that their thread did not give back, and drops of what the thread
        #: had not taken, both in the order in which they happened.
        self.open: list[Event] = []
        self.strange: list[Event] = []
        #: Takes with the drops that their own threads made of them.
        self.pairs: list[tuple[Event, Event]] = []
        #: The first thing that ever happened to the counter in a step.
        self.first: Event | None = None
        own: dict[Thread, list[Event]] = {}
        for event in events:
            if event.obj is counter:
                self.first = self.first or event
                self._enter(event, own.setdefault(event.thread, []))
        self.open = sorted(
            (event for takes in own.values() for event in takes),
            key=_by_index,
        )

    def _enter(self, event: Event, takes: list[Event]) -> None:
        if is_drop(event):
            if takes:
                self.pairs.append((takes.pop(), event))
            else:
                self.strange.append(event)
        elif event.access is Access.INC:
            takes.append(event)

    @property
    def surplus(self) -> int:
        """How many more references were taken in steps than dropped."""
        return len(self.open) - len(self.strange)

    def facts(self) -> list[Fact]:
        """Tell a report who has or had a reference too many."""
        facts = self._unmatched()
        if facts:
            return facts
        facts = [("not given back", "one that was there from the start")]
        facts += [
            (take.thread.name, _pair(take, drop))
            for take, drop in self.pairs[-_PAIRS_AT_MOST:]
        ]
        return facts

    def history(self) -> list[Fact]:
        """Tell a report who gave back what, the last one in any case."""
        facts = self._unmatched()
        drops = [*self.strange, *(drop for _, drop in self.pairs)]
        last = max(drops, key=_by_index, default=None)
        if last is not None and last not in self.strange:
            facts.append(_by("last put", last))
        return facts

    def _unmatched(self) -> list[Fact]:
        facts = [
            ("taken", f"{told(event)}, and not given back by it{calls(event)}")
            for event in self.open
        ]
        return facts + [
            ("given back", f"{told(event)}, which had not taken it{calls(event)}")
            for event in self.strange
        ]


def _by_index(event: Event) -> int:
    return event.index


def _pair(take: Event, drop: Event) -> str:
    path = calls(take)
    return f"took one at step {take.index}, gave one back at step {drop.index}{path}"


def is_drop(event: Event) -> bool:
    """Tell whether *event* gave a reference back, be it the last one."""
    if event.access in (Access.DEC, Access.DROP):
        return True
    return event.access is Access.WRITE and "dec" in event.kind


def told(event: Event) -> str:
    """Say who did it and when."""
    return f"by {event.thread.name} at step {event.index} ({event.kind})"


def calls(event: Event) -> str:
    """Write the calls around the primitive of a step, where they were recorded."""
    return calls_around(event.kind, event.stack)


def calls_around(kind: str, stack: Sequence[str]) -> str:
    """Write the calls of *stack* around the primitive that takes a step of *kind*."""
    inner = stack.index(kind) + 1 if kind in stack else 0
    return call_path(stack[inner:])


# -- locks ----------------------------------------------------------------------------

#: Classes of steps after which a thread can have one lock more than before.
_TAKES = (Access.ACQUIRE, Access.SHARE, Access.WAIT, Access.WRITE, Access.BARRIER)


def since(lock: Named, t: Thread, until: int | None = None) -> str:
    """Say since when *t* holds *lock*, as it is or was at step *until*, and where."""
    for event in reversed(t.machine.events[:until]):
        if event.obj is lock and event.thread is t and event.access in _TAKES:
            return f"since step {event.index}{calls(event)}"
    return "since before the run"


def holders(lock: Named, t: Thread) -> list[Fact]:
    """Tell a report that *t* has not *lock* who has it, and what *t* has instead."""
    mine = ", ".join(x.name for x in t.held) or "nothing"
    facts = [(t.name, f"holds {mine}")]
    for x in t.machine.live:
        if x is not t and lock in x.held:
            facts.append(("held by", f"{x.name} {since(lock, x)}"))
    return facts


def section(t: Thread) -> list[Fact]:
    """Tell where the read section began that *t* is in, if it is in one."""
    if not t.rcu_depth:
        return []
    for event in reversed(t.machine.events):
        if event.thread is t and event.kind == "rcu_read_lock":
            return [("read section", f"since step {event.index}{calls(event)}")]
    return [("read section", "since before the run")]


# -- lives ----------------------------------------------------------------------------


def born(struct: Struct, machine: Machine) -> list[Fact]:
    """Tell who allocated *struct*, unless it only stands for something dead."""
    if struct._birth == struct._death:
        return []
    by, when = struct._birth
    where = call_path(struct._born_in)
    return [("allocated", f"by {by} {_at(by, when, machine)}{where}")]


def died(struct: Struct, machine: Machine) -> list[Fact]:
    """Tell who freed *struct*, and what had that thread do it."""
    by, when = struct._death or ("nobody", 0)
    where = call_path(struct._died_in)
    facts = [("freed", f"by {by} {_at(by, when, machine)}{where}")]
    past = machine.events[:when]
    drop = next(
        (e for e in reversed(past) if e.obj.owner is struct and is_drop(e)), None
    )
    if drop is None:
        t = next(t for t in (*machine.threads, machine.boot) if t.name == by)
        if t.task is None and t.born and past[t.born - 1].thread is t.creator:
            facts.append(_by("queued", past[t.born - 1]))
    elif drop is not _last_of(by, past):
        facts.append(_by("last put", drop))
    return facts


def references(struct: Struct, t: Thread) -> list[Fact]:
    """Tell which references on *struct* thread *t* had, and who gave back another's."""
    events = t.machine.events
    counters = dict.fromkeys(
        e.obj for e in events if e.obj.owner is struct and e.access is Access.INC
    )
    facts: list[Fact] = []
    for account in (Account(counter, events) for counter in counters):
        name = account.counter.name
        for take in (take for take in account.open if take.thread is t):
            facts.append(("its reference", f"{name}, taken at step {take.index}"))
            facts += [_by("put", drop) for drop in account.strange]
        for take, drop in account.pairs:
            if drop.thread is t:
                facts.append(("its reference", f"{name}, {_pair(take, drop)}"))
    return facts[-_PAIRS_AT_MOST:]


def _by(label: str, event: Event) -> Fact:
    return label, f"{told(event)}{calls(event)}"


def _last_of(by: str, past: Sequence[Event]) -> Event | None:
    return next((e for e in reversed(past) if e.thread.name == by), None)


def at(t: Thread) -> str:
    """Say behind which of its steps *t* is."""
    return _at(t.name, len(t.machine.events), t.machine)


def _at(by: str, when: int, machine: Machine) -> str:
    """Say in which step of *by* it was, when so many steps had been taken."""
    last = _last_of(by, machine.events[:when])
    return f"before step {when}" if last is None else f"at step {last.index}"
