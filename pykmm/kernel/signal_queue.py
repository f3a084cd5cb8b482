# SPDX-License-Identifier: GPL-2.0-only
"""Pending signals, and the threads that are to take them — part of ``kernel/signal.c``.

Everything here happens under siglock. Each set of pending signals stands beside a
list of what is known about them; SIGKILL is in no list.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import thread_here
from ..linux.bitops import clear_bit
from ..linux.bug import WARN_ON_ONCE
from ..linux.compiler import READ_ONCE
from ..linux.freezer import freezing
from ..linux.rculist import list_entries
from ..linux.rcupdate import rcu
from ..linux.sched import PF_EXITING, TIF_SIGPENDING, current, task_struct
from ..linux.sched.jobctl import (
    JOBCTL_PENDING_MASK,
    JOBCTL_STOP_CONSUME,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_TRAPPING,
)
from ..linux.sched.signal import (
    SIGNAL_STOP_STOPPED,
    sighand_struct,
    signal_set_stop_flags,
)
from ..linux.signal import kernel_siginfo
from ..linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from ..linux.uapi import (
    SI_USER,
    SIGABRT,
    SIGBUS,
    SIGCHLD,
    SIGCONT,
    SIGFPE,
    SIGILL,
    SIGKILL,
    SIGQUIT,
    SIGRTMIN,
    SIGSEGV,
    SIGSTOP,
    SIGSYS,
    SIGTRAP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGWINCH,
    SIGXCPU,
    SIGXFSZ,
)

__all__ = [
    "SIG_KERNEL_STOP_MASK",
    "dequeue_signal",
    "flush_sigqueue_mask",
    "lock_task_sighand",
    "recalc_sigpending",
    "sig_kernel_coredump",
    "sig_kernel_ignore",
    "sig_kernel_only",
    "sig_kernel_stop",
    "signal_wake_up_state",
    "task_clear_jobctl_pending",
    "task_participate_group_stop",
    "task_set_jobctl_pending",
    "unlock_task_sighand",
]

SIG_KERNEL_STOP_MASK: Final = frozenset({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU})
_IGNORED: Final = frozenset({SIGCONT, SIGCHLD, SIGWINCH, SIGURG})
_SYNCHRONOUS: Final = frozenset({SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS})
_COREDUMP: Final = _SYNCHRONOUS | {SIGQUIT, SIGABRT, SIGXCPU, SIGXFSZ}
_ONLY_KERNEL: Final = frozenset({SIGKILL, SIGSTOP})


def sig_kernel_only(sig: int) -> bool:
    """Tell whether *sig* cannot be caught or ignored."""
    return sig in _ONLY_KERNEL


def sig_kernel_coredump(sig: int) -> bool:
    """Tell whether the default action of *sig* dumps core."""
    return sig in _COREDUMP


def sig_kernel_ignore(sig: int) -> bool:
    """Tell whether the default action of *sig* is nothing."""
    return sig in _IGNORED


def sig_kernel_stop(sig: int) -> bool:
    """Tell whether the default action of *sig* is to stop."""
    return sig in SIG_KERNEL_STOP_MASK


# -- the lock --------------------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2")
def lock_task_sighand(task: task_struct) -> sighand_struct | None:
    """Lock the signal state of *task*, unless it has been released.

    Context: Enters and leaves an RCU read section; returns with siglock held.
    """
    with rcu():
        while True:
            sighand = READ_ONCE(task).sighand
            if sighand is None:
                return None
            spin_lock_irqsave(sighand.siglock)
            if sighand is READ_ONCE(task).sighand:
                return sighand
            spin_unlock_irqrestore(sighand.siglock)


def unlock_task_sighand(sighand: sighand_struct) -> None:
    """Undo :func:`lock_task_sighand`."""
    spin_unlock_irqrestore(sighand.siglock)


def _siglocked(t: task_struct) -> sighand_struct:
    """Return the sighand of a task whose siglock the caller holds: no step."""
    found: sighand_struct = t.__dict__["sighand"]
    return found


def _flags(t: task_struct) -> int:
    """Read another task's flags without a step; siglock or its death orders it."""
    return int(t.__dict__["flags"])


def _ptrace(t: task_struct) -> int:
    """Read whether *t* is traced without a step; siglock or tasklist_lock orders it."""
    return int(t.__dict__["ptrace"])


def _threads(t: task_struct) -> Iterator[task_struct]:
    """Walk the threads of *t*'s group under siglock, which no list change passes."""
    return iter(list_entries(t.signal.thread_head))


# -- who is woken, and how -------------------------------------------------------------


def _set_sigpending(t: task_struct) -> None:
    """Set the mark, and let an explorer see it as a change even if it was set.

    A sleeper looks at the mark *and* at the pending sets behind it: that SIGKILL
    joins another signal changes its answer without changing the mark.
    """
    mark = t._signal_object
    here = enter(mark, "set_bit")
    mark.value = True
    leave(here, mark, Access.WRITE, 1)


@mirrors(
    "kernel/signal.c", checked="v7.2", abridged="sleepers are woken by their guard"
)
def signal_wake_up_state(t: task_struct) -> None:
    """Make *t* look at its signals, wherever it sleeps or runs.

    Context: siglock held. A process that slept in user mode starts to run here.
    """
    _set_sigpending(t)
    if t._thread is not None:
        t._thread.machine.carrier.kick(t._thread)
        return
    here = thread_here()
    if here is not None and t._program is not None:
        t._thread = here.machine.thread(t._thread_name, t._program, task=t)


