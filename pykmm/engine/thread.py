# SPDX-License-Identifier: GPL-2.0-only
"""A model thread, and how code finds the one it runs on.

A thread is where kernel code runs: a task's own path, a timer callback, an RCU
callback. It has a name that is the same in every run, a stack of held locks,
and, while it waits, the step it wants to take and the guard that forbids it.

The ambient thread is the whole trick that keeps Linux's signatures: a kernel
function finds its machine through the OS thread that it runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from .events import READ, Access
from .members import found_at_once

if TYPE_CHECKING:
    from _thread import LockType

    from .guards import Outcome
    from .interrupts import Interrupt
    from .machine import Machine
    from .objects import Named

__all__ = [
    "AsThread",
    "Sleep",
    "Thread",
    "ThreadState",
    "Unwind",
    "ambient",
    "current_thread",
    "thread_here",
]


class Unwind(BaseException):
    """Takes a stopped machine's threads down; user code never sees it."""


@found_at_once
class ThreadState(Enum):
    """Where a model thread is in its life."""

    NEW = "new"
    STARTED = "started"
    DONE = "done"


@found_at_once
class Sleep(Enum):
    """What may end a wait, in the letters of ``ps``."""

    #: Nothing but the thing waited for: a machine at rest may not hold it.
    UNINTERRUPTIBLE = "D"
    #: That, or a fatal signal. At rest it counts as hung, too.
    KILLABLE = "K"
    #: Any signal. Waiting so for ever is what idle processes do.
    INTERRUPTIBLE = "S"
    #: Nothing but the thing waited for, which may never come: TASK_IDLE.
    IDLE = "I"

    @property
    def hears_signals(self) -> bool:
        """Whether a signal may end the wait."""
        return self in (Sleep.KILLABLE, Sleep.INTERRUPTIBLE)


#: For what makes threads and switches between them, as in :mod:`.events`.
NEW: Final = ThreadState.NEW
STARTED: Final = ThreadState.STARTED
DONE: Final = ThreadState.DONE
UNINTERRUPTIBLE: Final = Sleep.UNINTERRUPTIBLE


class Thread:
    """One flow of control of a machine.

    Made by :meth:`Machine.thread`; the body runs on an OS thread of its own from
    the first time that the thread is chosen.
    """

    __slots__ = (
        "access",
        "atomic",
        "body",
        "born",
        "children",
        "condition",
        "created",
        "creator",
        "entered",
        "error",
        "first",
        "guard",
        "held",
        "interrupt",
        "is_alone",
        "is_boot",
        "key",
        "kind",
        "lock",
        "made_by",
        "machine",
        "masked",
        "name",
        "obj",
        "outcome",
        "rcu_depth",
        "rcu_section",
        "result",
        "sleep",
        "state",
        "subclass",
        "task",
        "unwinding",
        "waiting_on",
        "where",
    )

    def __init__(
        self,
        machine: Machine,
        name: str,
        body: Callable[[], object],
        creator: Thread | None,
        made_by: Named | None = None,
        number: int = 0,
    ) -> None:
        self.machine = machine
        self.name = name
        self.body = body
        self.creator = creator
        #: Whether this is the host's own flow, before, between and after runs.
        self.is_boot = False
        #: Whether it is that, on a machine on which one thread runs at a time.
        self.is_alone = False
        #: The object whose changes, whoever made them, brought the thread about.
        self.made_by = made_by
        self.children = self.created = 0
        #: How many events the machine had seen when the thread was made.
        self.born = 0
        #: Creation ordinals: the same wherever the creator did the same before.
        self.key = _key(creator, made_by, number)
        self.state: ThreadState = NEW
        self.result: object = None
        self.error: BaseException | None = None
        #: The next step: the object, the kind of event, and what forbids it.
        self.obj: Named | None = None
        self.kind = "start"
        self.guard: Callable[[], object] | None = None
        self.sleep: Sleep = UNINTERRUPTIBLE
        #: What decides about the class of the last step for which something did.
        self.outcome: Outcome | None = None
        #: What the sleep is for, if the guard tells less; for a machine at rest.
        self.condition: Callable[[], object] | None = None
        #: The access class of the first step, which is to start; or what does it.
        self.access: Access = READ
        self.first: Callable[[], tuple[Access, object]] | None = None
        #: Whether it has been told to come down: its primitives are inert now.
        self.unwinding = False
        #: Free running only: the object whose raw lock the thread is inside.
        self.entered: Named | None = None
        self.waiting_on: Named | None = None
        self.lock: LockType | None = None
        #: Locks held, oldest first; a lock held twice (shared) stands twice.
        self.held: list[Named] = []
        #: How many spinlocks and the like forbid sleeping.
        self.atomic = 0
        #: Which interrupts cannot come in here, as a level, and which one it is itself.
        self.masked = 0
        self.interrupt: Interrupt | None = None
        self.rcu_depth = self.rcu_section = 0
        #: The subclass of the nested lock that it takes, or took last.
        self.subclass = 0
        #: The functions in which it announced its next step, where that is recorded.
        self.where: tuple[str, ...] = ()
        #: The task that runs here; the engine does not look inside.
        self.task: object = None

    def __repr__(self) -> str:
        return f"<thread {self.name}>"

    def waits(self) -> str:
        """Say in a phrase what the thread is about to do or waits for."""
        what = self.kind if self.obj is None else f"{self.kind} {self.obj.name}"
        return f"{what} ({self.sleep.value})" if self.guard else what


def _key(
    creator: Thread | None, made_by: Named | None, number: int
) -> tuple[object, ...]:
    if made_by is not None:
        return ("made by", made_by.uid, number)
    if creator is None:
        return ()
    creator.children += 1
    return (*creator.key, creator.children)


#: The model thread of the running OS thread, or of the running flow within one; a
#: context variable is found several times as quickly as a thread's local.
ambient: ContextVar[Thread | None] = ContextVar("pykmm thread", default=None)

#: Returns it, or None. Bound once: Python 3.11 binds a method of an imported name anew
#: at each call.
thread_here: Final = ambient.get


class AsThread:
    """Makes the calling OS thread a thread that only the host runs, for a block.

    With None it is no thread of a machine meanwhile.
    """

    def __init__(self, thread: Thread | None) -> None:
        self.thread = thread

    def __enter__(self) -> None:
        self.outer = thread_here()
        ambient.set(self.thread)

    def __exit__(self, *error: object) -> None:
        ambient.set(self.outer)


def current_thread() -> Thread:
    """Return the model thread that runs here, or say that there is none."""
    thread = thread_here()
    if thread is None:
        raise UsageError(
            "kernel code ran outside of a machine: call it from a scenario that "
            "explore() or replay() runs, or inside `with Machine():`"
        )
    return thread
