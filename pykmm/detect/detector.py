# SPDX-License-Identifier: GPL-2.0-only
"""What a detector is, for one execution and for a whole exploration.

Some findings end an execution: what was freed cannot be used, and a machine that
hangs does not go on. Others are about what could have happened, and the execution is
as good as any. In an exploration those are collected, so that they hide neither its
outcomes nor each other; on a single machine they are raised like the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field, frozen

from ..engine.ledger import since
from ..engine.thread import current_thread
from ..errors import Report

if TYPE_CHECKING:
    from ..engine.events import Event
    from ..engine.machine import Machine, Observer

    #: What a detector does with a finding that need not end the execution.
    Found = Callable[[Report], None]

__all__ = [
    "Campaign",
    "Collect",
    "Detector",
    "Each",
    "Plain",
    "Serialized",
    "describe",
    "stop",
    "stop_at",
]


#: What a campaign knows, in lists, texts and numbers.
Plain = Any


def stop(report: Report) -> None:
    """End the execution with a finding."""
    raise report


class Campaign(Protocol):
    """A detector at work in one exploration."""

    def execution(self) -> Observer:
        """Return the observer of the next execution."""
        ...

    def again(self, report: Report | None = None) -> Observer:
        """Return an observer that ends an execution with *report*, or with any."""
        ...

    def reports(self) -> Sequence[Report]:
        """Return what was found without ending an execution."""
        ...

    def state(self) -> Plain:
        """Return what the executions have shown so far."""
        ...

    def add(self, state: Plain) -> None:
        """Learn what later executions have shown elsewhere."""
        ...


@frozen
class Each:
    """The campaign of a detector whose findings all end the execution."""

    execution: Callable[[], Observer]

    def again(self, report: Report | None = None) -> Observer:
        """Return the same observer as ever."""
        del report
        return self.execution()

    def reports(self) -> Sequence[Report]:
        """Return nothing: the executions have said it all."""
        return ()

    def state(self) -> Plain:
        """Return nothing, for the same reason."""
        return None

    def add(self, state: Plain) -> None:
        """Learn nothing."""


@define
class Collect:
    """The campaign of a detector whose findings end no execution.

    *make* makes an observer from what it is to do with a finding.
    """

    make: Callable[[Found], Observer]
    found: dict[str, Report] = field(factory=dict, init=False)

    def execution(self) -> Observer:
        """Return an observer that hands its findings over and goes on."""
        return self.make(self._note)

    def again(self, report: Report | None = None) -> Observer:
        """Return an observer that stops at *report*, or at what it finds first."""
        return self.make(stop_at(report))

    def reports(self) -> Sequence[Report]:
        """Return one report of each kind of finding, the first."""
        return list(self.found.values())

    def state(self) -> Plain:
        """Return the reports."""
        return [report.as_plain() for report in self.found.values()]

    def add(self, state: Plain) -> None:
        """Take reports of what was not found here."""
        for data in state:
            self.found.setdefault(data["summary"], Report.of_plain(data))

    def _note(self, report: Report) -> None:
        if report.summary not in self.found:
            self.found[report.summary] = report
            describe(report)


def stop_at(wanted: Report | None) -> Found:
    """Return what ends an execution with the finding *wanted*, or with any."""

    def found(report: Report) -> None:
        if report.summary == wanted.summary:  # type: ignore[union-attr]  # see below
            raise report

    return stop if wanted is None else found


def describe(report: Report) -> None:
    """Put into *report* what a machine does that ends with one."""
    t = current_thread()
    report.thread = t.name
    report.held = tuple(lock.name for lock in t.held)
    report.taken = tuple(since(lock, t) for lock in t.held)
    report.schedule = str(t.machine.schedule)


@frozen
class Detector:
    """A detector by name: what it finds, and what makes its campaigns."""

    name: str
    summary: str
    campaign: Callable[[], Campaign]


class Serialized:
    """An observer for a machine whose threads run all at once.

    Detectors keep books that one thread at a time may write. Steps on one object come
    in their order all the same, and so do the steps of one thread, which is all that
    any detector counts on.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = Lock()

    def event(self, event: Event) -> None:
        """Let the observer see *event* when it has seen what came before."""
        with self._lock:
            self._observer.event(event)

    def remarked(self, event: Event) -> None:
        """Let the observer hear what is no step, if it listens."""
        listens = getattr(self._observer, "remarked", None)
        if listens is not None:
            with self._lock:
                listens(event)

    def at_rest(self, machine: Machine) -> None:
        """Let the observer see the machine at rest."""
        self._observer.at_rest(machine)
