# SPDX-License-Identifier: GPL-2.0-only
"""Switching the OOM killer off and on — part of ``mm/oom_kill.c``.

Only for a system whose processes are all frozen: with the killer off, an allocation
that cannot be served fails.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.atomic import atomic_read
from ..linux.compiler import WRITE_ONCE
from ..linux.mutex import mutex_lock_killable, mutex_unlock
from ..linux.printk import pr_info
from ..linux.wait import wait_event_interruptible_timeout
from .oom_kill_victim import oom

__all__ = ["oom_killer_disable", "oom_killer_enable"]


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_killer_enable() -> None:
    """Switch the OOM killer on, also if it was never off.

    Context: Any; takes no lock.
    """
    WRITE_ONCE(oom()).oom_killer_disabled = False
    pr_info("OOM killer enabled.")


@mirrors("mm/oom_kill.c", checked="v7.2")
def oom_killer_disable(timeout: int) -> bool:
    """Switch the OOM killer off, and wait until no victim is dying any more.

    Context: May sleep, for *timeout* jiffies after it got oom_lock.
    Return: False, with the killer on, if current was killed while it waited for
        oom_lock, got a signal, or time ran out.
    """
    statics = oom()
    if mutex_lock_killable(statics.oom_lock):
        return False
    WRITE_ONCE(statics).oom_killer_disabled = True
    mutex_unlock(statics.oom_lock)
    ret = wait_event_interruptible_timeout(
        statics.oom_victims_wait,
        lambda: not atomic_read(statics.oom_victims),
        timeout,
    )
    if ret <= 0:
        oom_killer_enable()
        return False
    pr_info("OOM killer disabled.")
    return True
