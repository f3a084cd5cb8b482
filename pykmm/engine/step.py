# SPDX-License-Identifier: GPL-2.0-only
"""The two halves of every step, which all primitives are made of.

:func:`enter` announces what the running thread is about to do, and comes back when the
thread may do it; :func:`leave` tells what became of it. Where nobody schedules, on a
machine at rest or on one that is coming down, there is :func:`step_at_rest` instead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

from ..errors import Report, WouldWait
from .events import Access, Event
from .guards import Outcome
from .stacks import stack_here
from .thread import Sleep, Thread, Unwind, current_thread, thread_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .objects import Named, Struct

__all__ = ["enter", "enter_if", "leave", "remark", "step_at_rest", "use_after_free"]

_INERT_STEPS_AT_MOST = 100_000
#: Returns what is being handled here, or None. Bound once, as :data:`thread_here` is.
_handled: Final = sys.exception


def enter(
    obj: Named,
    kind: str,
    guard: Callable[[], object] | None = None,
    sleep: Sleep = Sleep.UNINTERRUPTIBLE,
) -> Thread:
    """Announce the step *kind* on *obj*; return, scheduled, the running thread.

    The step may not be taken while *guard* answers False. From here to the
    matching :func:`leave` the caller is alone with *obj* and must neither begin
    another step nor wait.
    """
    t = thread_here() or current_thread()
    if t.is_boot:
        # At rest there is little to do, and large machines are built in such steps.
        if guard is not None or t.machine.stopping or (obj.owner or obj)._death:
            step_at_rest(t, obj, kind, guard)
        t.kind = kind
        t.obj = obj
        return t
    error = _handled()
    if error is not None and isinstance(error, Report):
        # A finally clause while it unwinds: no step of its own.
        t.machine.fail(error, t)
    announce = t.machine.enter  # no method, and looked up slowly if called like one
    announce(t, obj, kind, guard, sleep)
    return t


def enter_if(
    obj: Named, kind: str, ask: Callable[[], object], yes: Access, no: Access
) -> Thread:
    """Announce a step that will be of class *yes* if *ask* holds, and else *no*.

    An explorer can ask then what the step would do in another place.
    """
    t = thread_here() or current_thread()
    t.outcome = Outcome(obj, kind, ask, yes, no)
    return enter(obj, kind)


def leave(
    t: Thread,
    obj: Named,
    access: Access,
    value: object = None,
    blocking: bool = False,
) -> None:
    """Record what the step did: its access class and what *obj* holds now."""
    machine = t.machine
    if not (machine.stopping or t.is_boot):
        events = machine.events
        event = Event()  # filled here: a call with all of this costs as much again
        event.index = len(events)
        event.thread = t
        event.kind = t.kind
        event.obj = obj
        event.access = access
        event.blocking = blocking
        event.value = value
        event.stack = stack_here() if machine.stacks else ()
        events.append(event)
        for observer in machine.observers:
            observer.event(event)
    if machine.after_step is not None:
        machine.after_step(t)


def remark(t: Thread, kind: str, obj: Named) -> None:
    """Tell observers that listen what *t* does behind its last step, as a part of it.

    It is for what counts, but what nobody else could notice: no step. An observer
    listens that has ``remarked()``, which gets an event that is on no record.
    """
    machine = t.machine
    if machine.stopping or t.is_boot or not machine.observers:
        return
    told = [each.remarked for each in machine.observers if hasattr(each, "remarked")]
    if not told:
        return
    event = Event()
    event.index = len(machine.events) - 1
    event.thread = t
    event.kind = kind
    event.obj = obj
    event.access = Access.READ
    event.blocking = False
    event.value = None
    event.stack = stack_here() if machine.stacks else ()
    for remarked in told:
        remarked(event)


def step_at_rest(
    t: Thread, obj: Named, kind: str, guard: Callable[[], object] | None
) -> None:
    """Take a step on a machine at rest, or on one that is coming down.

    On the latter a thread's first step takes it down. Those of its ``finally`` clauses
    do nothing, unless there are so many that one of them must go round in circles.
    """
    machine = t.machine
    if machine.stopping:
        if t.is_boot:
            machine.check_open()
        machine.inert_steps += 1
        if not t.unwinding or machine.inert_steps > _INERT_STEPS_AT_MOST:
            t.unwinding = True
            raise Unwind
        return
    owner = obj.owner
    if (obj if owner is None else owner)._death is not None:
        use_after_free(obj, kind)
    if guard is not None and not guard():
        raise WouldWait(
            f"host code would have to wait in {kind} {obj.name}: call it on a "
            "thread of the machine, or run the machine to rest first"
        )


def use_after_free(obj: Named, kind: str) -> NoReturn:
    """Report that the running thread did *kind* to a dead object."""
    owner = cast("Struct", obj if obj.owner is None else obj.owner)
    where = "" if owner is obj else f" ({obj.name})"
    raise owner._dead(f"touched by {kind}{where}")
