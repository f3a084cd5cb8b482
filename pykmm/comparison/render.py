# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons as tables, in plain text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..scenarios import SCENARIOS
from ..scenarios.release import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cells import Cell
    from .table import Comparison

__all__ = ["as_markdown", "as_text", "legend"]

#: What stands where nothing was found: for good, or within a bound.
_NEVER, _UNSEEN = ".", "?"


def _columns(cells: Sequence[Cell]) -> list[str]:
    """Return the words that hold anywhere, in their order."""
    return [word.name for word in OUTCOMES if any(word.name in c.words for c in cells)]


def _rows(cells: Sequence[Cell]) -> Iterator[list[str]]:
    columns = _columns(cells)
    yield ["design", "returns", "T-BY", *columns, "explored"]
    for cell in cells:
        nothing = _NEVER if cell.complete else _UNSEEN
        yield [
            cell.design,
            " ".join(cell.results) or "-",
            " ".join(by for by in cell.by if by) or _NEVER,
            *(cell.word(name) or nothing for name in columns),
            f"all {cell.executions}" if cell.complete else f"{cell.executions}+",
        ]


def _notes(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells:
        if not cell.complete:
            yield f"{cell.design}: stopped after {cell.reason}"
        for summary, schedule in cell.bugs.items():
            yield f"{cell.design}: BUG: {summary}: {schedule}"


def legend(comparison: Comparison) -> Iterator[str]:
    """Say what the words mean, and the letters."""
    found = {name for cell in comparison.cells.values() for name in cell.words}
    yield "all, some: in so many executions; .: in none; ?: in none within the bound"
    yield (
        "T-BY: who took the address space down (V victim, K caller, R reader, "
        "X sharer, P parent)"
    )
    for word in OUTCOMES:
        if word.name in found:
            yield f"{word.name}: {word.says}"
    for letter in comparison.designs:
        yield f"{letter}: {comparison.summaries[letter]}"


def as_text(comparison: Comparison) -> str:
    """Write one table a scene, and what the words mean."""
    parts = []
    for scene in comparison.scenes:
        cells = list(comparison.row(scene))
        table = _aligned(list(_rows(cells)))
        notes = "".join(f"  {note}\n" for note in _notes(cells))
        parts.append(f"{scene}: {SCENARIOS[scene].summary}\n\n{table}{notes}")
    parts.append("".join(f"{line}\n" for line in legend(comparison)))
    return "\n".join(parts)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "".join(f"  {line.rstrip()}\n" for line in lines)


def as_markdown(comparison: Comparison) -> str:
    """Write the same as Markdown."""
    parts = []
    for scene in comparison.scenes:
        cells = list(comparison.row(scene))
        head, *rows = _rows(cells)
        lines = [_bar(head), _bar(["---"] * len(head)), *map(_bar, rows)]
        notes = "".join(f"- {note}\n" for note in _notes(cells))
        table = "".join(f"{line}\n" for line in lines)
        summary = SCENARIOS[scene].summary
        parts.append(f"### {scene}: {summary}\n\n{table}\n{notes}".rstrip() + "\n")
    parts.append("".join(f"- {line}\n" for line in legend(comparison)))
    return "\n".join(parts)


def _bar(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
