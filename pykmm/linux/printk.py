# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log, tracepoints and event counters — ``include/linux/printk.h``.

Printing, tracing and counting are no steps: no decision hangs on them, so the
order of two lines from different threads makes no new execution. A replay
prints the same lines in the same order all the same.
"""

from __future__ import annotations

from typing import Final

from ..engine.machine import MachineLocal, current_machine

__all__ = [
    "KERN_EMERG",
    "KERN_ERR",
    "KERN_INFO",
    "KERN_WARNING",
    "Console",
    "console",
    "count_vm_event",
    "pr_emerg",
    "pr_err",
    "pr_info",
    "pr_warn",
    "trace",
]

KERN_EMERG: Final = 0
KERN_ERR: Final = 3
KERN_WARNING: Final = 4
KERN_INFO: Final = 6


class Console:
    """What a machine has printed, traced and counted so far."""

    def __init__(self) -> None:
        #: Level and text of each line, without a time stamp.
        self.lines: list[tuple[int, str]] = []
        #: Name and arguments of each tracepoint hit and effect, in order.
        self.effects: list[tuple[object, ...]] = []
        self.vm_events: dict[str, int] = {}


_console = MachineLocal(Console)


def console() -> Console:
    """Return the running machine's console."""
    return _console()


def _print(level: int, text: str) -> None:
    if not current_machine().stopping:
        _console().lines.append((level, text))


def pr_emerg(text: str) -> None:
    """Print a line at level emerg."""
    _print(KERN_EMERG, text)


def pr_err(text: str) -> None:
    """Print a line at level err."""
    _print(KERN_ERR, text)


def pr_warn(text: str) -> None:
    """Print a line at level warning."""
    _print(KERN_WARNING, text)


def pr_info(text: str) -> None:
    """Print a line at level info."""
    _print(KERN_INFO, text)


def trace(name: str, *args: object) -> None:
    """Hit a tracepoint, or note another effect that ports compare."""
    if not current_machine().stopping:
        _console().effects.append((name, *args))


def count_vm_event(name: str) -> None:
    """Count an event of ``/proc/vmstat``."""
    events = _console().vm_events
    events[name] = events.get(name, 0) + 1
    trace("vm_event", name)
