# SPDX-License-Identifier: GPL-2.0-only
"""Whether the model can tell the same story as the kernel.

Calls that overlapped may have taken effect in any order, between anything that
happens by itself. Some order has to explain all answers and what is there in the
end, or the kernel did something that it must not do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from .calls import Exec
from .model import Phase, Space, State
from .seat import LOST, Call

__all__ = ["Asked", "Seen", "explain"]


@frozen
class Asked:
    """A call that was made by process *pid* on the thread *seat*, and its answer.

    One that is *cut* did not return because an exec ended its thread.
    """

    call: Call
    seat: int
    pid: int
    answer: object
    cut: bool = False

    def __str__(self) -> str:
        return f"process {self.pid}: {self.call!r} -> {self.answer!r}"


@frozen
class Seen:
    """What the kernel shows at rest.

    For each process its parent, whether it is a zombie, its mapped pages and how many
    are there; for each address space that is held, how many of its pages are there;
    and for how many pages the cgroup is charged.
    """

    procs: dict[int, tuple[int, bool, frozenset[int], int]]
    held: dict[int, int]
    charged: int


def explain(before: State, asked: Sequence[Asked], seen: Seen) -> State | None:
    """Return a state in which all this can have ended; None if there is none."""
    unknown = tuple(pid for pid in sorted(seen.procs) if before.proc(pid) is None)
    told = [a.answer for a in asked]
    start = evolve(
        before,
        unknown=tuple(p for p in unknown if p not in told),
        hungry=any(one.call.charges for one in asked),
        begins=frozenset(one.pid for one in asked if isinstance(one.call, Exec)),
    )
    todo = [(start, tuple(asked))]
    known = set()
    while todo:
        state, left = todo.pop()
        if (state, len(left), left) in known or not _leads_to(state, seen):
            continue
        known.add((state, len(left), left))
        if not left and state.at_rest and _shows(state, seen):
            return _adopt(state, seen)
        todo += [(later, left) for later in _moves(state, left)]
        for place, one in enumerate(left):
            if all(one.seat != earlier.seat for earlier in left[:place]):
                rest = left[:place] + left[place + 1 :]
                todo += [(after, rest) for after in _after(state, one)]
    return None


def _leads_to(state: State, seen: Seen) -> bool:
    """Tell whether nobody is on the way out who is there in the end."""
    return all(
        p.phase is Phase.ALIVE or p.pid not in seen.procs or seen.procs[p.pid][1]
        for p in state.procs
    )


def _moves(state: State, left: tuple[Asked, ...]) -> Iterable[State]:
    """Return what can happen by itself; one step will do where no order matters."""
    if not (left or state.hungry or state.asked or state.victim):
        leaves = [later for later in state.leaves() if later != state]
        if leaves:
            return leaves[:1]
    return (*state.later(), *state.perhaps())


def _after(state: State, one: Asked) -> Iterator[State]:
    """Yield what *state* may become of a call."""
    p = state.proc(one.pid)
    if one.answer is LOST:
        if one.cut or p is None or p.phase is not Phase.ALIVE:
            yield state  # it was killed before it came to that
        if p is not None and p.phase <= Phase.DYING:
            yield from one.call.outcomes(state, one.pid, LOST)
    elif p is not None and p.phase is Phase.ALIVE:
        for after in one.call.outcomes(state, one.pid, one.answer):
            if after.alive(one.pid):
                yield after


def _shows(state: State, seen: Seen) -> bool:
    """Tell whether a state at rest looks like what the kernel shows."""
    if state.unknown or [p.pid for p in state.procs] != sorted(seen.procs):
        return False
    for p in state.procs:
        parent, zombie, mapped, present = seen.procs[p.pid]
        if p.parent != parent or (p.phase is Phase.ZOMBIE) is not zombie:
            return False
        space = None if zombie else state.space(p.space)
        if space is not None and not _same(space, mapped, present):
            return False
    held = {s.of: len(s.present) for s in state.spaces if s.held and not s.vague}
    if not held.items() <= seen.held.items():
        return False
    if any(space.vague for space in state.spaces):
        return True
    return state.least() <= seen.charged <= state.most


def _same(space: Space, mapped: frozenset[int], present: int) -> bool:
    return space.vague or (space.mapped == mapped and len(space.present) == present)


def _adopt(state: State, seen: Seen) -> State:
    """Take over from the kernel what the model could not know."""
    state = evolve(state, hungry=False, begins=frozenset())
    for p in state.procs:
        space = state.space(p.space)
        if space is not None and space.vague and p.phase is Phase.ALIVE:
            mapped = seen.procs[p.pid][2]
            present = space.present - (space.mapped - mapped)
            state = state.put_space(
                evolve(space, mapped=mapped, present=present, vague=False)
            )
    return state
