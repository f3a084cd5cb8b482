# SPDX-License-Identifier: GPL-2.0-only
"""Signals that a thread brings on itself — part of ``kernel/signal.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.pid import PIDTYPE_PID
from ..linux.sched import current, task_struct
from ..linux.sched.signal import SIGNAL_UNKILLABLE
from ..linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from ..linux.uapi import SIG_DFL, SIG_IGN
from .signal import __send_signal_locked, signal_wake_up_state

__all__ = ["force_sig_fault", "force_sig_info_to_task"]


@mirrors("kernel/signal.c", checked="v7.2", abridged="no siginfo; nobody is traced")
def force_sig_info_to_task(sig: int, t: task_struct) -> int:
    """Send *t* a signal that it can handle, but neither block nor ignore.

    Context: Takes siglock.
    """
    sighand = t.sighand
    assert sighand is not None  # *t* is current
    spin_lock_irqsave(sighand.siglock)
    blocked = sig in t.blocked
    if blocked or sighand._action(sig) == SIG_IGN:
        sighand.action = {**sighand.action, sig: SIG_DFL}
        if blocked:
            t.blocked = t.blocked - {sig}
    if sighand._action(sig) == SIG_DFL:
        t.signal.flags &= ~SIGNAL_UNKILLABLE
    ret = __send_signal_locked(sig, t, PIDTYPE_PID, False)
    if not t._signal_pending():
        signal_wake_up_state(t)
    spin_unlock_irqrestore(sighand.siglock)
    return ret


@mirrors("kernel/signal.c", checked="v7.2", abridged="no siginfo")
def force_sig_fault(sig: int, code: int, addr: int) -> int:
    """Send current the signal *sig* for its access to *addr*.

    Context: As :func:`force_sig_info_to_task`.
    """
    del code, addr  # a handler here is told nothing but the number
    return force_sig_info_to_task(sig, current())
