# SPDX-License-Identifier: GPL-2.0-only
"""A bug report on paper: what happened, who did it, how to see it again.

The words are :meth:`pykmm.errors.Report.render`'s. What that needs and only an
execution's trace can tell is put into the report here: the drawing, with the
counts of the object at fault on the left, and the function on the other side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.events import LOOKS
from ..errors import named_frames
from .calls import Calls
from .columns import draw
from .record import outside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import Report
    from .record import Trace

__all__ = ["complete", "splat"]

#: How many rows of the drawing a report shows: what led there, not the boot.
_ROWS = 40


def complete(
    report: Report,
    trace: Trace,
    *,
    replay: str = "",
    prefer: Sequence[str] = (),
    width: int = 100,
) -> None:
    """Fill in what *trace* tells about *report*; *replay* is its last line.

    The drawing watches what is at fault first, of that the fields in *prefer*.
    """
    watch = (*_at_fault(report, trace, prefer), *prefer)
    report.drawing = draw(trace, prefer=watch, tail=_ROWS, width=width)
    report.replay = replay or report.replay
    report.stack = outside(report.stack, _doing(trace))
    if not report.functions:
        report.functions = _functions(report, trace)


def splat(
    report: Report,
    trace: Trace,
    *,
    replay: str = "",
    prefer: Sequence[str] = (),
    width: int = 100,
) -> str:
    """Complete *report* from *trace* and write it."""
    complete(report, trace, replay=replay, prefer=prefer, width=width)
    return report.render()


def _doing(trace: Trace) -> str:
    """Return the kind of step that the report was found in; empty if between steps."""
    if trace.ending is None:
        return ""
    if trace.ending.in_last_step:
        return trace.steps[-1].kind
    return trace.ending.unfinished


def _at_fault(report: Report, trace: Trace, prefer: Sequence[str]) -> list[str]:
    """Name the objects that the report is about, those it names itself first."""
    words = [word.strip(".,:;()'") for word in report.summary.split()]
    owner = trace.ending.owner if trace.ending is not None else ""
    objects = dict.fromkeys((step.obj, step.owner) for step in trace.steps)
    named = [obj for obj, _ in objects if obj in words]
    changed = {step.obj for step in trace.steps if step.access not in LOOKS}
    parts = [
        obj
        for obj, whole in objects
        if (whole in words or whole == owner) and obj in changed
    ]
    parts.sort(key=lambda obj: obj.rpartition(".")[2] not in prefer)
    return [*named, *parts]


def _functions(report: Report, trace: Trace) -> tuple[str, ...]:
    """Name where it happened and, for a dead structure, who let it die."""
    calls = Calls(trace)
    here = calls.path_of(report.stack, _doing(trace))[-1:]
    life = trace.life(trace.ending.owner) if trace.ending is not None else None
    there = named_frames(life.freed_in)[:1] if life is not None else ()
    return here if there == here else (*here, *there)
