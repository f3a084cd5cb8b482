# SPDX-License-Identifier: GPL-2.0-only
"""Every entry of a table, replayed: a witness that shows something else is a bug."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import Nondeterminism
from ..runner import replay
from ..scenarios.release import Judged
from .cells import staged

if TYPE_CHECKING:
    from .cells import Cell

__all__ = ["count", "failing"]


def count(cell: Cell) -> int:
    """Return how many witnesses *cell* has, those of several entries once."""
    return len(_claims(cell))


def failing(cells: Iterable[Cell]) -> Iterator[str]:
    """Replay the witnesses of *cells*; yield a sentence for each that fails."""
    for cell in cells:
        for witness, names in _claims(cell).items():
            try:
                shown = _shown(cell, witness)
            except Nondeterminism as error:
                yield f"{cell.scene} under {cell.design}: {witness!r}: {error}"
                continue
            for name in names:
                if not (isinstance(shown, Judged) and shown.says(name)):
                    yield (
                        f"{cell.scene} under {cell.design}: {witness!r} "
                        f"comes to {shown!r}, not to {name}"
                    )


def _shown(cell: Cell, witness: str) -> object:
    scenario = staged(cell.scene, cell.design)
    return replay(scenario, witness, stacks=False, detectors=()).outcome


def _claims(cell: Cell) -> dict[str, list[str]]:
    """Return what is to be seen in the execution of each witness."""
    claims: dict[str, list[str]] = {}
    for name, finding in cell.entries():
        claims.setdefault(finding.witness, []).append(name)
    return claims
