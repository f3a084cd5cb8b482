# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm compare SCENARIO --why D,WORD``: the execution behind one cell of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..comparison.cells import fill, scene_names, staged
from ..comparison.picture import Picture
from ..engine.scheduler import Schedule
from ..errors import UsageError
from ..runner import replay
from ..runner.once import execute
from ..scenarios.release import OUTCOMES, Judged
from ..schedulers import Replay
from . import names
from .output import show, show_json
from .words import command, drawn, many

if TYPE_CHECKING:
    from argparse import Namespace

    from ..comparison import Cell
    from ..scenario import Scenario

__all__ = ["run", "scene"]


def scene(name: str) -> str:
    """Return *name* if it is a scene's."""
    if name not in scene_names():
        raise names.unknown("scenario", name, scene_names(), " to compare")
    return name


def run(args: Namespace) -> int:
    """Draw the execution behind one letter of a table."""
    if args.scenario is None:
        raise UsageError("--why needs the SCENARIO of the table: name it")
    design, comma, word = args.why.partition(",")
    if not comma or not word:
        raise UsageError(
            f"--why {args.why!r} must be a design and a word, as in --why B,STRAND"
        )
    scenario = staged(scene(args.scenario), names.design_of(design))
    cell = fill(args.scenario, design, args.executions)
    found = cell.find(word)
    if found is None:
        raise _absent(cell, word)
    if args.draw in ("bar", "svg"):
        show(_picture(scenario, found.witness, args))
        return 0
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


def _absent(cell: Cell, word: str) -> UsageError:
    """Say that nothing comes to *word*, or that there is no such word."""
    found = [name for name, _ in cell.entries()]
    if word not in {outcome.name for outcome in OUTCOMES}:
        where = f" of {cell.scene} under {cell.design}"
        return names.unknown("outcome", word, found, where)
    if cell.complete:
        how = f"none of the {many(cell.executions, 'execution')} there are comes"
    else:
        how = f"no execution seen comes (stopped after {cell.reason})"
    return UsageError(
        f"{cell.scene} under {cell.design}: {how} to {word}: ask for one of "
        f"{', '.join(found)}"
    )


def _picture(scenario: Scenario, schedule: str, args: Namespace) -> str:
    """Draw who unmapped what in one execution of *scenario*."""
    judged = execute(scenario, Replay(Schedule.parse(schedule))).outcome
    assert isinstance(judged, Judged)  # it is what the scene returned before
    if not judged.visits:
        raise UsageError(
            f"--draw {args.draw}: nobody comes to a page table in the execution behind "
            f"{args.why}: leave --draw out, and its steps are drawn in columns"
        )
    title = f"{scenario.name} under {scenario.patches[0].name}: {judged!r}"
    picture = Picture(judged.visits, {}, title)
    return picture.svg() if args.draw == "svg" else picture.text()
