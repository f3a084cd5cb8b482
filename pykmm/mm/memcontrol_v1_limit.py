# SPDX-License-Identifier: GPL-2.0-only
"""The limit of version 1, which never kills — part of ``mm/memcontrol-v1.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EBUSY, EINTR
from ..linux.memcontrol import mem_cgroup
from ..linux.sched import current
from ..linux.sched.signal import signal_pending
from .memcontrol_v1 import memcg1_oom_recover
from .vmscan import try_to_free_mem_cgroup_pages

__all__ = ["mem_cgroup_resize_max"]


@mirrors(
    "mm/memcontrol-v1.c",
    checked="v7.2",
    abridged="takes pages; memory and swap together have no limit of their own",
)
def mem_cgroup_resize_max(memcg: mem_cgroup, max: int) -> int:
    """Set the limit of a version 1 cgroup, if its usage can be brought below.

    Context: A program; may sleep.
    Return: 0; -EBUSY if the usage stays above; -EINTR for a signal.
    """
    while True:
        if signal_pending(current()):
            return -EINTR
        old = memcg.memory._set_max_above_usage(max)
        if old is not None:
            break
        if not try_to_free_mem_cgroup_pages(memcg, 1):
            return -EBUSY
    if max > old:
        memcg1_oom_recover(memcg)
    return 0
