# SPDX-License-Identifier: GPL-2.0-only
"""The OOM killer and ``process_mrelease()`` — ``mm/oom_kill.c``.

The file is too long for one here; its parts stand beside it and everything can
be imported from this one: who is dying (``oom_kill_victim``), whom to kill
(``oom_kill_select``), the reaper (``oom_kill_reaper``), the log (``oom_kill_dump``),
switching it all off (``oom_kill_disable``), notifiers and settings.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..kernel.signal_send import do_send_sig_info
from ..kernel.sysctl import register_sysctl_init
from ..lib.ratelimit import ___ratelimit
from ..linux.bug import panic
from ..linux.compiler import READ_ONCE
from ..linux.lockdep import lockdep_assert_held
from ..linux.mm import mm_flags_set
from ..linux.mm_types import MMF_OOM_SKIP, mm_struct
from ..linux.oom import (
    __GFP_FS,
    LONG_MIN,
    Aborted,
    oom_constraint,
    oom_control,
    oom_task_origin,
    tsk_is_oom_victim,
)
from ..linux.pid import PIDTYPE_TGID, is_global_init
from ..linux.printk import count_vm_event, pr_info, pr_warn
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import PF_KTHREAD, current, task_struct
from ..linux.sched.mm import mmdrop, mmgrab
from ..linux.sched.signal import for_each_process, same_thread_group
from ..linux.sched.task import (
    get_task_struct,
    put_task_struct,
    task_lock,
    task_unlock,
)
from ..linux.signal import SEND_SIG_PRIV
from ..linux.uapi import OOM_SCORE_ADJ_MIN, SIGKILL
from .memcontrol import (
    mem_cgroup_get_oom_group,
    mem_cgroup_print_oom_group,
    mem_cgroup_scan_tasks,
    memcg_memory_event,
    memcg_of,
)
from .oom_kill_disable import oom_killer_disable, oom_killer_enable
from .oom_kill_dump import (
    dump_header,
    dump_oom_victim,
    dump_task,
    dump_tasks,
    print_kill,
    task_comm,
)
from .oom_kill_fault import pagefault_out_of_memory
from .oom_kill_mrelease import process_mrelease
from .oom_kill_notify import (
    OomFreed,
    notifiers_freed,
    register_oom_notifier,
    unregister_oom_notifier,
)
from .oom_kill_reaper import (
    MAX_OOM_REAP_RETRIES,
    __oom_reap_task_mm,
    oom_reap_task,
    oom_reap_task_mm,
    oom_reaper,
    queue_oom_reaper,
    wake_oom_reaper,
)
from .oom_kill_select import (
    constrained_alloc,
    is_memcg_oom,
    is_sysrq_oom,
    oom_badness,
    oom_cpuset_eligible,
    oom_evaluate_task,
    select_bad_process,
)
from .oom_kill_sysctl import vm_oom_kill_table
from .oom_kill_victim import (
    OomStatics,
    __task_will_free_mem,
    exit_oom_victim,
    find_lock_task_mm,
    mark_oom_victim,
    oom,
    oom_unkillable_task,
    process_shares_mm,
    task_will_free_mem,
)

__all__ = [
    "LONG_MIN",
    "MAX_OOM_REAP_RETRIES",
    "OomFreed",
    "OomStatics",
    "__oom_kill_process",
    "__oom_reap_task_mm",
    "__task_will_free_mem",
    "check_panic_on_oom",
    "constrained_alloc",
    "dump_header",
    "dump_oom_victim",
    "dump_task",
    "dump_tasks",
    "exit_oom_victim",
    "find_lock_task_mm",
    "is_memcg_oom",
    "mark_oom_victim",
    "oom",
    "oom_badness",
    "oom_cpuset_eligible",
    "oom_evaluate_task",
    "oom_init",
    "oom_kill_memcg_member",
    "oom_kill_process",
    "oom_killer_disable",
    "oom_killer_enable",
    "oom_reap_task",
    "oom_reap_task_mm",
    "oom_reaper",
    "oom_task_origin",
    "oom_unkillable_task",
    "out_of_memory",
    "pagefault_out_of_memory",
    "process_mrelease",
    "process_shares_mm",
    "queue_oom_reaper",
    "register_oom_notifier",
    "select_bad_process",
    "task_will_free_mem",
    "tsk_is_oom_victim",
    "unregister_oom_notifier",
    "wake_oom_reaper",
]


@mirrors("mm/oom_kill.c", checked="v7.2")
def check_panic_on_oom(oc: oom_control) -> None:
    """Panic if the administrator prefers that to killing.

    Context: oom_lock held.
    """
    policy = READ_ONCE(oom()).sysctl_panic_on_oom
    if not policy:
        return
    if policy != 2 and oc.constraint != oom_constraint.CONSTRAINT_NONE:
        return
    if is_sysrq_oom(oc):
        return
    dump_header(oc)
    kind = "compulsory" if policy == 2 else "system-wide"
    panic(f"Out of memory: {kind} panic_on_oom is enabled")


def _lock_victim(victim: task_struct, message: str) -> task_struct | None:
    """Move the caller's reference to a thread that has the mm, and lock that one."""
    p = find_lock_task_mm(victim)
    if p is None:
        pr_info(
            f"{message}: OOM victim {victim.pid} ({task_comm(victim)}) is already "
            "exiting. Skip killing the task"
        )
        put_task_struct(victim)
        return None
    if p is not victim:
        get_task_struct(p)
        put_task_struct(victim)
    return p


