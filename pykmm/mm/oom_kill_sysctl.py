# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator decides — part of ``mm/oom_kill.c``.

The values are the machine's own; they begin as its :class:`Config` says.
"""

from __future__ import annotations

from typing import Final

from ..kernel.sysctl import proc_dointvec, proc_dointvec_minmax
from ..linux.sysctl import ctl_table
from .oom_kill_victim import oom

__all__ = ["vm_oom_kill_table"]

_MODE: Final = 0o644

#: The settings, in the order in which they are registered below ``vm``.
vm_oom_kill_table: Final = (
    ctl_table(
        "panic_on_oom",
        (oom, "sysctl_panic_on_oom"),
        _MODE,
        proc_dointvec_minmax,
        extra1=0,
        extra2=2,
    ),
    ctl_table(
        "oom_kill_allocating_task",
        (oom, "sysctl_oom_kill_allocating_task"),
        _MODE,
        proc_dointvec,
    ),
    ctl_table("oom_dump_tasks", (oom, "sysctl_oom_dump_tasks"), _MODE, proc_dointvec),
)
