# SPDX-License-Identifier: GPL-2.0-only
"""Where a task wants its memory from — ``mm/mempolicy.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.sched import task_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.uapi import MPOL_BIND

__all__ = ["mempolicy_in_oom_domain"]


@mirrors("mm/mempolicy.c", checked="v7.2")
def mempolicy_in_oom_domain(tsk: task_struct, mask: frozenset[int] | None) -> bool:
    """Tell whether *tsk* may have memory on a node of *mask*.

    Only binding to other nodes rules it out: every other policy prefers.

    Context: Takes task_lock.
    """
    if mask is None:
        return True
    task_lock(tsk)
    nodes = tsk.mempolicy_nodes
    ret = True
    if nodes is not None and tsk.mempolicy_mode == MPOL_BIND:
        ret = bool(nodes & mask)
    task_unlock(tsk)
    return ret
