# SPDX-License-Identifier: GPL-2.0-only
"""What exec leaves for those who look into a task — ``linux/sched/exec_state.h``.

It outlives the task's memory, so a zombie is as hard to look into as it was alive.
"""

from __future__ import annotations

from ...engine.fields import kernel_struct, shared
from ...engine.objects import Struct
from .coredump import TASK_DUMPABLE_OFF

__all__ = ["task_exec_state"]


@kernel_struct
class task_exec_state(Struct):
    """Whether others may look into the tasks that share it; nobody counts them."""

    dumpable: int = shared(default=TASK_DUMPABLE_OFF)
