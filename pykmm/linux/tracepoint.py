# SPDX-License-Identifier: GPL-2.0-only
"""Tracepoints and what they recorded — ``include/linux/tracepoint.h``.

A hit takes no step and looks at its figures without one: nothing is decided by
them. Each machine has one buffer, and records everything.
"""

from __future__ import annotations

from attrs import frozen

from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.thread import current_thread
from .sched import task_struct

__all__ = ["TraceEntry", "TraceEvent", "trace_buffer", "trace_hit"]

_IDLE = ("<idle>", 0)
_USEC = 1_000_000


@frozen
class TraceEntry:
    """One hit: who came by and when, which event, and its figures by name."""

    comm: str
    pid: int
    #: The five letters in front of the time: what was forbidden there.
    context: str
    jiffies: int
    hz: int
    event: TraceEvent
    values: dict[str, object]

    def text(self) -> str:
        """Return what stands behind the event's name."""
        return self.event.text(self.values)

    def __str__(self) -> str:
        secs, rest = divmod(self.jiffies, self.hz)
        usecs = rest * _USEC // self.hz
        return (
            f"{self.comm:>16}-{self.pid:<7d} [000] {self.context} "
            f"{secs:5d}.{usecs:06d}: {self.event.name}: {self.text()}"
        )


@frozen
class TraceEvent:
    """An event: its group and name, its fields with their C types, how it prints.

    *symbols* are for fields that hold a number and print a word.
    """

    system: str
    name: str
    fields: tuple[tuple[str, str], ...]
    print_fmt: str
    symbols: dict[str, tuple[str, ...]]

    def text(self, values: dict[str, object]) -> str:
        """Fill *values* into the event's format."""
        return self.print_fmt % tuple(
            self._shown(name, values[name]) for _, name in self.fields
        )

    def _shown(self, name: str, value: object) -> object:
        words = self.symbols.get(name)
        if words is None or not isinstance(value, int):
            return value
        return words[value] if 0 <= value < len(words) else f"{value:#x}"


class _Buffer:
    """What the machine's tracepoints have recorded."""

    def __init__(self) -> None:
        self.entries: list[TraceEntry] = []


_buffer = MachineLocal(_Buffer)


def trace_buffer() -> list[TraceEntry]:
    """Return the hits of the running machine, in order."""
    return _buffer().entries


def _whoever() -> tuple[str, int]:
    task = current_thread().task
    if not isinstance(task, task_struct):
        return _IDLE  # a timer, in whose place nobody ran
    return str(task.__dict__["comm"]), task.pid


def _context() -> str:
    t = current_thread()
    softirq = "." if isinstance(t.task, task_struct) else "s"
    return f"..{softirq}{t.atomic or '.'}."


def trace_hit(event: TraceEvent, *values: object) -> None:
    """Record a hit of *event* with *values*, in the order of its fields."""
    machine = current_machine()
    if machine.stopping:
        return
    comm, pid = _whoever()
    named = {name: value for (_, name), value in zip(event.fields, values, strict=True)}
    clock = machine.clock
    entry = TraceEntry(
        comm, pid, _context(), clock.now, machine.config.hz, event, named
    )
    _buffer().entries.append(entry)
