# SPDX-License-Identifier: GPL-2.0-only
"""An address space as a bar, and two walks over it, in text and as SVG.

Addresses go from left to right and time goes down. A walk is a line of marks: where
it found something it took it, and where the other one had been before it did not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from ..scenarios.release.zaps import Visit

__all__ = ["Picture"]

#: The first colours for the walks, from a palette for colour-blind readers.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_EMPTY: Final = "#d0d0d0"
_CELL, _ROW, _LEFT, _TOP = 18, 10, 70, 62
#: What the words need: the narrowest bar and the narrowest picture.
_BAR, _WIDE = 180, 340


@frozen
class Picture:
    """Visits of page-table pages, ready to be drawn.

    *names* says for each thread what it does; *title* stands above.
    """

    visits: Sequence[Visit]
    names: dict[str, str]
    title: str = ""
    tables: tuple[int, ...] = field(init=False)
    walkers: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        tables = sorted({visit.table for visit in self.visits})
        walkers = dict.fromkeys(visit.thread.name for visit in self.visits)
        object.__setattr__(self, "tables", tuple(tables))
        object.__setattr__(self, "walkers", tuple(walkers))

    def taken(self) -> dict[int, str]:
        """Return who took what each page-table page mapped."""
        return {v.table: v.thread.name for v in self.visits if v.found}

    def borders(self) -> int:
        """Count the places where what one took borders on what another one took."""
        owners = [self.taken().get(table) for table in self.tables]
        pairs = pairwise(owners)
        return sum(a is not None and b is not None and a != b for a, b in pairs)

    # -- text ------------------------------------------------------------------

    def text(self) -> str:
        """Draw with letters: a capital where something was found, else a dot."""
        return "".join(f"{line.rstrip()}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        letters = self._letters()
        column = {table: place for place, table in enumerate(self.tables)}
        width = len(self.tables)
        if self.title:
            yield self.title
            yield ""
        yield f"  time  {'low':<{max(width - 4, 4)}}high"
        for number, visit in enumerate(self.visits, 1):
            mark = letters[visit.thread.name] if visit.found else "."
            yield f"  {number:>4}  {' ' * column[visit.table]}{mark}"
        taken = self.taken()
        bar = "".join(letters.get(taken.get(table, ""), "-") for table in self.tables)
        yield f"        {bar}  who took it"
        yield ""
        for name in self.walkers:
            found = sum(owner == name for owner in taken.values())
            what = self.names.get(name, "")
            yield f"  {letters[name]}: {name}{what and f', {what}'}: took {found}"
        yield "  .: came to what the other one had taken; -: nothing to take"

    def _letters(self) -> dict[str, str]:
        return {name: chr(ord("A") + n) for n, name in enumerate(self.walkers)}

    # -- SVG -------------------------------------------------------------------

    def svg(self) -> str:
        """Draw as a complete SVG document, which needs nothing else."""
        bar, title = self._cell * len(self.tables), 7 * len(self.title)
        wide = max(_LEFT + bar + 20, title + 20, _WIDE)
        high = _TOP + _ROW * len(self.visits) + 40 + 16 * len(self.walkers)
        parts = "".join(f"{part}\n" for part in self._shapes())
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
            f'width="{wide}" height="{high}" font-family="sans-serif" '
            f'font-size="11">\n<title>{escape(self.title)}</title>\n'
            f'<rect width="{wide}" height="{high}" fill="white"/>\n{parts}</svg>\n'
        )

    @property
    def _cell(self) -> int:
        """The width of one table: few are drawn wider."""
        return max(_CELL, _BAR // max(len(self.tables), 1))

    def _shapes(self) -> Iterator[str]:
        yield _text(10, 18, self.title, size=13)
        colours = dict(zip(self.walkers, _COLOURS, strict=False))
        yield from self._bar(colours)
        column = {table: place for place, table in enumerate(self.tables)}
        cell = self._cell
        for number, visit in enumerate(self.visits):
            x, y = _LEFT + cell * column[visit.table], _TOP + _ROW * number
            colour = colours.get(visit.thread.name, "black")
            fill = colour if visit.found else "none"
            yield _rect(x + 2, y + 1, cell - 4, _ROW - 3, fill, stroke=colour)
        yield _text(10, _TOP + 10, "time")
        low = _TOP + _ROW * len(self.visits) + 24
        taken = list(self.taken().values())
        for number, name in enumerate(self.walkers):
            y = low + 16 * number
            yield _rect(_LEFT, y - 8, 10, 10, colours.get(name, "black"))
            what = self.names.get(name, "")
            label = f"{name}{what and f', {what}'}: took {taken.count(name)}"
            yield _text(_LEFT + 16, y + 1, label)
        y = low + 16 * len(self.walkers)
        yield _text(_LEFT, y + 1, "hollow: the other one had been there before")

    def _bar(self, colours: dict[str, str]) -> Iterator[str]:
        taken, cell = self.taken(), self._cell
        yield _text(10, 45, "taken by")
        for place, table in enumerate(self.tables):
            colour = colours.get(taken.get(table, ""), _EMPTY)
            yield _rect(_LEFT + cell * place, 34, cell, 14, colour, stroke="white")
        yield _text(_LEFT, 30, "low addresses")
        right = _LEFT + cell * len(self.tables)
        yield _text(right, 30, "high addresses", anchor="end")


def _rect(
    x: int, y: int, wide: int, high: int, fill: str, *, stroke: str = "none"
) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" fill="{fill}" '
        f'stroke="{stroke}"/>'
    )


def _text(x: int, y: int, words: str, *, size: int = 11, anchor: str = "start") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )
