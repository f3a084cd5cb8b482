# SPDX-License-Identifier: GPL-2.0-only
"""Where tasks may take memory from — ``include/linux/cpuset.h``.

A task carries a copy of its nodes (``mems_allowed``); its cpuset has the name that
reports print, and says how far an allocation may reach that is not user memory.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..engine.fields import const, guarded, kernel_struct
from ..engine.objects import Root, Struct
from ..engine.statics import MachineLocal
from .spinlock import spinlock_t

__all__ = ["callback_lock", "cpuset", "cpuset_zone_allowed"]

_node_allowed: Callable[[int, int], bool] = extern(
    "pykmm.kernel.cgroup.cpuset", "cpuset_current_node_allowed"
)


class _CpusetStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.callback_lock = spinlock_t(self)


_cpuset = MachineLocal(_CpusetStatics)


def callback_lock(_: object = None) -> spinlock_t:
    """Return the machine's lock of what all cpusets allow."""
    return _cpuset().callback_lock


@kernel_struct
class cpuset(Struct):
    """One cpuset below the root; the root itself is None."""

    cs_name: str = const(default="")
    parent: cpuset | None = const(default=None)
    #: Whether it is of version 2, where only user memory is walled in.
    v2: bool = const(default=True)
    #: cpuset.mem_exclusive or cpuset.mem_hardwall of version 1.
    mem_hardwall: bool = const(default=False)

    #: The nodes that its tasks get; None for all.
    mems_allowed: frozenset[int] | None = guarded(by=callback_lock, default=None)


@mirrors(
    "include/linux/cpuset.h",
    checked="v7.2",
    abridged="of a zone only its node counts",
    inline=True,
)
def cpuset_zone_allowed(nid: int, gfp_mask: int) -> bool:
    """Tell whether current may allocate from the node *nid*.

    Context: Any.
    """
    return _node_allowed(nid, gfp_mask)
