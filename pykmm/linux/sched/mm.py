# SPDX-License-Identifier: GPL-2.0-only
"""Pinning and using an address space — ``include/linux/sched/mm.h``.

An ``mm_struct`` lives twice. ``mm_count`` keeps the structure; ``mm_users`` keeps
the mappings, and all users together hold one ``mm_count``.
"""

from __future__ import annotations

from collections.abc import Callable

from ...engine.annotate import extern, mirrors
from ...engine.thread import thread_here
from .._drop import ANYBODY, after_last_drop
from ..atomic import _drop, atomic_inc, atomic_inc_not_zero
from ..compiler import READ_ONCE
from ..gfp_types import __GFP_DIRECT_RECLAIM, __GFP_FS, __GFP_IO
from ..kernel import might_sleep
from ..mm_types import mm_struct
from ..rcupdate import rcu_read_lock, rcu_read_unlock
from . import (
    PF_MEMALLOC,
    PF_MEMALLOC_NOFS,
    PF_MEMALLOC_NOIO,
    current,
    task_struct,
)

__all__ = [
    "current_gfp_context",
    "in_vfork",
    "memalloc_nofs_restore",
    "memalloc_nofs_save",
    "memalloc_noio_restore",
    "memalloc_noio_save",
    "memalloc_noreclaim_restore",
    "memalloc_noreclaim_save",
    "might_alloc",
    "mmdrop",
    "mmdrop_lazy_tlb",
    "mmdrop_lazy_tlb_sched",
    "mmdrop_sched",
    "mmget",
    "mmget_not_zero",
    "mmgrab",
    "mmgrab_lazy_tlb",
]

_fs_reclaim_acquire: Callable[[int], None] = extern(
    "pykmm.mm.page_alloc_reclaim", "fs_reclaim_acquire"
)
_fs_reclaim_release: Callable[[int], None] = extern(
    "pykmm.mm.page_alloc_reclaim", "fs_reclaim_release"
)
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


# -- what an allocation may do ---------------------------------------------------------


def _own_flags() -> int:
    """Return current's flags, of which a callback has none."""
    task = current()
    return 0 if task is None else int(task.__dict__["flags"])


@mirrors("include/linux/sched/mm.h", checked="v7.2", abridged="pages have no zones")
def current_gfp_context(flags: int) -> int:
    """Take from an allocation's *flags* what current must not do.

    Context: Any. No step.
    """
    pflags = _own_flags()
    if pflags & PF_MEMALLOC_NOIO:
        return flags & ~(__GFP_IO | __GFP_FS)
    return flags & ~__GFP_FS if pflags & PF_MEMALLOC_NOFS else flags


@mirrors("include/linux/sched/mm.h", checked="v7.2", inline=True)
def might_alloc(gfp_mask: int) -> None:
    """Say that memory may be allocated here, whether or not it has to be now.

    Context: May sleep with __GFP_DIRECT_RECLAIM. No step. At rest nobody minds.
    """
    t = thread_here()
    if t is None or t.is_boot:
        return
    _fs_reclaim_acquire(gfp_mask)
    _fs_reclaim_release(gfp_mask)
    if gfp_mask & __GFP_DIRECT_RECLAIM and not _own_flags() & PF_MEMALLOC:
        might_sleep()


def _memalloc_flags_save(flags: int) -> int:
    """Set bits of current's flags that nobody else looks at, so without a step.

    Return: What :func:`_memalloc_flags_restore` wants.
    """
    own = current().__dict__
    oldflags = ~int(own["flags"]) & flags
    own["flags"] |= flags
    return oldflags


def _memalloc_flags_restore(flags: int) -> None:
    own = current().__dict__
    own["flags"] &= ~flags


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def memalloc_noio_save() -> int:
    """Let no allocation of current's do I/O from here on.

    Context: A task. No step.
    Return: What :func:`memalloc_noio_restore` wants.
    """
    return _memalloc_flags_save(PF_MEMALLOC_NOIO)


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def memalloc_noio_restore(flags: int) -> None:
    """Undo :func:`memalloc_noio_save`.

    Context: As there.
    """
    _memalloc_flags_restore(flags)


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def memalloc_nofs_save() -> int:
    """Let no allocation of current's go into filesystems from here on.

    Context: A task. No step.
    Return: What :func:`memalloc_nofs_restore` wants.
    """
    return _memalloc_flags_save(PF_MEMALLOC_NOFS)


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def memalloc_nofs_restore(flags: int) -> None:
    """Undo :func:`memalloc_nofs_save`.

    Context: As there.
    """
    _memalloc_flags_restore(flags)


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def memalloc_noreclaim_save() -> int:
    """Let no allocation of current's reclaim from here on: it uses the reserves.

    Context: A task. No step.
    Return: What :func:`memalloc_noreclaim_restore` wants.
    """
    return _memalloc_flags_save(PF_MEMALLOC)


@mirrors("include/linux/sched/mm.h", checked="v7.2")
def memalloc_noreclaim_restore(flags: int) -> None:
    """Undo :func:`memalloc_noreclaim_save`.

    Context: As there.
    """
    _memalloc_flags_restore(flags)
