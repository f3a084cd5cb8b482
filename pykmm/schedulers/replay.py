# SPDX-License-Identifier: GPL-2.0-only
"""Run the execution that a schedule describes.

A schedule may be shorter than the execution: from its end on the running thread
goes on as long as it can, then the first one that can run. So a prefix that
leads into trouble is a schedule, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Nondeterminism

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.machine import Machine
    from ..engine.scheduler import Schedule
    from ..engine.thread import Thread

__all__ = ["Replay"]


class Replay:
    """Follow *schedule*; with *exact* the execution must end where it does."""

    def __init__(self, schedule: Schedule, *, exact: bool = False) -> None:
        self.schedule = schedule
        self.exact = exact
        self._steps = schedule.steps
        self._next = 0

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the thread that the schedule names next."""
        step = self._next
        self._next = step + 1
        if step < len(self._steps):
            name = self._steps[step]
            for t in enabled:
                if t.name == name:
                    return t
            raise Nondeterminism(step, name, [t.name for t in enabled])
        if self.exact:
            raise Nondeterminism(step, "nobody", [t.name for t in enabled])
        return running or enabled[0]

    def check_end(self, machine: Machine) -> None:
        """Raise if *machine* came to rest, or failed, before the schedule's end."""
        done = len(machine.steps)
        if done < len(self._steps):
            raise Nondeterminism(done, self._steps[done], [])
