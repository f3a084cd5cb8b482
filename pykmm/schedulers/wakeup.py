# SPDX-License-Identifier: GPL-2.0-only
"""Wakeup trees: what still has to be explored from a state, and what was.

From P. Abdulla, S. Aronis, B. Jonsson and K. Sagonas, "Source Sets: A Foundation
for Optimal Dynamic Partial Order Reduction" (J. ACM 64(4), 2017). A sequence is
added only if no leaf of the tree leads to an equivalent of it already.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from .steps import depends

if TYPE_CHECKING:
    from .grounds import Grounds
    from .steps import Step

__all__ = [
    "ANYBODY",
    "Branch",
    "Fork",
    "NOBODY",
    "PLANS",
    "explored",
    "go_on",
    "initial",
    "insert",
    "offer",
    "plan",
    "settle",
]

#: No number of a thread; what :attr:`Fork.sleeper` can be as well.
ANYBODY: Final = -1
NOBODY: Final = -2


class Branch:
    """A step to take, and what to take after it; a leaf leaves that open."""

    __slots__ = ("away", "branches", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.branches: list[Branch] = []
        #: The number of whoever else explores its first leaf; 0 if nobody does.
        self.away = 0


class Fork(Protocol):
    """A state on a path, with what there is to do there.

    *sleep* are threads whose next step has been explored from here, or from above
    with nothing in between that it depends on; *branches* is what is left to do.
    """

    sleep: dict[int, Step]
    branches: list[Branch]
    #: Who falls asleep when its step has been explored: a thread, or all, or none.
    sleeper: int
    #: Threads whose step has been explored from here, and who do not sleep.
    seen: list[int]
    #: Threads that were seen further up, and where: what they do before somebody else
    #: goes on is not to come later if it could come there.
    pieces: dict[int, int]


def initial(step: Step, sequence: list[Step], grounds: Grounds | None = None) -> int:
    """Tell whether *step* can come first in an equivalent of *sequence*.

    What that rests on is noted in *grounds*.

    Return: its place in the sequence; the sequence's length if it is not in there
        and commutes with all of it; -1 if it cannot come first.
    """
    tid = step.tid
    for place, other in enumerate(sequence):
        if other.tid == tid:
            return place
        if depends(step, other):
            return -1
        if grounds is not None and (step.guessed or other.guessed):
            grounds.commute(step, other)
    return len(sequence)


def insert(
    branches: list[Branch], sequence: list[Step], grounds: Grounds | None = None
) -> None:
    """Add *sequence* below *branches* unless some leaf covers it.

    A leaf behind a step of which it is not known what it does covers nothing longer:
    that step may turn out to commute with somebody asleep, so that nothing is explored
    from there but what is planned.
    """
    sure = True
    while True:
        for branch in branches:
            place = initial(branch.step, sequence, grounds)
            if place >= 0:
                break
        else:
            break
        if place < len(sequence):
            sequence = sequence[:place] + sequence[place + 1 :]
        sure = sure and branch.step.is_sure
        branches = branch.branches
        if not sequence or (sure and not branches):
            return
    for step in sequence:
        added = Branch(step)
        branches.append(added)
        branches = added.branches


def settle(known: Branch, others: list[Branch], grounds: Grounds) -> None:
    """Take out of *others* what *known* leads to, now that its steps are known.

    What is left over of it then is added below *known*, unless it is covered there.
    """

    def stays(branch: Branch, before: list[Step]) -> bool:
        sequence = [*before, branch.step]
        if branch.branches:
            branch.branches[:] = [b for b in branch.branches if stays(b, sequence)]
            return bool(branch.branches)
        if initial(known.step, sequence, grounds) < 0:
            return True
        insert([known], sequence, grounds)
        return False

    others[:] = [branch for branch in others if stays(branch, [])]


def explored(fork: Fork, step: Step) -> None:
    """Note that all is explored that begins with *step*."""
    if fork.sleeper in (ANYBODY, step.tid):
        fork.sleep[step.tid] = step
    else:
        fork.seen.append(step.tid)


def plan(fork: Fork, sequence: list[Step], grounds: Grounds) -> None:
    """Leave *sequence* to do unless a sleeper was seen to lead there."""
    for asleep in fork.sleep.values():
        if not asleep.fatal and initial(asleep, sequence, grounds) >= 0:
            return
    insert(fork.branches, sequence, grounds)


def go_on(fork: Fork, steps: list[Step], grounds: Grounds) -> None:
    """Leave the first of *steps* to do whose thread is awake, if nothing else is."""
    del grounds
    if not fork.branches:
        awake = (step for step in steps if step.tid not in fork.sleep)
        fork.branches.extend(Branch(step) for step in islice(awake, 1))


def offer(fork: Fork, steps: list[Step], grounds: Grounds) -> None:
    """Leave the first of *steps* to do, or all others if it is asleep.

    All of them if it may be: if a piece that it begins may turn out to come too late.
    """
    del grounds
    first, *others = steps
    if first.tid not in fork.sleep:
        others = steps if first.tid in fork.pieces else [first]
    for step in others:
        left = [branch.step.tid for branch in fork.branches]
        if step.tid not in (*fork.sleep, *fork.seen, *left):
            fork.branches.append(Branch(step))


#: The ways to leave something to do, by name.
PLANS: Final[dict[str, Callable[[Fork, list[Step], Grounds], None]]] = {
    "plan": plan,
    "go on": go_on,
    "offer": offer,
}
