# SPDX-License-Identifier: GPL-2.0-only
"""All orders that executions with few preemptions show, without running them all.

This is bounded partial order reduction from K. Coons, M. Musuvathi and K. McKinley,
"Bounded Partial-Order Reduction" (OOPSLA 2013), for preemptions. A race is reversed
by letting the later step's thread go first where the earlier step was taken. That may
be a preemption too many, where another equivalent execution has none. So the thread
goes first, too, where the block of steps began that the earlier step belongs to:
somebody else gave way there anyway. With these *conservative* points no order is lost
that has an execution within the bound. Departures:

- Races are found as in :mod:`.dpor`, with guarded steps and those never taken. A step
  in which a bug was found races with all that could have been taken instead.
- Whoever comes to a guard while it is shut gives way for nothing. So a thread also
  goes first before the step that opened a guard for it, though the two do not race.
- Sleep sets are used only where the bound does not spoil them. A sleeping thread's step
  is left out because an equivalent execution has it earlier; but that one may have a
  preemption more, and then nobody runs it. It has not if the step went on with what
  its thread was doing, because who was preferred preempted it. So only the thread that
  was running falls asleep. It wakes up when its step could let another one go on, as
  that one would have given way for nothing. If who is wanted sleeps, those go first
  instead that come before its step.

- Anybody else who was explored first may stop running where others go on, which is a
  preemption. So its *piece* is looked at, all that it does from some point later on
  until it stops. If the whole piece could have come where its thread was explored, it
  would have cost no more there, whatever follows, provided that who was running was not
  preferred this time. So nobody else goes on behind such a piece. A step of the piece
  that depends on what came between ends that: the piece has to be where it is. Which
  pieces do is not known before they are run, so each thread is tried that could begin
  one, and nobody relies on one that may be given up.

Each order is explored at least once, some several times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dpor import is_pending
from .explorer import Redundant, Verdict
from .past import Past
from .record import Clock, Race
from .steps import LOCKING, LOOKS, RELEASE, UNSHARE, against, conflicts
from .subtree import Subtree
from .wakeup import NOBODY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.machine import Machine
    from ..engine.thread import Thread
    from .steps import Step
    from .world import World

__all__ = ["Bounded"]


class _Past(Past):
    """The record of the current path; it knows more races.

    A step that opened a guard does not race with the one that it let go on. But whoever
    comes to a guard while it is shut gives way for nothing.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        #: What happened before steps that were not taken, by thread and next event.
        self.ends: dict[tuple[int, int], Clock] = {}

    def link(self) -> list[Race]:
        """Order the next event behind others; return the races it is in."""
        shut = self._shut(self.steps[len(self.clocks)], stuck=False)
        return super().link() + shut

    def pending(self, step: Step) -> list[Race]:
        """Return the races of a step that was not taken."""
        races, clock = self._pending(step)
        self.ends[step.tid, len(self.clocks)] = clock
        return races + self._shut(step, stuck=True)

    def _shut(self, step: Step, *, stuck: bool) -> list[Race]:
        """Find what may have opened the guard of *step* before somebody came there."""
        if not step.gated:
            return []
        clock, since = self.clock(step.tid), self.since(step.tid)
        guard = self.guard(step, stuck=stuck)
        locking = step.bits & LOCKING
        return [
            Race(index)
            for oid, classes in ((step.oid, step.bits), *step.more)
            for index, bits in self.history.get(oid, ())
            if index <= since
            and bits & (RELEASE | UNSHARE if classes & locking else ~LOOKS)
            and bits & against(classes)
            and clock[self.steps[index].tid] < index
            and not self.was_open(step, guard, index)
        ]


