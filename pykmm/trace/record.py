# SPDX-License-Identifier: GPL-2.0-only
"""What an execution did, as a value that outlives its machine.

A machine's events point at live objects; a :class:`Trace` holds only names,
numbers and text. It can be compared, pickled, stored as JSON and drawn, and two
runs of one schedule make equal ones. Nothing in it depends on an address, a
hash or a clock.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from ..engine.events import CONFLICTS, Access
from ..engine.objects import Named
from ..errors import Report, UsageError
from .values import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.events import Event
    from ..engine.machine import Machine
    from ..engine.thread import Thread

__all__ = ["FORMAT", "Ending", "Life", "Step", "Trace", "Waiter", "meet", "outside"]

#: What a stored trace says it is.
FORMAT = "pykmm-trace/1"


@frozen
class Step:
    """One event: who did what to which object, and what the object holds now."""

    index: int
    thread: str
    kind: str
    obj: str
    #: The structure that the object is a part of, or its own name.
    owner: str
    access: Access
    value: str
    #: Function names, innermost first; empty where they were not recorded.
    stack: tuple[str, ...] = ()
    #: Whether the thread before gave way here though it could have gone on.
    preempts: bool = False
    #: The system call that the thread comes back from with this step, and its result;
    #: empty where stacks were not recorded.
    answer: str = ""

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        stack = f"  {' < '.join(self.stack)}" if self.stack else ""
        mark = "*" if self.preempts else " "
        answer = f"{self.answer}; " if self.answer else ""
        what = f"{answer}{self.kind} {self.obj}{value}"
        return (
            f"{self.index:>5}{mark} {self.thread}: {what} ({self.access.name}){stack}"
        )


@frozen
class Life:
    """Birth and, if it came to that, death of a structure that was touched.

    The numbers are those of the first step after the birth or the death.
    """

    name: str
    born_by: str
    born_at: int
    freed_by: str = ""
    freed_at: int | None = None
    #: Function names, innermost first; empty where they were not recorded.
    freed_in: tuple[str, ...] = ()


@frozen
class Waiter:
    """A thread that slept when the machine came to rest, and the step it waits in.

    *sleep* is what may end that, in the letters of ``ps``.
    """

    thread: str
    kind: str
    obj: str
    owner: str
    sleep: str


@frozen
class Ending:
    """What stopped the machine.

    *thread* is empty if it was found at rest. *unfinished* is the step that the
    thread was about to take or was inside, if it was; *obj* is its object. If
    *in_last_step*, the trace's last step is the one at fault.
    """

    kind: str
    summary: str
    thread: str = ""
    unfinished: str = ""
    obj: str = ""
    owner: str = ""
    stack: tuple[str, ...] = ()
    in_last_step: bool = False


@frozen
class Trace:
    """All steps of one execution, in order, and how it ended.

    ``str()`` gives one line a step; :func:`pykmm.trace.draw` draws columns.
    """

    threads: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    #: The object that stands for a thread in its program, and the thread's name.
    tasks: tuple[tuple[str, str], ...] = ()
    lives: tuple[Life, ...] = ()
    waiting: tuple[Waiter, ...] = ()
    ending: Ending | None = None

    @classmethod
    def of(cls, machine: Machine) -> Trace:
        """Record what *machine* did so far; it may go on later."""
        events = machine.events
        gave_way = set(machine.preemptions)
        called = _Names()
        answers = _answers(machine)
        steps = tuple(
            _step(e, called.of(e.obj), e.index in gave_way, answers.get(e.index, ""))
            for e in events
        )
        ending = _ending(machine)
        waiting = _waiting(machine) if ending is None or not ending.thread else ()
        seen = {s.thread for s in steps} | {w.thread for w in waiting}
        if ending is not None:
            seen.add(ending.thread)
        threads = [t for t in machine.threads if t.name in seen]
        return cls(
            tuple(t.name for t in threads),
            steps,
            _tasks(threads),
            _lives(machine),
            waiting,
            ending,
        )

    @property
    def preemptions(self) -> int:
        """How often a thread gave way though it could have gone on."""
        return sum(step.preempts for step in self.steps)

    def life(self, name: str) -> Life | None:
        """Return birth and death of the structure *name*, if it was touched."""
        return next((life for life in self.lives if life.name == name), None)

    def as_dict(self) -> dict[str, object]:
        """Return the trace as plain dicts, lists, text and numbers."""
        data = asdict(self, value_serializer=lambda _, __, value: _jsonable(value))
        return {"format": FORMAT, **data}

    def to_json(self) -> str:
        """Write the trace as JSON text."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str) -> Trace:
        """Read what :meth:`to_json` wrote."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"trace is not JSON ({error}): pass to_json()'s text"
            ) from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise UsageError(f"trace JSON must be an object of format {FORMAT!r}")
        try:
            return _from_dict(data)
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"trace JSON lacks or misspells {error}: it is cut"
            ) from None

    def _repr_svg_(self) -> str:
        """Show the timeline in a notebook."""
        from .timeline import timeline_svg

        return timeline_svg(self)

    def __str__(self) -> str:
        lines = [str(step) for step in self.steps]
        lines += [
            f"    at rest {w.thread}: waits in {w.kind} {w.obj} ({w.sleep})"
            for w in self.waiting
        ]
        if self.ending is not None:
            lines.append(_last_line(self.ending, len(self.steps)))
        return "\n".join(lines) + "\n"


def meet(a: Step, b: Step) -> bool:
    """Tell whether the order of *a* and *b*, of different threads, can matter."""
    if a.thread == b.thread:
        return False
    if Access.BARRIER in (a.access, b.access):
        return True
    return a.obj == b.obj and CONFLICTS[a.access][b.access]


def _jsonable(value: object) -> object:
    return value.name if isinstance(value, Access) else value


def _from_dict(data: dict[str, Any]) -> Trace:
    steps = (
        Step(
            **{**step, "access": Access[step["access"]], "stack": tuple(step["stack"])}
        )
        for step in data["steps"]
    )
    ending = data["ending"]
    return Trace(
        tuple(data["threads"]),
        tuple(steps),
        tuple((task, thread) for task, thread in data["tasks"]),
        tuple(
            Life(**{**life, "freed_in": tuple(life.get("freed_in", ()))})
            for life in data["lives"]
        ),
        tuple(Waiter(**waiter) for waiter in data["waiting"]),
        ending and Ending(**{**ending, "stack": tuple(ending["stack"])}),
    )


def _last_line(ending: Ending, index: int) -> str:
    found = f"{ending.kind}: {ending.summary}"
    if not ending.thread:
        return f"    at rest {found}"
    doing = f"{ending.unfinished} {ending.obj}  " if ending.unfinished else ""
    return f"{index:>5}! {ending.thread}: {doing}{found}"


# -- reading the machine ------------------------------------------------------------


def _owner_of(obj: Named) -> Named:
    return obj if obj.owner is None else obj.owner


class _Names:
    """Names of objects and of their owners; making one up takes a search."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str]] = {}

    def of(self, obj: Named) -> tuple[str, str]:
        """Return the name of *obj*, which must stay alive, and of its owner."""
        found = self._known.get(id(obj))
        if found is None:
            found = self._known[id(obj)] = (obj.name, _owner_of(obj).name)
        return found


