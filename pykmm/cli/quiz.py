# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm quiz SCENARIO``: an execution to be filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.scheduler import Schedule
from ..errors import UsageError
from ..runner import explore, replay
from ..trace import draw
from . import names
from .output import show, show_json
from .words import PREFERRED, command

if TYPE_CHECKING:
    from argparse import Namespace

    from ..scenario import Scenario

__all__ = ["run"]

#: So many executions are enough to have something to ask about.
_ENOUGH: Final = 200


def run(args: Namespace) -> int:
    """Draw an execution without its values, and say how to see them."""
    scenario = names.scenario(args.scenario, args.bug, args.design)
    schedule = _schedule(scenario, args)
    execution = replay(scenario, schedule)
    question = draw(execution.trace, prefer=PREFERRED, hidden=True)
    line = command(scenario, schedule)
    if args.json:
        answer = draw(execution.trace, prefer=PREFERRED)
        show_json(
            {
                "format": "pykmm-quiz/1",
                "scenario": scenario.name,
                "question": question,
                "answer": answer,
                "outcome": execution.label,
                "schedule": str(schedule),
            }
        )
        return 0
    show(f"{scenario.name}: {scenario.summary}\n\n{question}")
    show(f"\nFill in each ?, and say what comes out.\nThe answers: {line}\n")
    return 0


def _schedule(scenario: Scenario, args: Namespace) -> Schedule:
    if args.schedule is not None:
        if args.number is not None:
            raise UsageError(
                f"--number {args.number} does not go with a SCHEDULE: drop one of them"
            )
        return Schedule.parse(args.schedule)
    result = explore(scenario, executions=_ENOUGH, detectors=())
    ends = [o.witness for o in result.outcomes]
    ends += [Schedule.parse(report.schedule) for report in result.reports]
    number: int = args.number or 1
    if number > len(ends):
        raise UsageError(
            f"--number {number}: {scenario.name} has {len(ends)} endings to ask "
            "about: take one of these"
        )
    return ends[number - 1]
