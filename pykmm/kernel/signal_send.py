# SPDX-License-Identifier: GPL-2.0-only
"""Sending a signal to a task or a group — part of ``kernel/signal.c``.

What matters here: a fatal signal marks the whole group and wakes every thread in
one section under siglock, so ``SIGNAL_GROUP_EXIT`` and all the private SIGKILLs
appear together; and a group that is exiting drops whatever comes later.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ..engine.annotate import mirrors
from ..errno import ESRCH
from ..linux.pid import PIDTYPE_PID, PIDTYPE_TGID, is_global_init
from ..linux.printk import trace
from ..linux.rculist import list_entries
from ..linux.sched import PF_EXITING, PF_KTHREAD, current, task_struct
from ..linux.sched.jobctl import (
    JOBCTL_PENDING_MASK,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOPPED,
    JOBCTL_TRACED,
)
from ..linux.sched.signal import (
    SIGNAL_CLD_CONTINUED,
    SIGNAL_CLD_STOPPED,
    SIGNAL_GROUP_EXIT,
    SIGNAL_STOP_CONTINUED,
    SIGNAL_STOP_STOPPED,
    SIGNAL_UNKILLABLE,
    signal_set_stop_flags,
    signal_struct,
    signal_wake_up,
)
from ..linux.signal import (
    SEND_SIG_NOINFO,
    SEND_SIG_PRIV,
    SIG_KTHREAD_KERNEL,
    kernel_siginfo,
)
from ..linux.uapi import SI_KERNEL, SI_USER, SIG_DFL, SIG_IGN, SIGCONT, SIGKILL
from .pid import task_active_pid_ns, task_pid_nr_ns
from .signal_queue import (
    SIG_KERNEL_STOP_MASK,
    _flags,
    _legacy_queue,
    _ptrace,
    _siglocked,
    _threads,
    flush_sigqueue_mask,
    lock_task_sighand,
    sig_kernel_coredump,
    sig_kernel_ignore,
    sig_kernel_only,
    sig_kernel_stop,
    task_clear_jobctl_pending,
    unlock_task_sighand,
)

__all__ = [
    "__send_signal_locked",
    "complete_signal",
    "do_send_sig_info",
    "prepare_signal",
    "send_sig",
    "send_signal_locked",
    "sig_ignored",
    "wants_signal",
]


# -- which signals reach anybody -------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", inline=True)
def sig_handler_ignored(handler: object, sig: int) -> bool:
    """Tell whether *handler* does nothing about *sig*."""
    return handler == SIG_IGN or (handler == SIG_DFL and sig_kernel_ignore(sig))


@mirrors("kernel/signal.c", checked="v7.2")
def sig_task_ignored(t: task_struct, sig: int, force: bool) -> bool:
    """Tell whether the action of *sig* makes it vanish at *t*.

    Context: siglock held.
    """
    handler = _siglocked(t)._action(sig)
    if is_global_init(t) and sig_kernel_only(sig):
        return True
    if t.signal.flags & SIGNAL_UNKILLABLE and handler == SIG_DFL:
        if not (force and sig_kernel_only(sig)):
            return True
    if _flags(t) & PF_KTHREAD and handler == SIG_KTHREAD_KERNEL and not force:
        return True
    return sig_handler_ignored(handler, sig)


@mirrors("kernel/signal.c", checked="v7.2", abridged="nothing is blocked for a wait")
def sig_ignored(t: task_struct, sig: int, force: bool) -> bool:
    """Tell whether *sig* need not even be queued.

    A blocked one always is: its action may be another one when it is unblocked. So
    is one that a tracer may want to see.

    Context: siglock held.
    """
    if sig in t.__dict__["blocked"]:
        return False
    if _ptrace(t) and sig != SIGKILL:
        return False
    return sig_task_ignored(t, sig, force)


@mirrors("kernel/signal.c", checked="v7.2", abridged="a tracer attaches, never seizes")
def prepare_signal(sig: int, p: task_struct, force: bool) -> bool:
    """Tell whether *sig* is to be delivered at all.

    A stop signal and SIGCONT undo each other here, whether or not they are then
    ignored or blocked.

    Context: siglock held.
    Return: False for a group that is exiting, except SIGKILL to one that dumps
        core: that aborts the dump.
    """
    signal = p.signal
    if signal.flags & SIGNAL_GROUP_EXIT:
        return signal.core_state is not None and sig == SIGKILL
    if sig_kernel_stop(sig):
        flush_sigqueue_mask(p, frozenset({SIGCONT}))
        for t in _threads(p):
            flush_sigqueue_mask(t, frozenset({SIGCONT}), private=True)
    elif sig == SIGCONT:
        _continue(p, signal)
    return not sig_ignored(p, sig, force)


def _continue(p: task_struct, signal: signal_struct) -> None:
    """Undo all stops, and note what the parent is to be told.

    The first thread that comes back tells it. A stop that was still under way
    counts as done.
    """
    flush_sigqueue_mask(p, SIG_KERNEL_STOP_MASK)
    for t in _threads(p):
        flush_sigqueue_mask(t, SIG_KERNEL_STOP_MASK, private=True)
        task_clear_jobctl_pending(t, JOBCTL_STOP_PENDING)
        t._change_jobctl(clear=JOBCTL_STOPPED)
    why = 0
    if signal.flags & SIGNAL_STOP_STOPPED:
        why = SIGNAL_CLD_CONTINUED
    elif signal.group_stop_count:
        why = SIGNAL_CLD_STOPPED
    if why:
        signal_set_stop_flags(signal, why | SIGNAL_STOP_CONTINUED)
        signal.group_stop_count = 0
        signal.group_exit_code = 0


# -- who takes it ----------------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", abridged="nobody is known to be running")
def wants_signal(sig: int, p: task_struct) -> bool:
    """Tell whether *p* is a good thread to take *sig*.

    Context: siglock held, under which PF_EXITING is set while it matters.
    """
    if sig in p.__dict__["blocked"] or _flags(p) & PF_EXITING:
        return False
    if sig == SIGKILL:
        return True
    if p.__dict__["jobctl"] & (JOBCTL_STOPPED | JOBCTL_TRACED):
        return False
    return not p._signal_pending()


@mirrors("kernel/signal.c", checked="v7.2", inline=True)
def sig_fatal(p: task_struct, sig: int) -> bool:
    """Tell whether *sig* is going to kill the group of *p*."""
    if sig_kernel_ignore(sig) or sig_kernel_stop(sig) or sig <= 0:
        return False
    return _siglocked(p)._action(sig) == SIG_DFL


@mirrors("kernel/signal.c", checked="v7.2")
def complete_signal(sig: int, p: task_struct, kind: int) -> None:
    """Find a thread to take *sig*; a fatal one takes the whole group down.

    Context: siglock held. If no thread wants the signal, nobody is woken.
    """
    t = _taker(sig, p, kind)
    if t is None:
        return
    fatal = sig_fatal(p, sig) and (sig == SIGKILL or not _ptrace(p))
    if fatal and not sig_kernel_coredump(sig):
        _take_down(p, sig)
        return
    signal_wake_up(t, sig == SIGKILL)


def _take_down(p: task_struct, sig: int) -> None:
    signal = p.signal
    # An assignment: whatever else was set vanishes.
    signal.flags = SIGNAL_GROUP_EXIT
    signal.group_exit_code = sig
    signal.group_stop_count = 0
    for t in _threads(p):
        task_clear_jobctl_pending(t, JOBCTL_PENDING_MASK)
        t.pending = t.__dict__["pending"] | {SIGKILL}
        signal_wake_up(t, True)


def _taker(sig: int, p: task_struct, kind: int) -> task_struct | None:
    if wants_signal(sig, p):
        return p
    if kind == PIDTYPE_PID:
        return None
    for t in _from_target(p.signal):
        if wants_signal(sig, t):
            p.signal.curr_target = t
            return t
    return None


def _from_target(signal: signal_struct) -> Iterator[task_struct]:
    """Walk the threads once, from whoever took the last signal."""
    threads = list_entries(signal.thread_head)
    if len(threads) < 2:
        return iter(())
    at = threads.index(signal.curr_target) if signal.curr_target in threads else 0
    return iter(threads[at:] + threads[:at])


# -- sending ---------------------------------------------------------------------------


def _describe(sig: int, info: kernel_siginfo, t: task_struct) -> kernel_siginfo:
    """Return what the taker is told; stand-ins say it for their senders."""
    if info is SEND_SIG_NOINFO:
        own = current()
        nr = task_pid_nr_ns(own, task_active_pid_ns(t), PIDTYPE_TGID)
        return kernel_siginfo(sig, SI_USER, nr, own.cred.uid)
    if info is SEND_SIG_PRIV:
        return kernel_siginfo(sig, SI_KERNEL)
    return info


@mirrors("kernel/signal.c", checked="v7.2", abridged="the queues have no limit")
def __send_signal_locked(
    sig: int, info: kernel_siginfo, t: task_struct, kind: int, force: bool
) -> int:
    """Add *sig* to the set it belongs to and find a taker.

    Context: siglock held.
    """
    if not prepare_signal(sig, t, force):
        return 0
    private = kind == PIDTYPE_PID
    pending = t.__dict__["pending"] if private else t.signal.shared_pending
    if _legacy_queue(pending, sig):
        return 0
    known: tuple[kernel_siginfo, ...] = (_describe(sig, info, t),)
    if sig == SIGKILL or _flags(t) & PF_KTHREAD:
        known = ()
    if private:
        t._pending_list = t._pending_list + known
        t.pending = pending | {sig}
    else:
        t.signal._shared_list = t.signal._shared_list + known
        t.signal.shared_pending = pending | {sig}
    if kind > PIDTYPE_TGID:
        _delay(sig, t.signal)
    complete_signal(sig, t, kind)
    return 0


def _delay(sig: int, signal: signal_struct) -> None:
    """Let children that are being made get what is sent to several processes."""
    for delayed in signal.multiprocess:
        undone: frozenset[int] = frozenset()
        if sig == SIGCONT:
            undone = SIG_KERNEL_STOP_MASK
        elif sig_kernel_stop(sig):
            undone = frozenset({SIGCONT})
        delayed.signal = delayed.signal - undone | {sig}


def _from_ancestor(t: task_struct) -> bool:
    """Tell whether *t* cannot name current, which stands in a namespace above."""
    return not task_pid_nr_ns(current(), task_active_pid_ns(t))


@mirrors("kernel/signal.c", checked="v7.2", abridged="users are not translated")
def send_signal_locked(
    sig: int, info: kernel_siginfo, t: task_struct, kind: int
) -> int:
    """Send *sig*; some senders can kill even the init of a namespace.

    They are the kernel, and those whom it cannot name.

    Context: siglock held.
    """
    force = info.si_code == SI_KERNEL
    if not force and info.si_code <= 0 and _from_ancestor(t):
        force = True
        if info is not SEND_SIG_NOINFO:
            info = evolve(info, si_pid=0)
    return __send_signal_locked(sig, info, t, kind, force)


@mirrors("kernel/signal.c", checked="v7.2")
def do_send_sig_info(sig: int, info: kernel_siginfo, p: task_struct, kind: int) -> int:
    """Send *sig* to *p*, with ``SEND_SIG_PRIV`` on behalf of the kernel.

    Context: Takes siglock; never sleeps.
    Return: 0, also when the signal was dropped; -ESRCH once *p* was released.
    """
    trace("signal", sig, p.pid)
    sighand = lock_task_sighand(p)
    if sighand is None:
        return -ESRCH
    try:
        return send_signal_locked(sig, info, p, kind)
    finally:
        unlock_task_sighand(sighand)


@mirrors("kernel/signal.c", checked="v7.2")
def send_sig(sig: int, p: task_struct, priv: bool) -> int:
    """Send *sig* to the thread *p*, from the kernel's own code.

    Context: As :func:`do_send_sig_info`.
    """
    return do_send_sig_info(
        sig, SEND_SIG_PRIV if priv else SEND_SIG_NOINFO, p, PIDTYPE_PID
    )
