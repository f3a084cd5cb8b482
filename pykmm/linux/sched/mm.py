# SPDX-License-Identifier: GPL-2.0-only
"""Pinning and using an address space — ``include/linux/sched/mm.h``.

An ``mm_struct`` lives twice. ``mm_count`` keeps the structure; ``mm_users`` keeps
the mappings, and all users together hold one ``mm_count``.
"""

from __future__ import annotations

from collections.abc import Callable

from ...engine.annotate import extern, mirrors
from .._drop import ANYBODY, after_last_drop
from ..atomic import _drop, atomic_inc, atomic_inc_not_zero
from ..compiler import READ_ONCE
from ..mm_types import mm_struct
from ..rcupdate import rcu_read_lock, rcu_read_unlock
from . import task_struct

__all__ = [
    "in_vfork",
    "mmdrop",
    "mmdrop_lazy_tlb",
    "mmdrop_lazy_tlb_sched",
    "mmdrop_sched",
    "mmget",
    "mmget_not_zero",
    "mmgrab",
    "mmgrab_lazy_tlb",
]

_mmdrop: Callable[[mm_struct], None] = extern("pykmm.kernel.fork", "__mmdrop")


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmgrab(mm: mm_struct) -> None:
    """Keep the structure, but not what is mapped in it.

    Context: Any. Something else keeps the structure now.
    """
    atomic_inc(mm.mm_count)


@mirrors("include/linux/sched/mm.h", checked="v7.2", abridged=ANYBODY, inline=True)
def mmdrop(mm: mm_struct) -> None:
    """Give the structure back; after the last one it is freed.

    Context: Any but softirq, where the last one must not end.
    """
    if _drop(mm.mm_count):
        after_last_drop(mm.mm_count, lambda: _mmdrop(mm), "mmdrop")


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmdrop_sched(mm: mm_struct) -> None:
    """Give the structure back at the end of a task switch.

    Context: As :func:`mmdrop`.
    """
    mmdrop(mm)


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmgrab_lazy_tlb(mm: mm_struct) -> None:
    """Keep the structure for a CPU that goes on using it without a user.

    Context: As :func:`mmgrab`. Counted, as on x86.
    """
    mmgrab(mm)


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmdrop_lazy_tlb(mm: mm_struct) -> None:
    """Give back what :func:`mmgrab_lazy_tlb` took.

    Context: As :func:`mmdrop`.
    """
    mmdrop(mm)


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmdrop_lazy_tlb_sched(mm: mm_struct) -> None:
    """Give back what :func:`mmgrab_lazy_tlb` took, at the end of a task switch.

    Context: As :func:`mmdrop`.
    """
    mmdrop_sched(mm)


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmget(mm: mm_struct) -> None:
    """Become one more user of the mappings.

    Context: Any. The caller, or a lock that it holds, keeps a user already.
    """
    atomic_inc(mm.mm_users)


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def mmget_not_zero(mm: mm_struct) -> bool:
    """Become a user of the mappings, unless the last one has left.

    Once there is no user the mappings are being torn down, which nobody can stop.

    Context: Any; never sleeps. The structure itself is kept by ``mm_count``.
    Return: Whether there is a reference now, owed to ``mmput()``.
    """
    return atomic_inc_not_zero(mm.mm_users)


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def in_vfork(tsk: task_struct) -> bool:
    """Tell whether *tsk* borrows its parent's address space until it execs.

    Context: Enters an RCU read section; a racing answer may be a false no.
    """
    rcu_read_lock()
    try:
        if READ_ONCE(tsk).vfork_done is None:
            return False
        parent = READ_ONCE(tsk).real_parent
        return parent is not None and READ_ONCE(parent).mm is READ_ONCE(tsk).mm
    finally:
        rcu_read_unlock()
