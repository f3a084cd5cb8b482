# SPDX-License-Identifier: GPL-2.0-only
"""From one execution to the next through a tree of what is left to do.

An execution repeats the one before up to the last state from which something is left,
takes a branch there, and goes on freely. What is left is somebody else's business
(:mod:`.dpor`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Nondeterminism
from .explorer import Redundant
from .node import Node
from .past import Past
from .wakeup import Branch, explored
from .world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler
    from ..engine.thread import Thread
    from .steps import Step

__all__ = ["Walk"]


class Walk:
    """The scheduler of all executions, and where it is in the tree."""

    def __init__(self) -> None:
        self.world = World()
        self._reset()

    def _reset(self) -> None:
        self.world.forget_decisions()
        self.past = Past(self.world)
        self._nodes: list[Node] = []
        #: What is left of the branch that is being followed.
        self._follow: list[Branch] = []
        #: How many steps are those of the execution before; where we are.
        self._fixed = 0
        self._depth = 0
        #: Whether something is left to explore from the last node.
        self._ready = True
        #: Whether the last execution was given up with nothing left but known bugs.
        self._at_an_end = False
        #: Who should have gone on in this execution, and could not.
        self._in_vain: tuple[int, ...] = ()
        #: Who stood waiting when nobody could go on, by number of the next event.
        self._rests: dict[int, list[Step]] = {}
        self._cuts = 0

    # -- between executions --------------------------------------------------

    def begin(self) -> Scheduler | None:
        """Go to the last state from which something is left to explore."""
        if not self._ready and not self._backtrack():
            return None
        self._ready = True
        self._depth = 0
        self._cuts = 0
        self._in_vain = ()
        self._rests.clear()
        self.past.watch()
        return self

    def _backtrack(self) -> bool:
        nodes = self._nodes
        while nodes and not nodes[-1].branches:
            nodes.pop()
        if not nodes:
            return False
        last = len(nodes) - 1
        explored(nodes[-1], self.past.steps[last])
        nodes[-1].hoped = None
        self.past.rewind(last)
        self._fixed = last
        return True

    def _go_back(self) -> None:
        """Have the same execution once more."""
        again: list[Branch] = []
        for node in reversed(self._nodes[self._fixed :]):
            if node.planned is not None:
                branch = Branch(node.planned)
                branch.branches = again
                again = [branch, *node.branches]
        self._nodes[self._fixed].branches = again
        del self._nodes[self._fixed + 1 :]
        self.past.rewind(self._fixed)
        self._ready = True

    # -- within an execution -------------------------------------------------

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Repeat the path up to its last state, take a branch there, go on freely."""
        depth = self._depth
        self._depth = depth + 1
        past = self.past
        machine = enabled[0].machine
        if len(machine.threads) != past.met:
            past.meet(machine)
        if depth == len(past.held_up):
            self._look_around(machine, enabled, depth)
        if depth < self._fixed:
            t = self._again(depth, enabled)
        else:
            if depth == len(self._nodes):
                self._grow(machine, depth)
            t = self._pick(self._nodes[depth], enabled, running)
        if t.guard is not None or t.outcome is not None or past.watched:
            past.look(t, depth)
        return t

    def _again(self, depth: int, enabled: Sequence[Thread]) -> Thread:
        t = self.past.threads.get(self._nodes[depth].tid)
        if t is None or t not in enabled:
            name = "another thread" if t is None else t.name
            raise Nondeterminism(depth, name, [t.name for t in enabled])
        return t

    def _look_around(
        self, machine: Machine, enabled: Sequence[Thread], depth: int
    ) -> None:
        """Note who is held up."""
        past = self.past
        if len(enabled) == len(machine.live):
            past.held_up.append(())
        else:
            held_up = [past.tids[t] for t in machine.live if t not in enabled]
            past.held_up.append(tuple(held_up))
        if len(machine.cuts) != self._cuts:
            self._cuts = len(machine.cuts)
            if depth > self._fixed:
                self._rests[depth] = [
                    self.past.next_step(t)
                    for t in machine.live
                    if t.guard is not None and not (_by_host(t) and t.born == depth)
                ]

    def _grow(self, machine: Machine, depth: int) -> None:
        sleep: dict[int, Step] = {}
        if depth and self._nodes[-1].tid < 0:
            raise Redundant  # again: this is a finally clause on the way down
        if depth and self._nodes[-1].sleep:
            self.past.read(machine)
            sleep = self._nodes[-1].asleep_behind(self.past.steps[-1])
        self._nodes.append(Node(sleep, self._follow))

    def _pick(
        self, node: Node, enabled: Sequence[Thread], running: Thread | None
    ) -> Thread:
        threads, sleep = self.past.threads, node.sleep
        while node.branches:
            branch = node.branches.pop(0)
            node.tid = branch.step.tid
            t = threads.get(node.tid)
            if t is not None and t in enabled and node.tid not in sleep:
                node.planned, node.hoped = branch.step, None
                self._follow = branch.branches
                return t
            self._in_vain += (node.tid,)
        node.planned = node.hoped = None
        self._follow = []
        t = self._first_awake(sleep, enabled, running)
        node.tid = self.past.tids[t]
        return t

    def _first_awake(
        self,
        sleep: dict[int, Step],
        enabled: Sequence[Thread],
        running: Thread | None,
    ) -> Thread:
        """Return the running thread, else the first one that need not sleep."""
        tids = self.past.tids
        if running is not None and tids[running] not in sleep:
            first = running
        else:
            for first in enabled:
                if tids[first] not in sleep:
                    break
            else:
                self._at_an_end = all(sleep[tids[t]].fatal for t in enabled)
                raise Redundant
        return self._before(first, sleep, enabled) if self.world.waits else first

    def _before(
        self, first: Thread, sleep: dict[int, Step], enabled: Sequence[Thread]
    ) -> Thread:
        """Return who may yet come to wait for what *first* touches, else *first*."""
        past = self.past
        waiters = self.world.waits.get(past.oid(first), ())
        if past.tids[first] in waiters:
            return first
        for t in enabled:
            tid = past.tids[t]
            if tid in waiters and tid not in sleep and t.guard is None:
                return t
        return first


def _by_host(t: Thread) -> bool:
    return t.creator is None or t.creator.is_boot
