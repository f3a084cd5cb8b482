# SPDX-License-Identifier: GPL-2.0-only
"""Wakeup trees: the sequences that still have to be explored from a state.

From P. Abdulla, S. Aronis, B. Jonsson and K. Sagonas, "Source Sets: A Foundation
for Optimal Dynamic Partial Order Reduction" (J. ACM 64(4), 2017). A sequence is
added only if no leaf of the tree leads to an equivalent of it already.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .steps import depends

if TYPE_CHECKING:
    from .steps import Step

__all__ = ["Branch", "go_on", "initial", "insert", "plan"]


class Branch:
    """A step to take, and what to take after it; a leaf leaves that open."""

    __slots__ = ("away", "branches", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.branches: list[Branch] = []
        #: The number of whoever else explores its first leaf; 0 if nobody does.
        self.away = 0


def initial(step: Step, sequence: list[Step]) -> int:
    """Tell whether *step* can come first in an equivalent of *sequence*.

    Return: its place in the sequence; the sequence's length if it is not in there
        and commutes with all of it; -1 if it cannot come first.
    """
    tid = step.tid
    for place, other in enumerate(sequence):
        if other.tid == tid:
            return place
        if depends(step, other):
            return -1
    return len(sequence)


def insert(branches: list[Branch], sequence: list[Step]) -> None:
    """Add *sequence* below *branches* unless some leaf covers it."""
    while True:
        for branch in branches:
            place = initial(branch.step, sequence)
            if place >= 0:
                break
        else:
            break
        if place < len(sequence):
            sequence = sequence[:place] + sequence[place + 1 :]
        branches = branch.branches
        if not branches or not sequence:
            return
    for step in sequence:
        added = Branch(step)
        branches.append(added)
        branches = added.branches


def plan(sleep: dict[int, Step], branches: list[Branch], sequence: list[Step]) -> None:
    """Add *sequence* below *branches* unless a sleeper was seen to lead there."""
    for asleep in sleep.values():
        if not asleep.fatal and initial(asleep, sequence) >= 0:
            return
    insert(branches, sequence)


def go_on(sleep: dict[int, Step], branches: list[Branch], steps: list[Step]) -> None:
    """Add the first of *steps* whose thread is awake, if nothing else is left."""
    if not branches:
        awake = (step for step in steps if step.tid not in sleep)
        branches.extend(Branch(step) for step in islice(awake, 1))
