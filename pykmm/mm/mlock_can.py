# SPDX-License-Identifier: GPL-2.0-only
"""Who may lock memory at all — part of ``mm/mlock.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..kernel.capability import capable
from ..linux.resource import RLIMIT_MEMLOCK
from ..linux.sched.signal import rlimit
from ..linux.uapi import CAP_IPC_LOCK

__all__ = ["can_do_mlock"]


@mirrors("mm/mlock.c", checked="v7.2")
def can_do_mlock() -> bool:
    """Tell whether current may lock any memory.

    Context: Any.
    """
    return rlimit(RLIMIT_MEMLOCK) != 0 or capable(CAP_IPC_LOCK)
