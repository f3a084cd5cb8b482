# SPDX-License-Identifier: GPL-2.0-only
"""Taking a victim's memory without its help — part of ``mm/oom_kill.c``.

Work comes to the reaper by a timer, once in the life of an address space. The
walk starts at the top, because the victim's own ``exit_mmap()`` starts at the
bottom: the two meet once instead of fighting over every page-table lock.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..kernel.locking.lockdep import debug_show_all_locks
from ..kernel.sched.core_show import sched_show_task
from ..linux.compiler import READ_ONCE
from ..linux.compiler_context_analysis import must_hold_shared
from ..linux.jiffies import HZ, jiffies, schedule_timeout_idle
from ..linux.maple_tree import MA_STATE, mas_for_each_rev
from ..linux.mm import (
    VM_HUGETLB,
    VM_PFNMAP,
    VM_SHARED,
    mm_flags_set,
    mm_flags_test,
    mm_flags_test_and_set,
    vma_is_anonymous,
)
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MMF_OOM_REAP_QUEUED,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    mm_struct,
)
from ..linux.mmap_lock import mmap_read_trylock, mmap_read_unlock
from ..linux.oom import victim_mm
from ..linux.printk import pr_info, trace
from ..linux.sched import task_struct
from ..linux.sched.task import get_task_struct, put_task_struct
from ..linux.spinlock import (
    spin_lock_irq,
    spin_lock_irqsave,
    spin_unlock_irq,
    spin_unlock_irqrestore,
)
from ..linux.timer import add_timer, timer_list, timer_setup
from ..linux.trace.events.oom import (
    trace_finish_task_reaping,
    trace_skip_task_reaping,
    trace_start_task_reaping,
    trace_wake_reaper,
)
from ..linux.wait import wait_event_freezable, wake_up
from .internal import K
from .memory import zap_vma_for_reaping
from .oom_kill_dump import peek_counter, task_comm
from .oom_kill_victim import OomStatics, oom

__all__ = [
    "MAX_OOM_REAP_RETRIES",
    "__oom_reap_task_mm",
    "oom_reap_task",
    "oom_reap_task_mm",
    "oom_reaper",
    "queue_oom_reaper",
    "wake_oom_reaper",
]

MAX_OOM_REAP_RETRIES: Final = 10
_ULONG_MAX: Final = 2**64 - 1


def OOM_REAPER_DELAY() -> int:  # noqa: N802 -- Linux's macro
    """Return how long a victim may take to exit by itself, in jiffies."""
    return 2 * HZ()


def _kb(mm: mm_struct, member: int) -> int:
    return K(peek_counter(mm, member))


@mirrors("mm/oom_kill.c", checked="v7.2")
@must_hold_shared("mm.mmap_lock")
def __oom_reap_task_mm(mm: mm_struct) -> bool:
    """Zap every private mapping of *mm*, from the highest address down.

    The address space is marked unstable first, so that whoever faults in it
    afterwards gets SIGBUS instead of silently finding zeroes.

    Context: ``mmap_lock`` held for reading; must not sleep for anybody.
    Return: False if a notifier refused one of the mappings; the others are done.
    """
    mm_flags_set(MMF_UNSTABLE, mm)
    ret = True
    for vma in mas_for_each_rev(MA_STATE(mm.mm_mt, _ULONG_MAX, _ULONG_MAX), 0):
        if vma.vm_flags & (VM_HUGETLB | VM_PFNMAP):
            continue
        # Only private memory comes back by unmapping it.
        if vma_is_anonymous(vma) or not vma.vm_flags & VM_SHARED:
            if zap_vma_for_reaping(vma):
                ret = False
    return ret


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_reap_task_mm(tsk: task_struct, mm: mm_struct) -> bool:
    """Try once to reap *mm*.

    Context: Only tries ``mmap_lock``: a holder for writing may wait for memory.
    Return: False if it is worth trying again.
    """
    if not mmap_read_trylock(mm):
        trace_skip_task_reaping(tsk.pid)
        return False
    try:
        # Under the lock: exit_mmap() sets the flag before it takes the lock for
        # writing, so who gets in later sees it.
        if mm_flags_test(MMF_OOM_SKIP, mm):
            trace_skip_task_reaping(tsk.pid)
            return True
        trace_start_task_reaping(tsk.pid)
        ret = __oom_reap_task_mm(mm)
        if ret:
            pr_info(
                f"oom_reaper: reaped process {tsk.pid} ({task_comm(tsk)}), "
                f"now anon-rss:{_kb(mm, MM_ANONPAGES)}kB, "
                f"file-rss:{_kb(mm, MM_FILEPAGES)}kB, "
                f"shmem-rss:{_kb(mm, MM_SHMEMPAGES)}kB"
            )
        trace_finish_task_reaping(tsk.pid)
        return ret
    finally:
        mmap_read_unlock(mm)


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_reap_task(tsk: task_struct) -> None:
    """Reap the address space that *tsk*'s group was marked with, or give up on it.

    Context: The reaper's thread; sleeps between attempts. Consumes the queue's
        reference on *tsk*.
    """
    mm = victim_mm(tsk)
    attempts = 0
    while True:
        attempts += 1
        if attempts > MAX_OOM_REAP_RETRIES or oom_reap_task_mm(tsk, mm):
            break
        trace("sleep", HZ() // 10)
        schedule_timeout_idle(HZ() // 10)
    if attempts > MAX_OOM_REAP_RETRIES and not mm_flags_test(MMF_OOM_SKIP, mm):
        pr_info(f"oom_reaper: unable to reap pid:{tsk.pid} ({task_comm(tsk)})")
        sched_show_task(tsk)
        debug_show_all_locks()
    tsk.oom_reaper_list = None
    # Reaped, or hopeless: either way the killer must look for somebody else.
    mm_flags_set(MMF_OOM_SKIP, mm)
    put_task_struct(tsk)


def _pop(statics: OomStatics) -> task_struct | None:
    spin_lock_irq(statics.oom_reaper_lock)
    tsk = statics.oom_reaper_list
    if tsk is not None:
        statics.oom_reaper_list = tsk.oom_reaper_list
    spin_unlock_irq(statics.oom_reaper_lock)
    return tsk


def _work_is_queued() -> bool:
    """Look at the list without its lock, as the wait's condition does."""
    return READ_ONCE(oom()).oom_reaper_list is not None


