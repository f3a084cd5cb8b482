# SPDX-License-Identifier: GPL-2.0-only
"""What the host does with a process, or with one thread of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from attrs import frozen

from ..engine.objects import Named
from ..engine.standing import Point
from ..engine.thread import AsThread, ThreadState
from ..errors import UsageError, check_is, check_plain
from ..kernel.entry.common import user_mode
from ..linux.mm_types import mm_struct
from ..linux.rculist import list_entries
from ..linux.sched import task_struct

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["Process"]

_F = TypeVar("_F", bound=Callable[[], object])
_P = ParamSpec("_P")
_R = TypeVar("_R")


@frozen(eq=False)
class Process:
    """A handle on a process of a machine, for the host.

    What it says of a thread is true of the main one; :attr:`threads` has the others.
    """

    machine: Machine
    task: task_struct
    name: str
    #: The addresses of each mapping that it was spawned with, to give to ``touch()``.
    memory: tuple[range, ...] = ()

    @property
    def pid(self) -> int:
        """The process's number; whoever knew it goes on knowing it."""
        number: int = self.task.__dict__["pid"]
        return number

    @property
    def mm(self) -> mm_struct | None:
        """The address space that the main thread shows, if it still does."""
        found: mm_struct | None = self.task.__dict__["mm"]
        return found

    @property
    def space(self) -> mm_struct:
        """The address space, which it has to show still."""
        if self.mm is None:
            raise UsageError(
                f"space: {self.name} shows no address space any more: ask before it "
                "exits, and keep the answer"
            )
        return self.mm

    @property
    def threads(self) -> tuple[Process, ...]:
        """A handle on each thread that is left, the oldest first."""
        tasks: list[task_struct] = list_entries(self.task.signal.thread_head)
        return tuple(Process(self.machine, t, t._thread_name) for t in tasks)

    @property
    def result(self) -> object:
        """What the program returned; None before, or if it was killed first."""
        thread = self.task._thread
        return None if thread is None else thread.result

    @property
    def where(self) -> str:
        """Say which step it is about to take, or waits to take."""
        thread = self.task._thread
        if thread is None:
            return "it sleeps and has no program"
        if thread.state is ThreadState.DONE:
            return "it has ended"
        return f"it is at {thread.waits()}"

    def runs(self, program: _F) -> _F:
        """Give the process a program, to start with the machine's next run."""
        self.machine.host_only("runs")
        check_plain(f"runs(): the program of {self.name}", program, "a function")
        if self.task._thread is not None:
            raise UsageError(
                f"{self.name} has a program already: spawn another process for "
                f"{getattr(program, '__name__', program)!r}"
            )
        task = self.task
        task._thread = self.machine.thread(
            task._thread_name, lambda: user_mode(program), task=task
        )
        return program

    def call(
        self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Run kernel code, or a system call, as this process, and return its answer.

        The host does it at once, and nobody runs beside it. So it is no part of what
        is explored, and must not have to wait: a program can.
        """
        check_plain("call(): function", function, "a function")
        self._needs_life("call")
        self.machine.host_only("call")
        with AsThread(self.machine.host_thread(self.name, self.task)):
            return function(*args, **kwargs)

    # -- making it stand still ---------------------------------------------------

    def freeze(self) -> None:
        """Have it take no step any more, wherever it is, until :meth:`thaw`.

        This is nothing that the process or the kernel could notice; what they know is
        the freezer, in :mod:`pykmm.kernel.freezer`.
        """
        self._needs_life("freeze")
        self.machine.host_only("freeze")
        if self.task in self.machine.standing:
            raise UsageError(
                f"freeze(): {self.name} is frozen already: thaw() it first"
            )
        self.machine.standing.stop(self.task)

    def thaw(self) -> None:
        """Let it go on, with the machine's next run."""
        self.machine.host_only("thaw")
        if self.task not in self.machine.standing:
            raise UsageError(f"thaw(): {self.name} is not frozen")
        self.machine.standing.go(self.task)

    def step_to(
        self,
        kind: str = "",
        *,
        on: Named | None = None,
        inside: Callable[..., Any] | None = None,
    ) -> None:
        """Run until the process is about to take a certain step, and freeze it there.

        It is the next step that is of the *kind*, such as ``"set_bit"``, *on* the
        object, such as ``mm.mmap_lock``, and *inside* of the kernel function; at least
        one of the three is to be said. Everybody else goes on until nobody can. Who is
        frozen is thawed for this.
        """
        self._needs_life("step_to")
        self.machine.host_only("step_to")
        if not kind and on is None and inside is None:
            raise UsageError(
                "step_to(): nothing says which step: give a kind, on= or inside="
            )
        check_is("step_to(): kind", kind, str, "a word, as 'set_bit'")
        check_is("step_to(): on", on, Named | None, "an object, as mm.mmap_lock")
        if inside is not None and not hasattr(inside, "__name__"):
            raise UsageError(f"step_to(): inside={inside!r} must be a kernel function")
        point = Point(kind, on, "" if inside is None else inside.__name__)
        standing = self.machine.standing
        if self.task in standing:
            standing.go(self.task)
        if not standing.run_to(self.task, point):
            raise UsageError(
                f"step_to(): {self.name} never came to {point}: {self.where}"
            )

    def _needs_life(self, verb: str) -> None:
        if self.task._death is not None or self.task.__dict__["exit_state"]:
            raise UsageError(f"{verb}(): {self.name} has ended: do it before that")