def _answers(machine: Machine) -> dict[int, str]:
    """Map the first step of a thread behind each of its system calls to the answer."""
    if not machine.answers:
        return {}
    given: dict[Thread, deque[tuple[int, str]]] = {}
    for since, thread, answer in machine.answers:
        given.setdefault(thread, deque()).append((since, answer))
    found: dict[int, str] = {}
    for event in machine.events:
        waiting = given.get(event.thread)
        if waiting and waiting[0][0] <= event.index:
            found[event.index] = waiting.popleft()[1]
    return found


def _step(event: Event, names: tuple[str, str], preempts: bool, answer: str) -> Step:
    return Step(
        event.index,
        event.thread.name,
        event.kind,
        *names,
        event.access,
        text_of(event.value),
        event.stack,
        preempts,
        answer,
    )


def _tasks(threads: Sequence[Thread]) -> tuple[tuple[str, str], ...]:
    return tuple((t.task.name, t.name) for t in threads if isinstance(t.task, Named))


def _lives(machine: Machine) -> tuple[Life, ...]:
    owners: dict[str, Named] = {}
    touched = {id(event.obj): event.obj for event in machine.events}
    for obj in touched.values():
        owner = _owner_of(obj)
        owners.setdefault(owner.name, owner)
    failed = _failed_thread(machine)
    if failed is not None and failed.obj is not None:
        owner = _owner_of(failed.obj)
        owners.setdefault(owner.name, owner)
    lives = (_life(name, owner) for name, owner in owners.items())
    return tuple(life for life in lives if life is not None)


def _life(name: str, owner: Named) -> Life | None:
    birth: tuple[str, int] | None = getattr(owner, "_birth", None)
    if birth is None:
        return None
    if owner._death is None:
        return Life(name, *birth)
    return Life(name, *birth, *owner._death, getattr(owner, "_died_in", ()))


def _waiting(machine: Machine) -> tuple[Waiter, ...]:
    started = {event.thread.name for event in machine.events}
    return tuple(
        Waiter(t.name, t.kind, t.obj.name, _owner_of(t.obj).name, t.sleep.value)
        for t in machine.threads
        if t.guard is not None and t.obj is not None and t.name in started
    )


def _failed_thread(machine: Machine) -> Thread | None:
    """Return the thread that was inside a step when the machine stopped."""
    if machine.failure is None or len(machine.steps) <= len(machine.events):
        return None
    return machine.steps[-1]


def _ending(machine: Machine) -> Ending | None:
    failure = machine.failure
    if failure is None:
        return None
    kind, summary = type(failure).__name__, text_of(str(failure))
    thread = next((t.name for t in machine.threads if t.error is failure), "")
    stack: tuple[str, ...] = ()
    if isinstance(failure, Report):
        kind, summary, thread = failure.kind, failure.summary, failure.thread or thread
        stack = failure.stack
    inside = _failed_thread(machine)
    if inside is not None and inside.obj is not None:
        stack = outside(stack, inside.kind)
        obj, owner = inside.obj.name, _owner_of(inside.obj).name
        return Ending(kind, summary, inside.name, inside.kind, obj, owner, stack)
    last = machine.events[-1] if machine.events else None
    if last is not None and last.thread.name == thread:
        inner = outside(stack, last.kind)
        guilty = inner != stack or last.kind in stack
        return Ending(kind, summary, thread, stack=inner, in_last_step=guilty)
    return Ending(kind, summary, thread, stack=stack)


def outside(stack: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """Drop what a step of *kind* called: helpers of its primitive, and observers."""
    for inner, keep in (("event", 1), (kind, 0)):
        if inner in stack:
            stack = stack[stack.index(inner) + keep :]
    return stack
