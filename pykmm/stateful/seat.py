# SPDX-License-Identifier: GPL-2.0-only
"""Who makes calls, and what a call is; both know of the world only who is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import ClassVar, Final, Protocol

from attrs import frozen

from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.sync import Cell
from ..engine.thread import Sleep
from ..kernel.entry.common import exit_to_user_mode_loop
from ..linux.memcontrol import mem_cgroup
from ..linux.sched import current, task_struct
from .model import State

__all__ = ["LOST", "Call", "Crowd", "Seat"]


class Crowd(Protocol):
    """Who is there, as far as calls and threads have to know."""

    state: State
    group: mem_cgroup

    @property
    def size(self) -> int:
        """How many threads can be asked for calls."""

    def add(self, seat: Seat) -> None:
        """Take a seat in."""

    def pid_of(self, by: int) -> int:
        """Return the process of the thread that ``by`` of a call means."""

    def whom(self, whom: int) -> int:
        """Return the process that ``whom`` of a call or a step means."""


class _Lost:
    def __repr__(self) -> str:
        return "nothing"


#: The answer of a call that did not return, because its caller was killed.
LOST: Final = _Lost()


@frozen
class Call:
    """A call by one thread. Derive from this for a call of your own."""

    #: Whether it may need pages, of which a cgroup may have no more.
    charges: ClassVar[bool] = False

    by: int = 0

    def bound(self, world: Crowd) -> Call:
        """Return the call with numbers of threads, processes and pages in it."""
        return self

    def perform(self, seat: Seat) -> object:
        """Make the call, on the thread of *seat*."""
        raise NotImplementedError

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        """Yield what *state* may become of a call of process *pid* with this answer.

        Nothing is yielded for an answer that is wrong. :data:`LOST` is right
        wherever any answer is: whether the caller was killed, others look at.
        """
        raise NotImplementedError


class Seat:
    """A thread of a program that makes the calls it is asked for, one by one."""

    def __init__(self, world: Crowd) -> None:
        self.world = world
        self.task: task_struct | None = None
        self.tid = self.pid = 0
        self.inbox: deque[Call] = deque()
        self.answers: list[object] = []
        self.desk = Cell(0)

    def live(self) -> None:
        """Be the thread's program: sleep until there is a call to make."""
        task = self.task = current()
        self.tid, self.pid = task.__dict__["pid"], task.__dict__["tgid"]
        while True:
            t = enter(
                self.desk,
                "await_call",
                lambda: self.inbox or task._signal_pending(),
                Sleep.INTERRUPTIBLE,
            )
            leave(t, self.desk, Access.READ, len(self.inbox), blocking=True)
            exit_to_user_mode_loop()
            while self.inbox:
                self.answers.append(self.inbox.popleft().perform(self))

    def live_on(self) -> None:
        """Be the program that an exec has put in place of this one."""
        self.answers.append(0)
        self.live()

    @property
    def is_taken(self) -> bool:
        """Whether the thread is there."""
        return self.task is not None and not self.task.__dict__["exit_state"]

    def another(self) -> Callable[[], None]:
        """Return the program of a new task, which takes a seat, too."""
        seat = Seat(self.world)
        self.world.add(seat)
        return seat.live
