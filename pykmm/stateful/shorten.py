# SPDX-License-Identifier: GPL-2.0-only
"""Making a story short: whatever can be deleted is deleted, and numbers are lowered.

Hypothesis shrinks what it drew, whatever that stands for. This knows what a story
is, takes a few dozen executions, and ends where nothing more can be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, fields, has

from .world import Together

if TYPE_CHECKING:
    from .world import Step

__all__ = ["shorten", "without"]


def shorten(
    story: Sequence[Step], fails: Callable[[Sequence[Step]], bool]
) -> list[Step]:
    """Return a story that still fails, and of which nothing can be deleted.

    *fails* tells whether a story does; *story* is one that does.
    """
    best = list(story)
    while True:
        shorter = (
            made
            for attempts in (_without_many, without, _lower)
            for made in attempts(best)
            if fails(made)
        )
        found = next(shorter, None)
        if found is None:
            return best
        best = found


def without(story: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield each story that lacks one step, one call or one preemption of *story*."""
    for place, step in enumerate(story):
        yield [*story[:place], *story[place + 1 :]]
        if isinstance(step, Together):
            for less in _less(step):
                yield [*story[:place], less, *story[place + 1 :]]


def _less(step: Together) -> Iterator[Together]:
    calls, switches = step.calls, step.switches
    for n, _ in enumerate(calls):
        if len(calls) > 1:
            yield Together(*calls[:n], *calls[n + 1 :], switches=switches)
    for n, _ in enumerate(switches):
        yield Together(*calls, switches=switches[:n] + switches[n + 1 :])


def _without_many(story: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield stories that lack a half, then a quarter, of the steps."""
    size = len(story) // 2
    while size > 1:
        for place in range(0, len(story), size):
            yield [*story[:place], *story[place + size :]]
        size //= 2


def _lower(story: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield stories in which one number is nearer to what it is by default."""
    for place, step in enumerate(story):
        for lower in _lowered(step):
            yield [*story[:place], lower, *story[place + 1 :]]


def _lowered(value: Any) -> Iterator[Any]:
    if isinstance(value, Together):
        for calls in _each(value.calls):
            yield Together(*calls, switches=value.switches)
        for switches in _each(value.switches):
            yield Together(*value.calls, switches=switches)
    elif has(type(value)):
        for field in fields(type(value)):
            now, least = getattr(value, field.name), field.default
            if type(now) is type(least) is int and now != least:
                step = 1 if now > least else -1
                for number in dict.fromkeys((least, (least + now) // 2, now - step)):
                    if number != now:
                        yield evolve(value, **{field.name: number})


def _each(values: Sequence[Any]) -> Iterator[list[Any]]:
    for place, value in enumerate(values):
        for lower in _lowered(value):
            yield [*values[:place], lower, *values[place + 1 :]]
