# SPDX-License-Identifier: GPL-2.0-only
"""Programs of which shorter schedules show as much."""

from __future__ import annotations

from pykmm.engine import Cell, Machine
from pykmm.errors import Report
from tests.litmus.harness import run


def bug_beside_noise(m: Machine) -> object:
    """A thread comes too late for another one, and a third one does not matter."""
    x, y = Cell(0), Cell(0)

    def noise() -> None:
        for number in range(5):
            y.set(number)

    def buggy() -> None:
        if x.get():
            raise Report("x was set")

    return run(m, noise, lambda: x.set(1), buggy)
