# SPDX-License-Identifier: GPL-2.0-only
"""What a program does about its signals — part of ``kernel/signal.c``."""

from __future__ import annotations

from collections.abc import Set

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..errno import EINVAL, ERESTARTNOHAND, Errno
from ..linux.sched import current, task_struct
from ..linux.sched.signal import sighand_struct, thread_group_empty
from ..linux.signal import k_sigaction, sigaction
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq
from ..linux.uapi import (
    _NSIG,
    SIG_BLOCK,
    SIG_IGN,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SIGKILL,
    SIGSTOP,
)
from .signal_deliver import retarget_shared_pending
from .signal_queue import (
    _threads,
    flush_sigqueue_mask,
    recalc_sigpending,
    sig_kernel_only,
)
from .signal_send import sig_handler_ignored

__all__ = [
    "do_sigaction",
    "flush_signal_handlers",
    "pause",
    "set_current_blocked",
    "sigpending",
    "sigprocmask",
    "sigsuspend",
]


def _own_sighand() -> sighand_struct:
    sighand: sighand_struct | None = current().__dict__["sighand"]
    assert sighand is not None  # only a released task has none
    return sighand


@mirrors(
    "kernel/signal.c",
    checked="v7.2",
    abridged="under siglock; what is ignored always stays ignored",
)
def flush_signal_handlers() -> None:
    """Forget the handlers of a program that is no more.

    Context: Takes siglock. Current is alone with its actions.
    """
    sighand = _own_sighand()
    spin_lock_irq(sighand.siglock)
    kept: dict[int, k_sigaction] = {
        sig: SIG_IGN for sig in sighand.action if sighand._action(sig) == SIG_IGN
    }
    sighand.action = kept
    spin_unlock_irq(sighand.siglock)


@mirrors("kernel/signal.c", checked="v7.2", abridged="no action is immutable")
def do_sigaction(sig: int, act: k_sigaction | None) -> sigaction | Errno:
    """Set what current's process does about *sig*; None only asks.

    What is pending and ignored from now on is forgotten, even if it is blocked.

    Context: Takes siglock.
    Return: What was set before, or -EINVAL.
    """
    if not 1 <= sig <= _NSIG or (act is not None and sig_kernel_only(sig)):
        return -EINVAL
    p, sighand = current(), _own_sighand()
    spin_lock_irq(sighand.siglock)
    before = sighand._sigaction(sig)
    if act is not None:
        sighand.action = {**sighand.action, sig: act}
        if sig_handler_ignored(sighand._action(sig), sig):
            flush_sigqueue_mask(p, frozenset({sig}))
            for t in _threads(p):
                flush_sigqueue_mask(t, frozenset({sig}), private=True)
    spin_unlock_irq(sighand.siglock)
    return before


# -- what is blocked -------------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2")
def __set_task_blocked(tsk: task_struct, newset: Set[int]) -> None:
    """Block *newset* and nothing else; others take what it would have taken.

    Context: siglock held; *tsk* is current.
    """
    if tsk._signal_pending() and not thread_group_empty(tsk):
        retarget_shared_pending(tsk, newset - tsk.blocked)
    tsk.blocked = newset
    recalc_sigpending()


@mirrors("kernel/signal.c", checked="v7.2")
def __set_current_blocked(newset: Set[int]) -> None:
    """Block *newset*, whatever is in it.

    Context: Takes siglock, unless nothing changes.
    """
    tsk = current()
    if tsk.blocked == newset:
        return
    spin_lock_irq(_own_sighand().siglock)
    __set_task_blocked(tsk, newset)
    spin_unlock_irq(_own_sighand().siglock)


@mirrors("kernel/signal.c", checked="v7.2")
def set_current_blocked(newset: Set[int]) -> None:
    """Block *newset*, except what nobody can block.

    Context: As :func:`__set_current_blocked`.
    """
    __set_current_blocked(newset - {SIGKILL, SIGSTOP})


@mirrors("kernel/signal.c", checked="v7.2")
def sigprocmask(how: int, wanted: Set[int]) -> Set[int] | Errno:
    """Change what current blocks.

    Context: As :func:`__set_current_blocked`.
    Return: What it blocked before, or -EINVAL.
    """
    before = current().blocked
    if how == SIG_BLOCK:
        newset = before | wanted
    elif how == SIG_UNBLOCK:
        newset = before - wanted
    elif how == SIG_SETMASK:
        newset = wanted
    else:
        return -EINVAL
    set_current_blocked(frozenset(newset))
    return before


def sigpending() -> Set[int]:
    """System call: return what is pending for current and blocked."""
    tsk = current()
    spin_lock_irq(_own_sighand().siglock)
    found = (tsk.pending | tsk.signal.shared_pending) & tsk.blocked
    spin_unlock_irq(_own_sighand().siglock)
    return found


# -- waiting for a signal --------------------------------------------------------------


def _sleep_until_signal() -> None:
    """Sleep until a signal arrives, unless one is there."""
    task = current()
    mark = task._signal_object
    t = enter(mark, "pause", task._signal_pending, sleep=Sleep.INTERRUPTIBLE)
    leave(t, mark, Access.WAIT, blocking=True)


@mirrors("kernel/signal.c", checked="v7.2")
def pause() -> Errno:
    """System call: sleep until a handler has run.

    Return: To the program, -EINTR.
    """
    _sleep_until_signal()
    return -ERESTARTNOHAND


@mirrors("kernel/signal.c", checked="v7.2")
def sigsuspend(wanted: Set[int]) -> Errno:
    """System call: block *wanted* instead, until a handler has run.

    Return: To the program, -EINTR, with what was blocked before blocked again.
    """
    task = current()
    task.saved_sigmask = task.blocked
    set_current_blocked(wanted)
    _sleep_until_signal()
    return -ERESTARTNOHAND
