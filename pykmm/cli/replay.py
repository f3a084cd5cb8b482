# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm replay SCENARIO SCHEDULE``: one execution, drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..engine.scheduler import Schedule
from ..errors import UsageError
from ..linux.printk import kernel_log
from ..runner import replay
from ..trace.ftrace import ftrace
from ..trace.graph import lock_order_dot, lock_order_mermaid
from ..trace.perfetto import perfetto
from ..trace.timeline import timeline_svg
from . import names
from .output import show, show_json
from .words import PREFERRED, command, drawn, report_dict, splat

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ..errors import Report
    from ..runner import Execution
    from ..trace import Trace

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Run the schedule and print what happened; 1 if that was a bug."""
    _check(args)
    scenario = names.scenario(args.scenario, args.bug, args.design)
    schedule = Schedule.parse(args.schedule)
    detectors = names.detectors(args.detectors)
    execution = replay(scenario, schedule, detectors=detectors)
    trace = execution.trace
    if args.json or args.trace == "json":
        show_json(_as_dict(execution, trace))
    elif args.trace in _RENDERERS:
        show(_RENDERERS[args.trace](execution, trace))
    else:
        show(_text(execution, trace, watch=args.watch, full=args.trace == "full"))
    return 1 if execution.report is not None or execution.findings else 0


def _check(args: Namespace) -> None:
    """Refuse what would be said in vain."""
    drawn_here = ("columns", "full")
    if args.json and args.trace not in ("json", *drawn_here[:1]):
        raise UsageError(
            f"--json does not go with --trace {args.trace}: drop one of them"
        )
    if args.watch and (args.json or args.trace not in drawn_here):
        raise UsageError(
            f"--watch {args.watch[0]} goes with --trace columns or full only: drop it"
        )


def _svg(execution: Execution, trace: Trace) -> str:
    title = f"{execution.scenario.name}: {execution.label}"
    return timeline_svg(trace, title=title, prefer=PREFERRED)


def _dmesg(execution: Execution, trace: Trace) -> str:
    del trace
    return kernel_log(execution.machine)


#: Formats that are the trace alone, told in another way.
_RENDERERS: Final[dict[str, Callable[[Execution, Trace], str]]] = {
    "svg": _svg,
    "perfetto": lambda _, trace: perfetto(trace),
    "ftrace": lambda _, trace: ftrace(trace),
    "dmesg": _dmesg,
    "dot": lambda _, trace: lock_order_dot(trace),
    "mermaid": lambda _, trace: lock_order_mermaid(trace),
}


def _text(
    execution: Execution, trace: Trace, *, watch: Sequence[str] | None, full: bool
) -> str:
    scenario, report = execution.scenario, execution.report
    if report is None:
        drawing = drawn(trace, watch=watch, full=full)
        answer = f"{drawing}\noutcome: {execution.outcome!r}\n"
    else:
        answer = splat(scenario, report, trace)
        if full or watch:
            report.drawing = drawn(trace, watch=watch, full=full)
            answer = report.render()
    found = "".join(f"\n{_found(execution, finding)}" for finding in execution.findings)
    return f"{scenario.name}: {scenario.summary}\n\n{answer}{found}"


def _found(execution: Execution, finding: Report) -> str:
    """Write what was found on the way; the execution is drawn already."""
    finding.replay = command(execution.scenario, finding.schedule)
    return finding.render()


def _as_dict(execution: Execution, trace: Trace) -> dict[str, object]:
    report = execution.report
    if report is not None:
        splat(execution.scenario, report, trace)
    for finding in execution.findings:
        finding.replay = command(execution.scenario, finding.schedule)
    return {
        "format": "pykmm-replay/1",
        "scenario": execution.scenario.name,
        "schedule": str(execution.schedule),
        "outcome": repr(execution.outcome) if report is None else None,
        "report": None if report is None else report_dict(report),
        "findings": [report_dict(finding) for finding in execution.findings],
        "preemptions": execution.preemptions,
        "trace": trace.as_dict(),
    }
