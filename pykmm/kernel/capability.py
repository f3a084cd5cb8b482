# SPDX-License-Identifier: GPL-2.0-only
"""What a task may do beyond others — ``kernel/capability.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.sched import current, task_struct

__all__ = ["capable", "has_capability_noaudit"]


@mirrors("kernel/capability.c", checked="v7.2", abridged="one user namespace, no LSM")
def has_capability_noaudit(t: task_struct, cap: int) -> bool:
    """Tell whether *t* has the capability *cap*, without leaving a trace.

    Context: Any.
    """
    if t.cap_effective is None:
        return t.uid_ == 0
    return cap in t.cap_effective


@mirrors("kernel/capability.c", checked="v7.2", abridged="one user namespace, no LSM")
def capable(cap: int) -> bool:
    """Tell whether current has the capability *cap*.

    Context: Any.
    """
    return has_capability_noaudit(current(), cap)
