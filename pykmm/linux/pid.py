# SPDX-License-Identifier: GPL-2.0-only
"""Process identifiers — ``include/linux/pid.h``.

A ``struct pid`` outlives the process it named: its number can be used again, but
whoever holds the structure never sees it name somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..engine.annotate import mirrors
from ..engine.fields import const, embedded, kernel_struct
from ..engine.objects import Struct
from .rculist import list_empty, list_head
from .refcount import refcount_inc, refcount_t
from .spinlock import spinlock_t
from .wait import wait_queue_head_t

if TYPE_CHECKING:
    from .pid_namespace import pid_namespace
    from .sched import task_struct

__all__ = [
    "PIDTYPE_MAX",
    "PIDTYPE_PGID",
    "PIDTYPE_PID",
    "PIDTYPE_SID",
    "PIDTYPE_TGID",
    "get_pid",
    "is_child_reaper",
    "is_global_init",
    "ns_of_pid",
    "pid",
    "pid_has_task",
    "pid_nr",
    "upid",
]

PIDTYPE_PID: Final = 0
PIDTYPE_TGID: Final = 1
PIDTYPE_PGID: Final = 2
PIDTYPE_SID: Final = 3
PIDTYPE_MAX: Final = 4


@frozen(eq=False)
class upid:
    """A number in one namespace."""

    nr: int
    ns: pid_namespace


@kernel_struct
class pid(Struct):
    """One identity, with its number in each namespace and the tasks that bear it."""

    #: From the initial namespace down to its own.
    numbers: tuple[upid, ...] = const()
    count: refcount_t = embedded(lambda p: refcount_t(1, p))
    #: Tasks by type; changed under tasklist_lock, walked under RCU.
    tasks: list[list_head[task_struct]] = embedded(
        lambda p: [list_head(p) for _ in range(PIDTYPE_MAX)]
    )
    wait_pidfd: wait_queue_head_t = embedded(wait_queue_head_t)
    #: The lock inside ``wait_pidfd``, which opening a pidfd takes by itself.
    wait_pidfd_lock: spinlock_t = embedded(spinlock_t)


@mirrors("include/linux/pid.h", checked="v7.2", inline=True)
def pid_nr(p: pid) -> int:
    """Return the number in the initial namespace."""
    return p.numbers[0].nr


@mirrors("include/linux/pid.h", checked="v7.2", inline=True)
def ns_of_pid(p: pid) -> pid_namespace:
    """Return the namespace that *p* was made for."""
    return p.numbers[-1].ns


@mirrors("include/linux/pid.h", checked="v7.2", inline=True)
def is_child_reaper(p: pid) -> bool:
    """Tell whether *p* is of the first process of its namespace."""
    return p.numbers[-1].nr == 1


@mirrors("include/linux/pid.h", checked="v7.2", inline=True)
def get_pid(p: pid) -> pid:
    """Take a reference on the structure, not on the number.

    Context: Any; never sleeps.
    """
    refcount_inc(p.count)
    return p


@mirrors("include/linux/pid.h", checked="v7.2", inline=True)
def pid_has_task(p: pid, kind: int) -> bool:
    """Tell whether a task bears *p* as its *kind* of identifier."""
    return not list_empty(p.tasks[kind])


@mirrors("include/linux/pid.h", checked="v7.2", inline=True)
def is_global_init(t: task_struct) -> bool:
    """Tell whether *t* belongs to the first process of the machine."""
    return t.tgid == 1
