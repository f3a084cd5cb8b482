# SPDX-License-Identifier: GPL-2.0-only
"""Between a program and the kernel — ``kernel/entry/common.c``.

A process's program is a Python callable. It meets its signals where a real
process does: on the way back from each system call, and while it sleeps.
"""

from __future__ import annotations

from collections.abc import Callable

from ...engine.annotate import mirrors
from ...engine.thread import current_thread
from ...linux.sched import current
from ...linux.sched.signal import signal_pending
from ...linux.signal import sigaction
from ...linux.uapi import SA_NODEFER, SA_SIGINFO
from ..sched.core import TaskGone
from ..signal_action import _sleep_until_signal, set_current_blocked
from ..signal_deliver import get_signal, ksignal

__all__ = ["NewProgram", "exit_to_user_mode_loop", "user_mode"]


@mirrors("kernel/entry/common.c", checked="v7.2", abridged="signals are the only work")
def exit_to_user_mode_loop() -> sigaction | None:
    """Take all pending signals before the program goes on; a handler runs here.

    Context: No lock held. Does not return if the task is to die.
    Return: The action of the first handler that ran, which decides what becomes of
        the system call that the signal interrupted.
    """
    if current_thread().is_boot:
        return None
    first: sigaction | None = None
    # The look is a step: whether a signal came before or after it is what decides.
    while signal_pending(current()):
        found = get_signal()
        if found is None:
            _restore_saved_sigmask()
            continue
        first = first or found.ka
        _handle_signal(found)
    return first


def _restore_saved_sigmask() -> None:
    """Undo what ``sigsuspend()`` has blocked, if no handler is to do it."""
    task = current()
    if task.saved_sigmask is not None:
        saved, task.saved_sigmask = task.saved_sigmask, None
        set_current_blocked(saved)


def _handle_signal(found: ksignal) -> None:
    """Run a handler, with what is blocked meanwhile, and come back from it."""
    task = current()
    before = task.blocked
    if task.saved_sigmask is not None:
        before, task.saved_sigmask = task.saved_sigmask, None
    sig, ka = found.info.si_signo, found.ka
    own = set() if ka.sa_flags & SA_NODEFER else {sig}
    set_current_blocked(task.blocked | ka.sa_mask | own)
    handler = ka.sa_handler
    assert callable(handler)  # else there is nothing to run
    if ka.sa_flags & SA_SIGINFO:
        handler(sig, found.info)
    else:
        handler(sig)
    set_current_blocked(before)


def _run(
    program: Callable[[], object],
) -> tuple[Callable[[], object] | None, object]:
    """Run a program: what replaced it, if anything did, else its result."""
    try:
        return None, program()
    except NewProgram as replaced:
        return replaced.program, None


class NewProgram(BaseException):
    """Leaves a program that was replaced, for the one that came in its place."""

    def __init__(self, program: Callable[[], object] | None) -> None:
        super().__init__()
        self.program = program


def user_mode(program: Callable[[], object] | None) -> object:
    """Be a process: run its program, then sleep until it is killed.

    A program that returns leaves its process asleep, as a daemon between two
    jobs; it calls ``exit_group()`` to end it.
    """
    result: object = None
    try:
        exit_to_user_mode_loop()
        while program is not None:
            program, result = _run(program)
            current_thread().result = result
        while True:
            _sleep_until_signal()
            exit_to_user_mode_loop()
    except TaskGone:
        return result
