# SPDX-License-Identifier: GPL-2.0-only
"""Sending and taking signals — ``kernel/signal.c``.

What matters here: a fatal signal marks the whole group and wakes every thread in
one section under siglock, so ``SIGNAL_GROUP_EXIT`` and all the private SIGKILLs
appear together; and a group that is exiting drops whatever comes later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import enter, leave
from ..engine.thread import ambient
from ..errno import EINVAL, EPERM, ESRCH
from ..linux.pid import PIDTYPE_PGID, PIDTYPE_PID, PIDTYPE_TGID, is_global_init, pid
from ..linux.printk import trace
from ..linux.rculist import list_entries, list_for_each_entry_rcu
from ..linux.rcupdate import rcu
from ..linux.sched import (
    PF_EXITING,
    PF_KTHREAD,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    SIGNAL_UNKILLABLE,
    for_each_process,
    same_thread_group,
    sighand_struct,
)
from ..linux.signal import SIG_KTHREAD_KERNEL
from ..linux.spinlock import (
    read_lock,
    read_unlock,
    spin_lock,
    spin_unlock,
)
from ..linux.uapi import (
    _NSIG,
    SIG_DFL,
    SIG_IGN,
    SIGABRT,
    SIGBUS,
    SIGCHLD,
    SIGCONT,
    SIGKILL,
    SIGQUIT,
    SIGSEGV,
    SIGSTOP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGWINCH,
)
from .pid import find_get_pid, find_vpid, pid_task, put_pid

__all__ = [
    "do_send_sig_info",
    "group_send_sig_info",
    "kill",
    "kill_pid_info",
    "lock_task_sighand",
    "sig_kernel_coredump",
    "sig_kernel_ignore",
    "sig_kernel_only",
    "sig_kernel_stop",
    "signal_wake_up_state",
    "unlock_task_sighand",
]

_STOP: Final = frozenset({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU})
_IGNORED: Final = frozenset({SIGCONT, SIGCHLD, SIGWINCH, SIGURG})
_COREDUMP: Final = frozenset({SIGQUIT, 4, 5, SIGABRT, 8, SIGSEGV, SIGBUS, 31, 24, 25})
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
    return sig in _STOP


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
    here = ambient.thread
    if here is not None and t._program is not None:
        t._thread = here.machine.thread(t._thread_name, t._program, task=t)


@mirrors("kernel/signal.c", checked="v7.2")
def lock_task_sighand(task: task_struct) -> sighand_struct | None:
    """Lock the signal state of *task*, unless it has been released.

    Context: Enters and leaves an RCU read section; returns with siglock held.
    """
    with rcu():
        while True:
            sighand = task.sighand
            if sighand is None:
                return None
            spin_lock(sighand.siglock)
            if sighand is task.sighand:
                return sighand
            spin_unlock(sighand.siglock)


def unlock_task_sighand(sighand: sighand_struct) -> None:
    """Undo :func:`lock_task_sighand`."""
    spin_unlock(sighand.siglock)


# -- which signals reach anybody -----------------------------------------------


def _siglocked(t: task_struct) -> sighand_struct:
    """Return the sighand of a task whose siglock the caller holds: no step."""
    found: sighand_struct = t.__dict__["sighand"]
    return found


def _flags(t: task_struct) -> int:
    """Read another task's flags without a step; siglock or its death orders it."""
    return int(t.__dict__["flags"])


@mirrors("kernel/signal.c", checked="v7.2")
def sig_task_ignored(t: task_struct, sig: int, force: bool) -> bool:
    """Tell whether the action of *sig* makes it vanish at *t*.

    Context: siglock held.
    """
    handler = _siglocked(t)._action(sig)
    if is_global_init(t) and sig in _ONLY_KERNEL:
        return True
    if t.signal.flags & SIGNAL_UNKILLABLE and handler == SIG_DFL:
        if not (force and sig in _ONLY_KERNEL):
            return True
    if _flags(t) & PF_KTHREAD and handler == SIG_KTHREAD_KERNEL and not force:
        return True
    return handler == SIG_IGN or (handler == SIG_DFL and sig in _IGNORED)


@mirrors("kernel/signal.c", checked="v7.2", abridged="nobody is traced here")
def sig_ignored(t: task_struct, sig: int, force: bool) -> bool:
    """Tell whether *sig* need not even be queued; a blocked one always is."""
    return sig not in t.__dict__["blocked"] and sig_task_ignored(t, sig, force)


@mirrors("kernel/signal.c", checked="v7.2", abridged="job control stops nobody")
def prepare_signal(sig: int, p: task_struct, force: bool) -> bool:
    """Tell whether *sig* is to be delivered at all.

    Context: siglock held.
    Return: False for a group that is exiting, except SIGKILL to one that dumps
        core: that aborts the dump.
    """
    signal = p.signal
    if signal.flags & SIGNAL_GROUP_EXIT:
        return signal.core_state is not None and sig == SIGKILL
    if sig in _STOP:
        signal.shared_pending = signal.shared_pending - {SIGCONT}
    elif sig == SIGCONT:
        signal.shared_pending = signal.shared_pending - _STOP
    return not sig_ignored(p, sig, force)


@mirrors("kernel/signal.c", checked="v7.2")
def wants_signal(sig: int, p: task_struct) -> bool:
    """Tell whether *p* is a good thread to take *sig*.

    Context: siglock held, under which PF_EXITING is set while it matters.
    """
    if sig in p.__dict__["blocked"] or _flags(p) & PF_EXITING:
        return False
    return sig == SIGKILL or not p._signal_pending()


