# SPDX-License-Identifier: GPL-2.0-only
"""Waiting until something has been done — ``include/linux/completion.h``.

``done`` counts completions that nobody has consumed yet, so it does not matter
who comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep, Thread
from ..errno import ERESTARTSYS
from ._primitive import Primitive
from ._waiting import look_at_signals, wait_for
from .kernel import might_sleep

if TYPE_CHECKING:
    from ..engine.objects import Struct

__all__ = [
    "complete",
    "complete_all",
    "completion",
    "completion_done",
    "init_completion",
    "reinit_completion",
    "try_wait_for_completion",
    "wait_for_completion",
    "wait_for_completion_killable",
]

#: What ``done`` becomes when everybody may pass from now on.
UINT_MAX: Final = (1 << 32) - 1

_ORDER = "waiters pass in any order, as those that come late may in Linux"


class completion(Primitive):
    """Something that will be done."""

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        self.done = 0

    def _is_done(self) -> bool:
        return self.done > 0


def init_completion(x: completion) -> None:
    """Say that nothing has been done; no step, for nobody else knows *x* yet."""
    x.done = 0


@mirrors("include/linux/completion.h", checked="v7.2", inline=True)
def reinit_completion(x: completion) -> None:
    """Say that nothing has been done since, to use *x* again.

    Context: Nobody waits for *x*.
    """
    t = enter(x, "reinit_completion")
    x.done = 0
    leave(t, x, Access.WRITE, 0)


@mirrors("kernel/sched/completion.c", checked="v7.2", inline=True)
def complete(x: completion) -> None:
    """Let one waiter pass, now or later.

    Context: Any; never sleeps.
    """
    t = enter(x, "complete")
    if x.done != UINT_MAX:
        x.done += 1
    leave(t, x, Access.WRITE, x.done)


@mirrors("kernel/sched/completion.c", checked="v7.2", inline=True)
def complete_all(x: completion) -> None:
    """Let everybody pass, now and later.

    Context: Any; never sleeps.
    """
    t = enter(x, "complete_all")
    x.done = UINT_MAX
    leave(t, x, Access.WRITE, "all")


def _consume(x: completion, t: Thread, *, waited: bool) -> None:
    if x.done == UINT_MAX:
        leave(t, x, Access.WAIT if waited else Access.READ, "all", waited)
        return
    x.done -= 1
    leave(t, x, Access.WRITE, x.done, waited)


def _try(x: completion, kind: str) -> bool:
    t = enter(x, kind)
    if x.done:
        _consume(x, t, waited=False)
        return True
    leave(t, x, Access.READ, 0)
    return False


@mirrors("kernel/sched/completion.c", checked="v7.2", abridged=_ORDER, inline=True)
def wait_for_completion(x: completion) -> None:
    """Wait until it has been done, and consume that.

    Context: May sleep.
    """
    might_sleep()
    t = enter(x, "wait_for_completion", x._is_done)
    _consume(x, t, waited=True)


@mirrors("kernel/sched/completion.c", checked="v7.2", abridged=_ORDER, inline=True)
def wait_for_completion_killable(x: completion) -> int:
    """Wait until it has been done, or until killed.

    Context: May sleep. What has been done already is consumed even by a task
        that is being killed.
    Return: 0, or -ERESTARTSYS with nothing consumed.
    """
    might_sleep()
    kind = "wait_for_completion_killable"
    if _try(x, kind):
        return 0
    if look_at_signals(Sleep.KILLABLE):
        return -ERESTARTSYS
    t = wait_for(x, f"{kind}_wait", x._is_done, Sleep.KILLABLE)
    if t is None:
        return -ERESTARTSYS
    _consume(x, t, waited=True)
    return 0


@mirrors("kernel/sched/completion.c", checked="v7.2", inline=True)
def try_wait_for_completion(x: completion) -> bool:
    """Consume a completion if there is one.

    Context: Any; never sleeps.
    Return: Whether there was one.
    """
    return _try(x, "try_wait_for_completion")


@mirrors("kernel/sched/completion.c", checked="v7.2", inline=True)
def completion_done(x: completion) -> bool:
    """Tell whether a waiter would pass at once.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(x, "completion_done")
    done = x.done > 0
    leave(t, x, Access.READ, "all" if x.done == UINT_MAX else x.done)
    return done
