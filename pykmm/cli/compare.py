# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm compare SCENARIO``: designs against outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..comparison import as_markdown, as_text, compare
from ..comparison.cells import scene_names
from ..comparison.witnesses import count, failing
from ..errors import UsageError
from . import compare_walks, compare_why, names, output
from .compare_why import scene
from .output import complain, show, show_json
from .words import many
from .workers import workers

if TYPE_CHECKING:
    from argparse import Namespace

    from ..comparison import Comparison

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Print the tables; 1 if a law was broken somewhere, or a witness fails."""
    _refuse_idle(args)
    if args.walks:
        return compare_walks.run(args)
    if args.why is not None:
        return compare_why.run(args)
    if (args.scenario is None) != args.all:
        raise UsageError("compare takes a SCENARIO, or --all: give one of the two")
    scenes = scene_names() if args.all else [scene(args.scenario)]
    for name in args.designs or ():
        names.design_of(name)
    with output.Progress() as line, workers(args.jobs) as executor:
        comparison = compare(
            scenes,
            designs=args.designs,
            executions=args.executions,
            executor=executor,
            progress=lambda done, of: line.say(f"{done} of {many(of, 'cell')}"),
        )
    if args.json:
        show_json(comparison.as_dict())
    else:
        show(as_markdown(comparison) if args.markdown else as_text(comparison))
        show(f"\n{_completeness(comparison)}\n")
    failures = list(failing(comparison.cells.values())) if args.check else []
    for failure in failures:
        complain(failure)
    if args.check and not args.json:
        replayed = sum(count(cell) for cell in comparison.cells.values())
        show(
            f"{many(replayed, 'witness', 'witnesses')} replayed, {len(failures)} fail\n"
        )
    return 1 if comparison.bugs or failures else 0


#: What each way to call this has no use for.
_IDLE: Final = {
    "--walks": ("SCENARIO", "--all", "--designs", "--why", "--check", "--markdown"),
    "--why": ("--all", "--designs", "--check", "--markdown"),
    "a table": ("--draw",),
}


def _refuse_idle(args: Namespace) -> None:
    """Complain of what would be ignored."""
    given = {
        "SCENARIO": args.scenario,
        "--all": args.all,
        "--designs": args.designs,
        "--why": args.why,
        "--check": args.check,
        "--markdown": args.markdown,
        "--draw": args.draw,
    }
    asked = "--walks" if args.walks else "--why" if args.why else "a table"
    for name in _IDLE[asked]:
        if given[name]:
            raise UsageError(f"{name} says nothing to {asked}: leave one of them out")
    if args.json and (args.markdown or args.draw):
        other = "--markdown" if args.markdown else "--draw"
        raise UsageError(f"{other} and --json exclude each other: give one of the two")


def _completeness(comparison: Comparison) -> str:
    cells = comparison.cells.values()
    whole = sum(cell.complete for cell in cells)
    executions = sum(cell.executions for cell in cells)
    return (
        f"{many(len(cells), 'cell')}, {whole} explored to completion, "
        f"{many(executions, 'execution')}"
    )
