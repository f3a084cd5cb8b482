# SPDX-License-Identifier: GPL-2.0-only
"""Thread groups and their signals — ``include/linux/sched/signal.h``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING, Final, cast

from ...engine.annotate import extern, mirrors
from ...engine.fields import (
    const,
    embedded,
    guarded,
    kernel_struct,
    shared,
    step_read,
)
from ...engine.objects import Root, Struct
from ...engine.statics import MachineLocal
from ...engine.thread import thread_here
from ..atomic import atomic_t
from ..bitops import test_bit
from ..compiler import READ_ONCE, data_race
from ..completion import completion
from ..mutex import mutex
from ..pid import PIDTYPE_MAX, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_TGID
from ..rculist import _append, list_for_each_entry_rcu, list_head, list_is_last
from ..refcount import refcount_t
from ..resource import INIT_RLIMITS, rlimit64
from ..rwsem import rw_semaphore
from ..signal import k_sigaction, kernel_siginfo, sigaction
from ..spinlock import spinlock_t
from ..uapi import SIG_DFL, SIGKILL
from ..wait import wait_queue_head_t
from . import TIF_SIGPENDING, current, task_struct, tasklist_lock
from .jobctl import JOBCTL_PTRACE_FROZEN, JOBCTL_STOPPED, JOBCTL_TRACED

if TYPE_CHECKING:
    from ..mm_types import mm_struct
    from ..pid import pid

__all__ = [
    "SIGNAL_CLD_CONTINUED",
    "SIGNAL_CLD_MASK",
    "SIGNAL_CLD_STOPPED",
    "SIGNAL_GROUP_EXIT",
    "SIGNAL_STOP_CONTINUED",
    "SIGNAL_STOP_MASK",
    "SIGNAL_STOP_STOPPED",
    "SIGNAL_UNKILLABLE",
    "core_state",
    "core_thread",
    "delay_group_leader",
    "fatal_signal_pending",
    "for_each_process",
    "for_each_thread",
    "init_tasks",
    "k_sigaction",
    "multiprocess_signals",
    "ptrace_signal_wake_up",
    "rlimit",
    "same_thread_group",
    "sighand_struct",
    "signal_pending",
    "signal_set_stop_flags",
    "signal_struct",
    "signal_wake_up",
    "task_pgrp",
    "task_session",
    "task_tgid",
    "thread_group_empty",
    "thread_group_leader",
]

# -- signal->flags
SIGNAL_STOP_STOPPED: Final = 0x1
SIGNAL_STOP_CONTINUED: Final = 0x2
SIGNAL_GROUP_EXIT: Final = 0x4
SIGNAL_CLD_STOPPED: Final = 0x10
SIGNAL_CLD_CONTINUED: Final = 0x20
SIGNAL_CLD_MASK: Final = SIGNAL_CLD_STOPPED | SIGNAL_CLD_CONTINUED
SIGNAL_UNKILLABLE: Final = 0x40
SIGNAL_STOP_MASK: Final = SIGNAL_CLD_MASK | SIGNAL_STOP_STOPPED | SIGNAL_STOP_CONTINUED

_signal_wake_up_state: Callable[[task_struct], None] = extern(
    "pykmm.kernel.signal_queue", "signal_wake_up_state"
)


@kernel_struct
class sighand_struct(Struct):
    """The signal actions, shared by all tasks cloned with ``CLONE_SIGHAND``."""

    count: refcount_t = embedded(lambda s: refcount_t(1, s))
    siglock: spinlock_t = embedded(spinlock_t)
    action: dict[int, k_sigaction] = guarded(by="siglock", factory=dict, lazy=True)

    def _action(self, sig: int) -> int | Callable[..., object]:
        """Return the handler of *sig*; siglock is held."""
        action = self.action.get(sig, SIG_DFL)
        return action.sa_handler if isinstance(action, sigaction) else action

    def _sigaction(self, sig: int) -> sigaction:
        """Return all that is set for *sig*; siglock is held."""
        action = self.action.get(sig, SIG_DFL)
        return action if isinstance(action, sigaction) else sigaction(action)


@kernel_struct
class core_thread(Struct):
    """A thread that stands still until its process has dumped core."""

    #: None once it may go on; written by the dumper, awaited by the thread.
    task: task_struct | None = shared(default=None)


@kernel_struct
class core_state(Struct):
    """A core dump under way: how many threads are still to come to rest."""

    nr_threads: atomic_t = embedded(lambda s: atomic_t(0, s))
    dumper: task_struct = const()
    #: Whom the dumper has to wake: Linux links them behind the dumper.
    _parked: list[core_thread] = const(factory=list)
    startup: completion = embedded(completion)


@kernel_struct
class multiprocess_signals(Struct):
    """Signals to several processes that came while one of them forked."""

    signal: set[int] = const(factory=set)


def _thread_head(signal: Struct) -> list_head[task_struct]:
    head: list_head[task_struct] = list_head(signal)
    first = cast("signal_struct", signal)._first
    if first is not None:
        link = list_head(first, first)
        link._place = "thread_node"
        _append(link, head)
    return head


@kernel_struct
class signal_struct(Struct):
    """What the threads of a group share; it outlives them all."""

    # -- counts
    sigcnt: refcount_t = embedded(lambda s: refcount_t(1, s))
    live: atomic_t = embedded(lambda s: atomic_t(1, s))

    # -- protected by siglock
    _sighand: sighand_struct = const(default=None)
    nr_threads: int = guarded(by="_sighand.siglock", default=1, lockless=True)
    quick_threads: int = guarded(by="_sighand.siglock", default=1)
    flags: int = guarded(by="_sighand.siglock", default=0, lockless=True)
    group_exit_code: int = guarded(by="_sighand.siglock", default=0, lockless=True)
    group_stop_count: int = guarded(by="_sighand.siglock", default=0)
    shared_pending: Set[int] = guarded(by="_sighand.siglock", default=frozenset())
    #: Forks under way, which pass on what was sent to several processes.
    multiprocess: tuple[multiprocess_signals, ...] = guarded(
        by="_sighand.siglock", default=()
    )
    #: What is known of the signals in ``shared_pending``, oldest first.
    _shared_list: tuple[kernel_siginfo, ...] = guarded(
        by="_sighand.siglock", default=()
    )
    curr_target: task_struct | None = guarded(by="_sighand.siglock", default=None)
    core_state: core_state | None = guarded(
        by="_sighand.siglock", default=None, lockless=True
    )
    #: The exec'ing thread, and how many others it waits for.
    group_exec_task: task_struct | None = guarded(
        by="_sighand.siglock", default=None, lockless=True
    )
    notify_count: int = guarded(by="_sighand.siglock", default=0, lockless=True)

    # -- protected by tasklist_lock for changes, RCU for walks
    thread_head: list_head[task_struct] = embedded(_thread_head)
    #: Whom the group begins with: in the list from the start.
    _first: task_struct | None = const(default=None)
    wait_chldexit: wait_queue_head_t = embedded(wait_queue_head_t)
    pids: tuple[pid | None, ...] = guarded(
        by=tasklist_lock, default=(None,) * PIDTYPE_MAX
    )
    #: Whether it leads its session.
    leader: bool = guarded(by=tasklist_lock, default=False)

    #: Whether the parent is never told of the end; set before anybody finds it.
    autoreap: bool = const(default=False)
    #: Keep an exec out: from being traced, and from changing what may be accessed.
    cred_guard_mutex: mutex = embedded(mutex)
    exec_update_lock: rw_semaphore = embedded(rw_semaphore)

    # -- no lock of their own
    #: Whether it takes in the orphans among its descendants, and whether an
    #: ancestor may.
    is_child_subreaper: bool = shared(default=False)
    has_child_subreaper: bool = shared(default=False)
    oom_flag_origin: bool = shared(default=False)
    #: Written under ``oom_adj_mutex``; read under ``task_lock()`` of a member.
    oom_score_adj: int = shared(default=0)
    oom_score_adj_min: int = shared(default=0)
    #: Soft and hard limit by number; written under the leader's task_lock().
    rlim: tuple[rlimit64, ...] = shared(default=INIT_RLIMITS)
    #: Set once, by compare-and-swap; owns one ``mm_count``.
    oom_mm: mm_struct | None = shared(default=None)


class _Tasks(Root):
    def __init__(self) -> None:
        super().__init__()
        #: Anchored at the idle task, which is never visited itself.
        self.tasks: list_head[task_struct] = list_head(self)


_init_task = MachineLocal(_Tasks)


def init_tasks() -> list_head[task_struct]:
    """Return the anchor of the machine's process list."""
    return _init_task().tasks


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def for_each_process() -> Iterator[task_struct]:
    """Walk the thread-group leaders in order of creation.

    Context: RCU read section or tasklist_lock.
    """
    return list_for_each_entry_rcu(init_tasks())


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def for_each_thread(p: task_struct) -> Iterator[task_struct]:
    """Walk the threads of *p*'s group, the leader first.

    Context: RCU read section, siglock or tasklist_lock. Visits nothing once
        the whole group has been released.
    """
    signal, t = p.signal, thread_here()
    if t is not None and t.is_boot:
        state = signal.__dict__
        if "_first" in state and "thread_head" not in state and "_death" not in state:
            return iter((state["_first"],))  # the host's look needs no list
    return list_for_each_entry_rcu(signal.thread_head)


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def thread_group_leader(p: task_struct) -> bool:
    """Tell whether *p* leads its group (``exit_signal`` is negative otherwise)."""
    return READ_ONCE(p).exit_signal >= 0


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def same_thread_group(p1: task_struct, p2: task_struct) -> bool:
    """Tell whether two tasks belong to one process."""
    return p1.signal is p2.signal


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def thread_group_empty(p: task_struct) -> bool:
    """Tell whether *p* is a leader without other threads.

    Context: Any; without a lock the answer may be old when it arrives.
    """
    return thread_group_leader(p) and list_is_last(p.thread_node, p.signal.thread_head)


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def delay_group_leader(p: task_struct) -> bool:
    """Tell whether *p* is a leader that is not told of before its threads are gone.

    Context: As :func:`thread_group_empty`.
    """
    return thread_group_leader(p) and not thread_group_empty(p)


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def task_tgid(task: task_struct) -> pid | None:
    """Return what names *task*'s process; None once that has been released.

    Context: As :func:`task_pgrp`.
    """
    return cast("pid | None", step_read(task.signal, "pids")[PIDTYPE_TGID])


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def task_pgrp(task: task_struct) -> pid | None:
    """Return the group of *task*'s process; None once that has been released.

    Context: RCU read section or tasklist_lock.
    """
    return cast("pid | None", step_read(task.signal, "pids")[PIDTYPE_PGID])


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def task_session(task: task_struct) -> pid | None:
    """Return the session of *task*'s process; None once that has been released.

    Context: RCU read section or tasklist_lock.
    """
    return cast("pid | None", step_read(task.signal, "pids")[PIDTYPE_SID])


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def signal_set_stop_flags(sig: signal_struct, flags: int) -> None:
    """Say how far a stop of the group has come; what it said before goes.

    Context: siglock held.
    """
    sig.flags = sig.flags & ~SIGNAL_STOP_MASK | flags


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def signal_wake_up(t: task_struct, fatal: bool) -> None:
    """Make *t* look at its signals; a *fatal* one ends a stop as well.

    Context: siglock held.
    """
    if fatal and not t.__dict__["jobctl"] & JOBCTL_PTRACE_FROZEN:
        t._change_jobctl(clear=JOBCTL_STOPPED | JOBCTL_TRACED)
    _signal_wake_up_state(t)


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def ptrace_signal_wake_up(t: task_struct, resume: bool) -> None:
    """Make *t* look at what its tracer wants; *resume* ends a traced stop.

    Context: siglock held.
    """
    if resume:
        t._change_jobctl(clear=JOBCTL_TRACED)
    _signal_wake_up_state(t)


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def signal_pending(p: task_struct) -> bool:
    """Tell whether *p* has a signal to look at."""
    return test_bit(TIF_SIGPENDING, p.thread_flags)


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def fatal_signal_pending(p: task_struct) -> bool:
    """Tell whether *p* is about to be killed: SIGKILL in its *private* set."""
    if not signal_pending(p):
        return False
    return SIGKILL in data_race(p).pending


@mirrors("include/linux/sched/signal.h", checked="v7.2", inline=True)
def rlimit(limit: int) -> int:
    """Return current's soft limit number *limit*.

    Context: Any; no lock, so it may be old when it arrives.
    """
    return READ_ONCE(current().signal).rlim[limit].rlim_cur
