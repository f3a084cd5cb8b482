# SPDX-License-Identifier: GPL-2.0-only
"""Which steps could have come the other way round.

Two steps race if they depend on each other and nothing in between orders them.
Most races can be reversed. Those between a step and the one that *allowed* it
cannot, so a step that a guard holds up is looked at more closely:

- Who takes a lock does not race with the unlock before it, but with whoever took
  the lock before. Many readers may hold a lock at once; a writer who is to come
  before one of them may have to come before others, too.
- Whoever waits for anything else races with the step after which the guard closed.
  While the thread stood waiting, that is known. For the time before, the object is
  asked if the guard is a method of it. Otherwise it is guessed that the guard was
  open; a wrong guess costs a useless execution.
- A guard may look at a sum. Without one of the steps that added to it, the sum is what
  it was when as many had been taken. If the guard was shut then, more of them have to
  come after the waiter, any that leave few enough.
- A thread that is held up for good would have taken its step if it had come
  earlier; it races like one that took it.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from .record import Clock, Race, Record, join
from .steps import (
    ACQUIRE,
    LOOKS,
    RELEASE,
    SHARE,
    TOTAL,
    UNSHARE,
    against,
)

if TYPE_CHECKING:
    from .asked import Asked
    from .steps import Step

__all__ = ["racing"]


def racing(
    past: Record,
    step: Step,
    clock: Clock,
    since: int,
    asked: Asked | None,
    *,
    stuck: bool = False,
) -> tuple[list[Race], Clock]:
    """Find the races of *step*, the next one of its thread.

    *clock* is what happened before in its own thread; *since* is the event since
    when it was next, and *asked* what guards it. A step that is *stuck* was held up
    to the end.
    Return: the races, latest first, and what happened before the step.
    """
    if not step.gated:
        scan = _plain(past, step.oid, step.against, clock)
    elif step.bits in (ACQUIRE, SHARE):
        scan = _locking(past, step, clock, stuck=stuck)
    else:
        clock = _needed(past, step, clock, since, asked)
        guard = _Guard(past, step, asked, since, clock)
        scan = _waiting(guard, step.oid, step.against, stuck=stuck)
    if not step.more:
        return scan
    scans = [scan]
    for oid, bits in step.more:
        if step.gated:
            guard = _Guard(past, step, asked, since, clock)
            scans.append(_waiting(guard, oid, against(bits), stuck=stuck))
        else:
            scans.append(_plain(past, oid, against(bits), clock))
    return _merged(past, clock, scans)


def _plain(
    past: Record, oid: int, against: int, clock: Clock
) -> tuple[list[Race], Clock]:
    races: list[Race] = []
    history = past.history.get(oid)
    if history:
        steps = past.steps
        for index, bits in reversed(history):
            if bits & against:
                if clock[steps[index].tid] < index:
                    races.append(Race(index))
                    clock = join(clock, past.clocks[index])
                if bits & TOTAL:
                    break
    return races, clock


def _merged(
    past: Record, clock: Clock, scans: list[tuple[list[Race], Clock]]
) -> tuple[list[Race], Clock]:
    """Drop races that are ordered by a race on another object."""
    full = clock
    for _, later in scans:
        full = join(full, later)
    races = []
    found = {race.first: race for races_of_one, _ in scans for race in races_of_one}
    for index in sorted(found, reverse=True):
        if clock[past.steps[index].tid] < index:
            races.append(found[index])
            if found[index].firm:
                clock = join(clock, past.clocks[index])
    return races, full


# -- locks ------------------------------------------------------------------


def _locking(
    past: Record, step: Step, clock: Clock, *, stuck: bool
) -> tuple[list[Race], Clock]:
    """Walk back through a lock's owners to the one before whom it was free."""
    races: list[Race] = []
    full = clock
    history = past.history.get(step.oid, [])
    taken, readers = _state(history) if stuck else (False, 0)
    for index, bits in reversed(history):
        taken |= bits == RELEASE
        readers += bits == UNSHARE
        if bits & step.against:
            tid = past.steps[index].tid
            if full[tid] < index:
                full = join(full, past.clocks[index])
            if clock[tid] < index:
                shut = taken or (readers > 0 and step.bits != SHARE)
                race = _before(past, step, index, bits, shut=shut)
                if race is not None:
                    races.append(race)
                    clock = join(clock, past.clocks[index])
            if bits & TOTAL and clock[tid] >= index:
                break
        taken &= bits != ACQUIRE
        readers -= bits == SHARE
    return races, full


def _state(history: list[tuple[int, int]]) -> tuple[bool, int]:
    """Return whether a lock is taken at the end of *history*, and its readers."""
    classes = [bits for _, bits in history]
    return (
        classes.count(ACQUIRE) > classes.count(RELEASE),
        classes.count(SHARE) - classes.count(UNSHARE),
    )


def _before(
    past: Record, step: Step, index: int, bits: int, *, shut: bool
) -> Race | None:
    """Return the race of a lock's next owner with an event on the lock, if any.

    *shut* tells whether the lock was held before the event.
    """
    if bits in (RELEASE, UNSHARE):
        return None
    if bits == SHARE and step.bits != SHARE:
        return _before_reader(past, step.oid, index)
    return None if shut and bits != ACQUIRE else Race(index)


def _before_reader(past: Record, oid: int, first: int) -> Race | None:
    """Find out which readers have to stay behind a writer, *first* being one."""
    out: tuple[int, ...] = ()
    while True:
        late = _readers(past, oid, Race(first, out))
        if not late:
            return Race(first, out)
        if min(late) < first:
            return None
        out += tuple(late)


