# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm explore SCENARIO``: every outcome, and how it comes about."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..runner import explore, replay
from . import names, output
from .ktap import explored, ktap
from .output import show, show_json
from .words import command, drawn, many, report_dict, splat
from .workers import workers

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from ..errors import Report
    from ..runner import Progress, Result
    from ..scenario import Scenario
    from ..trace import Trace

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Explore, then print outcomes, bugs and how complete the answer is."""
    _check(args)
    scenario = names.scenario(args.scenario, args.bug, args.design)
    result = _explore(scenario, args)
    if args.json:
        show_json(_as_dict(scenario, args.scheduler, result))
    elif args.ktap:
        show(_as_ktap(scenario, args.detectors, result))
    else:
        for part in _parts(scenario, result):
            show(part)
    return 1 if result.reports else 0


def _explore(scenario: Scenario, args: Namespace) -> Result:
    resume = None if args.resume is None else _read(args.resume)
    try:
        with output.Progress() as line, workers(args.jobs) as executor:
            return explore(
                scenario,
                scheduler=args.scheduler,
                executions=args.executions,
                seconds=args.seconds,
                bound=args.bound,
                depth=args.depth,
                seed=args.seed,
                detectors=names.detectors(args.detectors),
                progress=lambda progress: line.say(_so_far(progress)),
                executor=executor,
                carrier=args.carrier,
                save=None if args.save is None else partial(_write, args.save),
                resume=resume,
            )
    except UsageError as error:
        word, _, wrong = str(error).partition(" ")
        if word != "resume":
            raise
        raise UsageError(f"--continue {args.resume} {wrong}") from None


def _check(args: Namespace) -> None:
    """Refuse what would be said in vain, and what could not be written in the end."""
    if args.ktap and args.json:
        raise UsageError("--ktap does not go with --json: drop one of them")
    if args.jobs > 1 and args.scheduler == "round_robin":
        raise UsageError(
            f"--jobs {args.jobs} does not go with --scheduler round_robin, which runs "
            "one execution: drop it"
        )
    if args.save is not None and not Path(args.save).name:
        raise UsageError(f"--save {args.save!r} names no file: name one")
    if args.save is not None and not Path(args.save).absolute().parent.is_dir():
        raise UsageError(f"--save {args.save} is in no directory: name another file")


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(
            f"--continue {name} cannot be read ({why}): name a file that --save wrote"
        ) from None


def _write(name: str, text: str) -> None:
    """Put *text* in the place of what the file holds, at once."""
    path = Path(name)
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise UsageError(
            f"--save {name} cannot be written ({error.strerror}): name another file"
        ) from None


def _so_far(progress: Progress) -> str:
    bugs = f", {many(progress.reports, 'bug')}" if progress.reports else ""
    return (
        f"{many(progress.executions, 'execution')}, "
        f"{many(progress.outcomes, 'outcome')}{bugs}, {progress.seconds:.0f} s"
    )


# -- text ---------------------------------------------------------------------------


def _parts(scenario: Scenario, result: Result) -> Iterator[str]:
    """Yield the answer piece by piece: a drawing costs another execution."""
    yield f"{scenario.name}: {scenario.summary}\n"
    if result.outcomes:
        yield f"\n{_table(result)}"
    for number, outcome in enumerate(result.outcomes, 1):
        yield f"\noutcome {number} of {len(result.outcomes)}: {outcome.value!r}\n\n"
        yield drawn(outcome.trace)
        yield f"\nreplay: {command(scenario, outcome.witness)}\n"
    for report in result.reports:
        yield f"\n{splat(scenario, report, _trace(scenario, report))}"
    yield f"\n{_completeness(result)}\n"


def _trace(scenario: Scenario, report: Report) -> Trace:
    return replay(scenario, report.schedule, report=report).trace


def _table(result: Result) -> str:
    rows = [("outcome", "traces", "preemptions")]
    rows += [(repr(o.value), str(o.count), str(o.preemptions)) for o in result.outcomes]
    wide = max(len(row[0]) for row in rows)
    return "".join(
        f"{name:<{wide}}  {count:>6}  {preemptions:>11}\n"
        for name, count, preemptions in rows
    )


def _completeness(result: Result) -> str:
    blocked = (
        f" (and {result.blocked} given up as seen before)" if result.blocked else ""
    )
    bugs = f"{many(len(result.reports), 'bug')}, " if result.reports else ""
    return (
        f"{result.reason}: {many(len(result.outcomes), 'outcome')}, {bugs}"
        f"{many(result.executions, 'execution')}{blocked}, "
        f"{many(result.events, 'event')}, {result.seconds:.2f} s"
    )


# -- for programs -------------------------------------------------------------------


def _complete(scenario: Scenario, result: Result) -> None:
    """Fill in what only a trace tells of each report."""
    for report in result.reports:
        splat(scenario, report, _trace(scenario, report))


def _as_ktap(
    scenario: Scenario, detectors: Sequence[str] | None, result: Result
) -> str:
    _complete(scenario, result)
    return ktap([explored(scenario, result, detectors)])


def _as_dict(scenario: Scenario, scheduler: str, result: Result) -> dict[str, object]:
    _complete(scenario, result)
    return {
        **result.as_dict(),
        "summary": scenario.summary,
        "scheduler": scheduler,
        "replays": [command(scenario, o.witness) for o in result.outcomes],
        "reports": [report_dict(report) for report in result.reports],
    }