def _count_for_memcg(mm: mm_struct) -> None:
    """Count the kill at the cgroup that *mm* is charged to, if it has an owner."""
    if not current_machine().config.CONFIG_MEMCG:
        return
    rcu_read_lock()
    owner = READ_ONCE(mm).owner
    if owner is not None:
        memcg_memory_event(memcg_of(owner), "OOM_KILL")
    rcu_read_unlock()


@mirrors("mm/oom_kill.c", checked="v7.2")
def __oom_kill_process(victim: task_struct, message: str) -> None:
    """Kill *victim* and everybody who shares its address space, and queue a reap.

    Context: oom_lock held. Consumes the caller's reference on *victim*.
    """
    locked = _lock_victim(victim, message)
    if locked is None:
        return
    victim = locked
    mm = victim.mm
    assert mm is not None  # that is what was found
    mmgrab(mm)
    # Counted before the signal: a parent that waits must find it in the count.
    count_vm_event("OOM_KILL")
    _count_for_memcg(mm)
    do_send_sig_info(SIGKILL, SEND_SIG_PRIV, victim, PIDTYPE_TGID)
    # After the signal, so that user space cannot run with access to reserves.
    mark_oom_victim(victim)
    print_kill(message, victim, mm)
    task_unlock(victim)
    if _kill_sharers(victim, mm):
        queue_oom_reaper(victim)
    mmdrop(mm)
    put_task_struct(victim)


