# SPDX-License-Identifier: GPL-2.0-only
"""An execution as one picture: who ran when, who held which lock, and where it broke.

Time goes from left to right, a step is a column. Each thread has a lane: its steps,
what it was doing, and below that a bar for each lock while it held it. A lock has
the same colour in every lane, so that two bars of one colour above each other are
what to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

from .calls import Calls
from .holds import Hold, contested, holds
from .watch import choose, short_names, timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .record import Step, Trace

__all__ = ["timeline_svg"]

#: Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS: Final = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_RAN: Final = "#444444"
_BROKEN: Final = "#c00000"
_LEFT, _RIGHT, _TOP = 120, 24, 48
#: How wide a letter of a thread's name is.
_BOLD: Final = 8.4
#: And one of what it did.
_SMALL: Final = 6.2
_WIDE: Final = 1100
_LINE: Final = 14
#: A call that is wider than this is told by the calls in it.
_ROOM: Final = 160


def timeline_svg(trace: Trace, *, title: str = "", prefer: Sequence[str] = ()) -> str:
    """Draw *trace* as a complete SVG document.

    Objects and fields named in *prefer* are the first whose values are shown.
    """
    return _Timeline(trace, title, prefer).svg()


class _Timeline:
    def __init__(self, trace: Trace, title: str, prefer: Sequence[str]) -> None:
        self.trace = trace
        self.title = title
        self.names = short_names(trace)
        longest = max(map(len, trace.threads), default=0)
        self.left = max(_LEFT, round(16 + _BOLD * longest))
        self.scale = max(2.0, _WIDE / max(len(trace.steps) + 1, 1))
        self.holds = holds(trace)
        locks = contested(self.holds, len(_COLOURS))
        self.colours = dict(zip(locks, _COLOURS, strict=False))
        self.watched = choose(trace, prefer=prefer)

    def svg(self) -> str:
        parts: list[str] = []
        y = _TOP
        for thread in self.trace.threads:
            rows = self._lock_rows(thread)
            parts += self._lane(thread, y, rows)
            y += 42 + _LINE * len(rows)
        parts += self._values(y + 6)
        bottom = y + 6 + _LINE * len(self.watched)
        parts += self._ending(bottom)
        parts += self._legend(bottom + 24)
        high = bottom + 40 + _LINE * len(self.colours)
        wide = round(self.left + _RIGHT + self.scale * (len(self.trace.steps) + 1))
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
            f'width="{wide}" height="{high}" font-family="sans-serif" font-size="11">'
        )
        title = escape(self.title)
        back = f'<rect width="{wide}" height="{high}" fill="white"/>'
        lines = [head, f"<title>{title}</title>", back]
        lines.append(_text(10, 20, self.title, size=14))
        return "\n".join([*lines, *parts, "</svg>\n"])

    def _x(self, step: float) -> float:
        return round(self.left + self.scale * step, 1)

    # -- a lane ----------------------------------------------------------------

    def _lock_rows(self, thread: str) -> list[str]:
        had = {hold.lock for hold in self.holds if hold.thread == thread}
        return [lock for lock in self.colours if lock in had]

    def _lane(self, thread: str, y: int, rows: Sequence[str]) -> Iterator[str]:
        high = 36 + _LINE * len(rows)
        end = self._x(len(self.trace.steps) + 1)
        yield _rect(self.left, y, end - self.left, high, "#f6f6f6")
        yield _text(10, y + 24, thread, size=13, weight="bold")
        yield from self._runs(thread, y)
        for number, lock in enumerate(rows):
            row = y + 34 + _LINE * number
            yield _text(self.left - 6, row + 9, self._name(lock), anchor="end", size=10)
            for hold in self.holds:
                if hold.thread == thread and hold.lock == lock:
                    yield self._bar(hold, row)

    def _name(self, lock: str) -> str:
        name = self.names.get(lock, lock)
        return name if len(name) <= 18 else f"…{name[-17:]}"

    def _bar(self, hold: Hold, y: int) -> str:
        start, end = self._x(hold.start), self._x(hold.end + 1)
        how = "shared" if hold.shared else "exclusively"
        tip = f"{hold.thread} holds {hold.lock} {how}, steps {hold.start} to {hold.end}"
        colour = self.colours[hold.lock]
        opacity = ' fill-opacity="0.55"' if hold.shared else ""
        return (
            f'<rect x="{start}" y="{y}" width="{end - start:.1f}" height="10" '
            f'fill="{colour}"{opacity}><title>{escape(tip)}</title></rect>'
        )

    def _runs(self, thread: str, y: int) -> Iterator[str]:
        """Draw when *thread* ran, and what it did."""
        for who, run in groupby(self.trace.steps, key=lambda step: step.thread):
            if who != thread:
                continue
            steps = list(run)
            start, end = self._x(steps[0].index), self._x(steps[-1].index + 1)
            yield _rect(start, y + 20, end - start, 9, _RAN)
            if steps[0].preempts:
                yield _line(start, y + 14, start, y + 32, _BROKEN)
        yield from self._told(thread, y + 15)

    def _told(self, thread: str, y: int) -> Iterator[str]:
        """Write what *thread* did, what its calls came to first, while there is room.

        What would stand out on the right moves to the left.
        """
        mine = [step for step in self.trace.steps if step.thread == thread]
        right = self._x(len(self.trace.steps)) + _RIGHT
        taken: list[tuple[float, float]] = []
        answers = {step.index: step.answer for step in mine}
        for words_of in (answers, self._words(mine)):
            told = ""
            for index, words in words_of.items():
                wide = _SMALL * len(words)
                x = min(self._x(index), right - wide)
                apart = all(x >= end + 6 or x + wide + 6 <= at for at, end in taken)
                if words and words != told and apart:
                    yield _text(x, y, words, size=10)
                    taken.append((x, x + wide))
                    told = words

    def _words(self, mine: list[Step]) -> dict[int, str]:
        """Say what each step of a thread is about: the widest call with a neighbour.

        Calls that most of the drawing lies in tell nothing.
        """
        calls = Calls(self.trace)
        room = _ROOM / self.scale
        words = {step.index: "" for step in mine}
        depth, open_ = 0, mine
        while open_:
            deeper = []
            for path, run in groupby(open_, key=lambda s: calls.path(s)[: depth + 1]):
                steps = list(run)
                for step in steps if len(path) > depth else ():
                    words[step.index] = path[-1]
                if len(path) > depth and len(steps) > room:
                    deeper += steps
            depth, open_ = depth + 1, deeper
        return words

    # -- below the lanes ---------------------------------------------------------

    def _values(self, y: int) -> Iterator[str]:
        for number, name in enumerate(self.watched):
            row = y + _LINE * number
            label = self.names.get(name, name)
            yield _text(self.left - 6, row + 9, label, anchor="end", size=10)
            values = timeline(self.trace, name)
            before, free = "", 0.0
            for index, value in enumerate(values):
                x = self._x(index)
                if value != before and x >= free:
                    yield _text(x, row + 9, value, size=10)
                    free = x + 6.5 * len(value) + 3
                before = value

    def _ending(self, bottom: int) -> Iterator[str]:
        ending = self.trace.ending
        if ending is None:
            return
        x = self._x(len(self.trace.steps))
        yield _line(x, _TOP - 6, x, bottom, _BROKEN, wide=2)
        words = f"{ending.kind}: {ending.summary}"
        yield _text(x - 4, 40, words, anchor="end", colour=_BROKEN, weight="bold")

    def _legend(self, y: int) -> Iterator[str]:
        marks = "dark: it ran; red tick: the one before could go on; pale: held shared"
        yield _text(self.left, y, marks)
        for number, (lock, colour) in enumerate(self.colours.items()):
            row = y + 8 + _LINE * number
            yield _rect(self.left, row, 12, 9, colour)
            yield _text(self.left + 18, row + 9, lock)


def _rect(x: float, y: float, wide: float, high: float, fill: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{max(wide, 1):.1f}" height="{high}" '
        f'fill="{fill}"/>'
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, wide: int = 1
) -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" '
        f'stroke-width="{wide}"/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 11,
    anchor: str = "start",
    colour: str = "black",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{colour}" font-weight="{weight}">{escape(words)}</text>'
    )
