# SPDX-License-Identifier: GPL-2.0-only
"""``exit_mm()`` without its ``mmput()``.

The task stops showing the address space but never gives it up, so nobody ever
takes it down.
"""

from __future__ import annotations

from ...errors import InvariantViolation, Leak
from ...kernel import exit as kernel_exit
from ...kernel.exit import mm_update_next_owner
from ...linux.irqflags import local_irq_disable, local_irq_enable
from ...linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from ...linux.sched import current
from ...linux.sched.mm import mmgrab_lazy_tlb
from ...linux.sched.task import task_lock, task_unlock
from ..patch import Patch

patch = Patch(
    "exit-keeps-mm",
    kind="bug",
    summary="exit_mm() drops no mm_users: the memory of every dead process stays",
    origin="seeded: the mmput() at the end of exit_mm() is lost",
    reports=(Leak, InvariantViolation),
    scenario="mrelease-vs-exit",
)


@patch.replaces(kernel_exit.exit_mm)
def exit_mm() -> None:
    """Stop showing the address space, and keep it."""
    tsk = current()
    mm = tsk.mm
    if mm is None:
        return
    mmap_read_lock(mm)
    mmgrab_lazy_tlb(mm)
    task_lock(tsk)
    local_irq_disable()
    tsk.mm = None
    local_irq_enable()
    task_unlock(tsk)
    mmap_read_unlock(mm)
    mm_update_next_owner(mm)
