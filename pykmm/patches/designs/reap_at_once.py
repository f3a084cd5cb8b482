# SPDX-License-Identifier: GPL-2.0-only
"""Design I, the delay: the reaper comes at once, not after two seconds.

The delay is there so that a victim can walk its list of robust futexes first.
"""

from __future__ import annotations

from ...engine.machine import current_machine
from ...linux.jiffies import jiffies
from ...linux.mm import mm_flags_test_and_set
from ...linux.mm_types import MMF_OOM_REAP_QUEUED
from ...linux.oom import victim_mm
from ...linux.printk import trace
from ...linux.sched import task_struct
from ...linux.sched.task import get_task_struct
from ...linux.timer import add_timer, timer_setup
from ...mm import oom_kill
from ...mm.oom_kill_reaper import wake_oom_reaper
from ..patch import Patch

patch = Patch(
    "I-now",
    kind="design",
    summary="the OOM reaper comes at once, not after two seconds",
    origin="v1 to v6 of the series of 2025, which wanted that for some victims",
    scenario="oom-kill-stuck",
)


@patch.replaces(oom_kill.queue_oom_reaper)
def queue_oom_reaper(tsk: task_struct) -> None:
    """Arm the timer after which *tsk*'s address space is reaped: it is due now.

    Context: Atomic. Takes a reference on *tsk* for the queue.
    """
    if not current_machine().config.CONFIG_MMU:
        return
    if mm_flags_test_and_set(MMF_OOM_REAP_QUEUED, victim_mm(tsk)):
        return
    get_task_struct(tsk)
    timer_setup(tsk.oom_reaper_timer, wake_oom_reaper)
    add_timer(tsk.oom_reaper_timer, jiffies())
    trace("timer", 0)
