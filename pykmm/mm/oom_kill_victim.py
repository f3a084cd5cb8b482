# SPDX-License-Identifier: GPL-2.0-only
"""Who is dying already, and who is marked to die — part of ``mm/oom_kill.c``.

"Is a victim" is said of a group and is for good (``signal->oom_mm``);
``TIF_MEMDIE`` is said of one thread and ends with its address space.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.config import Config
from ..engine.events import Access
from ..engine.fields import (
    const,
    embedded,
    field_of,
    guarded,
    kernel_struct,
    shared,
)
from ..engine.machine import current_machine
from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..kernel.freezer import thaw_process
from ..lib.ratelimit import ratelimit_state
from ..linux.atomic import atomic_dec_return, atomic_inc, atomic_read, atomic_t
from ..linux.bitops import clear_bit, test_and_set_bit
from ..linux.bug import WARN_ON
from ..linux.compiler import READ_ONCE, data_race
from ..linux.lockdep import lockdep_assert, lockdep_is_held
from ..linux.mm import mm_flags_test
from ..linux.mm_types import MMF_OOM_SKIP, mm_struct
from ..linux.mutex import mutex
from ..linux.notifier import blocking_notifier_head
from ..linux.pid import is_global_init
from ..linux.printk import trace
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import (
    PF_EXITING,
    PF_KTHREAD,
    TIF_MEMDIE,
    current,
    task_struct,
)
from ..linux.sched.mm import mmgrab
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    for_each_process,
    for_each_thread,
    same_thread_group,
    thread_group_empty,
)
from ..linux.sched.task import task_lock, task_unlock
from ..linux.spinlock import spinlock_t
from ..linux.trace.events.oom import trace_mark_victim
from ..linux.wait import wait_queue_head_t, wake_up_all

__all__ = [
    "OomStatics",
    "__task_will_free_mem",
    "exit_oom_victim",
    "find_lock_task_mm",
    "mark_oom_victim",
    "oom",
    "oom_unkillable_task",
    "process_shares_mm",
    "task_will_free_mem",
]


def _config() -> Config:
    return current_machine().config


@kernel_struct
class OomStatics(Struct):
    """The file's static variables."""

    oom_lock: mutex = embedded(mutex)
    oom_adj_mutex: mutex = embedded(mutex)

    # -- settings; whoever looks takes what is there
    sysctl_panic_on_oom: int = shared(factory=lambda: _config().panic_on_oom)
    sysctl_oom_kill_allocating_task: int = shared(
        factory=lambda: _config().oom_kill_allocating_task
    )
    sysctl_oom_dump_tasks: int = shared(factory=lambda: _config().oom_dump_tasks)

    oom_victims: atomic_t = embedded(lambda statics: atomic_t(0, statics))
    oom_victims_wait: wait_queue_head_t = embedded(wait_queue_head_t)
    #: Set under oom_lock, and cleared without it.
    oom_killer_disabled: bool = shared(default=False)
    oom_notify_list: blocking_notifier_head = const(factory=blocking_notifier_head)

    oom_reaper_lock: spinlock_t = embedded(spinlock_t)
    oom_reaper_wait: wait_queue_head_t = embedded(wait_queue_head_t)
    #: Head of the list through ``task->oom_reaper_list``.
    oom_reaper_list: task_struct | None = guarded(
        by="oom_reaper_lock", default=None, lockless=True
    )
    oom_reaper_th: task_struct | None = const(default=None)

    #: How often a report, and a leaked VM_FAULT_OOM, may be told of.
    oom_rs: ratelimit_state = const(factory=ratelimit_state)
    pfoom_rs: ratelimit_state = const(factory=ratelimit_state)


oom = MachineLocal(OomStatics)


@mirrors("mm/oom_kill.c", checked="v7.2")
def find_lock_task_mm(p: task_struct) -> task_struct | None:
    """Find a thread of *p*'s process that still has the address space, and lock it.

    Context: Enters and leaves an RCU read section; never sleeps.
    Return: The thread **with its task_lock held**, which is what keeps its ``mm``;
        no reference is taken. None if every thread has dropped its mm.
    """
    rcu_read_lock()
    try:
        for t in for_each_thread(p):
            task_lock(t)
            if t.mm is not None:
                return t
            task_unlock(t)
        return None
    finally:
        rcu_read_unlock()


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_unkillable_task(p: task_struct) -> bool:
    """Tell whether *p* may never be killed: global init and kernel threads."""
    return is_global_init(p) or bool(p.__dict__["flags"] & PF_KTHREAD)


