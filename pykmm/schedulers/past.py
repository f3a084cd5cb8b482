# SPDX-License-Identifier: GPL-2.0-only
"""Follow one execution after another, as far as they differ.

Threads and objects of the machine that runs now are translated into numbers that
hold for all machines, its events into steps, and what they have in common with the
execution before is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.events import Access
from ..engine.guards import AllOf, answer, place_of, questions
from .asked import Asked, Decided
from .races import racing
from .record import Clock, Race, Record, join
from .steps import (
    ACQUIRE,
    ENOUGH,
    LOCKING,
    LOOKS,
    NOWHERE,
    SHARE,
    WRITE,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ..engine.events import Event
    from ..engine.guards import Door, Outcome
    from ..engine.machine import Machine
    from ..engine.objects import Named, Struct
    from ..engine.thread import Thread
    from .world import World

__all__ = ["Past"]


class Past(Record):
    """The record of the current path."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        #: Cuts, and what happened before everything behind them.
        self._bases: list[tuple[int, Clock]] = []
        # Of the machine that is running:
        self.tids: dict[Thread, int] = {}
        self.threads: dict[int, Thread] = {}
        #: The creator, -1 if there is none, and its event that made the thread.
        self._births: dict[int, tuple[int, int]] = {}
        #: Threads that several events on one object have made together.
        self._makers: dict[int, int] = {}
        self._oids: dict[int, int] = {}
        self._cache: dict[tuple[int, int, int, str, bool, int], Step] = {}
        self.met = 0
        #: Whether whoever has not gone on could not, as far as the execution goes.
        self.rests = True
        self._deaths = 0
        self._shared = 0
        #: Doors to look at before each step, by place; and by object, once looked up.
        self.watched: dict[object, tuple[Door, ...]] = {}
        self._doors: dict[int, tuple[Door, ...]] = {}

    # -- a new execution -----------------------------------------------------

    def watch(self) -> None:
        """From now on ask objects what is known to guard steps on them."""
        doors = self.world.doors
        if doors != self.watched:
            self.watched = doors
            self._doors.clear()
            self.doors.clear()

    @property
    def overlooked(self) -> bool:
        """Whether it was not known what to ask while decisions rest on the answers."""
        return self.world.relied and self.world.doors != self.watched

    def rewind(self, length: int) -> None:
        """Forget all events from *length* on; another machine will go on there."""
        for index in range(len(self.clocks) - 1, length - 1, -1):
            step = self.steps[index]
            self.ran[step.tid].pop()
            self.history[step.oid].pop()
            for oid, _ in step.more:
                self.history[oid].pop()
        for table in (self.steps, self.clocks, self.held_up):
            del table[length:]
        while self._bases and self._bases[-1][0] >= length:
            self._bases.pop()
        while self.doors and next(reversed(self.doors)) >= length:
            self.doors.popitem()
        for answers in (self.guarded, self.decided):
            while answers and next(reversed(answers)) >= length:
                answers.popitem()
        self.tids.clear()
        self.threads.clear()
        self._oids.clear()
        self.rests = True
        self.met = self._deaths = 0
        self._shared = length

    def meet(self, machine: Machine) -> None:
        """Number the threads that *machine* has made since the last call."""
        threads = machine.threads
        tids = self.world.tids
        for t in threads[self.met :]:
            tid = self.tids[t] = tids.setdefault(t.key, len(tids))
            self.threads[tid] = t
            self._births[tid] = self._birth(machine, t)
            if t.made_by is not None:
                self._makers[tid] = self.world.oid(t.made_by)
        self.met = len(threads)
        if len(tids) > len(self.ran):
            self._widen(len(tids) - len(self.ran))

    def _widen(self, by: int) -> None:
        self.ran.extend([] for _ in range(by))
        for clock in (*self.clocks, *(clock for _, clock in self._bases)):
            clock.extend([-1] * by)

    def _birth(self, machine: Machine, t: Thread) -> tuple[int, int]:
        """Return the creator and the number of its event that made *t*."""
        creator = t.creator
        if creator is None or creator.is_boot:
            return -1, t.born - 1
        events = machine.events
        inside = not t.born or events[t.born - 1].thread is not creator
        return self.tids[creator], t.born if inside else t.born - 1

    def elsewhere(self, index: int, race: Race, end: int) -> Step | None:
        """Return what the event would be before the race's first; None if nobody knows.

        What stays before it is what :meth:`not_after` says.
        """
        step, decided = self.steps[index], self.decided.get(index)
        if decided is None:
            return None
        stay = self.not_after(race, end)
        yes = self.would_be_open(step, decided.asked, race.first, stay)
        if yes is None:
            return None
        bits = decided.yes if yes else decided.no
        if bits == step.bits:
            return step
        more = self.world.more(step.tid, step.kind, step.oid, bits)
        return Step(step.tid, step.kind, step.oid, bits, step.gated, more)

    # -- reading events ------------------------------------------------------

    def read_again(self, machine: Machine) -> None:
        """Read all events of *machine* anew, because there is more to know of them.

        They are not linked yet.
        """
        self.steps.clear()
        self.clocks.clear()
        self._bases.clear()
        for ran in self.ran:
            ran.clear()
        self.history.clear()
        self._cache.clear()
        self._deaths = self._shared = 0
        self.read(machine)

    def read(self, machine: Machine) -> None:
        """Turn the events that *machine* has recorded since into steps."""
        events = machine.events
        steps = self.steps
        for index in range(len(steps), len(events)):
            steps.append(self._step(events[index]))
        dead = machine.dead[self._deaths :]
        parts = self._parts(events) if dead else {}
        for struct in dead:
            if not self._read_death(machine, struct, parts.get(struct, [])):
                break
            self._deaths += 1

    def _parts(self, events: Sequence[Event]) -> dict[Struct, list[int]]:
        """Return the objects of *events* that are dead, by what they ended with."""
        found: dict[Struct, list[int]] = {}
        for obj in {event.obj: None for event in events}:
            if obj.owner is not None and obj.owner._death is not None:
                found.setdefault(obj.owner, []).append(self._oid(obj))
        return found

    def _step(self, event: Event) -> Step:
        oid = self._oid(event.obj)
        tid = self.tids[event.thread]
        kind = event.kind
        access = event.access
        gated = event.blocking
        left = _left(event.value) if access is Access.DEC else 0
        step = self._cache.get((tid, oid, access, kind, gated, left))
        if step is None:
            self.world.saw(kind, 1 << access)
            if gated and not self.world.relied and access is Access.WAIT:
                self.world.saw_wait(oid, tid)
            more = self.world.more(tid, kind, oid, 1 << access)
            step = Step(tid, kind, oid, 1 << access, gated, more, left)
            self._cache[tid, oid, access, kind, gated, left] = step
        return step

    def _oid(self, obj: Named) -> int:
        oid = self._oids.get(id(obj))
        if oid is None:
            oid = self._oids[id(obj)] = self.world.oid(obj)
        return oid

    def oid(self, t: Thread) -> int:
        """Return the number of the object that *t* is about to touch."""
        return NOWHERE if t.obj is None else self._oid(t.obj)

    def next_step(self, t: Thread) -> Step:
        """Return the step that *t* is about to take, as far as that can be known."""
        world = self.world
        oid = self.oid(t)
        bits = world.may(t.kind)
        if t.guard is not None and bits & LOCKING:
            history = self.history.get(oid, ())
            if any(classes & LOCKING for _, classes in history):
                bits = SHARE if bits & LOCKING == SHARE else ACQUIRE
        tid = self.tids[t]
        more = world.more(tid, t.kind, oid, bits)
        step = Step(tid, t.kind, oid, bits, t.guard is not None, more)
        if t.guard is not None and not world.is_lock(t.kind):
            step.guard = self._asked(t, taken=False)
        return step

    def look(self, t: Thread, index: int) -> None:
        """Look at the object of *t*, which is about to take the step of that number."""
        asks = t.guard is not None and not self.world.is_lock(t.kind)
        if asks and index not in self.guarded:
            self.guarded[index] = self._asked(t, taken=True)
        if t.outcome is not None and index not in self.decided:
            self._decide(t, t.outcome, index)
        obj = t.obj
        if self.watched and obj is not None and index not in self.doors:
            oid = self._oid(obj)
            doors = self._doors.get(oid)
            if doors is None:
                doors = self._doors[oid] = self._doors_of(obj)
            self.doors[index] = {
                door: answer(obj, door, self._thread) for door in doors
            }

    def _doors_of(self, obj: Named) -> tuple[Door, ...]:
        found = self.watched.get(type(obj).__name__, ())
        if obj.owner is not None:
            found += self.watched.get(place_of(obj), ())
        return found

    def _asked(self, t: Thread, *, taken: bool) -> Asked:
        """Note what guards the next step of *t*, which is *taken* now or never."""
        assert t.guard is not None
        assert t.obj is not None
        parts = questions(t.guard, t.obj)
        self.world.saw_guard(t.kind, [part.door for part in parts])
        shut = False if self.rests or self.tids[t] in self.held_up[-1] else None
        every = False
        if isinstance(t.guard, AllOf):
            every, shut = True, None  # if it was, then by some part
            oid = self._oid(t.obj)
            for gate in t.guard.gates:
                self.world.saw_gate(self.tids[t], t.kind, oid, self._oid(gate))
        return Asked(
            tuple((self._oid(part.obj), part.door) for part in parts),
            tuple(bool(part.ask()) if taken else shut for part in parts),
            every,
            tuple(part.one_way for part in parts),
        )

    def _decide(self, t: Thread, outcome: Outcome, index: int) -> None:
        """Note what decides about the class of *t*'s step, if anything does."""
        obj, kind, ask, yes, no = outcome
        if obj is t.obj and kind == t.kind:
            (question,) = questions(ask, obj)
            self.world.saw_guard(kind, [question.door])
            asked = Asked(((self._oid(obj), question.door),), (bool(ask()),))
            self.decided[index] = Decided(asked, 1 << yes, 1 << no)

    def _thread(self, key: Hashable) -> Thread | None:
        return self.threads.get(self.world.tids.get(key, -1))

    def _read_death(self, machine: Machine, struct: Struct, parts: list[int]) -> bool:
        """Mark the step that freed *struct*; False if it has not ended yet."""
        by, when = struct._death or ("", 0)
        events = machine.events
        if when and events[when - 1].thread.name == by:
            when -= 1
        elif when == len(events):
            return False
        if when < self._shared or events[when].thread.name != by:
            return True
        step, world = self.steps[when], self.world
        ended = world.struct(struct)
        numbers = [ended, *(oid for oid in parts if world.strayed(oid, ended))]
        lives = [world.saw_death(step.kind, step.oid, number) for number in numbers]
        more = (
            *(pair for pair in step.more if pair[0] not in lives),
            *((life, WRITE) for life in lives),
        )
        self.steps[when] = Step(
            step.tid, step.kind, step.oid, step.bits, step.gated, more
        )
        return True

    # -- clocks --------------------------------------------------------------

    def since(self, tid: int) -> int:
        """Return the event since when the thread has been about to take its step."""
        ran = self.ran[tid]
        return ran[-1] if ran else self._births[tid][1]

    def birth(self, tid: int) -> int:
        """Return the event that made the thread, or the one before if the host did."""
        return self._births[tid][1]

    def could(self, tid: int, index: int) -> bool:
        """Tell whether the thread could have taken its next step at *index*."""
        return self.since(tid) < index and tid not in self.held_up[index]

    def clock(self, tid: int) -> Clock:
        """Return what happened before the thread's next step, the step apart."""
        ran = self.ran[tid]
        cut, base = self._bases[-1] if self._bases else (-1, None)
        if ran:
            clock = self.clocks[ran[-1]]
            return clock if base is None or ran[-1] >= cut else join(clock, base)
        creator, event = self._births[tid]
        clock = self.clocks[event] if creator >= 0 else [-1] * len(self.ran)
        if tid in self._makers:
            for index, bits in self.history.get(self._makers[tid], ()):
                if index <= event and bits & ~LOOKS:
                    clock = join(clock, self.clocks[index])
        return clock if base is None else join(clock, base)

    def cut(self) -> None:
        """Let everything so far happen before everything that comes."""
        base = [ran[-1] if ran else -1 for ran in self.ran]
        if len(self.clocks):
            self._bases.append((len(self.clocks), base))

    def link(self) -> list[Race]:
        """Order the next event behind others; return the races it is in."""
        index = len(self.clocks)
        step = self.steps[index]
        own, since = self.clock(step.tid), self.since(step.tid)
        races, clock = racing(self, step, own, since, self.guard(step))
        clock = clock.copy()
        clock[step.tid] = index
        self.clocks.append(clock)
        self.ran[step.tid].append(index)
        self._note(index, step.oid, step.bits)
        for oid, bits in step.more:
            self._note(index, oid, bits)
        return races

    def _note(self, index: int, oid: int, bits: int) -> None:
        found = self.history.get(oid)
        if found is None:
            self.history[oid] = [(index, bits)]
        else:
            found.append((index, bits))

    def pending(self, step: Step) -> list[Race]:
        """Return the races of a step that was not taken."""
        return self._pending(step)[0]

    def _pending(self, step: Step) -> tuple[list[Race], Clock]:
        own, since = self.clock(step.tid), self.since(step.tid)
        self.world.grounds.look_back(step, self.history.get(step.oid, ()))
        return racing(self, step, own, since, self.guard(step, stuck=True), stuck=True)

    def guard(self, step: Step, *, stuck: bool = False) -> Asked | None:
        """Return what to ask about *step*, which is the next event or was not taken."""
        if self.world.is_lock(step.kind):
            return None
        return step.guard if stuck else self.guarded.get(len(self.clocks))


def _left(value: object) -> int:
    return max(0, min(value, ENOUGH)) if isinstance(value, int) else 0