@mirrors("kernel/signal.c", checked="v7.2")
def sig_fatal(p: task_struct, sig: int) -> bool:
    """Tell whether *sig* is going to kill the group of *p*."""
    if sig in _IGNORED or sig in _STOP or sig <= 0:
        return False
    return _siglocked(p)._action(sig) == SIG_DFL


@mirrors("kernel/signal.c", checked="v7.2", abridged="no job control, nobody is traced")
def complete_signal(sig: int, p: task_struct, kind: int) -> None:
    """Find a thread to take *sig*; a fatal one takes the whole group down.

    Context: siglock held. If no thread wants the signal, nobody is woken.
    """
    signal = p.signal
    t = _taker(sig, p, kind)
    if t is None:
        return
    exits = not signal.flags & SIGNAL_GROUP_EXIT or signal.core_state is not None
    if sig_fatal(p, sig) and exits and sig not in _COREDUMP:
        # An assignment: whatever else was set vanishes.
        signal.flags = SIGNAL_GROUP_EXIT
        signal.group_exit_code = sig
        signal.group_stop_count = 0
        for thread in list_entries(signal.thread_head):
            thread.pending = thread.__dict__["pending"] | {SIGKILL}
            signal_wake_up_state(thread)
        return
    signal_wake_up_state(t)


def _taker(sig: int, p: task_struct, kind: int) -> task_struct | None:
    if wants_signal(sig, p):
        return p
    threads = list_entries(p.signal.thread_head)
    if kind == PIDTYPE_PID or len(threads) < 2:
        return None
    start = (
        threads.index(p.signal.curr_target) if p.signal.curr_target in threads else 0
    )
    for t in threads[start:] + threads[:start]:
        if wants_signal(sig, t):
            p.signal.curr_target = t
            return t
    return None


@mirrors(
    "kernel/signal.c", checked="v7.2", abridged="a set of numbers, no queued siginfo"
)
def __send_signal_locked(sig: int, t: task_struct, kind: int, force: bool) -> int:
    """Add *sig* to the set it belongs to and find a taker.

    Context: siglock held.
    """
    if not prepare_signal(sig, t, force):
        return 0
    private = kind == PIDTYPE_PID
    pending = t.pending if private else t.signal.shared_pending
    if sig in pending and sig < 32:
        return 0
    if private:
        t.pending = pending | {sig}
    else:
        t.signal.shared_pending = pending | {sig}
    complete_signal(sig, t, kind)
    return 0


@mirrors("kernel/signal.c", checked="v7.2")
def do_send_sig_info(sig: int, p: task_struct, kind: int, *, priv: bool = False) -> int:
    """Send *sig* to *p*; with *priv* on behalf of the kernel (SEND_SIG_PRIV).

    Context: Takes siglock; never sleeps.
    Return: 0, also when the signal was dropped; -ESRCH once *p* was released.
    """
    trace("signal", sig, p.pid)
    sighand = lock_task_sighand(p)
    if sighand is None:
        return -ESRCH
    try:
        return __send_signal_locked(sig, p, kind, priv)
    finally:
        unlock_task_sighand(sighand)


# -- the senders ---------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", abridged="uids decide; no LSM, no sessions")
def check_kill_permission(sig: int, t: task_struct) -> int:
    """Tell whether current may send *sig* to *t*: 0, -EINVAL or -EPERM."""
    if not 0 <= sig <= _NSIG:
        return -EINVAL
    own = current()
    if same_thread_group(own, t) or own.cred.euid in (0, t.cred.uid):
        return 0
    return -EPERM


@mirrors("kernel/signal.c", checked="v7.2")
def group_send_sig_info(sig: int, p: task_struct, kind: int) -> int:
    """Check the permission, and send unless *sig* is 0."""
    with rcu():
        ret = check_kill_permission(sig, p)
    if ret == 0 and sig:
        ret = do_send_sig_info(sig, p, kind)
    return ret


@mirrors("kernel/signal.c", checked="v7.2")
def kill_pid_info(sig: int, p: pid | None, kind: int = PIDTYPE_TGID) -> int:
    """Send to whoever bears *p*, again if it vanished between look-up and sending."""
    while True:
        with rcu():
            task = pid_task(p, PIDTYPE_PID)
            ret = -ESRCH if task is None else group_send_sig_info(sig, task, kind)
        if task is None or ret != -ESRCH:
            return ret


def _kill_each(sig: int, targets: Iterator[task_struct]) -> int:
    results = [group_send_sig_info(sig, p, PIDTYPE_PGID) for p in targets]
    if not results:
        return -ESRCH
    return 0 if 0 in results else results[-1]


@mirrors(
    "kernel/signal.c", checked="v7.2", abridged="kill_something_info() is folded in"
)
def kill(nr: int, sig: int) -> int:
    """System call: send *sig* to a process, a group (0, -pgid) or everybody (-1).

    Return: 0, or -EINVAL, -EPERM, -ESRCH. A zombie is a valid target.
    """
    if nr > 0:
        with rcu():
            return kill_pid_info(sig, find_vpid(nr))
    if nr == -(2**31):
        return -ESRCH
    read_lock(tasklist_lock())
    try:
        if nr == -1:
            others = (
                p
                for p in for_each_process()
                if p.pid > 1 and not same_thread_group(p, current())
            )
            return _kill_each(sig, others)
        group = find_get_pid(-nr) if nr else current().signal.pids[PIDTYPE_PGID]
        if group is None:
            return -ESRCH
        ret = _kill_each(sig, list_for_each_entry_rcu(group.tasks[PIDTYPE_PGID]))
        if nr:
            put_pid(group)
        return ret
    finally:
        read_unlock(tasklist_lock())
