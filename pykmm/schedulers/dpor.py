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
- Where a step does what no step of its kind has done before, all goes on with that in
  mind unless something was concluded from the contrary (:mod:`.grounds`). Then all
  begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.thread import ThreadState
from ..errors import Livelock, Nondeterminism, StepLimit
from .explorer import Redundant, Verdict
from .steps import LOOKS, NOWHERE, Step, depends
from .wakeup import PLANS, Branch, initial, settle
from .walk import Walk

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..engine.thread import Thread
    from .record import Race

__all__ = ["Dpor", "is_pending"]


class Dpor(Walk):
    """The explorer, and the scheduler of all its executions."""

    #: What may be claimed when nothing is left, unless there is a *flaw*.
    whole = "complete"
    #: Whether an execution can be run once more that showed a new kind of guard.
    looks_again = True

    def __init__(self) -> None:
        self.flaw = ""
        super().__init__()

    def _reset(self) -> None:
        super()._reset()
        #: Races whose second step may do something else in another place. What it
        #: will conflict with there can come late, so each longer execution that
        #: holds such a race shows a reversal of its own.
        self._unsure: list[tuple[int, Race, Step]] = []
        #: Whether there is more to know of what led here than when it was planned.
        self._relearned = False
        #: What was left to do as if it were sure, to be planned again.
        self._doubtful: list[tuple[int, list[Step]]] = []

    @property
    def claim(self) -> str:
        """What may be claimed when nothing is left."""
        return self.flaw or self.whole

    def _backtrack(self) -> bool:
        found = super()._backtrack()
        while self._unsure and self._unsure[-1][0] >= self._fixed:
            self._unsure.pop()
        return found

    # -- after an execution --------------------------------------------------

    def end(self, machine: Machine) -> Verdict:
        """Find the races of *machine* and plan their reversals."""
        past, self._ready = self.past, False
        redundant = isinstance(machine.failure, Redundant)
        cut_short = not redundant and _was_cut_short(machine)
        past.rests = not (redundant or cut_short)
        past.meet(machine)
        past.read(machine)
        self._read_last(machine)
        del self._nodes[len(past.steps) :]
        self._check_same(machine)
        self._find_gates(machine)
        if (
            past.overlooked
            and self.looks_again
            and not (self._in_vain or self.world.news)
        ):
            self._go_back()
            return Verdict.AGAIN
        if self.world.learned:
            self._take_in(machine)
        if self.world.news:
            self._reset()
            return Verdict.RESTART
        self.world.relied = True
        self._check_hopes()
        self._settle()
        self._link(set(machine.cuts))
        if cut_short:
            self._run_out(machine)
        self._link_pending(machine, self._left(redundant=redundant, cut=cut_short))
        if past.missed or self.world.news:
            self._reset()
            return Verdict.RESTART
        self.world.grounds.meet(past.steps[self._fixed :])
        return Verdict.REDUNDANT if redundant else Verdict.NEW

    def _read_last(self, machine: Machine) -> None:
        """Read the step that was begun and not ended, if there is one."""
        if len(machine.steps) > len(machine.events):
            self.past.steps.append(self.past.next_step(machine.steps[-1]))

    def _take_in(self, machine: Machine) -> None:
        """Put what has been learned in the place of what was known before."""
        world, past, nodes = self.world, self.past, self._nodes
        past.read_again(machine)
        self._read_last(machine)
        self._doubtful = [
            (index, sequence)
            for index, node in enumerate(nodes)
            for sequence in node.take_in(world)
        ]
        for index, steps in self._rests.items():
            self._rests[index] = [world.pending_again(step) for step in steps]
        for index in range(self._fixed, len(nodes) - 1):
            nodes[index + 1].sleep = nodes[index].asleep_behind(past.steps[index])
        # Somebody may have slept who would not have, and that others went on instead is
        # no harm; but it is if nobody did.
        world.news |= isinstance(machine.failure, Redundant) or bool(self._in_vain)
        self._unsure.clear()
        self._relearned = True
        world.learned = False

    def _check_hopes(self) -> None:
        """Note which steps did something else than others relied on.

        It spoils these if somebody sleeps on only because of that.
        """
        taken = list(zip(self._nodes, self.past.steps, strict=False))[self._fixed :]
        for node, step in taken:
            planned = node.planned
            hoped = planned.hoped if planned and planned.guessed else None
            if hoped is None or hoped.oid == NOWHERE:
                continue
            if not hoped.same(step):
                node.hoped = hoped
                self.world.news |= any(
                    depends(asleep, hoped) and not depends(asleep, step)
                    for asleep in node.sleep.values()
                )

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
                    settle(known, node.branches, self.world.grounds)
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
                old = index < self._fixed  # planned by whoever went this way first
                if old and not self._relearned:
                    continue
                last = self._in_another_place(index, race)
                if not last.same(step):
                    self._unsure.append((index, race, last))
                elif not old:
                    self._plan(race, last, index)
                if not old:
                    self.world.news |= self._relied_otherwise(race, step, index)
        self._relearned = False
        end = len(past.clocks)
        for index, race, last in self._unsure:
            self._plan(race, past.elsewhere(index, race, end) or last, end)
        for index, sequence in self._doubtful:
            self._leave("plan", index, sequence)
        self._doubtful.clear()

    def _relied_otherwise(self, race: Race, step: Step, end: int) -> bool:
        """Tell whether a race is left to sleepers who did not know of it.

        That is where it is one only because the first step did something else than
        they relied on.
        """
        node = self._nodes[race.first]
        if node.hoped is None or depends(step, node.hoped):
            return False
        sequence = [*self.past.without(race, end), step]
        return any(initial(asleep, sequence) >= 0 for asleep in node.sleep.values())

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
        end = len(self.past.clocks)
        for race in races:
            self.world.news |= self._relied_otherwise(race, step, end)
            self._plan(race, self.world.guess(step), end)

    def _plan(self, race: Race, last: Step, end: int) -> None:
        """Plan what comes before *end*, and then *last*, but no first of the race."""
        sequence = self.past.without(race, end)
        sequence.append(last)
        self._leave("plan", race.first, sequence)

    def _leave(self, how: str, index: int, steps: list[Step]) -> None:
        """Leave *steps* to do at *index*; *how* is out of :data:`~.wakeup.PLANS`."""
        PLANS[how](self._nodes[index], steps, self.world.grounds)

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
