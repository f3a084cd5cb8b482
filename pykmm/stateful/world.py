# SPDX-License-Identifier: GPL-2.0-only
"""A machine whose programs do what they are asked, beside the model of it.

A story is a list of :class:`Step` values. Telling it boots a machine, takes each
step on it, and compares answers, processes, pages and laws whenever all is at rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from attrs import evolve

from ..engine.baton import Baton
from ..engine.config import Config
from ..errors import InvariantViolation, Report
from ..linux.mm import for_each_vma
from ..linux.mm_types import MM_ANONPAGES, VMA_ITERATOR, mm_struct
from ..linux.sched import PF_KTHREAD, task_struct
from ..mm._conservation import _books
from ..patches.patch import Patch, apply
from ..strategies.schedules import GiveWay, Switch
from ..trace.record import Trace
from ..trace.splat import complete
from ..workbench import Machine, Process
from .accept import Asked, Seen, explain
from .model import INIT, Space, State
from .seat import LOST, Call, Seat

if TYPE_CHECKING:
    from ..engine.machine import Observer
    from ..holds import Hold

__all__ = ["CONFIG", "Step", "Together", "Unexplained", "World", "retell"]

_PAGE: Final = 4096

#: A small machine, which reports no tasks when it kills one.
CONFIG: Final = Config(node_pages=(4096,), min_free_kbytes=0, oom_dump_tasks=0)


class Unexplained(InvariantViolation):
    """The kernel gave answers, or came to a state, that the model cannot explain."""

    kind = "unexplained"


def _baton() -> type[Baton]:
    """Return the cheapest way of having one thread at a time: all come to the same."""
    try:
        from ..engine.greenlets import Greenlets
    except ImportError:
        return Baton
    return Greenlets


class Step:
    """One step of a story. Derive from this, as a value, for one of your own."""

    def take(self, world: World) -> None:
        """Take the step on the machine and in the model; the machine is at rest."""
        raise NotImplementedError


class Together(Step):
    """Calls that overlap, and where their threads give way to each other."""

    def __init__(self, *calls: Call, switches: Iterable[Switch] = ()) -> None:
        self.calls = calls
        self.switches = tuple(switches)

    def __repr__(self) -> str:
        parts = [repr(call) for call in self.calls]
        if self.switches:
            parts.append(f"switches={list(self.switches)!r}")
        return f"Together({', '.join(parts)})"

    def take(self, world: World) -> None:
        """Ask for all calls at once, run, and look for an order that explains it."""
        seats = world.sitting()
        if not seats:
            return
        asked: list[tuple[Call, Seat, int]] = []
        for call in self.calls:
            seat = seats[call.by % len(seats)]
            bound = evolve(call.bound(world), by=seat.tid)
            asked.append((bound, seat, len(seat.inbox)))
            seat.inbox.append(bound)
        for seat in seats:
            seat.answers = []
        world.scheduler.follow(self.switches)
        world.run()
        world.compare([_asked(*one) for one in asked])


def _asked(call: Call, seat: Seat, place: int) -> Asked:
    answers = seat.answers
    answer = answers[place] if place < len(answers) else LOST
    return Asked(call, seat.tid, seat.pid, answer)


class World:
    """A machine and its model. *patches* are variants of the kernel to be tried.

    With *stacks* a report can tell who called whom. *teller* is the function that a
    report names as the one that tells the story again.
    """

    def __init__(
        self,
        config: Config = CONFIG,
        *,
        patches: Sequence[Patch] = (),
        observers: Sequence[Observer] = (),
        stacks: bool = False,
        teller: str = "retell",
    ) -> None:
        self.teller = teller
        self.scheduler = GiveWay()
        self.machine = Machine(
            config,
            scheduler=self.scheduler,
            observers=observers,
            baton=_baton(),
            stacks=stacks,
        )
        apply(self.machine, patches)
        self.machine.boot_kernel()
        self.state = State()
        self.seats: list[Seat] = []
        #: The numbers of all processes that ever were, in order of appearance.
        self.cast: list[int] = []
        self.holds: list[tuple[int, mm_struct, Hold]] = []
        self.story: list[Step] = []

    def close(self) -> None:
        """Switch the machine off."""
        self.machine.close()

    def take(self, step: Step) -> None:
        """Take one step and add it to the story, which a report then tells."""
        self.story.append(step)
        try:
            with self.machine._as_boot():
                step.take(self)
        except Report as report:
            report.replay = _written(self.teller, self.story)
            raise

    def run(self) -> None:
        """Run the machine until it is at rest, and audit its memory."""
        self.machine.run()
        if wrong := _books():
            raise InvariantViolation(
                f"memory does not add up: {wrong[0]}",
                facts=[("also", sentence) for sentence in wrong[1:]],
            )

    # -- who is there

    def sitting(self) -> list[Seat]:
        """Return the threads that can be asked for calls."""
        return [seat for seat in self.seats if self.state.alive(seat.pid)]

    def pid_of(self, by: int) -> int:
        """Return the process of the thread that ``by`` of a call means."""
        seats = self.sitting()
        return seats[by % len(seats)].pid

    def whom(self, whom: int) -> int:
        """Return the process that ``whom`` of a call or a step means."""
        there = [p.pid for p in self.state.procs]
        gone = [pid for pid in self.cast if pid not in there]
        known = [*there, *gone[-1:]]
        return known[whom % len(known)] if known else 0

    def task(self, pid: int) -> task_struct | None:
        """Return the leader of a process."""
        found = (t for t in self.machine.tasks() if t.__dict__["pid"] == pid)
        return next(found, None)

    def process(self, pid: int) -> Process | None:
        """Return a handle on a process that goes on; None for all others."""
        task = self.task(pid) if self.state.alive(pid) else None
        if task is None:
            return None
        return Process(self.machine, task, task.__dict__["comm"])

    # -- comparing

    def compare(self, asked: Sequence[Asked] = ()) -> None:
        """Find out whether the model can have come to what the kernel shows."""
        seen = self._look()
        waits = [
            a
            for a in asked
            if a.answer is LOST and not seen.procs.get(a.pid, (0, True))[1]
        ]
        state = None if waits else explain(self.state, asked, seen)
        if state is None:
            raise _unexplained(self.state, asked, seen, waits)
        self.state = state
        self.cast += [p.pid for p in state.procs if p.pid not in self.cast]

    def _look(self) -> Seen:
        procs = {}
        for task in self.machine.tasks():
            facts = task.__dict__
            if facts["pid"] == INIT or facts["flags"] & PF_KTHREAD:
                continue
            parent = facts["real_parent"].__dict__["tgid"]
            mm = facts["mm"]
            zombie = bool(facts["exit_state"])
            procs[facts["pid"]] = (parent, zombie, _mapped(mm), _present(mm))
        return Seen(procs, {of: _present(mm) for of, mm, _ in self.holds})


def _mapped(mm: mm_struct | None) -> frozenset[int]:
    if mm is None:
        return frozenset()
    vmas = for_each_vma(VMA_ITERATOR(mm, 0))
    return frozenset(
        page
        for vma in vmas
        for page in range(vma.vm_start // _PAGE, vma.vm_end // _PAGE)
    )


def _present(mm: mm_struct | None) -> int:
    return 0 if mm is None else mm.rss_stat[MM_ANONPAGES].counter


def _written(teller: str, story: Iterable[Step]) -> str:
    """Write the call that tells *story* again, one step a line."""
    lines = [f"    {step!r}," for step in story]
    return "\n".join([f"{teller}([", *lines, "])"])


def _unexplained(
    before: State, asked: Sequence[Asked], seen: Seen, waits: Sequence[Asked]
) -> Unexplained:
    facts = [("asked", str(one)) for one in asked]
    facts += [("before", str(p)) for p in before.procs]
    facts += [("before", _short(s)) for s in before.spaces]
    facts += [
        (
            "now",
            f"process {pid}, child of {parent}"
            + (
                ", a zombie"
                if zombie
                else f", {len(mapped)} pages mapped, {present} there"
            ),
        )
        for pid, (parent, zombie, mapped, present) in seen.procs.items()
    ]
    facts += [("now", f"held {of}: {pages} pages") for of, pages in seen.held.items()]
    if waits:
        return Unexplained(f"a call never came back: {waits[0]}", facts=facts)
    told = "; ".join(map(str, asked)) or "the host's step"
    return Unexplained(f"no order explains {told}", facts=facts)


def _short(space: Space) -> str:
    marks = [m for m in ("doomed", "skip", "refuses") if getattr(space, m)]
    return (
        f"space {space.of}: {len(space.mapped)} pages mapped, "
        f"{len(space.present)} there{''.join(f', {m}' for m in marks)}"
    )


def retell(
    story: Iterable[Step],
    *,
    config: Config = CONFIG,
    patches: Sequence[Patch] = (),
    observers: Sequence[Observer] = (),
    teller: str = "retell",
) -> State:
    """Take the steps of *story* on a new machine; raise what is found, drawn.

    Return: the state of the model in the end.
    """
    world = World(
        config, patches=patches, observers=observers, stacks=True, teller=teller
    )
    try:
        for step in story:
            world.take(step)
        return world.state
    except Report as report:
        complete(report, Trace.of(world.machine))
        raise
    finally:
        world.close()