@mirrors(
    "mm/oom_kill.c",
    checked="v7.2",
    abridged="set_freezable() comes at boot, before anything is looked at",
)
def oom_reaper() -> int:
    """Be the reaper's kernel thread: wait for work, last in first out, for ever.

    Context: Sleeps freezably, so that the machine counts as at rest.
    """
    while True:
        wait_event_freezable(oom().oom_reaper_wait, _work_is_queued)
        tsk = _pop(oom())
        if tsk is not None:
            oom_reap_task(tsk)


@mirrors("mm/oom_kill.c", checked="v7.2")
def wake_oom_reaper(timer: timer_list) -> None:
    """Hand a victim whose time is up to the reaper, unless it made it by itself.

    Context: Timer; must not sleep.
    """
    tsk = timer.owner
    assert isinstance(tsk, task_struct)  # the timer is embedded in one
    if mm_flags_test(MMF_OOM_SKIP, victim_mm(tsk)):
        put_task_struct(tsk)
        return
    statics = oom()
    spin_lock_irqsave(statics.oom_reaper_lock)
    tsk.oom_reaper_list = statics.oom_reaper_list
    statics.oom_reaper_list = tsk
    spin_unlock_irqrestore(statics.oom_reaper_lock)
    trace_wake_reaper(tsk.pid)
    wake_up(statics.oom_reaper_wait)
    trace("wake_up")


@mirrors("mm/oom_kill.c", checked="v7.2")
def queue_oom_reaper(tsk: task_struct) -> None:
    """Arm the timer after which *tsk*'s address space is reaped; once a lifetime.

    Context: Atomic. Takes a reference on *tsk* for the queue. Without an MMU there is
        no reaper, and nothing happens.
    """
    if not current_machine().config.CONFIG_MMU:
        return
    if mm_flags_test_and_set(MMF_OOM_REAP_QUEUED, victim_mm(tsk)):
        return
    get_task_struct(tsk)
    timer_setup(tsk.oom_reaper_timer, wake_oom_reaper)
    add_timer(tsk.oom_reaper_timer, jiffies() + OOM_REAPER_DELAY())
    trace("timer", OOM_REAPER_DELAY())
