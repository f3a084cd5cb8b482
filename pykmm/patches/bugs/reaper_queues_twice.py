# SPDX-License-Identifier: GPL-2.0-only
"""``queue_oom_reaper()`` that asks the list whether a victim is in it.

Last of the list is a victim with an empty link, and so is one that the reaper has
taken and not finished. Neither has to be the head, so both can be queued again;
once finished, the reaper empties the link of one that is in the list.
"""

from __future__ import annotations

from ...errors import Leak
from ...linux.compiler import data_race
from ...linux.sched import task_struct
from ...linux.sched.task import get_task_struct
from ...linux.spinlock import spin_lock_irqsave, spin_unlock_irqrestore
from ...linux.trace.events.oom import trace_wake_reaper
from ...linux.wait import wake_up
from ...mm import oom_kill_reaper
from ...mm.oom_kill_victim import oom
from ..patch import Patch

patch = Patch(
    "reaper-queues-twice",
    kind="bug",
    summary="the reaper's queue tests link and head, not one bit of the memory",
    origin='what 9bcdeb51bd7d ("oom, oom_reaper: do not enqueue same task twice") '
    "mended, with the queue of then, which has no timer",
    reports=(Leak,),
    scenario="memcg-oom-group",
)


@patch.replaces(oom_kill_reaper.queue_oom_reaper)
def queue_oom_reaper(tsk: task_struct) -> None:
    """Hand a victim to the reaper at once, unless it seems to be queued."""
    statics = oom()
    if tsk is data_race(statics).oom_reaper_list or tsk.oom_reaper_list is not None:
        return
    get_task_struct(tsk)
    spin_lock_irqsave(statics.oom_reaper_lock)
    tsk.oom_reaper_list = statics.oom_reaper_list
    statics.oom_reaper_list = tsk
    spin_unlock_irqrestore(statics.oom_reaper_lock)
    trace_wake_reaper(tsk.pid)
    wake_up(statics.oom_reaper_wait)
