# SPDX-License-Identifier: GPL-2.0-only
"""Waits that a signal may end.

A task, as far as waiting goes, answers two questions without a step, and names
the object whose steps change the answers.

Before a thread sleeps it looks at its signals in a step of its own, as Linux
does. Whatever a signal can do to the wait, it does in some order of that step and
the sender's; so an explorer finds it, even if the wait was over before the signal
came in all that it has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..engine.events import Access
from ..engine.guards import AnyOf
from ..engine.step import enter, leave
from ..engine.thread import Sleep, Thread, current_thread
from ..errors import WouldWait

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..engine.objects import Named

    class _Signalled(Protocol):
        """What ``thread.task`` answers."""

        def _fatal_signal_pending(self) -> bool: ...

        def _signal_pending(self) -> bool: ...

        @property
        def _signal_object(self) -> Named: ...


__all__ = ["fatal_or_any", "look_at_signals", "or_signal", "refuse_host", "wait_for"]


def fatal_or_any(t: Thread, sleep: Sleep) -> bool:
    """Tell, without a step, whether a signal ends a wait of the kind *sleep*."""
    return _hearing(t, sleep)()


def _hearing(t: Thread, sleep: Sleep) -> Callable[[], bool]:
    """Return what :func:`fatal_or_any` asks: guards are asked before every step."""
    if not sleep.hears_signals or t.task is None:
        return bool
    task = cast("_Signalled", t.task)
    return (
        task._fatal_signal_pending if sleep is Sleep.KILLABLE else task._signal_pending
    )


def look_at_signals(sleep: Sleep) -> bool:
    """Tell whether a signal forbids to begin a wait of the kind *sleep*."""
    t = current_thread()
    if not sleep.hears_signals or t.task is None:
        return False
    signals = cast("_Signalled", t.task)._signal_object
    t = enter(signals, "signal_pending_state")
    pending = fatal_or_any(t, sleep)
    leave(t, signals, Access.READ, pending)
    return pending


def or_signal(
    obj: Named, ready: Callable[[], object], sleep: Sleep
) -> Callable[[], object]:
    """Make a guard of *ready*, which looks at *obj*: a signal lets current go on, too.

    What *sleep* says about signals holds.
    """
    t = current_thread()
    if not sleep.hears_signals or t.task is None:
        return ready
    signals = cast("_Signalled", t.task)._signal_object
    return AnyOf((obj, ready), (signals, _hearing(t, sleep)))


def refuse_host(t: Thread, obj: Named) -> None:
    """Tell the host, between two runs, that there is nobody to wait for.

    Context: Inside a step on *obj*, before the caller is queued.
    """
    if t.is_boot and not t.machine.stopping:
        raise WouldWait(
            f"host code would have to wait for {obj.name}: call it on a thread of the "
            "machine, or run the machine to rest first"
        )


def wait_for(
    obj: Named, kind: str, ready: Callable[[], bool], sleep: Sleep
) -> Thread | None:
    """Wait until *ready*, or for a signal if *sleep* allows one to end the wait.

    Return: The running thread, inside its step on *obj*, which the caller ends;
        None if a signal came first: then the step is over and did nothing.
    """
    t = enter(obj, kind, or_signal(obj, ready, sleep), sleep)
    if not sleep.hears_signals or ready() or t.machine.stopping:
        return t
    leave(t, obj, Access.WAIT, "signal", True)
    return None
