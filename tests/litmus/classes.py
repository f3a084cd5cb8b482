# SPDX-License-Identifier: GPL-2.0-only
"""How many Mazurkiewicz traces a program has, counted without the explorer.

Nothing here knows sleep sets or wakeup trees, nor the engine's access classes, unless
it is asked to. Two steps depend on each other by the rules of A. Mazurkiewicz (1977)
for reads, writes and locks, which :func:`by_name` spells out by the names of the
primitives. Prefixes of executions that differ in the order of independent steps only
lead to the same state, so it is enough to go on from one of them: a walk over their
classes, as each class is reached from the one a step shorter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from attrs import define, field

from pykmm.engine import Access, Event, Pool, Thread, conflict
from pykmm.runner.once import Execution, execute
from pykmm.schedulers import Dpor, Redundant, Verdict
from tests.litmus.harness import Program, litmus

#: Steps that only look, those that share a lock, and additions nobody looks at.
LOOKING = {"read", "load_acquire", "await"}
SHARING = {"read_lock", "read_unlock"}
#: Steps that change something if they succeed.
TRYING = {"cas", "swap_if", "trylock"}

#: What somebody did, how often they had done something, and what came before it.
Fact = tuple[Hashable, ...]
#: How many steps of each thread came before, itself included.
Past = dict[Hashable, int]
#: Which steps of two threads on one object may come in any order.
Rule = Callable[[Event, Event], bool]


def by_name(a: Event, b: Event) -> bool:
    """Tell whether steps on one object may come in any order, as their names say."""

    def looks(step: Event) -> bool:
        in_vain = step.kind in TRYING and step.access is Access.READ
        return step.kind in LOOKING or in_vain

    return (
        (looks(a) and looks(b))
        or (a.kind in SHARING and b.kind in SHARING)
        or (a.kind.split()[0] == b.kind.split()[0] == "add")
    )


def by_class(a: Event, b: Event) -> bool:
    """Tell the same as the engine does."""
    return not conflict(a, b)


def trace_of(events: Sequence[Event], commute: Rule = by_name) -> frozenset[Fact]:
    """Return what is the same for all executions in one class: each step's past."""
    pasts: dict[Hashable, Past] = {}
    touched: dict[Hashable, list[tuple[Event, Past]]] = {}
    known: list[tuple[Thread, Past]] = []
    facts = []
    for event in events:
        me = event.thread.key
        past = dict(pasts[me] if me in pasts else _before_birth(event.thread, known))
        before = touched.setdefault(event.obj.uid, [])
        for other, other_past in before:
            if not commute(event, other):
                for who, many in other_past.items():
                    past[who] = max(past.get(who, 0), many)
        past[me] = past.get(me, 0) + 1
        pasts[me] = past
        before.append((event, past))
        known.append((event.thread, past))
        facts.append((me, past[me], event.kind, event.access, frozenset(past.items())))
    return frozenset(facts)


def _before_birth(t: Thread, known: list[tuple[Thread, Past]]) -> Past:
    own = (past for thread, past in reversed(known[: t.born]) if thread is t.creator)
    return next(own, {})


@define
class Walk:
    """All classes of prefixes, each visited once."""

    commute: Rule
    seen: dict[frozenset[Fact], frozenset[Hashable]] = field(factory=dict)
    plans: list[tuple[int, ...]] = field(factory=lambda: [()])
    path: list[int] = field(factory=list)
    plan: tuple[int, ...] = ()
    over: bool = False

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Follow the plan, then go on as long as that leads to a new class."""
        del running
        if self.over:
            raise Redundant  # again: this is a finally clause on the way down
        place = len(self.path)
        unborn = next((i for i, t in enumerate(enabled) if _is_unborn(t)), None)
        if place < len(self.plan):
            choice = self.plan[place]
        elif unborn is not None:
            choice = unborn  # nothing depends on a thread's beginning
        else:
            state = trace_of(enabled[0].machine.events, self.commute)
            may = frozenset(t.key for t in enabled)
            if state in self.seen:
                assert self.seen[state] == may, "one class, one state"
                self.over = True
                raise Redundant
            self.seen[state] = may
            choice = 0
            plans = [(*self.path, i) for i in range(1, len(enabled))]
            self.plans += reversed(plans)
        self.path.append(choice)
        return enabled[choice]


def _is_unborn(t: Thread) -> bool:
    return t.kind == "start" and t.guard is None and t.obj is None


@define
class Found:
    """The traces of a program, how often each was run, and what they come to."""

    commute: Rule
    traces: Counter[frozenset[Fact]] = field(factory=Counter)
    outcomes: set[str] = field(factory=set)
    in_vain: int = 0

    def add(self, execution: Execution) -> None:
        self.traces[trace_of(execution.events, self.commute)] += 1
        self.outcomes.add(execution.label)


class TooMany(Exception):
    """A program has more prefixes than somebody wants to visit."""


def classes(program: Program, commute: Rule = by_name, at_most: int = 50_000) -> Found:
    """Find the traces of *program* in no more than so many executions."""
    walk, found = Walk(commute), Found(commute)
    with Pool() as pool:
        for _ in range(at_most):
            if not walk.plans:
                return found
            walk.plan, walk.path, walk.over = walk.plans.pop(), [], False
            execution = execute(litmus(program), walk, pool=pool)
            if not isinstance(execution.machine.failure, Redundant):
                found.add(execution)
    raise TooMany(at_most)


def explored(program: Program, commute: Rule = by_name) -> Found:
    """Run all that the explorer runs, and count what is redundant."""
    dpor, found = Dpor(), Found(commute)
    with Pool() as pool:
        while (scheduler := dpor.begin()) is not None:
            execution = execute(litmus(program), scheduler, pool=pool)
            verdict = dpor.end(execution.machine)
            if verdict is Verdict.RESTART:
                found = Found(commute)
            elif verdict is Verdict.REDUNDANT:
                found.in_vain += 1
            elif verdict is Verdict.NEW:
                found.add(execution)
    return found


def check(program: Program, commute: Rule = by_name, at_most: int = 50_000) -> Found:
    """Compare the explorer with the count; return what the explorer found."""
    truth, clever = classes(program, commute, at_most), explored(program, commute)
    assert clever.outcomes == truth.outcomes
    assert clever.traces.keys() == truth.traces.keys()
    assert set(clever.traces.values()) == {1}, "one execution for each trace"
    return clever