def _kill_sharers(victim: task_struct, mm: mm_struct) -> bool:
    """Kill the other processes that use *mm*; False if one of them is init."""
    can_oom_reap = True
    rcu_read_lock()
    try:
        for p in for_each_process():
            if not process_shares_mm(p, mm) or same_thread_group(p, victim):
                continue
            if is_global_init(p):
                can_oom_reap = False
                mm_flags_set(MMF_OOM_SKIP, mm)
                pr_info(
                    f"oom killer {victim.pid} ({task_comm(victim)}) has mm pinned "
                    f"by {p.pid} ({task_comm(p)})"
                )
                continue
            # A kernel thread that borrows the mm cannot touch it any more.
            if p.__dict__["flags"] & PF_KTHREAD:
                continue
            do_send_sig_info(SIGKILL, SEND_SIG_PRIV, p, PIDTYPE_TGID)
    finally:
        rcu_read_unlock()
    return can_oom_reap


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_kill_memcg_member(task: task_struct, message: str) -> int:
    """Kill one member of a group that dies together; protected ones are spared."""
    if READ_ONCE(task.signal).oom_score_adj != OOM_SCORE_ADJ_MIN and not is_global_init(
        task
    ):
        __oom_kill_process(get_task_struct(task), message)
    return 0


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_kill_process(oc: oom_control, message: str) -> None:
    """Kill the chosen task, or only speed it up if it is dying already.

    Context: oom_lock held. Consumes the reference in ``oc.chosen``.
    """
    victim = oc.chosen
    assert isinstance(victim, task_struct)  # the caller's promise
    task_lock(victim)
    if task_will_free_mem(victim):
        mark_oom_victim(victim)
        queue_oom_reaper(victim)
        task_unlock(victim)
        put_task_struct(victim)
        return
    task_unlock(victim)
    if ___ratelimit(oom().oom_rs, "oom_kill_process"):
        dump_header(oc)
        dump_oom_victim(oc, victim)
    # Asked before the kill, for the victim may leave its cgroup.
    oom_group = mem_cgroup_get_oom_group(victim, oc.memcg)
    __oom_kill_process(victim, message)
    if oom_group is not None:
        memcg_memory_event(oom_group, "OOM_GROUP_KILL")
        mem_cgroup_print_oom_group(oom_group)
        mem_cgroup_scan_tasks(oom_group, lambda p: oom_kill_memcg_member(p, message))


@mirrors("mm/oom_kill.c", checked="v7.2")
def out_of_memory(oc: oom_control) -> bool:
    """Do something about a shortage of memory: kill, or see that it is not needed.

    Context: oom_lock held by the caller; may sleep.
    Return: False if nothing could be done, so that the caller must give up.
    """
    lockdep_assert_held(oom().oom_lock)
    if READ_ONCE(oom()).oom_killer_disabled:
        return False
    if not is_memcg_oom(oc):
        # Asked in any case: sysrq only does not care for the answer.
        if notifiers_freed() > 0 and not is_sysrq_oom(oc):
            return True
    # A task that is dying anyway only needs access to reserves.
    if task_will_free_mem(current()):
        mark_oom_victim(current())
        queue_oom_reaper(current())
        return True
    # Without I/O the caller cannot have tried everything: let it come again.
    if not oc.gfp_mask & __GFP_FS and not is_memcg_oom(oc):
        return True
    oc.constraint = constrained_alloc(oc)
    if oc.constraint != oom_constraint.CONSTRAINT_MEMORY_POLICY:
        oc.nodemask = None
    check_panic_on_oom(oc)
    if _may_kill_allocating_task(oc):
        oc.chosen = get_task_struct(current())
        oom_kill_process(oc, "Out of memory (oom_kill_allocating_task)")
        return True
    select_bad_process(oc)
    if oc.chosen is None:
        dump_header(oc)
        pr_warn("Out of memory and no killable processes...")
        if not is_sysrq_oom(oc) and not is_memcg_oom(oc):
            panic("System is deadlocked on memory")
    if oc.chosen is not None and not isinstance(oc.chosen, Aborted):
        memcg = is_memcg_oom(oc)
        oom_kill_process(
            oc, "Memory cgroup out of memory" if memcg else "Out of memory"
        )
    return oc.chosen is not None


def _may_kill_allocating_task(oc: oom_control) -> bool:
    task = current()
    return (
        not is_memcg_oom(oc)
        and bool(READ_ONCE(oom()).sysctl_oom_kill_allocating_task)
        and task.mm is not None
        and not oom_unkillable_task(task)
        and oom_cpuset_eligible(task, oc)
        and READ_ONCE(task.signal).oom_score_adj != OOM_SCORE_ADJ_MIN
    )


@mirrors("mm/oom_kill.c", checked="v7.2", abridged="boot starts the reaper's thread")
def oom_init() -> None:
    """Let the settings be found; without an MMU there are none.

    Context: Boot.
    """
    if current_machine().config.CONFIG_MMU:
        register_sysctl_init("vm", vm_oom_kill_table)
