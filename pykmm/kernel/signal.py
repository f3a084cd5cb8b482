# SPDX-License-Identifier: GPL-2.0-only
"""Signals: the system calls that send them, and who may — ``kernel/signal.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EINVAL, EPERM, ESRCH
from ..linux.compiler import READ_ONCE
from ..linux.pid import (
    PIDTYPE_MAX,
    PIDTYPE_PGID,
    PIDTYPE_PID,
    PIDTYPE_TGID,
    pid,
)
from ..linux.rculist import list_for_each_entry_rcu
from ..linux.rcupdate import rcu
from ..linux.sched import current, task_struct, tasklist_lock
from ..linux.sched.signal import for_each_process, same_thread_group, task_session
from ..linux.signal import SEND_SIG_NOINFO, SEND_SIG_PRIV, kernel_siginfo
from ..linux.spinlock import read_lock, read_unlock
from ..linux.uapi import _NSIG, CAP_KILL, SI_TKILL, SI_USER, SIGCONT
from .capability import ns_capable
from .pid import find_task_by_vpid, find_vpid, pid_task, pid_vnr
from .signal_send import do_send_sig_info

__all__ = [
    "check_kill_permission",
    "group_send_sig_info",
    "kill",
    "kill_pgrp_info",
    "kill_pid",
    "kill_pid_info",
    "kill_pid_info_type",
    "prepare_kill_siginfo",
    "tgkill",
    "tkill",
]


@mirrors("kernel/signal.c", checked="v7.2", abridged="users are not translated")
def prepare_kill_siginfo(sig: int, kind: int) -> kernel_siginfo:
    """Return what is told of a signal that current sends."""
    own = current()
    code = SI_TKILL if kind == PIDTYPE_PID else SI_USER
    return kernel_siginfo(sig, code, _tgid_vnr(own), own.cred.uid)


# -- who may ---------------------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", inline=True)
def kill_ok_by_cred(t: task_struct) -> bool:
    """Tell whether the users of current and *t* allow a signal.

    The target's effective user does not count: a set-user-id program cannot be
    protected from whoever started it, nor be killed by those it acts as.
    """
    cred, tcred = current().cred, READ_ONCE(t).cred
    return (
        cred.euid in (tcred.suid, tcred.uid)
        or cred.uid in (tcred.suid, tcred.uid)
        or ns_capable(tcred.user_ns, CAP_KILL)
    )


@mirrors("kernel/signal.c", checked="v7.2", abridged="no LSM, no audit")
def check_kill_permission(sig: int, info: kernel_siginfo, t: task_struct) -> int:
    """Tell whether current may send *sig* to *t*: 0, -EINVAL or -EPERM.

    Context: RCU read section or tasklist_lock.
    """
    if not 0 <= sig <= _NSIG:
        return -EINVAL
    if info is SEND_SIG_PRIV or info.si_code > 0:
        return 0
    if same_thread_group(current(), t) or kill_ok_by_cred(t):
        return 0
    if sig == SIGCONT and _same_session(t):
        return 0
    return -EPERM


def _same_session(t: task_struct) -> bool:
    """Tell whether a shell could be continuing its own job; one that is gone counts."""
    theirs = task_session(t)
    return theirs is None or theirs is task_session(current())


@mirrors("kernel/signal.c", checked="v7.2")
def group_send_sig_info(
    sig: int, info: kernel_siginfo, p: task_struct, kind: int
) -> int:
    """Check the permission, and send unless *sig* is 0.

    Context: As :func:`check_kill_permission`; takes siglock.
    """
    with rcu():
        ret = check_kill_permission(sig, info, p)
    if ret == 0 and sig:
        ret = do_send_sig_info(sig, info, p, kind)
    return ret


# -- to a process, to many -------------------------------------------------------------


@mirrors("kernel/signal.c", checked="v7.2", inline=True)
def kill_pid_info_type(sig: int, info: kernel_siginfo, p: pid | None, kind: int) -> int:
    """Send to whoever bears *p*, again if it vanished between look-up and sending."""
    while True:
        with rcu():
            task = pid_task(p, PIDTYPE_PID)
            ret = -ESRCH if task is None else group_send_sig_info(sig, info, task, kind)
        if task is None or ret != -ESRCH:
            return ret


@mirrors("kernel/signal.c", checked="v7.2")
def kill_pid_info(sig: int, info: kernel_siginfo, p: pid | None) -> int:
    """Send to the process of whoever bears *p*.

    Context: RCU read section, or a reference on *p*.
    """
    return kill_pid_info_type(sig, info, p, PIDTYPE_TGID)


@mirrors("kernel/signal.c", checked="v7.2")
def kill_pid(p: pid | None, sig: int, priv: bool) -> int:
    """Send *sig* to the process of whoever bears *p*, from the kernel's own code.

    Context: As :func:`kill_pid_info`.
    """
    return kill_pid_info(sig, SEND_SIG_PRIV if priv else SEND_SIG_NOINFO, p)


@mirrors("kernel/signal.c", checked="v7.2")
def __kill_pgrp_info(sig: int, info: kernel_siginfo, pgrp: pid | None) -> int:
    """Send to each process of a group.

    Context: tasklist_lock held for reading.
    Return: 0 if one of them got it, else the last error, -ESRCH without any.
    """
    ret: int = -ESRCH
    if pgrp is None:
        return ret
    for p in list_for_each_entry_rcu(pgrp.tasks[PIDTYPE_PGID]):
        err = group_send_sig_info(sig, info, p, PIDTYPE_PGID)
        ret = ret and err
    return ret


@mirrors("kernel/signal.c", checked="v7.2")
def kill_pgrp_info(sig: int, info: kernel_siginfo, pgrp: pid) -> int:
    """Send to each process of a group.

    Context: Takes tasklist_lock for reading.
    Return: As :func:`__kill_pgrp_info`.
    """
    read_lock(tasklist_lock())
    ret = __kill_pgrp_info(sig, info, pgrp)
    read_unlock(tasklist_lock())
    return ret


def _kill_all(sig: int, info: kernel_siginfo) -> int:
    """Send to everybody but init and the caller; being refused is no error."""
    ret, count = 0, 0
    for p in for_each_process():
        if pid_vnr(p.thread_pid) > 1 and not same_thread_group(p, current()):
            err = group_send_sig_info(sig, info, p, PIDTYPE_MAX)
            count += 1
            if err != -EPERM:
                ret = err
    return ret if count else -ESRCH


@mirrors("kernel/signal.c", checked="v7.2")
def kill_something_info(sig: int, info: kernel_siginfo, nr: int) -> int:
    """Send to process *nr*, to group *-nr*, the own group (0) or everybody (-1)."""
    if nr > 0:
        with rcu():
            return kill_pid_info(sig, info, find_vpid(nr))
    if nr == -(2**31):
        return -ESRCH
    read_lock(tasklist_lock())
    try:
        if nr == -1:
            return _kill_all(sig, info)
        pgrp = find_vpid(-nr) if nr else current().signal.pids[PIDTYPE_PGID]
        return __kill_pgrp_info(sig, info, pgrp)
    finally:
        read_unlock(tasklist_lock())


def kill(nr: int, sig: int) -> int:
    """System call: send *sig* to a process, a group (0, -pgid) or everybody (-1).

    Return: 0, or -EINVAL, -EPERM, -ESRCH. A zombie is a valid target.
    """
    return kill_something_info(sig, prepare_kill_siginfo(sig, PIDTYPE_TGID), nr)


# -- to one thread ---------------------------------------------------------------------


def _tgid_vnr(p: task_struct) -> int:
    """Return the number of *p*'s process as current sees it: no step."""
    return pid_vnr(p.signal.__dict__["pids"][PIDTYPE_TGID])


