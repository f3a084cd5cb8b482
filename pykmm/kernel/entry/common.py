# SPDX-License-Identifier: GPL-2.0-only
"""Between a program and the kernel — ``kernel/entry/common.c``.

A process's program is a Python callable. It meets its signals where a real
process does: on the way back from each system call, and while it sleeps.
"""

from __future__ import annotations

from collections.abc import Callable

from ...engine.annotate import mirrors
from ...engine.events import Access
from ...engine.machine import enter, leave
from ...engine.thread import Sleep, current_thread
from ...linux.sched import current
from ...linux.sched.signal import signal_pending
from ..sched.core import TaskGone
from ..signal_deliver import get_signal

__all__ = ["exit_to_user_mode_loop", "pause", "user_mode"]


@mirrors("kernel/entry/common.c", checked="v7.2", abridged="signals are the only work")
def exit_to_user_mode_loop() -> None:
    """Take all pending signals before the program goes on; a handler runs here.

    Context: No lock held. Does not return if the task is to die.
    """
    if current_thread().is_boot:
        return
    # The look is a step: whether a signal came before or after it is what decides.
    while signal_pending(current()):
        found = get_signal()
        if found is not None and callable(found[1]):
            found[1](found[0])


def _sleep_until_signal() -> None:
    """Sleep until a signal arrives."""
    task = current()
    mark = task._signal_object
    t = enter(mark, "pause", task._signal_pending, sleep=Sleep.INTERRUPTIBLE)
    leave(t, mark, Access.WAIT, blocking=True)


def pause() -> None:
    """System call: sleep until a signal arrives, and take it."""
    _sleep_until_signal()
    exit_to_user_mode_loop()


def user_mode(program: Callable[[], object] | None) -> object:
    """Be a process: run its program, then sleep until it is killed.

    A program that returns leaves its process asleep, as a daemon between two
    jobs; it calls ``exit_group()`` to end it.
    """
    result: object = None
    try:
        exit_to_user_mode_loop()
        if program is not None:
            result = program()
            current_thread().result = result
        while True:
            pause()
    except TaskGone:
        return result
