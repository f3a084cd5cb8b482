# SPDX-License-Identifier: GPL-2.0-only
"""A machine whose programs do what they are asked, beside the model of it.

A story is a list of :class:`Step` values. Telling it boots a machine, takes each
step on it, and compares answers, processes, pages and laws whenever all is at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import evolve

from ..engine.baton import Baton
from ..engine.clock import Clock
from ..engine.config import Config
from ..engine.thread import Sleep
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
from .calls import Exec
from .model import INIT, Space, State
from .seat import LOST, Call, Seat

if TYPE_CHECKING:
    from ..engine.machine import Observer
    from ..holds import Hold

__all__ = ["CONFIG", "Law", "Step", "Together", "Unexplained", "World", "retell"]

_PAGE: Final = 4096
_NOTHING: Final = State()
#: No story that comes to an end takes so many steps of the machine.
_MANY: Final = 50_000

#: A small machine, which reports no tasks when it kills one.
CONFIG: Final = Config(node_pages=(4096,), min_free_kbytes=0, oom_dump_tasks=0)


#: What has to hold at rest beyond what the model says.
Law: TypeAlias = "Callable[[World], Iterable[str]]"


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
        asked: list[tuple[Call, int, int]] = []
        for call in self.calls:
            number = call.by % len(seats)
            seat = seats[number]
            bound = evolve(call.bound(world), by=seat.tid)
            asked.append((bound, number, len(seat.inbox)))
            seat.inbox.append(bound)
        for seat in seats:
            seat.answers = []
        world.scheduler.follow(self.switches)
        world.run()
        world.compare([_asked(seats, *one) for one in asked])


def _asked(seats: Sequence[Seat], call: Call, number: int, place: int) -> Asked:
    seat = seats[number]
    answers = seat.answers
    answer = answers[place] if place < len(answers) else LOST
    return Asked(call, number, seat.pid, answer, cut=not seat.is_taken)


class _Held(Clock):
    """A clock that can stand, but for who cannot go on without it."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def jump(self) -> bool:
        if self.stands and any(
            t.sleep is Sleep.UNINTERRUPTIBLE for t in self._machine.live
        ):
            self.stands = False
            return True
        return super().jump()


class World:
    """A machine and its model, which begins as *model*.

    *patches* are variants of the kernel to be tried. Each of *laws* is asked whenever
    the model has explained what there is, and yields a sentence for what is wrong.
    With *stacks* a report can tell who called whom. *teller* is the function that a
    report names as the one that tells the story again.
    """

    def __init__(
        self,
        config: Config = CONFIG,
        *,
        patches: Sequence[Patch] = (),
        model: State = _NOTHING,
        laws: Sequence[Law] = (),
        observers: Sequence[Observer] = (),
        stacks: bool = False,
        teller: str = "retell",
    ) -> None:
        self.teller = teller
        self.laws = laws
        self.scheduler = GiveWay()
        self.machine = Machine(
            config,
            scheduler=self.scheduler,
            observers=observers,
            baton=_baton(),
            max_steps=_MANY,
            stacks=stacks,
        )
        apply(self.machine, patches)
        self.machine.clock = self.clock = _Held(self.machine)
        self.machine.boot_kernel()
        self.group = self.machine.cgroup("group")
        self.state = model
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
            with self.machine.as_boot():
                step.take(self)
        except Report as report:
            report.replay = _written(self.teller, self.story)
            raise

    def run(self) -> None:
        """Run the machine until it is at rest, and audit its memory."""
        self.clock.stands = self.state.stands
        self.machine.run()
        _judge("memory does not add up", _books())

    # -- who is there

    def sitting(self) -> list[Seat]:
        """Return the threads that can be asked for calls."""
        return [seat for seat in self.seats if self.state.alive(seat.pid)]

    @property
    def size(self) -> int:
        """How many threads can be asked for calls."""
        return len(self.sitting())

    def add(self, seat: Seat) -> None:
        """Take a seat in, of a thread that is about to be there."""
        self.seats.append(seat)

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
        execs = {a.pid for a in asked if a.answer == 0 and isinstance(a.call, Exec)}
        waits = [
            a
            for a in asked
            if a.answer is LOST
            if not seen.procs.get(a.pid, (0, True))[1]
            if not (a.cut and a.pid in execs)
        ]
        state = None if waits else explain(self.state, asked, seen)
        if state is None:
            raise _unexplained(self.state, asked, seen, waits)
        self.state = state
        gone = [seat for seat in self.seats if not seat.is_taken]
        for seat in gone:
            self.seats.remove(seat)
            if state.alive(seat.pid) and seat.pid not in execs:
                raise Unexplained(f"thread {seat.tid} of process {seat.pid} is gone")
        for law in self.laws:
            _judge(law.__name__, law(self))
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
        held = {of: _present(mm) for of, mm, _ in self.holds}
        return Seen(procs, held, self.group.memory.usage)


def _judge(what: str, sentences: Iterable[str]) -> None:
    """Report what is wrong, if anything is."""
    wrong = list(sentences)
    if wrong:
        facts = [("also", sentence) for sentence in wrong[1:]]
        raise InvariantViolation(f"{what}: {wrong[0]}", facts=facts)


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
    facts += [("limit", f"{before.limit} pages")] if before.limit is not None else []
    facts += [("now", f"the cgroup is charged for {seen.charged} pages")]
    if waits:
        return Unexplained(f"a call never came back: {waits[0]}", facts=facts)
    told = "; ".join(map(str, asked)) or "the host's step"
    return Unexplained(f"no order explains {told}", facts=facts)


def _short(space: Space) -> str:
    marks = [m for m in ("doomed", "skip", "refuses", "grouped") if getattr(space, m)]
    return (
        f"space {space.of}: {len(space.mapped)} pages mapped, "
        f"{len(space.present)} there{''.join(f', {m}' for m in marks)}"
    )


def retell(story: Iterable[Step], **facts: Any) -> State:
    """Take the steps of *story* on a new machine; raise what is found, drawn.

    *facts* are those of the :class:`World`.
    Return: the state of the model in the end.
    """
    __tracebackhide__ = True  # pytest need not show what the report tells better
    world = World(**facts, stacks=True)
    try:
        for step in story:
            world.take(step)
        return world.state
    except Report as report:
        complete(report, Trace.of(world.machine))
        report.add_note(f"\n{report.render()}")
        raise report.with_traceback(None) from None
    finally:
        world.close()
