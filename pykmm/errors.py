# SPDX-License-Identifier: GPL-2.0-only
"""Everything that can go wrong, sorted by whose fault it is.

The modelled program's mistakes are negative errnos (:mod:`pykmm.errno`).
The modelled kernel's mistakes are a :class:`Report`: a bug was found.
The caller's mistakes are a :class:`UsageError`, and a replay that meets another
world than the one it was recorded in is a :class:`Nondeterminism`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import chain, repeat
from types import UnionType
from typing import Any, Final

__all__ = [
    "ContextError",
    "DataRace",
    "Deadlock",
    "HungTask",
    "InvariantViolation",
    "KernelBug",
    "KernelPanic",
    "KernelWarning",
    "Leak",
    "Livelock",
    "LockInversion",
    "Nondeterminism",
    "RefcountError",
    "Report",
    "StepLimit",
    "UsageError",
    "UseAfterFree",
    "WouldWait",
    "call_path",
    "check_whole",
    "choices",
    "kinds",
    "named_frames",
]


#: What a function's code says of itself if a call does not run it.
_NOT_RUN: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
#: How many calls a report shows of where it was found.
_CALLS_AT_MOST = 6


class UsageError(Exception):
    """The caller handed pykmm something it cannot use; nothing was done.

    The text is one sentence that names the argument, the value and the remedy.
    """


class WouldWait(UsageError):
    """Host code came to where it would have to wait, with nobody to wait for.

    It works on a machine at rest, so what it waits for cannot happen.
    """


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Refuse a *value* for *name* that is no whole number, or is below *least*."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name}={value!r} must be a whole number, {least} or more")


def check_is(name: str, value: object, kind: type | UnionType, what: str) -> None:
    """Refuse a *value* for *name* that is no *kind*; *what* it must be is in words."""
    if not isinstance(value, kind):
        raise UsageError(f"{name}={value!r} must be {what}")


def check_calls(name: str, value: object) -> None:
    """Refuse a *value* for *name* that cannot be called, unless it is None."""
    if value is not None and not callable(value):
        raise UsageError(f"{name}={value!r} must be a function, or left out")


def check_plain(name: str, value: object, what: str) -> None:
    """Refuse a *value* for *name* that does nothing, or not all, when it is called."""
    if not callable(value):
        raise UsageError(f"{name}={value!r} must be {what}")
    function: object = value
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & _NOT_RUN:
        raise UsageError(
            f"{name}={value!r} does nothing when it is called: write a plain function, "
            "without yield and async"
        )


def choices(values: Sequence[str]) -> str:
    """Spell *values* as the tail of a remedy: ``a, b or c``."""
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} or {values[-1]}"


class Nondeterminism(Exception):
    """A replay met another set of runnable threads than its schedule expects.

    *step* counts scheduling points from 0; *expected* is the thread that the
    schedule names there, *found* are the threads that could run.
    """

    def __init__(self, step: int, expected: str, found: Sequence[str]) -> None:
        self.step = step
        self.expected = expected
        self.found = tuple(found)
        runnable = ", ".join(self.found) or "nobody"
        super().__init__(
            f"the schedule runs {expected!r} at step {step}, but there {runnable} "
            "can run: the scenario differs from the one that was recorded, or it "
            "depends on something outside the machine"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.step, self.expected, self.found)


class Report(Exception):
    """A bug of the modelled kernel or program, with the story that led there.

    *summary* is one line. *facts* are further lines as label and text; behind two
    spaces in the text stand calls. The engine fills in where it happened: *thread*,
    *held* (names of its locks) and the schedule; :meth:`render` puts everything on
    paper.
    """

    kind = "report"

    def __init__(self, summary: str, *, facts: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(summary)
        self.summary = summary
        self.facts = list(facts)
        self.thread = ""
        self.held: tuple[str, ...] = ()
        #: For each of these, since when it is held and where that began.
        self.taken: tuple[str, ...] = ()
        self.stack: tuple[str, ...] = ()
        #: The functions that the headline names: where it happened, and where the
        #: other side of it did; by default the first of the stack.
        self.functions: tuple[str, ...] = ()
        self.threads: tuple[str, ...] = ()
        #: The schedule as text; pasteable into :func:`pykmm.replay`.
        self.schedule = ""
        #: How to run it again: one line, filled in by whoever knows the scenario.
        self.replay = ""
        #: The execution's trace, drawn; filled in by the runner.
        self.drawing = ""

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.summary, self.__dict__.copy()))

    def as_plain(self) -> dict[str, Any]:
        """Return the report as texts and lists, from which it can be made again."""
        return {"class": type(self).__name__, **self.__dict__}

    @staticmethod
    def of_plain(data: dict[str, Any]) -> Report:
        """Make the report again of which *data* was made."""
        state = {key: value for key, value in data.items() if key != "class"}
        for key in ("held", "taken", "stack", "functions", "threads"):
            state[key] = tuple(state[key])
        state["facts"] = [(label, text) for label, text in state["facts"]]
        return _rebuild(_kinds(Report)[data["class"]], state["summary"], state)

    def render(self) -> str:
        """Write the whole report; the last line is the one that replays it."""
        functions = self.functions or named_frames(self.stack)[:1]
        where = (
            f" in {' / '.join(f'{name}()' for name in functions)}" if functions else ""
        )
        lines = [f"BUG: {self.kind}{where}", "", f"  {self.summary}"]
        rows = list(self.facts)
        if self.thread:
            rows.append(("found in", f"{self.thread}{call_path(self.stack)}"))
        labels = chain(("held there",), repeat(""))
        for label, name, taken in zip(labels, self.held, self.taken, strict=False):
            rows.append((label, f"{name} {taken}"))
        if rows:
            lines += ["", *_aligned(rows)]
        if self.drawing:
            lines += ["", self.drawing.rstrip("\n")]
        if self.replay or self.schedule:
            lines += ["", f"replay: {self.replay or self.schedule}"]
        return "\n".join(lines) + "\n"


def named_frames(stack: Sequence[str]) -> tuple[str, ...]:
    """Drop the frames of *stack* that have no name worth telling."""
    return tuple(
        name
        for name in stack
        if not name.startswith("<")
        and (not name.startswith("_") or name.startswith("__"))
        and name.strip("_")
    )


def call_path(stack: Sequence[str]) -> str:
    """Write the innermost calls, as what stands behind the text of a fact."""
    named = named_frames(stack)
    rest = " < …" if len(named) > _CALLS_AT_MOST else ""
    return f"  {' < '.join(named[:_CALLS_AT_MOST])}{rest}" if named else ""


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Lay out label, text and, behind two spaces in the text, the call path."""
    parts = [(label, *text.partition("  ")[::2]) for label, text in rows]
    wide = max(len(label) for label, _, _ in parts)
    broad = max((len(text) for _, text, path in parts if path), default=0)
    return [
        f"  {label:<{wide}}  {text:<{broad if path else 0}}  {path.lstrip()}".rstrip()
        for label, text, path in parts
    ]


