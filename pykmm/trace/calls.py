# SPDX-License-Identifier: GPL-2.0-only
"""The calls that steps were taken in, as people would tell them.

A stack holds more than a reader wants: helpers that pykmm invented, primitives,
and one-line wrappers around them. A function that never spans more than one step
is such a wrapper; its name says what the step does rather than where it was.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from attrs import frozen

from ..errors import named_frames
from .weights import family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .record import Step, Trace

__all__ = ["Call", "Calls"]


@frozen
class Call:
    """An uninterrupted stretch of one function: its steps and inner calls."""

    path: tuple[str, ...]
    steps: tuple[Step, ...]
    parts: tuple[Call, ...]

    @property
    def function(self) -> str:
        """The function's name; empty for a thread's outermost level."""
        return self.path[-1] if self.path else ""


class Calls:
    """Tells, for the steps of one trace, in which function each was and how."""

    def __init__(self, trace: Trace) -> None:
        self.runs = [
            tuple(run) for _, run in groupby(trace.steps, key=lambda step: step.thread)
        ]
        self._paths: dict[tuple[Sequence[str], str], tuple[str, ...]] = {}
        self._wrappers = frozenset[str]()
        self._wrappers = frozenset(self._find_wrappers())
        self._paths.clear()

    def path(self, step: Step) -> tuple[str, ...]:
        """Return the functions that *step* was in, outermost first."""
        key = (step.stack, step.kind)
        if key not in self._paths:
            self._paths[key] = self.path_of(*key)
        return self._paths[key]

    def path_of(self, stack: Sequence[str], kind: str = "") -> tuple[str, ...]:
        """Return the telling functions of *stack*, outermost first."""
        if kind in stack:  # what is inside of the primitive is its own business
            stack = stack[stack.index(kind) + 1 :]
        frames = named_frames(stack)
        outermost = frames[-1:]
        return tuple(
            name
            for name in reversed(frames)
            if name not in self._wrappers or name in outermost
        )

    def verb(self, step: Step) -> str:
        """Say what *step* does: the wrapper it was taken through, or its kind."""
        for name in reversed(named_frames(step.stack)[:-1]):
            if name in self._wrappers:
                return name
        return step.kind

    def tree(self, run: Sequence[Step], depth: int = 0) -> Call:
        """Arrange the steps of an uninterrupted *run* by the calls they were in."""
        path = self.path(run[0])[:depth]
        parts = []
        for inside, group in groupby(run, key=lambda step: self._frame(step, depth)):
            steps = tuple(group)
            if inside:
                parts.append(self.tree(steps, depth + 1))
            else:
                parts += [Call(path, (step,), ()) for step in steps]
        return Call(path, tuple(run), tuple(parts))

    def _frame(self, step: Step, depth: int) -> str:
        path = self.path(step)
        return path[depth] if len(path) > depth else ""

    def _find_wrappers(self) -> Iterator[str]:
        longest: dict[str, int] = {}
        for run in self.runs:
            for name, length in self._lengths(run, 0):
                longest[name] = max(longest.get(name, 0), length)
        return (name for name, length in longest.items() if length == 1)

    def _lengths(self, run: Sequence[Step], depth: int) -> Iterator[tuple[str, int]]:
        for name, group in groupby(run, key=lambda step: self._frame(step, depth)):
            if name:
                steps = tuple(group)
                yield name, _rounds(steps)
                yield from self._lengths(steps, depth + 1)


def _rounds(steps: Sequence[Step]) -> int:
    """Count the steps of the longest round: a step like the first begins a new one."""
    first = _likeness(steps[0])
    longest = length = 0
    for step in steps:
        length = 1 if _likeness(step) == first else length + 1
        longest = max(longest, length)
    return longest


def _likeness(step: Step) -> tuple[object, ...]:
    return step.kind, step.stack, family(step.obj)
