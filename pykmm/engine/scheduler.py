# SPDX-License-Identifier: GPL-2.0-only
"""Schedules as values, and what a machine asks of a scheduler.

A schedule says which thread took each step. Its text is for people and for
pasting into tests: names in order, a repeat count behind a star, so
``lmkd*3 app lmkd*2`` is three steps of *lmkd*, one of *app*, two of *lmkd*.
Thread names hold no spaces and no stars, so the text reads back unambiguously.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from ..errors import UsageError

if TYPE_CHECKING:
    from .thread import Thread

__all__ = ["FirstEnabled", "Schedule", "Scheduler"]

_WORD = re.compile(r"([^\s*]+)(?:\*([1-9][0-9]*))?")
_STEPS_AT_MOST = 10_000_000


def _names(steps: Iterable[str]) -> tuple[str, ...]:
    if isinstance(steps, Iterable) and not isinstance(steps, str):
        names = tuple(steps)
        if set(map(type, names)) <= {str}:
            return names
    raise UsageError(
        f"schedule={steps!r} must hold a thread's name for each step: "
        "Schedule.parse() reads text"
    )


@frozen(order=True)
class Schedule:
    """Which thread takes each step of an execution.

    >>> Schedule.parse("v m v*2")
    Schedule.parse('v m v*2')
    >>> Schedule.parse("v m v*2").steps
    ('v', 'm', 'v', 'v')
    """

    steps: tuple[str, ...] = field(default=(), converter=_names)

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read the text form; ``UsageError`` names the word that is none."""
        if not isinstance(text, str):
            raise UsageError(f"schedule={text!r} must be text such as 'v m v*2'")
        steps: list[str] = []
        for word in text.split():
            match = _WORD.fullmatch(word)
            if match is None:
                raise UsageError(
                    f"schedule has the word {word!r}: write a thread name, "
                    "or a name, a star and a count, as in 'v m v*2'"
                )
            count = int(match[2] or 1)
            if len(steps) + count > _STEPS_AT_MOST:
                raise UsageError(
                    f"schedule has the word {word!r}, which makes it longer than "
                    f"{_STEPS_AT_MOST} steps: shorten it"
                )
            steps.extend([match[1]] * count)
        return cls(steps)

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Read what :meth:`to_json` wrote."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"schedule is not JSON ({error}): pass to_json()'s text"
            ) from None
        if not isinstance(data, list) or not all(isinstance(s, str) for s in data):
            raise UsageError(
                'schedule JSON must be a list of words such as ["v", "m*2"]'
            )
        return cls.parse(" ".join(data))

    def to_json(self) -> str:
        """Write the schedule as a JSON list of the words of its text."""
        return json.dumps(str(self).split())

    def __str__(self) -> str:
        return " ".join(_runs(self.steps))

    def __repr__(self) -> str:
        return f"Schedule.parse({str(self)!r})"

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[str]:
        return iter(self.steps)


def _runs(steps: Sequence[str]) -> Iterator[str]:
    for name, run in groupby(steps):
        count = sum(1 for _ in run)
        yield name if count == 1 else f"{name}*{count}"


class Scheduler(Protocol):
    """Picks who takes the next step of one execution.

    ``choose`` gets the threads that can run, in creation order, never empty, and
    the thread that took the last step (None if it ended or there was none). It
    must be deterministic, or carry its randomness in a seed.
    """

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return one of *enabled*."""
        ...


class FirstEnabled:
    """The plainest scheduler: go on, else the first thread that can run."""

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return *running* if it can go on."""
        return running or enabled[0]
