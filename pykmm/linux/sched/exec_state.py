# SPDX-License-Identifier: GPL-2.0-only
"""What exec leaves for those who look into a task — ``linux/sched/exec_state.h``.

It outlives the task's memory, so a zombie is as hard to look into as it was alive.
"""

from __future__ import annotations

from ...engine.fields import kernel_struct, shared
from ...engine.machine import current_machine
from ...engine.objects import Struct
from .coredump import TASK_DUMPABLE_OFF

__all__ = ["task_exec_state"]


@kernel_struct
class task_exec_state(Struct):
    """Whether others may look into the tasks that share it; nobody counts them."""

    dumpable: int = shared(default=TASK_DUMPABLE_OFF)

    def __attrs_post_init__(self) -> None:
        # Without a count nobody could say when it dies: it goes when no task refers
        # to it, and is none of the structures that have to be freed.
        del current_machine().alive[self]
