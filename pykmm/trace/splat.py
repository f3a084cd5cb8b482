# SPDX-License-Identifier: GPL-2.0-only
"""A bug report on paper: what happened, who did it, how to see it again.

The words are :meth:`pykmm.errors.Report.render`'s. What that needs and only an
execution's trace can tell is put into the report here: the drawing, with the
counts of the object at fault on the left, and the function on the other side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import Calls
from .columns import draw
from .watch import AT_MOST, choose

if TYPE_CHECKING:
    from pykmm.errors import Report

    from .record import Life, Trace

__all__ = ["complete", "splat"]

#: How many rows of the drawing a report shows: what led there, not the boot.
_ROWS = 40


def complete(
    report: Report, trace: Trace, *, replay: str = "", width: int = 100
) -> None:
    """Fill in what *trace* tells about *report*; *replay* is its last line."""
    report.drawing = draw(trace, watch=_watched(trace), tail=_ROWS, width=width)
    report.replay = replay or report.replay
    doing = trace.ending.unfinished if trace.ending is not None else ""
    if doing in report.stack:  # what is inside of the primitive is its own business
        report.stack = report.stack[report.stack.index(doing) :]
    if not report.functions:
        report.functions = _functions(report, trace)


def splat(report: Report, trace: Trace, *, replay: str = "", width: int = 100) -> str:
    """Complete *report* from *trace* and write it."""
    complete(report, trace, replay=replay, width=width)
    return report.render()


def _life(trace: Trace) -> Life | None:
    """Return the life of the structure that the failing step touched."""
    return trace.life(trace.ending.owner) if trace.ending is not None else None


def _watched(trace: Trace) -> tuple[str, ...]:
    """Watch the counts of the structure at fault, then what a drawing would."""
    chosen = choose(trace)
    life = _life(trace)
    if life is None:
        return chosen
    at_fault = choose(trace, owner=life.name)
    return (*at_fault, *(name for name in chosen if name not in at_fault))[:AT_MOST]


def _functions(report: Report, trace: Trace) -> tuple[str, ...]:
    """Name where it happened and, for a dead structure, who let it die."""
    calls = Calls(trace)
    doing = trace.ending.unfinished if trace.ending is not None else ""
    here = calls.path_of(report.stack, doing)[-1:]
    life = _life(trace)
    if life is None or not life.freed_at or life.freed_at > len(trace.steps):
        return here
    there = _last_function(trace, calls, life.freed_at - 1)
    return here if there == here else (*here, *there)


def _last_function(trace: Trace, calls: Calls, index: int) -> tuple[str, ...]:
    step = trace.steps[index]
    verb = calls.verb(step)
    return (verb,) if verb != step.kind else calls.path(step)[-1:]