def kinds() -> list[str]:
    """Return the kinds of reports that there always are, whatever else is loaded."""
    found = [cls for cls in _kinds(Report).values() if cls is not Report]
    return sorted(cls.kind for cls in found if cls.__module__ == __name__)


def _kinds(base: type[Report]) -> dict[str, type[Report]]:
    kinds = {base.__name__: base}
    for cls in base.__subclasses__():
        kinds |= _kinds(cls)
    return kinds


def _rebuild(
    cls: type[Report], summary: str, state: dict[str, object]
) -> Report:  # pickling keeps the fields the engine filled in
    report = cls(summary)
    report.__dict__.update(state)
    return report


class UseAfterFree(Report):
    """Something touched an object that had been freed (or freed it again)."""

    kind = "use-after-free"


class RefcountError(Report):
    """A reference count underflowed, saturated, or rose from zero."""

    kind = "refcount"


class ContextError(Report):
    """A locking rule was broken: a lock not held, or sleeping where one may not."""

    kind = "context"


class Deadlock(Report):
    """Threads wait for each other, or for something that nobody will do."""

    kind = "deadlock"


class HungTask(Report):
    """A thread sleeps on although what it waits for is there, or for too long."""

    kind = "hung-task"


class Livelock(Report):
    """Whoever can run goes round in circles, and nothing changes any more."""

    kind = "livelock"


class StepLimit(Livelock):
    """The execution was cut off at its step limit, on its way to nobody knows where."""

    kind = "step-limit"


class LockInversion(Report):
    """Locks are taken in orders that can deadlock, whether or not they did."""

    kind = "lock-inversion"


class DataRace(Report):
    """Conflicting accesses, not both marked, that nothing orders."""

    kind = "data-race"


class Leak(Report):
    """At rest, an object is held by references that nobody owns."""

    kind = "leak"


class InvariantViolation(Report):
    """A law of the modelled kernel does not hold."""

    kind = "invariant"


class KernelBug(Report):
    """The modelled kernel hit a ``BUG_ON()``, or its program raised."""

    kind = "kernel-bug"


class KernelWarning(Report):
    """The modelled kernel hit a ``WARN_ON()``."""

    kind = "kernel-warning"


class KernelPanic(Report):
    """The modelled kernel called ``panic()``: it stops here, as Linux does."""

    kind = "panic"
