# SPDX-License-Identifier: GPL-2.0-only
"""What an exploration found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attrs import field, frozen

from .once import replay

if TYPE_CHECKING:
    from ..engine.scheduler import Schedule
    from ..errors import Report
    from ..scenario import Scenario
    from ..trace.record import Trace

__all__ = ["Outcome", "Result"]

#: What a stored result says it is.
_FORMAT = "pykmm-result/1"


@frozen
class Outcome:
    """One way a scenario can end, and a short schedule that ends so.

    *count* is how many of the executions did. *preemptions* counts how often the
    witness makes a thread give way that could go on.
    """

    value: object
    count: int
    witness: Schedule
    preemptions: int
    scenario: Scenario = field(repr=False)

    @property
    def trace(self) -> Trace:
        """The witness's trace, with stacks; runs the scenario once more."""
        return replay(self.scenario, self.witness).trace


@frozen
class Result:
    """The outcomes of a scenario, its bugs, and how far the search for them went.

    *complete* holds if no execution can have another outcome; otherwise *reason*
    says what was left out. *blocked* executions were given up halfway because all
    that could follow had been seen; they are not among *executions*.
    """

    scenario: Scenario
    outcomes: tuple[Outcome, ...]
    reports: tuple[Report, ...]
    complete: bool
    reason: str
    executions: int
    blocked: int
    events: int
    seconds: float

    @property
    def values(self) -> list[object]:
        """The outcomes' values."""
        return [outcome.value for outcome in self.outcomes]

    def outcome(self, value: object) -> Outcome:
        """Return the outcome of *value*; KeyError if it cannot happen."""
        for outcome in self.outcomes:
            if repr(outcome.value) == repr(value):
                return outcome
        raise KeyError(value)

    def as_dict(self) -> dict[str, object]:
        """Return the result as plain dicts, lists, text and numbers."""
        return {
            "format": _FORMAT,
            "scenario": self.scenario.name,
            "complete": self.complete,
            "reason": self.reason,
            "executions": self.executions,
            "blocked": self.blocked,
            "events": self.events,
            "seconds": round(self.seconds, 6),
            "outcomes": [
                {
                    "value": repr(outcome.value),
                    "count": outcome.count,
                    "preemptions": outcome.preemptions,
                    "witness": str(outcome.witness),
                }
                for outcome in self.outcomes
            ],
            "reports": [
                {"kind": r.kind, "summary": r.summary, "schedule": r.schedule}
                for r in self.reports
            ],
        }

    def to_json(self) -> str:
        """Write the result as JSON text."""
        return json.dumps(self.as_dict())

    def __str__(self) -> str:
        lines = [f"{self.scenario.name}: {_many(len(self.outcomes), 'outcome')}"]
        lines += _rows(self.outcomes)
        for report in self.reports:
            lines += [
                f"  BUG: {report.kind}: {report.summary}",
                f"    {report.schedule}",
            ]
        blocked = f" (and {self.blocked} blocked)" if self.blocked else ""
        lines.append(
            f"{self.reason}: {_many(self.executions, 'execution')}{blocked}, "
            f"{_many(self.events, 'event')}, {self.seconds:.2f} s"
        )
        return "\n".join(lines) + "\n"


def _rows(outcomes: tuple[Outcome, ...]) -> list[str]:
    values = [repr(outcome.value) for outcome in outcomes]
    wide = max((len(value) for value in values), default=0)
    count = max((len(str(outcome.count)) for outcome in outcomes), default=0)
    return [
        f"  {value:<{wide}}  {outcome.count:>{count}} x  "
        f"{_many(outcome.preemptions, 'preemption')}: {outcome.witness}"
        for value, outcome in zip(values, outcomes, strict=True)
    ]


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
