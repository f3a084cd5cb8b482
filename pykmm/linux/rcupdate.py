# SPDX-License-Identifier: GPL-2.0-only
"""Read sections and waiting for them — ``include/linux/rcupdate.h``, ``kernel/rcu/``.

A grace period that starts now ends when every section that is open now has been
left. Sections that begin later do not hold it up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import MachineLocal, enter, leave
from ..engine.objects import Named
from ..engine.thread import ambient, current_thread
from ..errors import ContextError
from ._waiting import refuse_host
from .kernel import might_sleep

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..engine.thread import Thread

__all__ = [
    "call_rcu",
    "rcu",
    "rcu_read_lock",
    "rcu_read_lock_held",
    "rcu_read_unlock",
    "synchronize_rcu",
]


class _RcuState(Named):
    """The machine's open read sections: by thread, the number of its section."""

    def __init__(self) -> None:
        self.open: dict[Thread, int] = {}

    @property
    def uid(self) -> str:
        return "rcu"

    @property
    def name(self) -> str:
        return "rcu"

    def grace_period(self) -> Callable[[], bool]:
        """Return a guard that holds once all sections open now have been left."""
        before = list(self.open.items())
        sections = self.open

        def over() -> bool:
            return not any(sections.get(t) == number for t, number in before)

        return over


_state = MachineLocal(_RcuState)
_UNORDERED = "callbacks run in any order"


@mirrors("include/linux/rcupdate.h", checked="v7.2", inline=True)
def rcu_read_lock() -> None:
    """Begin a read section, or go one deeper; only the outermost is a step.

    Context: Any; the thread must not sleep from here on.
    """
    t = ambient.thread or current_thread()
    if t.rcu_depth == 0:
        state = _state()
        enter(state, "rcu_read_lock")
        t.rcu_section += 1
        state.open[t] = t.rcu_section
        leave(t, state, Access.SHARE, len(state.open))
    t.rcu_depth += 1


@mirrors("include/linux/rcupdate.h", checked="v7.2", inline=True)
def rcu_read_unlock() -> None:
    """End what :func:`rcu_read_lock` began.

    Context: Called by the same thread.
    """
    t = ambient.thread or current_thread()
    if t.rcu_depth == 0:
        if t.machine.stopping:
            return
        raise ContextError(f"{t.name} ends an RCU read section that it has not begun")
    if t.rcu_depth == 1:
        state = _state()
        enter(state, "rcu_read_unlock")
        state.open.pop(t, None)
        leave(t, state, Access.UNSHARE, len(state.open))
    t.rcu_depth -= 1


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


@mirrors("kernel/rcu/tree.c", checked="v7.2", abridged=_UNORDERED, inline=True)
def call_rcu(callback: Callable[[], object], name: str = "rcu") -> None:
    """Have *callback* run when all readers that may see the past have left.

    It runs on a thread of its own, called ``rcu:`` and *name*.

    Context: Any; never sleeps. The callback runs in softirq context.
    """
    state = _state()
    t = enter(state, "call_rcu")
    over = state.grace_period()
    leave(t, state, Access.WRITE, name)

    def body() -> None:
        runner = current_thread()
        runner.atomic += 1
        callback()
        runner.atomic -= 1

    t.machine.thread(
        f"rcu:{name}",
        body,
        obj=state,
        kind="grace_period",
        guard=over,
        access=Access.WAIT,
    )


@mirrors("kernel/rcu/tree.c", checked="v7.2", inline=True)
def synchronize_rcu() -> None:
    """Wait until all readers that may see the past have left.

    Context: May sleep.
    """
    might_sleep()
    state = _state()
    t = enter(state, "synchronize_rcu")
    over = state.grace_period()
    done = over()
    if not done:
        refuse_host(t, state)
    leave(t, state, Access.WRITE, len(state.open))
    if not done:
        t = enter(state, "synchronize_rcu_wait", over)
        leave(t, state, Access.WAIT, len(state.open), True)
