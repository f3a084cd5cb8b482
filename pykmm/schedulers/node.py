# SPDX-License-Identifier: GPL-2.0-only
"""A state of the path that an explorer is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .steps import depends
from .wakeup import ANYBODY, Branch

if TYPE_CHECKING:
    from .steps import Step
    from .world import World

__all__ = ["Node"]


class Node:
    """A state of the current path: a :class:`~.wakeup.Fork`."""

    __slots__ = (
        "branches",
        "hoped",
        "pieces",
        "planned",
        "seen",
        "sleep",
        "sleeper",
        "tid",
    )

    def __init__(self, sleep: dict[int, Step], branches: list[Branch]) -> None:
        self.sleep = sleep
        self.branches = branches
        self.sleeper = ANYBODY
        self.seen: list[int] = []
        self.pieces: dict[int, int] = {}
        #: Who goes on, and the step that was planned, if one was.
        self.tid = -1
        self.planned: Step | None = None
        #: What others relied on that step to be, if it did something else.
        self.hoped: Step | None = None

    def asleep_behind(self, step: Step) -> dict[int, Step]:
        """Return who sleeps on when *step* has been taken from here."""
        return {tid: s for tid, s in self.sleep.items() if not depends(s, step)}

    def take_in(self, world: World) -> list[list[Step]]:
        """Put what *world* has learned in the place of what was known before.

        Return: What is left to do that leads to a step of which it was known for sure
            what it does, and is not any more. It is taken out.
        """
        self.sleep = {tid: world.again(step) for tid, step in self.sleep.items()}
        if self.planned is not None:
            self.planned = world.again(self.planned)
        return _take_in(self.branches, world, [])


def _take_in(
    branches: list[Branch], world: World, before: list[Step]
) -> list[list[Step]]:
    doubtful: list[list[Step]] = []
    for branch in list(branches):
        was_sure = branch.step.is_sure
        branch.step = world.again(branch.step)
        sequence = [*before, branch.step]
        if branch.branches:
            doubtful += _take_in(branch.branches, world, sequence)
        elif was_sure and not branch.step.is_sure:
            doubtful.append(sequence)
        else:
            continue
        if not branch.branches:
            branches.remove(branch)
    return doubtful