# -- what is pending -------------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", abridged="no cgroup freezer")
def recalc_sigpending_tsk(t: task_struct) -> bool:
    """Set the pending mark of *t* if there is anything to look at.

    Context: siglock held.
    """
    if t.jobctl & JOBCTL_PENDING_MASK or _unblocked(t):
        if not t._signal_pending():
            _set_sigpending(t)
        return True
    return False


def _unblocked(t: task_struct) -> Set[int]:
    """Return the signals that *t* may take."""
    return (t.pending | t.signal.shared_pending) - t.blocked


@mirrors("kernel/signal.c", checked="v7.2", inline=True)
def recalc_sigpending() -> None:
    """Clear the pending mark of current unless something is still pending.

    Context: siglock held.
    """
    task = current()
    if not recalc_sigpending_tsk(task) and not freezing(task):
        clear_bit(TIF_SIGPENDING, task.thread_flags)


@mirrors("kernel/signal.c", checked="v7.2", abridged="no timers to rearm")
def flush_sigqueue_mask(
    p: task_struct, mask: frozenset[int], *, private: bool = False
) -> None:
    """Take the signals of *mask* off a set, as if nobody had sent them.

    Context: siglock held.
    """
    if private and p.__dict__["pending"] & mask:
        p.pending = p.__dict__["pending"] - mask
        p._pending_list = _without(p._pending_list, mask)
    elif not private and p.signal.shared_pending & mask:
        p.signal.shared_pending = p.signal.shared_pending - mask
        p.signal._shared_list = _without(p.signal._shared_list, mask)


def _without(
    infos: tuple[kernel_siginfo, ...], mask: frozenset[int]
) -> tuple[kernel_siginfo, ...]:
    return tuple(info for info in infos if info.si_signo not in mask)


def _next_signal(pending: Set[int], blocked: Set[int]) -> int:
    """Pick the signal to take: what an instruction raised comes before all others."""
    ready = sorted(pending - blocked)
    return next((sig for sig in ready if sig in _SYNCHRONOUS), ready[0] if ready else 0)


def _collect(
    infos: tuple[kernel_siginfo, ...], sig: int
) -> tuple[kernel_siginfo, tuple[kernel_siginfo, ...], bool]:
    """Take the oldest entry of *sig* off *infos*; is another one left?"""
    mine = [info for info in infos if info.si_signo == sig]
    if not mine:
        return kernel_siginfo(sig, SI_USER), infos, False
    at = infos.index(mine[0])
    return mine[0], infos[:at] + infos[at + 1 :], len(mine) > 1


def _dequeue(task: task_struct) -> kernel_siginfo | None:
    sig = _next_signal(task.pending, task.blocked)
    if sig:
        info, task._pending_list, more = _collect(task._pending_list, sig)
        if not more:
            task.pending = task.pending - {sig}
        return info
    signal = task.signal
    sig = _next_signal(signal.shared_pending, task.blocked)
    if not sig:
        return None
    info, signal._shared_list, more = _collect(signal._shared_list, sig)
    if not more:
        signal.shared_pending = signal.shared_pending - {sig}
    return info


@mirrors("kernel/signal.c", checked="v7.2", abridged="no timers")
def dequeue_signal() -> kernel_siginfo | None:
    """Take a signal that current does not block out of its sets, its own first.

    Context: siglock held.
    """
    task = current()
    info = _dequeue(task)
    recalc_sigpending()
    if info is not None and sig_kernel_stop(info.si_signo):
        task._change_jobctl(add=JOBCTL_STOP_DEQUEUED)
    return info


def _legacy_queue(pending: Set[int], sig: int) -> bool:
    """Tell whether *sig* is one that is queued once, and is."""
    return sig < SIGRTMIN and sig in pending


# -- stops that are asked for ----------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2")
def task_set_jobctl_pending(task: task_struct, mask: int) -> bool:
    """Ask *task* to stop as *mask* says, unless it is dying.

    Context: siglock held.
    """
    if task._fatal_signal_pending() or _flags(task) & PF_EXITING:
        return False
    clear = JOBCTL_STOP_SIGMASK if mask & JOBCTL_STOP_SIGMASK else 0
    task._change_jobctl(clear=clear, add=mask)
    return True


@mirrors("kernel/signal.c", checked="v7.2")
def task_clear_jobctl_pending(task: task_struct, mask: int) -> None:
    """Take back what *task* was asked for.

    Context: siglock held. A tracer that waits for the stop is let go.
    """
    if mask & JOBCTL_STOP_PENDING:
        mask |= JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED
    if not task.jobctl & ~mask & JOBCTL_PENDING_MASK:
        mask |= JOBCTL_TRAPPING
    task._change_jobctl(clear=mask)


@mirrors("kernel/signal.c", checked="v7.2")
def task_participate_group_stop(task: task_struct) -> bool:
    """Count *task* among those that have stopped with their group.

    Context: siglock held.
    Return: Whether it was the last one, so that the parent is to be told.
    """
    sig = task.signal
    WARN_ON_ONCE(not task.jobctl & JOBCTL_STOP_PENDING, f"{task.name} need not stop")
    consume = task.jobctl & JOBCTL_STOP_CONSUME
    task_clear_jobctl_pending(task, JOBCTL_STOP_PENDING)
    if not consume:
        return False
    if not WARN_ON_ONCE(sig.group_stop_count == 0, f"{task.name} stops for nobody"):
        sig.group_stop_count -= 1
    if sig.group_stop_count == 0 and not sig.flags & SIGNAL_STOP_STOPPED:
        signal_set_stop_flags(sig, SIGNAL_STOP_STOPPED)
        return True
    return False