@mirrors("kernel/signal.c", checked="v7.2")
def do_send_specific(tgid: int, nr: int, sig: int, info: kernel_siginfo) -> int:
    """Send to the thread *nr*, if it belongs to *tgid* or that is not asked for."""
    with rcu():
        p = find_task_by_vpid(nr)
        if p is None or (tgid > 0 and _tgid_vnr(p) != tgid):
            return -ESRCH
        error = check_kill_permission(sig, info, p)
        if error == 0 and sig:
            error = do_send_sig_info(sig, info, p, PIDTYPE_PID)
            # It died before it could take what was for it alone.
            error = 0 if error == -ESRCH else error
        return error


@mirrors("kernel/signal.c", checked="v7.2")
def do_tkill(tgid: int, nr: int, sig: int) -> int:
    """Send *sig* to one thread on behalf of current."""
    return do_send_specific(tgid, nr, sig, prepare_kill_siginfo(sig, PIDTYPE_PID))


@mirrors("kernel/signal.c", checked="v7.2")
def tgkill(tgid: int, nr: int, sig: int) -> int:
    """System call: send *sig* to thread *nr* of process *tgid*.

    Return: 0, or -EINVAL, -EPERM, -ESRCH.
    """
    return -EINVAL if nr <= 0 or tgid <= 0 else do_tkill(tgid, nr, sig)


@mirrors("kernel/signal.c", checked="v7.2")
def tkill(nr: int, sig: int) -> int:
    """System call: send *sig* to thread *nr*, whosever it is by now.

    Return: As :func:`tgkill`.
    """
    return -EINVAL if nr <= 0 else do_tkill(0, nr, sig)