def _readers(past: Record, oid: int, race: Race) -> list[int]:
    """Return the shares that are not given back before the reversed race's end."""
    stay = set(past.not_after(race, len(past.clocks)))
    shares: list[int] = []
    for index, bits in past.history[oid]:
        if index >= race.first and index not in stay:
            continue
        if bits == SHARE:
            shares.append(index)
        elif bits == UNSHARE and shares:
            shares.remove(_share_of(past, shares, index))
    return shares


def _share_of(past: Record, shares: list[int], unshare: int) -> int:
    tid = past.steps[unshare].tid
    own = [index for index in shares if past.steps[index].tid == tid]
    return own[-1] if own else shares[-1]


# -- other guards -----------------------------------------------------------


def _waiting(
    guard: _Guard, oid: int, against: int, *, stuck: bool
) -> tuple[list[Race], Clock]:
    """Walk back to the events before which the guard was, or may have been, open."""
    past, step, _, since, clock = guard
    races: list[Race] = []
    full = clock
    standing = True
    is_open: bool | None = not stuck
    for index, bits in reversed(past.history.get(oid, ())):
        if not bits & against:
            continue
        tid = past.steps[index].tid
        if full[tid] < index:
            full = join(full, past.clocks[index])
        if clock[tid] < index:
            if standing and index <= since:
                standing = False
                is_open = _was_open(past, step.tid, since + 1, is_open)
            if standing:
                is_open = _was_open(past, step.tid, index, is_open)
            else:
                known = guard.was_open(index)
                if known is not None or bits & ~LOOKS:
                    is_open = known
            found = guard.races(index, is_open)
            races += found
            if found and found[0].firm:
                clock = join(clock, past.clocks[index])
        if bits & TOTAL and clock[tid] >= index:
            break
    return races, full


def _needed(
    past: Record, step: Step, clock: Clock, since: int, asked: Asked | None
) -> Clock:
    """Add to *clock* the event that let the step be taken, if no other one could.

    What happened before it cannot come after the step. The guard looks at some
    objects. If all that had changed them before the event happened before the step
    anyway, and all that changed them later happened after the event, then without
    the event they are as they were just before it: so that the guard was closed.
    Where the event gave a share back, other shares that were given back are needed
    as well, because a guard looks at how many there are, not at whose.
    """
    tid = step.tid
    end = min(len(past.clocks), len(past.held_up) - 1)
    opener = next(
        (
            index
            for index in range(end - 1, since, -1)
            if tid in past.held_up[index] and tid not in past.held_up[index + 1]
        ),
        -1,
    )
    if opener < 0:
        return clock
    let_in = past.steps[opener]
    needed = clock
    for oid in _looked_at(step, asked):
        for index, bits in past.history.get(oid, ()):
            if not bits & ~LOOKS:
                continue
            if index > opener and past.clocks[index][let_in.tid] < opener:
                return clock
            if index < opener and clock[past.steps[index].tid] < index:
                if not bits == let_in.bits == UNSHARE or oid != let_in.oid:
                    return clock
                needed = join(needed, past.clocks[index])
    return join(needed, past.clocks[opener])


def _looked_at(step: Step, asked: Asked | None) -> tuple[int, ...]:
    """Return the objects that a step's guard is known to depend on."""
    parts = () if asked is None else asked.parts
    oids = (step.oid, *step.gates, *(oid for oid, _ in parts))
    return tuple(dict.fromkeys(oids))


def _was_open(past: Record, tid: int, index: int, at_end: bool | None) -> bool | None:
    """Tell whether a thread that stood before its step at *index* could go on."""
    if index < len(past.held_up):
        return tid not in past.held_up[index]
    return at_end


class _Guard(NamedTuple):
    """What is known of the guard of *step*, which was next since the event *since*.

    *asked* is how it can be asked; *clock* is what happened before the step anyway.
    """

    past: Record
    step: Step
    asked: Asked | None
    since: int
    clock: Clock

    def was_open(self, index: int) -> bool | None:
        """Tell whether it was open just before the event."""
        past = self.past
        if index > self.since:
            return self.step.tid not in past.held_up[index]
        return past.was_open(self.step, self.asked, index)

    def races(self, first: int, is_open: bool | None) -> list[Race]:
        """Return the races with *first*, before which it was open if *is_open*.

        What does not come after that event stays before the step, and may open the
        guard or shut it. If it is known to do that, more have to come after the step.
        """
        past, clock = self.past, self.clock
        tid = past.steps[first].tid
        later = sorted(
            {
                index
                for oid in _looked_at(self.step, self.asked)
                for index, bits in past.history.get(oid, ())
                if index > first and bits & ~LOOKS
            }
        )
        stay = [index for index in later if past.clocks[index][tid] < first]
        must = {index for index in stay if index <= clock[past.steps[index].tid]}
        row = [first, *later]
        for many in range(len(stay), -1, -1):
            found = []
            for few in combinations(stay, many):
                if must.issubset(few) and past.begins(few, stay):
                    then = self._behind(row, few) if many else is_open
                    if then is not False:
                        out = tuple(index for index in stay if index not in few)
                        # What is out could stay if something before *first* did not.
                        firm = then is True and not out
                        found.append(Race(first, out, firm))
            if found:
                return found
        return []

    def _behind(self, row: list[int], few: tuple[int, ...]) -> bool | None:
        """Tell whether it would hold if of *row* only a *few* had been there.

        Where these commute, as additions do, it would be as it was behind as many.
        """
        past, then = self.past, None
        own = self.asked is not None and self.asked.is_own
        if past.alike(few, row[: len(few)], self.step.tid if own else -1):
            then = self.was_open(row[len(few)])
        if then is None and self.asked is not None:
            then = past.would_be_open(self.step, self.asked, row[0], few)
        return then