class Bounded(Subtree):
    """The explorer of executions with at most *bound* preemptions."""

    looks_again = False

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound
        self.whole = f"complete within bound {bound}"
        #: For each step the only thread that the bound let go on, or None.
        self._only: list[int | None] = []
        self._spent = False
        #: Whether a piece was the last that was run, because nobody may go on there.
        self._stopped = False
        #: Where who is to go first, and before which step, in the order of finding.
        self._wanted: dict[tuple[int, int, int], None] = {}

    def _reset(self) -> None:
        super()._reset()
        self.past: _Past = _Past(self.world)

    # -- within an execution -------------------------------------------------

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Go on as :class:`~.dpor.Dpor` does, with no preemption too many."""
        depth = self._depth
        self._stopped = False
        made = len(enabled[0].machine.preemptions)
        self._spent = running is not None and made >= self.bound
        t = super().choose(enabled, running)
        goes_on = NOBODY if running is None else self.past.tids[running]
        self._nodes[depth].sleeper = goes_on
        del self._only[depth:]
        alone = self._spent or self._in_piece(depth)
        self._only.append(goes_on if alone else None)
        return t

    def _in_piece(self, depth: int) -> bool:
        """Tell whether the last step was in a piece that could have come earlier."""
        before = self._nodes[depth - 1].tid if depth else NOBODY
        return before in self._nodes[depth].pieces

    def _grow(self, machine: Machine, depth: int) -> None:
        super()._grow(machine, depth)
        past, sleep = self.past, self._nodes[-1].sleep
        if depth:
            self._nodes[-1].pieces = self._pieces(machine, depth)
        if sleep:
            for tid in past.held_up[depth]:
                waits = past.next_step(past.threads[tid])
                for step in list(sleep.values()):
                    if conflicts(step, waits):
                        del sleep[step.tid]

    def _pieces(self, machine: Machine, depth: int) -> dict[int, int]:
        """Return who could have come earlier, and where it was explored."""
        above = self._nodes[depth - 1]
        pieces = dict(above.pieces)
        if above.tid != above.sleeper:
            pieces.update(dict.fromkeys(above.seen, depth - 1))
        place = pieces.get(above.tid)
        if place is not None and not self._could_come_at(place, machine, depth):
            del pieces[above.tid]
        return pieces

    def _could_come_at(self, place: int, machine: Machine, depth: int) -> bool:
        """Tell whether it comes to the same if the last step is taken earlier.

        It does not if it lets somebody go on who has given way for nothing, or if its
        thread gives way for nothing now and would not have done so there.
        """
        past = self.past
        past.read(machine)
        step = past.steps[depth - 1]
        between = [s for s in past.steps[place : depth - 1] if s.tid != step.tid]
        waiting = [past.next_step(past.threads[t]) for t in past.held_up[depth - 1]]
        if any(conflicts(step, other) for other in between + waiting):
            return False
        if step.tid not in past.held_up[depth]:
            return True
        waits = past.next_step(past.threads[step.tid])
        return not any(conflicts(waits, other) for other in between)

    def _first_awake(
        self,
        sleep: dict[int, Step],
        enabled: Sequence[Thread],
        running: Thread | None,
    ) -> Thread:
        """Return the running thread, else the first one that need not sleep.

        Whoever could have come earlier comes last.
        """
        tids = self.past.tids
        depth = self._depth - 1
        pieces = self._nodes[depth].pieces
        going = enabled if running is None else (running, *enabled)
        if self._in_piece(depth):
            self._stopped = running is None
            going = () if running is None else (running,)
        elif self._spent:
            going = going[:1]
        for late in (False, True):
            for t in going:
                if tids[t] not in sleep and (late or tids[t] not in pieces):
                    return t
        raise Redundant

    # -- after an execution --------------------------------------------------

    def end(self, machine: Machine) -> Verdict:
        """Find the races of *machine*, and let others go first because of them."""
        self._wanted.clear()
        self.past.ends.clear()
        verdict = super().end(machine)
        if verdict is not Verdict.RESTART:
            if self._stopped:
                self._want_others()
            self._offer_all(machine)
        return verdict

    def _take_in(self, machine: Machine) -> None:
        """Begin anew: where a thread is preferred rests on more than is noted."""
        super()._take_in(machine)
        self.world.news = True

    def _left(self, *, redundant: bool, cut: bool) -> tuple[int, ...]:
        """Return everybody: who sleeps, or was too expensive, races as well."""
        del redundant, cut
        return tuple(self.past.tids.values())

    def _settle(self) -> None:
        """Keep all that is planned: what leads there may be a preemption too many."""

    def _in_another_place(self, index: int, race: Race) -> Step:
        """Return the event as it is: it is only asked whose it is."""
        del race
        return self.past.steps[index]

    def _plan(self, race: Race, last: Step, end: int) -> None:
        self._want(race.first, last.tid, end)

    def _leave(self, how: str, index: int, steps: list[Step]) -> None:
        del how
        for step in steps:
            self._want(index, step.tid, len(self.past.steps))

    def _want(self, index: int, tid: int, end: int) -> None:
        """Have a thread go first at *index*, and at the begin of the block there."""
        self._wanted[index, tid, end] = None
        while self._nodes[index].sleeper == self.past.steps[index].tid:
            index -= 1
        self._wanted[index, tid, end] = None

    def _offer_all(self, machine: Machine) -> None:
        """Leave to do what is wanted."""
        past = self.past
        waiting = [t for t in machine.threads if is_pending(t)]
        ends = {past.tids[t]: past.next_step(t) for t in waiting}
        for index, tid, end in self._wanted:
            step = self._step_at(index, tid, ends)
            if step is not None and not self._may_go(index, step):
                continue
            others: list[Step] = []
            node = self._nodes[index]
            late = tid in node.sleep or tid in node.pieces
            if step is None or late or index < self._floor:
                ahead = [
                    self._step_at(index, o, ends) for o in self._ahead(index, tid, end)
                ]
                others = [s for s in ahead if s and self._may_go(index, s)]
            if step is not None:
                self._offer(index, [step, *others])
            else:
                for other in others:
                    self._offer(index, [other])

    def _want_others(self) -> None:
        """Let others go first where the piece began that was the last."""
        begin = last = len(self.past.steps) - 1
        while self._nodes[begin - 1].tid == self._nodes[last].tid:
            begin -= 1
        for tid in self._nodes[begin].pieces:
            self._wanted[begin, tid, last] = None

    def _may_go(self, index: int, step: Step) -> bool:
        """Tell whether another step than the one that was taken is within the bound."""
        only = self._only[index]
        return step.tid != self.past.steps[index].tid and only in (None, step.tid)

    def _offer(self, index: int, steps: list[Step]) -> None:
        super()._leave("offer", index, [self.world.guess(step) for step in steps])

    def _ahead(self, index: int, tid: int, end: int) -> list[int]:
        """Return who took a step, from *index* on, that one at *end* comes after."""
        past = self.past
        clock = past.ends.get((tid, end)) or past.clocks[end]
        return [other for other, last in enumerate(clock) if last >= index]

    def _step_at(self, index: int, tid: int, ends: dict[int, Step]) -> Step | None:
        """Return the step that a thread could have taken at *index*, if it could."""
        past = self.past
        if past.birth(tid) >= index or tid in past.held_up[index]:
            return None
        later = (past.steps[i] for i in past.ran[tid] if i >= index)
        return next(later, ends.get(tid))