@mirrors("mm/oom_kill.c", checked="v7.2")
def process_shares_mm(p: task_struct, mm: mm_struct) -> bool:
    """Tell whether the process of *p* uses *mm*; its first thread with an mm decides.

    Context: RCU read section. The threads' ``mm`` are read without their locks.
    """
    for t in for_each_thread(p):
        t_mm = READ_ONCE(t).mm
        if t_mm is not None:
            return t_mm is mm
    return False


@mirrors("mm/oom_kill.c", checked="v7.2")
def __task_will_free_mem(task: task_struct) -> bool:
    """Tell whether the process of *task* is on its way out by itself.

    A process that dumps core is not, although it is marked as exiting: the dump
    may take for ever.

    Context: Any; reads without locks.
    """
    sig = task.signal
    if READ_ONCE(sig).core_state is not None:
        return False
    if READ_ONCE(sig).flags & SIGNAL_GROUP_EXIT:
        return True
    return thread_group_empty(task) and bool(data_race(task).flags & PF_EXITING)


@mirrors("mm/oom_kill.c", checked="v7.2")
def task_will_free_mem(task: task_struct) -> bool:
    """Tell whether the memory of *task* is already on its way back.

    One healthy process that shares the address space would keep every page, so
    all of them have to be dying.

    Context: Caller holds ``task_lock(task)``, or *task* is current, so that
        ``task.mm`` cannot change. Enters an RCU read section; never sleeps.
    Return: False also when there is no mm left, and when the reaper has already
        given up on this mm (``MMF_OOM_SKIP``).
    """
    lockdep_assert(
        task is current() or lockdep_is_held(task.alloc_lock),
        f"task_will_free_mem() on {task.name} without its task_lock",
    )
    mm = task.mm
    if mm is None:
        return False
    if not __task_will_free_mem(task):
        return False
    if mm_flags_test(MMF_OOM_SKIP, mm):
        return False
    if atomic_read(mm.mm_users) <= 1:
        return True

    # A raised mm_users may be a passing reader or a process that lives on; only
    # the process list can tell which.
    rcu_read_lock()
    try:
        for p in for_each_process():
            if not process_shares_mm(p, mm) or same_thread_group(task, p):
                continue
            if not __task_will_free_mem(p):
                return False
        return True
    finally:
        rcu_read_unlock()


def _cmpxchg_oom_mm(tsk: task_struct, mm: mm_struct) -> bool:
    """Set the group's ``oom_mm`` unless it is set; tell whether this call did."""
    signal = tsk.signal
    field = field_of(signal, "oom_mm")
    t = enter(field, "cmpxchg")
    first = signal.__dict__["oom_mm"] is None
    if first:
        signal.__dict__["oom_mm"] = mm
    leave(t, field, Access.WRITE if first else Access.READ, mm)
    return first


@mirrors("mm/oom_kill.c", checked="v7.2")
def mark_oom_victim(tsk: task_struct) -> None:
    """Give *tsk* access to memory reserves, and its group the name of a victim.

    Context: oom_lock held and the killer not disabled; ``tsk.mm`` is there and
        stable (task_lock, or *tsk* is current).
    """
    mm = tsk.mm
    WARN_ON(
        READ_ONCE(oom()).oom_killer_disabled,
        "victim marked while the OOM killer is disabled",
    )
    if test_and_set_bit(TIF_MEMDIE, tsk.thread_flags):
        return
    assert mm is not None  # the caller's promise
    if _cmpxchg_oom_mm(tsk, mm):
        mmgrab(mm)
    thaw_process(tsk)
    atomic_inc(oom().oom_victims)
    trace_mark_victim(tsk, tsk.__dict__["cred"].uid)


@mirrors("mm/oom_kill.c", checked="v7.2")
def exit_oom_victim() -> None:
    """Note that current, a victim, has given its address space up.

    Context: Called by ``exit_mm()`` after its ``mmput()``.
    """
    clear_bit(TIF_MEMDIE, current().thread_flags)
    if atomic_dec_return(oom().oom_victims) == 0:
        wake_up_all(oom().oom_victims_wait)
        trace("wake_up_all")
