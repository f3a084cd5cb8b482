# SPDX-License-Identifier: GPL-2.0-only
"""Numbers to tasks — ``kernel/pid.c``; descriptors are in ``pid_pidfd``.

Who looks a number up does so in its own namespace, unless it says which.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import step_read
from ..engine.step import enter, leave
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.lockdep import lockdep_assert_held_write
from ..linux.pid import (
    PIDTYPE_MAX,
    PIDTYPE_PID,
    PIDTYPE_TGID,
    get_pid,
    ns_of_pid,
    pid,
    pid_has_task,
    pid_nr,
)
from ..linux.pid_namespace import init_pid_ns, pid_namespace
from ..linux.rculist import (
    hlists_swap_heads_rcu,
    list_add_rcu,
    list_del_rcu,
    list_first_or_null_rcu,
    list_replace_rcu,
)
from ..linux.rcupdate import rcu
from ..linux.sched import current, task_struct, tasklist_lock
from ..linux.sched.task import get_task_struct
from ..linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from ..linux.wait import wake_up_all
from .pid_alloc import free_pid, free_pids, put_pid

__all__ = [
    "attach_pid",
    "change_pid",
    "detach_pid",
    "exchange_tids",
    "find_get_pid",
    "find_get_task_by_vpid",
    "find_pid_ns",
    "find_task_by_pid_ns",
    "find_task_by_vpid",
    "find_vpid",
    "free_pid",
    "free_pids",
    "get_pid_task",
    "get_task_pid",
    "pid_nr_ns",
    "pid_task",
    "pid_vnr",
    "put_pid",
    "task_active_pid_ns",
    "task_pid_nr_ns",
    "transfer_pid",
    "wake_pidfd",
]


@mirrors("kernel/pid.c", checked="v7.2")
def find_pid_ns(nr: int, ns: pid_namespace) -> pid | None:
    """Look a number of *ns* up.

    Context: RCU read section; no reference is taken.
    """
    slot = ns._slot(nr)
    t = enter(slot, "idr_find")
    found = ns._idr.get(nr)
    leave(t, slot, Access.READ, found)
    return found


@mirrors("kernel/pid.c", checked="v7.2")
def find_vpid(nr: int) -> pid | None:
    """Look a number up in current's namespace.

    Context: RCU read section; no reference is taken.
    """
    return find_pid_ns(nr, _own_ns())


@mirrors("kernel/pid.c", checked="v7.2")
def task_active_pid_ns(tsk: task_struct) -> pid_namespace | None:
    """Return the namespace of *tsk*'s own number; None once it has been released.

    Context: RCU read section or tasklist_lock, unless *tsk* is current.
    """
    # No step: a number may pass to another task of the namespace, or go.
    own: pid | None = tsk.__dict__["thread_pid"]
    return None if own is None else ns_of_pid(own)


def _own_ns() -> pid_namespace:
    """Return current's namespace; the host and dead tasks are in the first one."""
    task: task_struct | None = current()
    return (task and task_active_pid_ns(task)) or init_pid_ns()


@mirrors("kernel/pid.c", checked="v7.2")
def pid_nr_ns(p: pid | None, ns: pid_namespace | None) -> int:
    """Return the number of *p* in *ns*; 0 if it has none there."""
    if p is None or ns is None or ns.level >= len(p.numbers):
        return 0
    number = p.numbers[ns.level]
    return number.nr if number.ns is ns else 0


@mirrors("kernel/pid.c", checked="v7.2")
def pid_vnr(p: pid | None) -> int:
    """Return the number of *p* as current sees it; 0 if it does not."""
    return pid_nr_ns(p, _own_ns())


def task_pid_nr_ns(
    task: task_struct, ns: pid_namespace | None, kind: int = PIDTYPE_PID
) -> int:
    """Return a number of *task* in *ns*, by default its own; 0 if it has none there.

    Context: As :func:`task_active_pid_ns`.
    """
    return pid_nr_ns(_borne(task, kind), ns)


def _borne(task: task_struct, kind: int) -> pid | None:
    """Return what *task* bears as its *kind* of identifier, without a step."""
    found: pid | None
    if kind == PIDTYPE_PID:
        found = task.__dict__["thread_pid"]
    else:
        found = task.signal.__dict__["pids"][kind]
    return found


@mirrors("kernel/pid.c", checked="v7.2")
def pid_task(p: pid | None, kind: int) -> task_struct | None:
    """Return the first task that bears *p*, without a reference.

    Context: RCU read section or tasklist_lock.
    """
    return None if p is None else list_first_or_null_rcu(p.tasks[kind])


@mirrors("kernel/pid.c", checked="v7.2")
def find_task_by_pid_ns(nr: int, ns: pid_namespace) -> task_struct | None:
    """Return the task whose own number in *ns* is *nr*.

    Context: RCU read section; no reference is taken.
    """
    return pid_task(find_pid_ns(nr, ns), PIDTYPE_PID)


