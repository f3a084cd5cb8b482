# SPDX-License-Identifier: GPL-2.0-only
"""Threads that get nowhere, after ``kernel/hung_task.c``.

Four ways of not getting on are told apart. Who waits for each other, or in a sleep
that may not last, is *deadlocked*: the engine says so at rest. The others are found
here:

- A *lost wake-up*: at rest somebody sleeps although what the sleep is for holds. It
  counts even for a sleep that may last for ever.
- A *hung task*: somebody sleeps uninterruptibly for longer than 120 seconds of the
  machine's time, as ``khungtaskd`` judges, while others keep the machine going.
- A *livelock*: whoever can run takes the same steps again and again, and reads the
  same from what nobody writes any more. One thread that spins while others could
  run proves nothing but that the scheduler is unfair.

An execution that only ran into its step limit is none of these; its verdict is
:class:`~pykmm.errors.StepLimit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.deadlock import plight
from ..engine.events import Access
from ..engine.ledger import calls, told
from ..engine.thread import AsThread, Sleep, Thread, ThreadState
from ..errors import HungTask, Livelock, WouldWait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..engine.events import Event
    from ..engine.machine import Machine
    from ..engine.objects import Named

__all__ = ["TIMEOUT_SECONDS", "HungTaskDetector"]

#: ``kernel.hung_task_timeout_secs``: how long a sleep that nothing interrupts may take.
TIMEOUT_SECONDS: Final = 120

#: Steps after which the world may be another one. Taking a lock and giving it back
#: is not among them: who does only that comes back to where it was.
_CHANGES = tuple(
    access
    in (
        Access.WRITE,
        Access.ADD,
        Access.INC,
        Access.DEC,
        Access.DROP,
        Access.WAIT,
        Access.BARRIER,
    )
    for access in Access
)
#: How long a round may be that is looked for.
_LONGEST_ROUND = 64


class HungTaskDetector:
    """Watches one machine; *rounds* without a change make a livelock."""

    def __init__(self, *, rounds: int = 1000) -> None:
        self._rounds = rounds
        self._unchanged = 0
        self._look_at = rounds
        self._now = 0
        #: For who sleeps uninterruptibly, the guard of the sleep and since when.
        self._asleep: dict[Thread, tuple[Callable[[], object], int]] = {}

    def event(self, event: Event) -> None:
        """Count steps that changed nothing, and watch the clock."""
        if _CHANGES[event.access]:
            self._unchanged = 0
            self._look_at = self._rounds
            machine = event.thread.machine
            if machine.clock.now != self._now:
                self._now = machine.clock.now
                self._look_at_sleepers(machine)
            return
        self._unchanged += 1
        if self._unchanged == self._look_at:
            self._look_at *= 2
            self._look_for_circles(event.thread.machine)

    def at_rest(self, machine: Machine) -> None:
        """Report who sleeps on although the condition of the sleep holds."""
        for t in machine.live:
            if t.condition is not None and _holds(machine, t):
                raise HungTask(
                    f"{t.name} sleeps on although what it waits for is there: "
                    "a wake-up was lost",
                    facts=[*plight(t), *_wakings(machine, t)],
                )

    # -- for too long ---------------------------------------------------------------

    def _look_at_sleepers(self, machine: Machine) -> None:
        limit = TIMEOUT_SECONDS * machine.config.hz
        before, self._asleep = self._asleep, {}
        for t in machine.live:
            guard = t.guard
            if guard is None or t.sleep is not Sleep.UNINTERRUPTIBLE or guard():
                continue
            if t.obj is machine.clock:
                continue  # time will wake it
            asleep, since = before.get(t, (guard, self._now))
            if asleep is not guard:
                since = self._now
            elif self._now - since > limit:
                raise _hung(t)
            self._asleep[t] = guard, since

    # -- in circles -----------------------------------------------------------------

    def _look_for_circles(self, machine: Machine) -> None:
        # The later half, so that what led into the circle is left behind in the end.
        window = machine.events[-(self._unchanged // 2) :]
        touched = {e.obj for e in window if e.access is not Access.READ}
        circles = []
        for t in machine.live:
            steps = [event for event in window if event.thread is t]
            if not steps and _is_stuck(t, touched):
                continue
            circle = _circle(steps, self._rounds)
            if not circle:
                return
            circles.append(circle)
        raise _livelock(circles, self._rounds, machine)


def _holds(machine: Machine, t: Thread) -> bool:
    """Evaluate what *t* waits for, as the host, whose looks are no steps."""
    boot = machine.boot
    kept, boot.task = boot.task, t.task
    try:
        with AsThread(boot):
            return t.condition is not None and bool(t.condition())
    except WouldWait:
        return False  # it takes a lock that somebody holds for good
    finally:
        boot.task = kept


def _is_stuck(t: Thread, touched: set[Named]) -> bool:
    """Tell whether *t* waits for something else than what others take and give back."""
    if t.state is ThreadState.NEW and t.guard is None:
        return False
    return t.guard is not None and not t.guard() and t.obj not in touched


def _circle(steps: Sequence[Event], rounds: int) -> list[Event]:
    """Return the round that *steps* end with so many of, or nothing."""
    marks = [(event.kind, event.obj, event.access, event.value) for event in steps]
    for length in range(1, min(_LONGEST_ROUND, len(marks) // rounds) + 1):
        last = marks[-length * rounds :]
        if last[length:] == last[:-length]:
            return list(steps[-length:])
    return []


def _hung(t: Thread) -> HungTask:
    return HungTask(
        f"{t.name} has been sleeping for more than {TIMEOUT_SECONDS} seconds",
        facts=plight(t),
    )


def _wakings(machine: Machine, t: Thread) -> list[tuple[str, str]]:
    """Tell since when *t* is in its queue, and what came of that queue last."""
    queued = next(
        (e for e in reversed(machine.events) if e.thread is t and e.obj is t.obj), None
    )
    last = next(
        (
            e
            for e in reversed(machine.events)
            if e.thread is not t and e.obj is t.obj and "wake" in e.kind
        ),
        None,
    )
    facts = []
    if queued is not None:
        facts.append(("queued", f"{told(queued)}{calls(queued)}"))
    said = "nobody, ever" if last is None else f"{told(last)}{calls(last)}"
    return [*facts, ("last woken", said)]


def _livelock(
    circles: Sequence[Sequence[Event]], rounds: int, machine: Machine
) -> Livelock:
    names = [circle[0].thread.name for circle in circles]
    facts = [
        (circle[0].thread.name, ", ".join(_step(event) for event in circle))
        for circle in circles
    ]
    for t in machine.live:
        if t.name not in names:
            facts += plight(t)
    return Livelock(
        f"{' and '.join(names)} went round {rounds} times and nothing changed",
        facts=facts,
    )


def _step(event: Event) -> str:
    return f"{event.kind} {event.obj.name} = {event.value}"
