# SPDX-License-Identifier: GPL-2.0-only
"""Read sections and waiting for them — ``include/linux/rcupdate.h``, ``kernel/rcu/``.

A grace period that starts now ends when every section that is open now has been
left. Sections that begin later do not hold it up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.objects import Named
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..engine.thread import Sleep, current_thread, thread_here
from ..errors import ContextError
from ._waiting import refuse_host
from .kernel import might_sleep
from .preempt import SOFTIRQ, _run_as
from .refcount import _drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..engine.thread import Thread
    from .refcount import refcount_t

__all__ = [
    "call_rcu",
    "rcu",
    "rcu_read_lock",
    "rcu_read_lock_held",
    "rcu_read_unlock",
    "synchronize_rcu",
]


class _Section(Named):
    """One read section; whoever waits for its end takes a step on it."""

    def __init__(self, t: Thread) -> None:
        self.thread = t
        self.number = t.rcu_section
        self.left = False

    @property
    def uid(self) -> tuple[object, ...]:
        return ("rcu section", *self.thread.key, self.number)

    @property
    def name(self) -> str:
        return f"rcu:{self.thread.name}"

    def _is_left(self) -> bool:
        return self.left


class _RcuState(Named):
    """The machine's read sections: each thread's last one, open or not."""

    def __init__(self) -> None:
        self.last: dict[Thread, _Section] = {}

    @property
    def uid(self) -> str:
        return "rcu"

    @property
    def name(self) -> str:
        return "rcu"

    def begun(self) -> list[_Section]:
        """Return the sections that a grace period has to wait for if it starts now.

        Those that were left already are among them: whether they were before it
        started must make no difference to the steps of who waits, because nothing
        else depends on it.
        """
        return sorted(self.last.values(), key=lambda section: repr(section.uid))


_state = MachineLocal(_RcuState)
_UNORDERED = "callbacks run in any order"


@mirrors("include/linux/rcupdate.h", checked="v7.2", inline=True)
def rcu_read_lock() -> None:
    """Begin a read section, or go one deeper; only the outermost is a step.

    Context: Any; the thread must not sleep from here on.
    """
    t = thread_here() or current_thread()
    if t.rcu_depth == 0:
        state = _state()
        enter(state, "rcu_read_lock")
        t.rcu_section += 1
        state.last[t] = _Section(t)
        leave(t, state, Access.SHARE, t.name)
    t.rcu_depth += 1


@mirrors("include/linux/rcupdate.h", checked="v7.2", inline=True)
def rcu_read_unlock() -> None:
    """End what :func:`rcu_read_lock` began.

    Context: Called by the same thread.
    """
    t = thread_here() or current_thread()
    depth = t.rcu_depth
    if depth == 1:
        section = _state().last[t]
        enter(section, "rcu_read_unlock")
        section.left = True
        if t.is_boot:
            del _state().last[t]  # no step waits for the host
        leave(t, section, Access.RELEASE, t.name)
    elif depth == 0:
        if t.machine.stopping:
            return
        raise ContextError(f"{t.name} ends an RCU read section that it has not begun")
    t.rcu_depth = depth - 1


class rcu:
    """A read section for a block, as Linux's ``guard(rcu)`` makes one."""

    def __enter__(self) -> None:
        rcu_read_lock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        rcu_read_unlock()


@mirrors("include/linux/rcupdate.h", checked="v7.2", inline=True)
def rcu_read_lock_held() -> bool:
    """Tell whether the caller is in a read section.

    Context: Any. No step: nobody else can change the answer.
    """
    return current_thread().rcu_depth > 0


def _wait_for(sections: list[_Section], kind: str, sleep: Sleep) -> None:
    for section in sections:
        t = enter(section, kind, section._is_left, sleep)
        leave(t, section, Access.SHARE, section.thread.name, True)


def _callback(call: Callable[[], object], sections: list[_Section]) -> None:
    """Wait for a grace period's end, and run *call* as softirqs do."""
    _wait_for(sections, "grace_period", Sleep.INTERRUPTIBLE)
    _run_as(SOFTIRQ, call)


@mirrors("kernel/rcu/tree.c", checked="v7.2", abridged=_UNORDERED, inline=True)
def call_rcu(callback: Callable[[], object], name: str = "rcu") -> None:
    """Have *callback* run when all readers that may see the past have left.

    It runs on a thread of its own, called ``rcu:`` and *name*.

    Context: Any; never sleeps. The callback runs in softirq context.
    """
    state = _state()
    t = enter(state, "call_rcu")
    sections = state.begun()
    leave(t, state, Access.ADD, name)
    t.machine.thread(f"rcu:{name}", lambda: _callback(callback, sections))


def _put_and_call_rcu(r: refcount_t, callback: Callable[[], object], name: str) -> None:
    """Give a reference on *r* back; after the last one, ``call_rcu(callback)``.

    Which of several droppers is the last makes no difference: the callback belongs
    to the object, as its ``rcu_head`` does, so that even the call is the first step
    of the callback's thread. It may come later than in Linux, but a grace period
    may begin late there, too.

    Context: Any; never sleeps. The callback runs in softirq context.
    """
    state = _state()
    if not _drop(r):
        return

    def _body() -> None:
        _callback(callback, state.begun())

    current_machine().thread(
        f"rcu:{name}",
        _body,
        obj=state,
        kind="call_rcu",
        access=Access.ADD,
        made_by=r,
    )


@mirrors("kernel/rcu/tree.c", checked="v7.2", inline=True)
def synchronize_rcu() -> None:
    """Wait until all readers that may see the past have left.

    Context: May sleep.
    """
    might_sleep()
    state = _state()
    t = enter(state, "synchronize_rcu")
    sections = state.begun()
    if not all(section.left for section in sections):
        refuse_host(t, state)
    leave(t, state, Access.ADD, None)
    _wait_for(sections, "synchronize_rcu_wait", Sleep.UNINTERRUPTIBLE)