@mirrors("kernel/pid.c", checked="v7.2")
def find_task_by_vpid(nr: int) -> task_struct | None:
    """Return the task whose own number is *nr*, in current's namespace.

    Context: RCU read section; no reference is taken.
    """
    return find_task_by_pid_ns(nr, _own_ns())


@mirrors("kernel/pid.c", checked="v7.2")
def find_get_pid(nr: int) -> pid | None:
    """Return the pid of that number with a reference, or None."""
    with rcu():
        found = find_vpid(nr)
        return None if found is None else get_pid(found)


@mirrors("kernel/pid.c", checked="v7.2")
def find_get_task_by_vpid(nr: int) -> task_struct | None:
    """Return the task with the number *nr*, with a reference on it.

    Context: Enters an RCU read section.
    """
    with rcu():
        task = find_task_by_vpid(nr)
        return None if task is None else get_task_struct(task)


@mirrors("kernel/pid.c", checked="v7.2")
def get_pid_task(p: pid, kind: int) -> task_struct | None:
    """Return the task that bears *p* with a reference, or None."""
    with rcu():
        found = pid_task(p, kind)
        return None if found is None else get_task_struct(found)


@mirrors("kernel/pid.c", checked="v7.2")
def get_task_pid(task: task_struct, kind: int) -> pid:
    """Return what *task* bears as its *kind* of identifier, with a reference.

    Context: Enters an RCU read section; *task* has not been released.
    """
    with rcu():
        if kind == PIDTYPE_PID:
            found: pid | None = READ_ONCE(task).thread_pid
        elif kind == PIDTYPE_TGID:
            found = _borne(task, kind)
        else:
            found = step_read(task.signal, "pids")[kind]
        assert found is not None  # not released
        return get_pid(found)


@mirrors("kernel/pid.c", checked="v7.2")
def attach_pid(task: task_struct, kind: int) -> None:
    """Let *task* be found by its *kind* of identifier, before all others there.

    Context: tasklist_lock held for writing.
    """
    p = _borne(task, kind)
    assert p is not None  # written down
    list_add_rcu(task.pid_links[kind], p.tasks[kind])


@mirrors("kernel/pid.c", checked="v7.2")
def detach_pid(pids: list[pid | None], task: task_struct, kind: int) -> None:
    """Undo :func:`attach_pid`; a pid that nobody bears any more goes to *pids*.

    Context: tasklist_lock held for writing; the caller frees *pids* later.
    """
    __change_pid(pids, task, kind, None)


def __change_pid(
    pids: list[pid | None], task: task_struct, kind: int, new: pid | None
) -> None:
    p = task.thread_pid if kind == PIDTYPE_PID else task.signal.pids[kind]
    assert p is not None  # it was attached
    list_del_rcu(task.pid_links[kind])
    if kind == PIDTYPE_PID:
        task.thread_pid = new
    else:
        before = task.signal.pids
        after = (*before[:kind], new, *before[kind + 1 :])
        if new is None:
            # No step: who is being released is met again under its siglock.
            task.signal.__dict__["pids"] = after
        else:
            WRITE_ONCE(task.signal).pids = after
    if not any(pid_has_task(p, other) for other in reversed(range(PIDTYPE_MAX))):
        pids[kind] = p


@mirrors("kernel/pid.c", checked="v7.2")
def change_pid(pids: list[pid | None], task: task_struct, kind: int, new: pid) -> None:
    """Let *task* bear another pid; the old one goes to *pids* if nobody bears it.

    Context: As :func:`detach_pid`.
    """
    __change_pid(pids, task, kind, new)
    attach_pid(task, kind)


@mirrors("kernel/pid.c", checked="v7.2")
def exchange_tids(left: task_struct, right: task_struct) -> None:
    """Swap the own numbers of two threads: whoever holds a pid finds the other one.

    Context: tasklist_lock held for writing.
    """
    lockdep_assert_held_write(tasklist_lock())
    pid1, pid2 = left.thread_pid, right.thread_pid
    assert pid1 is not None  # neither has been released
    assert pid2 is not None
    hlists_swap_heads_rcu(pid1.tasks[PIDTYPE_PID], pid2.tasks[PIDTYPE_PID])
    left.thread_pid = pid2
    right.thread_pid = pid1
    left.pid, right.pid = pid_nr(pid2), pid_nr(pid1)


@mirrors("kernel/pid.c", checked="v7.2")
def transfer_pid(old: task_struct, new: task_struct, kind: int) -> None:
    """Let *new* be found in *old*'s place by their group's *kind* of identifier.

    Context: tasklist_lock held for writing.
    """
    lockdep_assert_held_write(tasklist_lock())
    list_replace_rcu(old.pid_links[kind], new.pid_links[kind])


def wake_pidfd(p: pid) -> None:
    """Wake who polls a pidfd of *p*, under the lock inside its wait queue."""
    spin_lock_irqsave(p.wait_pidfd_lock)
    wake_up_all(p.wait_pidfd)
    spin_unlock_irqrestore(p.wait_pidfd_lock)
