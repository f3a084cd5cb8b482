# SPDX-License-Identifier: GPL-2.0-only
"""Whose a task's core may be — ``include/linux/sched/coredump.h``."""

from __future__ import annotations

from typing import Final

__all__ = ["TASK_DUMPABLE_OFF", "TASK_DUMPABLE_OWNER", "TASK_DUMPABLE_ROOT"]

#: Nobody may look into the task, the user as whom it acts may, or only root.
TASK_DUMPABLE_OFF: Final = 0
TASK_DUMPABLE_OWNER: Final = 1
TASK_DUMPABLE_ROOT: Final = 2
