# SPDX-License-Identifier: GPL-2.0-only
"""One execution for each set of executions that differ only in irrelevant order.

This is optimal dynamic partial order reduction with wakeup trees, from P. Abdulla,
S. Aronis, B. Jonsson and K. Sagonas, "Source Sets: A Foundation for Optimal Dynamic
Partial Order Reduction" (J. ACM 64(4), 2017; POPL 2014). Departures:

- A race is reversed when it is first seen, with the part of the execution up to its
  second step, and not once more in each longer execution; unless the second step's
  class depends on its outcome.
- Guarded steps race as :mod:`.races` says.
- Where nothing is planned, whoever is about to change what another thread has been
  seen to wait for lets that one go on first. Then it is there to see whether it has
  to wait, which is guessed otherwise.
- What a reversed step will do is asked of its object if the step says what decides, as
  a cell's compare-and-swap does. Else it is guessed from all that its kind has done
  (:mod:`.world`). The guess is on the safe side: nothing is lost, but an execution
  may turn out redundant. Where classes do not depend on outcomes none does.
- What was planned beside a step that does less than was guessed is taken out if the
  step leads there. A leaf behind a guess covers only itself: a sleeper may cover it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.thread import ThreadState
from ..errors import Livelock, Nondeterminism, StepLimit
from .explorer import Redundant, Verdict
from .node import Node
from .past import Past
from .steps import LOOKS, NOWHERE, Step, depends
from .wakeup import PLANS, Branch, explored, settle
from .world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler
    from ..engine.thread import Thread
    from .record import Race

__all__ = ["Dpor", "is_pending"]


class Dpor:
    """The explorer, and the scheduler of all its executions."""

    #: What may be claimed when nothing is left, unless there is a *flaw*.
    whole = "complete"

    def __init__(self) -> None:
        self.flaw = ""
        self.world = World()
        self._reset()

    def _reset(self) -> None:
        self.world.news = self.world.relied = False
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
        #: Races whose second step may do something else in another place. What it
        #: will conflict with there can come late, so each longer execution that
        #: holds such a race shows a reversal of its own.
        self._unsure: list[tuple[int, Race, Step]] = []

    # -- between executions --------------------------------------------------

    @property
    def claim(self) -> str:
        """What may be claimed when nothing is left."""
        return self.flaw or self.whole

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
        self.past.rewind(last)
        self._fixed = last
        while self._unsure and self._unsure[-1][0] >= last:
            self._unsure.pop()
        return True

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
            able = {*enabled}
            held_up = [past.tids[t] for t in machine.live if t not in able]
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
            step = self.past.steps[-1]
            above = self._nodes[-1].sleep
            sleep = {tid: s for tid, s in above.items() if not depends(s, step)}
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
                node.planned = branch.step
                self._follow = branch.branches
                return t
            self._in_vain += (node.tid,)
        node.planned = None
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

    # -- after an execution --------------------------------------------------

    def end(self, machine: Machine) -> Verdict:
        """Find the races of *machine* and plan their reversals."""
        past, self._ready = self.past, False
        redundant = isinstance(machine.failure, Redundant)
        cut_short = not redundant and _was_cut_short(machine)
        past.rests = not (redundant or cut_short)
        past.meet(machine)
        past.read(machine)
        if len(machine.steps) > len(machine.events):
            past.steps.append(past.next_step(machine.steps[-1]))
        del self._nodes[len(past.steps) :]
        self._check_same(machine)
        self._find_gates(machine)
        if self.world.news:
            self._reset()
            return Verdict.RESTART
        self.world.relied = True
        self._settle()
        self._link(set(machine.cuts))
        if cut_short:
            self._run_out(machine)
        self._link_pending(machine, self._left(redundant=redundant, cut=cut_short))
        if past.missed:
            self._reset()
            return Verdict.RESTART
        return Verdict.REDUNDANT if redundant else Verdict.NEW

    def _check_same(self, machine: Machine) -> None:
        for event, step in zip(
            machine.events, self.past.steps[: self._fixed], strict=False
        ):
            if event.kind != step.kind or not step.bits >> event.access & 1:
                raise Nondeterminism(event.index, step.kind, [event.kind])
        for index in range(self._fixed, len(self._nodes)):
            planned, step = self._nodes[index].planned, self.past.steps[index]
            if planned and (
                planned.kind != step.kind or planned.oid not in (step.oid, NOWHERE)
            ):
                raise Nondeterminism(index, planned.kind, [step.kind])

    def _settle(self) -> None:
        """Drop what was planned beside steps only because they might have done more."""
        below: list[Branch] = []
        taken = list(zip(self._nodes, self.past.steps, strict=False))[self._fixed :]
        for node, step in reversed(taken):
            if node.planned:
                known = Branch(step)
                known.branches = below
                if not node.planned.is_sure:
                    settle(known, node.branches)
                node.branches.insert(0, known)
            below = node.branches if node.planned else []
        for node, _ in taken:
            del node.branches[: node.planned is not None]

    def _link(self, cuts: set[int]) -> None:
        past = self.past
        for index in range(len(past.clocks), len(past.steps)):
            if index in cuts and index:
                for step in self._rests.get(index, ()):
                    self._reverse(past.pending(step), step)
                past.cut()
            step = past.steps[index]
            for race in past.link():
                if index < self._fixed:
                    continue  # planned by whoever went this way first
                last = self._in_another_place(index, race)
                if last is step:
                    self._plan(race, step, index)
                else:
                    self._unsure.append((index, race, last))
        end = len(past.clocks)
        for index, race, last in self._unsure:
            self._plan(race, past.elsewhere(index, race, end) or last, end)

    def _in_another_place(self, index: int, race: Race) -> Step:
        """Return what is known of the event if it comes before the race's first."""
        step = self.past.steps[index]
        if not step.gated and not self.past.steps[race.first].bits & ~LOOKS:
            return step  # it only looked, so that makes no difference
        if self.past.elsewhere(index, race, index) is step:
            return step
        return self.world.guess(step)

    def _run_out(self, machine: Machine) -> None:
        """Plan to let the others go on before the step in which a bug was found.

        The bug stopped them, so what they would have done is not known yet.
        """
        last = len(self._nodes) - 1
        self.past.steps[last] = self.past.steps[last].died()
        if isinstance(machine.failure, Livelock):
            self.flaw = "not complete: an execution did not come to rest"
        if isinstance(machine.failure, StepLimit):
            last //= 2  # at the limit there is no room for anybody to go on
        going = [
            self.past.next_step(t)
            for t in machine.threads
            if is_pending(t) and self.past.could(self.past.tids[t], last)
        ]
        self._leave("go on", last, going)

    def _left(self, *, redundant: bool, cut: bool) -> tuple[int, ...]:
        """Return whose next steps, never taken, race like steps that were."""
        if cut or (redundant and self._at_an_end):
            return self.past.held_up[-1]
        return self._in_vain if redundant else tuple(self.past.tids.values())

    def _link_pending(self, machine: Machine, held_up: tuple[int, ...]) -> None:
        """Find the races of those who were never let go on."""
        for t in machine.threads:
            if is_pending(t) and self.past.tids[t] in held_up:
                step = self.past.next_step(t)
                self._reverse(self.past.pending(step), step)

    def _reverse(self, races: list[Race], step: Step) -> None:
        """Plan to have *step*, which was not taken, before the first of each race."""
        for race in races:
            self._plan(race, self.world.guess(step), len(self.past.clocks))

    def _plan(self, race: Race, last: Step, end: int) -> None:
        """Plan what comes before *end*, and then *last*, but no first of the race."""
        sequence = self.past.without(race, end)
        sequence.append(last)
        self._leave("plan", race.first, sequence)

    def _leave(self, how: str, index: int, steps: list[Step]) -> None:
        """Leave *steps* to do at *index*; *how* is out of :data:`~.wakeup.PLANS`."""
        PLANS[how](self._nodes[index], steps)

    def _find_gates(self, machine: Machine) -> None:
        """Find steps that opened or closed a guard on an object of another."""
        past = self.past
        if not any(past.held_up[self._fixed :]):
            return
        nexts = {past.tids[t]: past.next_step(t) for t in machine.threads}
        cuts = set(machine.cuts)
        for index in range(len(past.steps) - 1, self._fixed - 1, -1):
            step = past.steps[index]
            after = past.held_up[index + 1 : index + 2]
            if after and after[0] != past.held_up[index] and index + 1 not in cuts:
                for tid in {*after[0]} ^ {*past.held_up[index]}:
                    waits = nexts[tid]
                    if tid != step.tid and past.birth(tid) < index:
                        self.world.saw_gate(tid, waits.kind, waits.oid, step.oid)
            nexts[step.tid] = step


def is_pending(t: Thread) -> bool:
    """Tell whether a closed machine's thread was about to take a step."""
    stopped = t.error is None or isinstance(t.error, Redundant)
    return t.state is ThreadState.NEW or (t.unwinding and stopped)


def _was_cut_short(machine: Machine) -> bool:
    failure = machine.failure
    return failure is not None and (
        isinstance(failure, Livelock)
        or any(t.error is failure for t in machine.threads)
    )


def _by_host(t: Thread) -> bool:
    return t.creator is None or t.creator.is_boot
