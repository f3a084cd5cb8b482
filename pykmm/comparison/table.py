# SPDX-License-Identifier: GPL-2.0-only
"""All designs in some scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..errors import UsageError, check_whole
from ..patches.designs import DESIGNS
from ..patches.patch import Patch
from .cells import Cell, as_patch, fill, scene_names, staged

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["EXECUTIONS", "Comparison", "compare"]

#: How far a cell is explored if nobody says: most are complete by then.
EXECUTIONS: Final = 600
#: What a stored comparison says it is.
_FORMAT = "pykmm-comparison/1"


@frozen
class Comparison:
    """A table for each scene: designs against outcomes."""

    scenes: tuple[str, ...]
    designs: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    #: What each design is.
    summaries: dict[str, str]

    def row(self, scene: str) -> Iterator[Cell]:
        """Return the cells of *scene*, a design each."""
        return (self.cells[scene, design] for design in self.designs)

    @property
    def complete(self) -> bool:
        """Whether every cell was explored to completion."""
        return all(cell.complete for cell in self.cells.values())

    @property
    def bugs(self) -> list[tuple[Cell, str]]:
        """Every broken law, with the cell that it was found in."""
        return [(cell, bug) for cell in self.cells.values() for bug in cell.bugs]

    def as_dict(self) -> dict[str, object]:
        """Return the comparison as plain dicts, lists, text and numbers."""
        return {"format": _FORMAT, "cells": [_plain(c) for c in self.cells.values()]}


def _plain(cell: Cell) -> dict[str, object]:
    kinds = {"words": cell.words, "results": cell.results, "torn_down_by": cell.by}
    return {
        "scenario": cell.scene,
        "design": cell.design,
        "complete": cell.complete,
        "reason": cell.reason,
        "executions": cell.executions,
        **{
            kind: {
                name: {
                    "count": finding.count,
                    "preemptions": finding.preemptions,
                    "witness": finding.witness,
                }
                for name, finding in found.items()
            }
            for kind, found in kinds.items()
        },
        "bugs": [
            {"summary": summary, "schedule": schedule}
            for summary, schedule in cell.bugs.items()
        ],
    }


def compare(
    scenario: str | Sequence[str] | None = None,
    *,
    designs: Sequence[str | Patch] | None = None,
    executions: int = EXECUTIONS,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Comparison:
    """Explore scenes under designs, and tell what can come out where.

    *scenario* is a scene's name, several, or None for all; *designs* are letters, by
    default all, and patches of your own, which go by their names and are used in two
    calls: kill, then release. *executions* bounds each cell: those that need more say
    so, and are sampled as well. *executor* fills the cells, and what comes out does not
    depend on its workers. *progress* is told how many cells of how many are filled.

    >>> from pykmm import compare
    >>> table = compare("S1", designs=("A", "B"))
    >>> table.cells["S1", "A"].word("STRAND"), table.cells["S1", "B"].word("STRAND")
    ('some', '')
    """
    check_whole("executions", executions)
    names = [scenario] if isinstance(scenario, str) else list(scenario or scene_names())
    asked = list(DESIGNS if designs is None else designs)
    patches = [as_patch(one) for one in asked]
    letters = [
        one if isinstance(one, str) else patch.name
        for one, patch in zip(asked, patches, strict=True)
    ]
    pairs = [(name, one) for name in names for one in asked]
    for what, given in (("scenario", names), ("designs", letters)):
        twice = [name for number, name in enumerate(given) if name in given[:number]]
        if twice:
            raise UsageError(f"{what}: {twice[0]!r} is given twice: name each once")
    for pair in pairs:
        staged(*pair)  # complains before anything is explored
    cells = {}
    for number, cell in enumerate(_fill(pairs, executions, executor), 1):
        cells[cell.scene, cell.design] = cell
        if progress is not None:
            progress(number, len(pairs))
    summaries = {
        letter: patch.summary for letter, patch in zip(letters, patches, strict=True)
    }
    return Comparison(tuple(names), tuple(letters), cells, summaries)


def _fill(
    pairs: Sequence[tuple[str, str | Patch]], executions: int, executor: Executor | None
) -> Iterator[Cell]:
    scenes, letters = zip(*pairs, strict=True) if pairs else ((), ())
    bounds = [executions] * len(pairs)
    if executor is None:
        return map(fill, scenes, letters, bounds)
    return executor.map(fill, scenes, letters, bounds)
