# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm compare SCENARIO``: designs against outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykmm.compare import as_markdown, as_text, compare
from pykmm.compare.cells import fill, scene_names, staged
from pykmm.errors import UsageError
from pykmm.runner import replay

from . import names, output
from .explore import pool
from .output import show, show_json
from .words import command, drawn, many

if TYPE_CHECKING:
    from argparse import Namespace

    from pykmm.compare import Comparison

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Print the tables; 1 if a law was broken somewhere."""
    if args.why is not None:
        return _why(args)
    if (args.scenario is None) != args.all:
        raise UsageError("compare takes a SCENARIO, or --all: give one of the two")
    scenes = scene_names() if args.all else [_scene(args.scenario)]
    with output.Progress() as line, pool(args.jobs) as executor:
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
    return 1 if comparison.bugs else 0


def _completeness(comparison: Comparison) -> str:
    cells = comparison.cells.values()
    whole = sum(cell.complete for cell in cells)
    executions = sum(cell.executions for cell in cells)
    return (
        f"{many(len(cells), 'cell')}, {whole} explored to completion, "
        f"{many(executions, 'execution')}"
    )


def _scene(name: str) -> str:
    if name not in scene_names():
        raise names.unknown("scenario to compare", name, dict.fromkeys(scene_names()))
    return name


def _why(args: Namespace) -> int:
    """Draw the execution behind one letter of a table."""
    if args.scenario is None:
        raise UsageError("--why needs the SCENARIO of the table: name it")
    design, comma, word = args.why.partition(",")
    if not comma or not word:
        raise UsageError(
            f"--why {args.why!r} must be a design and a word, as in --why B,STRAND"
        )
    scenario = staged(_scene(args.scenario), design)
    cell = fill(args.scenario, design, args.executions)
    found = cell.find(word)
    if found is None:
        known = ", ".join(
            [*cell.words, *cell.results, *(f"T-BY={b}" for b in cell.by if b)]
        )
        raise UsageError(
            f"--why {args.why!r}: no execution of {args.scenario} under {design} "
            f"({cell.reason}) comes to that; there are {known}"
        )
    execution = replay(scenario, found.witness)
    line = command(scenario, found.witness)
    if args.json:
        show_json(
            {"outcome": execution.label, "schedule": found.witness, "replay": line}
        )
    else:
        show(f"{args.scenario} under {design}: {execution.label}\n\n")
        show(drawn(execution.trace))
        show(f"\nreplay: {line}\n")
    return 0
