# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm compare --walks``: the reap pass upwards and downwards, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..comparison.picture import Picture
from ..comparison.walks import ORDERS, Spread, explored, free_running, meet, spread
from .output import show, show_json

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

__all__ = ["run"]

_PICTURED = 16
_FREE_RUNS = 12
_NAMES = {
    "down": {"lmkd": "reaps from the top", "app": "exit_mmap() from the bottom"},
    "up": {"lmkd": "reaps from the bottom", "app": "exit_mmap() from the bottom"},
}


def run(args: Namespace) -> int:
    """Draw one race for each order, and print how figures are spread over many."""
    pictures = {order: _picture(order) for order in ORDERS}
    if args.draw == "svg":
        show(pictures["down"].svg())
        return 0
    figures = spread()
    every = {order: explored(order) for order in ORDERS}
    threads = {order: _on_threads(order) for order in ORDERS}
    if args.json:
        show_json(
            {
                "format": "pykmm-walks/1",
                "orders": {
                    order: {
                        **{name: _plain(figure) for name, figure in row.items()},
                        "explored": every[order],
                        "threads": threads[order],
                    }
                    for order, row in figures.items()
                },
            }
        )
        return 0
    for picture in pictures.values():
        show(f"{picture.text()}\n")
    show(_table(figures))
    show(_explored_table(every))
    show(_threads_table(threads))
    return 0


def _picture(order: str) -> Picture:
    walk = meet(order, tables=_PICTURED, seed=1)
    return Picture(walk.visits, _NAMES[order], f"a reap pass that goes {order}")


def _plain(figure: Spread) -> dict[str, float]:
    return {
        "least": figure.least,
        "median": figure.middle,
        "most": figure.most,
        "total": figure.total,
    }


def _table(figures: dict[str, dict[str, Spread]]) -> str:
    lines = ["100 races over 32 page tables each, on two processors; in steps:\n"]
    lines.append(f"  {'':<26}{'up':>22}{'down':>22}   up : down\n")
    says = {
        "contended": "waits for page-table locks",
        "waited": "time spent in them",
        "ticks": "time until both are done",
    }
    for name, what in says.items():
        up, down = figures["up"][name], figures["down"][name]
        ratio = f"{up.total / down.total:.1f} : 1" if down.total else "-"
        lines.append(f"  {what:<26}{_range(up):>22}{_range(down):>22}   {ratio}\n")
    lines.append("\n  median (least to most); the ratio is that of the sums\n")
    return "".join(lines)


def _explored_table(every: dict[str, dict[int, int]]) -> str:
    """Say in how many executions how many locks are wanted by both."""
    lines = [
        "\nevery order that matters, over 6 page tables; locks that both may want:\n"
    ]
    numbers = sorted({number for row in every.values() for number in row})
    lines.append(_line("locks", numbers))
    for order in ("up", "down"):
        row = every[order]
        lines.append(_line(f"{order}, executions", [row.get(n, 0) for n in numbers]))
    return "".join(lines)


def _threads_table(threads: dict[str, list[int]]) -> str:
    """Say how often real threads had to wait, in each run; this time."""
    lines = [
        f"\n{_FREE_RUNS} races of real threads over 32 page tables; waits, sorted:\n"
    ]
    for order in ("up", "down"):
        waits = sorted(threads[order])
        lines.append(_line(f"{order}, sum {sum(waits)}", waits))
    lines.append("\n  these are not the same twice\n")
    return "".join(lines)


def _line(what: str, figures: Sequence[int]) -> str:
    return f"  {what:<18}{''.join(f'{figure:>5}' for figure in figures)}\n"


def _on_threads(order: str) -> list[int]:
    return [free_running(order, seed=seed) for seed in range(_FREE_RUNS)]


def _range(figure: Spread) -> str:
    return f"{figure.middle:g} ({figure.least:g} to {figure.most:g})"
