# SPDX-License-Identifier: GPL-2.0-only
"""Signals that a thread brings on itself — part of ``kernel/signal.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.pid import PIDTYPE_PID
from ..linux.sched import current, task_struct
from ..linux.sched.signal import SIGNAL_UNKILLABLE, signal_wake_up
from ..linux.signal import SEND_SIG_PRIV, kernel_siginfo
from ..linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from ..linux.uapi import SIG_DFL, SIG_IGN
from .signal_queue import _ptrace
from .signal_send import send_signal_locked

__all__ = ["force_fatal_sig", "force_sig", "force_sig_fault", "force_sig_info_to_task"]


@mirrors("kernel/signal.c", checked="v7.2", abridged="seccomp forces nothing")
def force_sig_info_to_task(
    info: kernel_siginfo, t: task_struct, *, fatal: bool = False
) -> int:
    """Send *t* a signal that it can neither block nor ignore, nor handle if *fatal*.

    Context: Takes siglock.
    """
    sig = info.si_signo
    sighand = t.sighand
    assert sighand is not None  # *t* is current
    spin_lock_irqsave(sighand.siglock)
    blocked = sig in t.blocked
    if blocked or fatal or sighand._action(sig) == SIG_IGN:
        sighand.action = {**sighand.action, sig: SIG_DFL}
        if blocked:
            t.blocked = t.blocked - {sig}
    # A tracer is not to make init killable.
    if sighand._action(sig) == SIG_DFL and not _ptrace(t):
        t.signal.flags &= ~SIGNAL_UNKILLABLE
    ret = send_signal_locked(sig, info, t, PIDTYPE_PID)
    if not t._signal_pending():
        signal_wake_up(t, False)
    spin_unlock_irqrestore(sighand.siglock)
    return ret


@mirrors("kernel/signal.c", checked="v7.2")
def force_sig(sig: int) -> None:
    """Send current a signal on behalf of the kernel, which it cannot evade.

    Context: As :func:`force_sig_info_to_task`.
    """
    force_sig_info_to_task(kernel_siginfo(sig, SEND_SIG_PRIV.si_code), current())


@mirrors("kernel/signal.c", checked="v7.2")
def force_fatal_sig(sig: int) -> None:
    """Kill current by *sig* on behalf of the kernel, whatever its handlers are.

    Context: As :func:`force_sig_info_to_task`.
    """
    info = kernel_siginfo(sig, SEND_SIG_PRIV.si_code)
    force_sig_info_to_task(info, current(), fatal=True)


@mirrors("kernel/signal.c", checked="v7.2")
def force_sig_fault(sig: int, code: int, addr: int) -> int:
    """Send current the signal *sig* for its access to *addr*.

    Context: As :func:`force_sig_info_to_task`.
    """
    return force_sig_info_to_task(kernel_siginfo(sig, code, si_addr=addr), current())
