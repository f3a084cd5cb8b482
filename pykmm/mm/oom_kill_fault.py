# SPDX-License-Identifier: GPL-2.0-only
"""A fault that found no memory — part of ``mm/oom_kill.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..lib.ratelimit import ___ratelimit
from ..linux.printk import pr_warn
from ..linux.sched import current
from ..linux.sched.signal import fatal_signal_pending
from .memcontrol_v1 import mem_cgroup_oom_synchronize
from .oom_kill_victim import oom

__all__ = ["pagefault_out_of_memory"]


@mirrors("mm/oom_kill.c", checked="v7.2")
def pagefault_out_of_memory() -> None:
    """Settle a fault that ended with VM_FAULT_OOM, before it is tried again.

    Nobody is killed here: whoever allocated has seen to that, or left it to user
    space, which is waited for.

    Context: The end of a user fault; no lock held, may sleep.
    """
    if mem_cgroup_oom_synchronize(True):
        return
    if fatal_signal_pending(current()):
        return
    if ___ratelimit(oom().pfoom_rs, "pagefault_out_of_memory"):
        pr_warn("Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF")
