# SPDX-License-Identifier: GPL-2.0-only
"""Memory cgroups, as far as the OOM killer looks — ``include/linux/memcontrol.h``.

Version 2 semantics. Membership is a property of the process; a cgroup lists its
processes in the order in which they joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Struct
from .spinlock import spinlock_t

if TYPE_CHECKING:
    from .sched import task_struct

__all__ = ["PAGE_COUNTER_MAX", "mem_cgroup"]

#: "No limit", in pages.
PAGE_COUNTER_MAX: Final = (2**63 - 1) // 4096


@kernel_struct
class mem_cgroup(Struct):
    """One memory cgroup below the root; the root itself is None."""

    cg_name: str = const(default="")
    parent: mem_cgroup | None = const(default=None)
    children: list[mem_cgroup] = const(factory=list)
    #: memory.max and memory.swap.max in pages.
    max_pages: int = const(default=PAGE_COUNTER_MAX)
    swap_max_pages: int = const(default=PAGE_COUNTER_MAX)
    oom_group: bool = const(default=False)

    css_set_lock: spinlock_t = embedded(spinlock_t)
    procs: list[task_struct] = guarded(by="css_set_lock", factory=list)

    def __attrs_post_init__(self) -> None:
        self._register()
        if self.parent is not None:
            self.parent.children.append(self)

    def path(self) -> str:
        """Return the cgroup's path below the root, as reports print it."""
        above = "" if self.parent is None else self.parent.path()
        return f"{above}/{self.cg_name}"
