# SPDX-License-Identifier: GPL-2.0-only
"""Tables of process numbers — ``include/linux/pid_namespace.h``.

A process has a number in its own namespace and in all above; whoever stands in none
of them cannot name it. Namespaces are never freed here, so nobody counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.fields import const, guarded, kernel_struct, shared
from ..engine.objects import Field, Root, Struct
from ..engine.statics import MachineLocal
from .cred import init_user_ns, user_namespace
from .spinlock import spinlock_t

if TYPE_CHECKING:
    from .pid import pid
    from .sched import task_struct

__all__ = [
    "MAX_PID_NS_LEVEL",
    "PIDNS_ADDING",
    "PID_MAX_LIMIT",
    "init_pid_ns",
    "pid_namespace",
    "pidmap_lock",
]

MAX_PID_NS_LEVEL: Final = 32
PID_MAX_LIMIT: Final = 1 << 22
#: Set in ``pid_allocated`` for as long as the namespace takes new processes.
PIDNS_ADDING: Final = 1 << 31


def pidmap_lock(_: object = None) -> spinlock_t:
    """Return the machine's lock of all tables of numbers."""
    return _pid().pidmap_lock


@kernel_struct
class pid_namespace(Struct):
    """One table of numbers, and who takes care of the orphans in it."""

    parent: pid_namespace | None = const(default=None)
    level: int = const(default=0)
    user_ns: user_namespace = const(default=init_user_ns)
    #: One above the highest number that is handed out.
    pid_max: int = shared(default=PID_MAX_LIMIT)
    #: The first process; who loses its parent in here becomes its child.
    child_reaper: task_struct | None = shared(default=None)
    #: How many numbers are in use, and PIDNS_ADDING.
    pid_allocated: int = guarded(by=pidmap_lock, default=PIDNS_ADDING, lockless=True)

    #: The table; changed under pidmap_lock, read under RCU.
    _idr: dict[int, pid] = const(factory=dict)
    #: The number after the one that was handed out last.
    _cursor: int = guarded(by=pidmap_lock, default=0)
    _slots: dict[int, Field] = const(factory=dict)

    def _slot(self, nr: int) -> Field:
        """Return the table's entry of one number, as an object for the explorer."""
        return self._slots.get(nr) or self._slots.setdefault(
            nr, Field(self, f"idr[{nr}]")
        )


class _PidStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.pidmap_lock = spinlock_t(self)
        self.init_pid_ns = pid_namespace()


_pid = MachineLocal(_PidStatics)


def init_pid_ns() -> pid_namespace:
    """Return the machine's first namespace, in which everybody has a number."""
    return _pid().init_pid_ns
