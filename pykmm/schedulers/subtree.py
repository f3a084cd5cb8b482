# SPDX-License-Identifier: GPL-2.0-only
"""A part of what :class:`~.dpor.Dpor` explores, to be left and taken up again.

All executions below a leaf of a wakeup tree are a matter of their own. A leaf covers
whatever else is planned for it if it is known for sure what leads there, so nothing
outside adds to them, and who sleeps at the leaf is known as soon as it is there. The
other way round it does happen: a race below the leaf may have to be reversed above it.
Such plans are kept in their order for whoever explores the tree above, to be made when
the leaf's turn has come. Then all is as if one explorer had gone through everything,
one execution after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dpor import Dpor
from .explorer import Verdict
from .frontier import Frontier, Place
from .node import Node

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler
    from .steps import Step
    from .wakeup import Branch

__all__ = ["Subtree"]


class Subtree(Dpor):
    """The explorer of a frontier; that of the whole tree if none is given."""

    def __init__(self) -> None:
        super().__init__()
        self._floor = 0
        self._shared = False
        self._start: Frontier | None = None
        #: The threads that lead from the first place with something to do to the floor.
        self._leading: list[int] = []
        #: Plans for places above the floor, in order: of what kind, where, what.
        self.outward: list[tuple[str, int, list[Step]]] = []
        #: The steps that led to the floor, and who slept before each of them.
        self.trunk: list[tuple[Step, dict[int, Step]]] = []
        #: Whether the next leaf is explored by somebody else.
        self.waits = False
        #: Whether this cannot go on as a part: it did not reach the floor, or has to
        #: be begun anew.
        self.spoiled = False
        #: Whether the exploration was begun anew, and whether it learned something.
        self.restarted = False
        self.learned = False

    def resume(self, frontier: Frontier) -> None:
        """Go on where *frontier* was left."""
        self._reset()
        self._start = frontier
        self.flaw = frontier.flaw
        self.world.known = frontier.known
        self.world.grounds = frontier.grounds
        for place in frontier.places:
            node = Node(place.sleep, place.branches)
            node.tid, node.sleeper, node.seen = place.tid, place.sleeper, place.seen
            node.pieces, node.hoped = place.pieces, place.hoped
            self._nodes.append(node)
        self._fixed = max(len(self._nodes) - 1, 0)
        self._floor = frontier.floor
        self._unsure = list(frontier.unsure)
        self._ready = not frontier.is_done
        trees = (place.branches for place in frontier.places)
        self._shared = any(leaf(branch).away for tree in trees for branch in tree)
        if self._fixed < self._floor:
            branch = frontier.places[-1].branches[0]
            self._leading = [step.tid for step in chain(branch)]

    def leave(self) -> Frontier:
        """Return what is left."""
        if self._start is not None:
            return self._start
        if not self._ready:
            self._ready = self._backtrack()
        nodes, steps = self._nodes, self.past.steps
        places = [
            Place(
                node.tid,
                step,
                node.sleep,
                node.branches,
                node.sleeper,
                node.seen,
                node.pieces,
                node.hoped,
            )
            for node, step in zip(nodes, [*steps, None], strict=False)
        ]
        if places:
            places[-1].tid = -1
        return Frontier(
            self.world.known,
            places,
            self._floor,
            self._begun,
            list(self._unsure),
            self.flaw,
            self.world.grounds,
        )

    @property
    def _begun(self) -> bool:
        return bool(self._nodes) or not self._ready

    def begin(self) -> Scheduler | None:
        """Go to the next state, unless that is somebody else's."""
        if self.spoiled or super().begin() is None:
            return None
        if self._shared and self._nodes:
            self.waits = leaf(self._nodes[-1].branches[0]).away != 0
        return None if self.waits else self

    def end(self, machine: Machine) -> Verdict:
        """Plan reversals; those above the floor are for others."""
        self._start = None
        verdict = super().end(machine)
        self.learned |= self.world.learned  # what is taken in next time counts as well
        if verdict is Verdict.RESTART:
            self.restarted = self.learned = True
        elif self._leading:
            self._check_trunk()
        self.spoiled |= self.learned and self._floor > 0
        return verdict

    def _take_in(self, machine: Machine) -> None:
        self.learned = True
        super()._take_in(machine)

    def _check_trunk(self) -> None:
        """Look at how the first execution came to the floor, if it did."""
        nodes, steps = self._nodes, self.past.steps
        trunk = range(self._floor - len(self._leading), self._floor)
        taken = [nodes[index].tid for index in trunk if index < len(nodes)]
        self.spoiled = taken != self._leading
        self._leading = []
        if not self.spoiled:
            self.trunk = [(steps[index], dict(nodes[index].sleep)) for index in trunk]

    def _leave(self, how: str, index: int, steps: list[Step]) -> None:
        if index < self._floor:
            self.outward.append((how, index, steps))
        else:
            super()._leave(how, index, steps)


def chain(branch: Branch) -> list[Step]:
    """Return the steps that lead to the first leaf of *branch*."""
    steps = [branch.step]
    while branch.branches:
        branch = branch.branches[0]
        steps.append(branch.step)
    return steps


def leaf(branch: Branch) -> Branch:
    """Return the first leaf of *branch*."""
    while branch.branches:
        branch = branch.branches[0]
    return branch
