# SPDX-License-Identifier: GPL-2.0-only
"""Threads that the host makes stand still, where they are or further on.

A thread that stands has a guard that does not hold, as if it waited. So nothing else
has to know: the others go on until nobody can, with the baton and free running alike.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from .stacks import stack_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine
    from .objects import Named
    from .thread import Sleep, Thread

__all__ = ["Point", "Standing"]


@frozen
class Point:
    """Steps of a kind, on an object, inside a function; what is not said may be any."""

    kind: str = ""
    on: Named | None = None
    inside: str = ""

    def __str__(self) -> str:
        words = [self.kind or "a step"]
        if self.on is not None:
            words.append(f"on {self.on.name}")
        if self.inside:
            words.append(f"inside {self.inside}()")
        return " ".join(words)

    def is_next(self, obj: Named, kind: str) -> bool:
        """Tell whether the running thread, which announces a step, is here."""
        return (
            self.kind in ("", kind)
            and (self.on is None or self.on is obj)
            and (not self.inside or self.inside in stack_here())
        )


class Standing:
    """Which tasks of a machine stand, and up to where others go.

    A task may have no thread yet; it stands all the same when it gets one.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._tasks: list[object] = []
        self._points: dict[object, Point] = {}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def stop(self, task: object) -> None:
        """Have a task take no step from now on.

        Context: The machine is at rest.
        """
        self._tasks.append(task)
        for t in self._machine.live:
            if t.task is task:
                t.guard = self.guard(task, t.guard)

    def go(self, task: object) -> None:
        """Let a task that stands go on, with the machine's next run."""
        self._tasks.remove(task)

    def guard(
        self, task: object, guard: Callable[[], object] | None
    ) -> Callable[[], object]:
        """Return what forbids a step of *task* that is forbidden by *guard*."""
        tasks = self._tasks
        return lambda: task not in tasks and (guard is None or guard())

    def run_to(self, task: object, point: Point) -> bool:
        """Run until *task* is about to take a step at *point*, and nobody can go on.

        Return: False if it never came there.
        """
        machine, go_on = self._machine, self._machine.enter
        self._points[task] = point
        machine.enter = partial(self._enter, go_on)
        try:
            machine.run()
        finally:
            machine.enter = go_on
            missed = self._points.pop(task, None)
        return missed is None

    def _enter(
        self,
        go_on: Callable[..., None],
        t: Thread,
        obj: Named,
        kind: str,
        guard: Callable[[], object] | None,
        sleep: Sleep,
    ) -> None:
        point = self._points.get(t.task)
        if point is not None and point.is_next(obj, kind):
            del self._points[t.task]
            self._tasks.append(t.task)
            guard = self.guard(t.task, guard)
        go_on(t, obj, kind, guard, sleep)
