# SPDX-License-Identifier: GPL-2.0-only
"""What the OOM killer is asked — ``include/linux/oom.h``."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import define

from ..engine.annotate import mirrors
from .compiler import READ_ONCE, WRITE_ONCE
from .gfp_types import __GFP_FS, __GFP_THISNODE, GFP_KERNEL
from .memcontrol import mem_cgroup
from .mm_types import mm_struct
from .sched import current, task_struct

__all__ = [
    "ABORTED",
    "Aborted",
    "GFP_KERNEL",
    "LONG_MAX",
    "LONG_MIN",
    "__GFP_FS",
    "__GFP_THISNODE",
    "clear_current_oom_origin",
    "oom_constraint",
    "oom_control",
    "oom_task_origin",
    "set_current_oom_origin",
    "tsk_is_oom_victim",
]

LONG_MAX: Final = 2**63 - 1
LONG_MIN: Final = -(2**63)


class oom_constraint(IntEnum):
    """Why memory is short: what restricts the allocation."""

    CONSTRAINT_NONE = 0
    CONSTRAINT_CPUSET = 1
    CONSTRAINT_MEMORY_POLICY = 2
    CONSTRAINT_MEMCG = 3


class Aborted:
    """The sentinel in ``chosen``: a victim is dying already, so kill nobody."""

    def __repr__(self) -> str:
        return "-1"


#: Linux's ``(void *)-1UL``.
ABORTED: Final = Aborted()


@define
class oom_control:
    """One question to the OOM killer, and its answer so far.

    The caller sets the first five; an ``order`` of -1 means sysrq. ``zonelist``
    is only looked at for being there.
    """

    zonelist: bool = True
    nodemask: frozenset[int] | None = None
    memcg: mem_cgroup | None = None
    gfp_mask: int = GFP_KERNEL
    order: int = 0

    totalpages: int = 0
    #: A task with one reference that this owns, :data:`ABORTED`, or None.
    chosen: task_struct | Aborted | None = None
    chosen_points: int = 0
    constraint: oom_constraint = oom_constraint.CONSTRAINT_NONE


@mirrors("include/linux/oom.h", checked="v7.2", inline=True)
def oom_task_origin(p: task_struct) -> bool:
    """Tell whether *p* asked to be the first to go (swapoff and the like)."""
    return READ_ONCE(p.signal).oom_flag_origin


@mirrors("include/linux/oom.h", checked="v7.2", inline=True)
def set_current_oom_origin() -> None:
    """Ask for current's process to be the first to go."""
    WRITE_ONCE(current().signal).oom_flag_origin = True


@mirrors("include/linux/oom.h", checked="v7.2", inline=True)
def clear_current_oom_origin() -> None:
    """Ask for current's process to be treated as all others again."""
    WRITE_ONCE(current().signal).oom_flag_origin = False


@mirrors("include/linux/oom.h", checked="v7.2", inline=True)
def tsk_is_oom_victim(tsk: task_struct) -> bool:
    """Tell whether *tsk*'s group was marked as a victim; that is for good."""
    return READ_ONCE(tsk.signal).oom_mm is not None


def victim_mm(tsk: task_struct) -> mm_struct:
    """Return the address space that *tsk*'s group was marked with.

    Context: The group has been marked, and ``oom_mm`` never changes after that.
    """
    mm: mm_struct = tsk.signal.__dict__["oom_mm"]
    return mm
