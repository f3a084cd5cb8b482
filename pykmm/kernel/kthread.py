# SPDX-License-Identifier: GPL-2.0-only
"""Kernel threads that work for a process — ``kernel/kthread.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.bug import WARN_ON_ONCE
from ..linux.irqflags import local_irq_disable, local_irq_enable
from ..linux.mm_types import mm_struct
from ..linux.sched import PF_KTHREAD, current
from ..linux.sched.mm import mmdrop, mmdrop_lazy_tlb, mmgrab, mmgrab_lazy_tlb
from ..linux.sched.task import task_lock, task_unlock

__all__ = ["kthread_unuse_mm", "kthread_use_mm"]


@mirrors(
    "kernel/kthread.c",
    checked="v7.2",
    abridged="a kernel thread that never borrowed holds no lazy reference",
)
def kthread_use_mm(mm: mm_struct) -> None:
    """Show an address space as current's own, to access the memory in it.

    Only the structure is kept: whoever asks for the work is a user, or keeps one.

    Context: A kernel thread that shows none. Takes task_lock.
    """
    tsk = current()
    WARN_ON_ONCE(not tsk.flags & PF_KTHREAD, f"{tsk.name} has memory of its own")
    WARN_ON_ONCE(tsk.mm is not None, f"{tsk.name} borrows twice")
    mmgrab(mm)
    task_lock(tsk)
    local_irq_disable()
    active_mm = tsk.active_mm
    tsk.active_mm = mm
    tsk.mm = mm
    local_irq_enable()
    task_unlock(tsk)
    if active_mm is not None:
        mmdrop_lazy_tlb(active_mm)


@mirrors("kernel/kthread.c", checked="v7.2")
def kthread_unuse_mm(mm: mm_struct) -> None:
    """Undo :func:`kthread_use_mm`; the processor goes on using *mm* lazily.

    Context: As :func:`kthread_use_mm`.
    """
    tsk = current()
    WARN_ON_ONCE(not tsk.flags & PF_KTHREAD, f"{tsk.name} has memory of its own")
    WARN_ON_ONCE(tsk.mm is None, f"{tsk.name} borrows nothing")
    task_lock(tsk)
    local_irq_disable()
    tsk.mm = None
    mmgrab_lazy_tlb(mm)
    local_irq_enable()
    task_unlock(tsk)
    mmdrop(mm)
