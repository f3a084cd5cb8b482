# SPDX-License-Identifier: GPL-2.0-only
"""An execution as a picture: a column for each thread, time downwards.

On the left stand the numbers of the steps and the watched values as they are
*after* the row; so the eye can run down a value and across to who changed it.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from .hidden import HIDDEN, hide
from .sections import rows
from .watch import FREED, UNKNOWN, choose, resolve, short_names, timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .phrases import Cell, Row
    from .record import Trace

__all__ = ["draw"]

_GAP = "  "
_NARROWEST = 16
#: What three columns should have before values take room from them.
_COMFORTABLE = 23
_VALUE_AT_MOST = 12
_NAME_AT_MOST = 14
_OTHERS = "others"
#: How many more lines a text may take.
_BREAKS = 2
#: A space that no line is broken at.
_BOUND = "\N{NO-BREAK SPACE}"


def draw(
    trace: Trace,
    *,
    watch: Sequence[str] | None = None,
    prefer: Sequence[str] = (),
    full: bool = False,
    width: int = 100,
    tail: int | None = None,
    hidden: bool = False,
) -> str:
    """Draw *trace* in at most *width* columns where its threads allow that.

    *watch* names the objects whose values stand on the left; by default those
    counters that changed, fields named in *prefer* first, as many as there is room
    for. *full* draws each step instead of folding them. *tail* leaves out all but
    so many rows at the end. *hidden* puts question marks in place of values, for
    people to fill in.
    """
    if not trace.steps and trace.ending is None:
        return "nothing happened\n"
    if watch is None:
        left = _Left(trace, choose(trace, prefer=prefer))
        left.keep(width - min(3, len(trace.threads)) * _COMFORTABLE)
    else:
        left = _Left(trace, resolve(trace, watch))
    table = rows(trace, left.watched, full=full)
    if hidden:
        table = [hide(row) for row in table]
        left.hide()
    left_out = 0 if tail is None else max(0, len(table) - tail)
    table = table[left_out:]
    left.number_width = max(len("step"), *(len(_number(row)) for row in table))
    place = _place(trace, table, width - left.width)
    table = [part for row in table for part in _apart(row, place)]
    ways = list(_ways(table, place))
    widths = _widths(place, ways, width - left.width)
    lines = [left.heading + _GAP.join(_fit(n, w).ljust(w) for n, w in widths.items())]
    lines.append(left.rule + _GAP.join("-" * w for w in widths.values()))
    if left_out:
        lines.append(f"{'…':>{left.number_width}}   {left_out} rows before")
    for row, cells in zip(table, ways, strict=True):
        lines += _drawn(left.of(row), cells, widths, row.note)
    lines += ["", *wrap("; ".join(_legend(table, left)), width)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


# -- the left-hand side -------------------------------------------------------------


class _Left:
    """Step numbers and watched values."""

    def __init__(self, trace: Trace, watched: Sequence[str]) -> None:
        short = short_names(trace)
        self.hidden = False
        self.watched = list(watched)
        self.names = [_fit(short[name], _NAME_AT_MOST) for name in watched]
        lines = [timeline(trace, name) for name in watched]
        self.after = [[_fit(v, _VALUE_AT_MOST) for v in line] for line in lines]
        self.steps = len(trace.steps)
        self.number_width = max(len("step"), len(f"{self.steps}-{self.steps}"))
        self.widths = [
            max(len(name), *(len(v) for v in line), 1)
            for name, line in zip(self.names, self.after, strict=True)
        ]

    def keep(self, room: int) -> None:
        """Drop values from the right until the rest fits into *room*."""
        while self.watched and self.width > room:
            for kept in (self.watched, self.names, self.after, self.widths):
                kept.pop()

    def hide(self) -> None:
        """Put a question mark in place of each value."""
        self.hidden = True
        self.after = [[HIDDEN] * len(line) for line in self.after]

    @property
    def heading(self) -> str:
        """The names of the values."""
        return self._row("step", " ", self.names)

    @property
    def rule(self) -> str:
        """The line below the names."""
        return self._row("-" * self.number_width, " ", ["-" * w for w in self.widths])

    @property
    def width(self) -> int:
        """How much room all this takes."""
        return len(self.heading)

    def _row(self, number: str, mark: str, values: Sequence[str]) -> str:
        cells = [v.rjust(w) for v, w in zip(values, self.widths, strict=True)]
        return _GAP.join([number.rjust(self.number_width) + mark, *cells, ""])

    def of(self, row: Row) -> str:
        """Return the left-hand side of *row*."""
        mark = "*" if row.preempts else " "
        return self._row(_number(row), mark, self.shown(row))

    def shown(self, row: Row) -> list[str]:
        """Return the values behind *row*."""
        last = self.steps - 1 if row.last is None else min(row.last, self.steps - 1)
        return [line[last] if line else UNKNOWN for line in self.after]


def _number(row: Row) -> str:
    if row.first is None:
        return "end"
    return f"{row.first}" if row.first == row.last else f"{row.first}-{row.last}"


# -- the columns --------------------------------------------------------------------


def _place(trace: Trace, table: Sequence[Row], room: int) -> dict[str, str]:
    """Map each thread to its column.

    If there are too many, those share one that have least to show.
    """
    fit = max(2, (room + len(_GAP)) // (_COMFORTABLE - 1))
    if len(trace.threads) <= max(fit, (room + len(_GAP)) // (_NARROWEST + 2)):
        return {name: name for name in trace.threads}
    count = dict.fromkeys(trace.threads, 0)
    for row in table:
        for thread, _ in row.cells:
            count[thread] += 1
    own = sorted(trace.threads, key=lambda name: -count[name])[: fit - 1]
    place = {name: name for name in trace.threads if name in own}
    return place | {name: _OTHERS for name in trace.threads if name not in own}


def _apart(row: Row, place: Mapping[str, str]) -> Iterator[Row]:
    """Part a row in which several threads would have to stand in one column.

    Only at the end do several have something to say at once.
    """
    rest = row.cells
    while len(rest) > 1:
        firsts = {place[thread]: (thread, cell) for thread, cell in reversed(rest)}
        cells = tuple(firsts.values())
        rest = tuple(pair for pair in rest if pair not in cells)
        yield evolve(row, cells=cells, note="" if rest else row.note)
    if rest or not row.cells:
        yield evolve(row, cells=rest)


@frozen
class _Way:
    """One way to write a cell."""

    lines: tuple[str, ...]
    #: Into how many more lines the last one may be broken.
    breaks: int = 0

    def fit(self, width: int) -> list[str] | None:
        """Return the lines if they fit into *width*."""
        *above, last = self.lines
        above = [_name(line, width) for line in above]
        if any(len(line) > width for line in above):
            return None
        broken = _broken(last, width)
        if any(len(line) > width for line in broken):
            return None
        return [*above, *broken] if len(broken) <= 1 + self.breaks else None

    def cut(self, width: int) -> list[str]:
        """Return the lines, each made to fit into *width*; names stay whole."""
        *above, last = self.lines
        broken = _broken(last, width) if self.breaks else [last]
        names = [part for line in above for part in _broken_name(line, width)]
        return [*names, *(_fit(line, width) for line in broken[: 1 + self.breaks])]


def _name(line: str, width: int) -> str:
    """Drop the colon behind a name for whose last letter there is no room beside it."""
    return line if len(line) <= width else line.removesuffix(":")


def _broken_name(line: str, width: int) -> list[str]:
    """Break a name behind an underscore: whoever knows it must be able to find it."""
    indent = len(line) - len(line.lstrip())
    parts = []
    while len(_name(line, width)) > width:
        at = line.rfind("_", indent + 2, width) + 1
        if not at:
            break
        parts.append(line[:at])
        line = f"{' ' * (indent + 2)}{line[at:]}"
    return [*parts, _fit(_name(line, width), width)]


def _broken(text: str, width: int) -> list[str]:
    """Break *text* where that leaves no value and no ``read`` alone."""
    bound = text
    for words in ("read ", "= ", " -> "):
        bound = bound.replace(words, words.replace(" ", _BOUND))
    indent = text[: len(text) - len(text.lstrip())]
    lines = wrap(
        bound.lstrip(),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
    )
    return [line.replace(_BOUND, " ") for line in lines]


#: The ways to write a cell, the most telling first.
_Ways = list[_Way]


def _ways(table: Sequence[Row], place: Mapping[str, str]) -> Iterator[dict[str, _Ways]]:
    """Yield, for each row, what to write in which column."""
    last: dict[str, str] = {}
    for row in table:
        cells: dict[str, _Ways] = {}
        for thread, cell in row.cells:
            column = place[thread]
            who = f"{thread}: " if column == _OTHERS else ""
            new = last.get(column) != who + cell.function
            if cell.function:
                last[column] = who + cell.function
            cells[column] = list(_cell_ways(who, cell, new=new))
        yield cells


def _cell_ways(who: str, cell: Cell, *, new: bool) -> Iterator[_Way]:
    """Write *cell*; the function is named where it changes."""
    if not cell.function or not new:
        indent = "  " if cell.function else who
        for text in cell.texts:
            yield _Way((indent + text,))
            yield _Way((indent + text,), breaks=_BREAKS * cell.lists)
        yield _Way((indent + cell.texts[-1],), breaks=_BREAKS)
        if who and not cell.function:
            yield _Way((who.rstrip(), f"  {cell.texts[-1]}"), breaks=_BREAKS)
        return
    name = f"{who}{cell.function}:"
    for text in cell.texts:
        yield _Way((f"{name} {text}",))
    for text in cell.texts:
        yield _Way((name, f"  {text}"))
        yield _Way((name, f"  {text}"), breaks=_BREAKS * cell.lists)
    yield _Way((name, f"  {cell.texts[-1]}"), breaks=_BREAKS)
    if who:
        function, text = f" {cell.function}:", f"  {cell.texts[-1]}"
        yield _Way((who.rstrip(), function, text), breaks=_BREAKS)


def _widths(
    place: Mapping[str, str], ways: Sequence[Mapping[str, _Ways]], room: int
) -> dict[str, int]:
    wanted = {column: len(column) for column in place.values()}
    for cells in ways:
        for column, choice in cells.items():
            longest = max(len(line) for line in choice[0].lines)
            wanted[column] = max(wanted[column], longest)
    return _share(wanted, room)


def _share(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """Share *room* out: who wants little gets it, the rest get equal parts."""
    widths: dict[str, int] = {}
    left = room - len(_GAP) * (len(wanted) - 1)
    for done, name in enumerate(sorted(wanted, key=lambda name: wanted[name])):
        part = max(_NARROWEST, left // (len(wanted) - done))
        widths[name] = min(wanted[name], part)
        left -= widths[name]
    return {name: widths[name] for name in wanted}


# -- the rows -----------------------------------------------------------------------


def _drawn(
    left: str, cells: Mapping[str, _Ways], widths: Mapping[str, int], note: str
) -> Iterator[str]:
    chosen = {column: _choose(ways, widths[column]) for column, ways in cells.items()}
    height = max((len(lines) for lines in chosen.values()), default=1)
    for number in range(height):
        texts = [
            (chosen[c][number] if number < len(chosen.get(c, ())) else "").ljust(w)
            for c, w in widths.items()
        ]
        end = f"{_GAP}{note}" if note and number == height - 1 else ""
        start = left if number == height - 1 else " " * len(left)
        yield (start + _GAP.join(texts)).rstrip() + end


def _choose(ways: _Ways, width: int) -> list[str]:
    for way in ways:
        lines = way.fit(width)
        if lines is not None:
            return lines
    return ways[-1].cut(width)


def _fit(text: str, width: int) -> str:
    """Cut the middle out of *text* if it is too long: both its ends tell most."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 3
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def _legend(table: Sequence[Row], left: _Left) -> Iterator[str]:
    values = {value for row in table for value in left.shown(row)}
    if values:
        yield "values: after the row"
    if HIDDEN in values and left.hidden:
        yield f"{HIDDEN}: for you to say"
    elif UNKNOWN in values:
        yield f"{UNKNOWN}: not seen yet"
    if FREED in values:
        yield f"{FREED}: freed"
    if any(row.preempts for row in table):
        yield "*: a preemption, the thread before could have gone on"
    if any(row.first != row.last for row in table):
        yield "a-b: several steps in one row"
