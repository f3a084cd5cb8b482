# SPDX-License-Identifier: GPL-2.0-only
"""Memory cgroups — ``include/linux/memcontrol.h``.

Membership is a property of the process; a cgroup lists its processes in the order
in which they joined. Semantics are those of version 2; a cgroup of version 1 is
one that is made with ``legacy=True``, below others of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.annotate import mirrors
from ..engine.fields import const, embedded, guarded, kernel_struct, shared
from ..engine.machine import current_machine
from ..engine.objects import Root, Struct
from ..engine.statics import MachineLocal
from ..errors import UsageError
from .atomic import atomic_t
from .page_counter import PAGE_COUNTER_MAX, page_counter
from .sched import current
from .spinlock import spinlock_t
from .wait import wait_queue_head_t

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sched import task_struct

__all__ = [
    "MEMORY_EVENTS",
    "PAGE_COUNTER_MAX",
    "for_each_mem_cgroup_tree",
    "mem_cgroup",
    "mem_cgroup_disabled",
    "mem_cgroup_enter_user_fault",
    "mem_cgroup_exit_user_fault",
    "mem_cgroup_is_descendant",
    "memcg_oom_lock",
    "parent_mem_cgroup",
    "task_in_memcg_oom",
]

#: What ``memory.events`` counts, in the order in which it shows them.
MEMORY_EVENTS: Final = ("LOW", "HIGH", "MAX", "OOM", "OOM_KILL", "OOM_GROUP_KILL")


class _MemcontrolStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        #: A leaf: no other lock is taken inside.
        self.memcg_oom_lock = spinlock_t(self)
        self.any_made = False


_memcontrol = MachineLocal(_MemcontrolStatics)


def memcg_oom_lock(_: object = None) -> spinlock_t:
    """Return the lock of the version 1 state of all cgroups that are out of memory."""
    return _memcontrol().memcg_oom_lock


def _no_events() -> dict[str, int]:
    return dict.fromkeys(MEMORY_EVENTS, 0)


@kernel_struct
class mem_cgroup(Struct):
    """One memory cgroup below the root; the root itself is None."""

    cg_name: str = const(default="")
    parent: mem_cgroup | None = const(default=None)
    children: list[mem_cgroup] = const(factory=list)
    #: What memory.max and memory.swap.max are at first, in pages; the limit that
    #: holds is ``memory.max``.
    max_pages: int = const(default=PAGE_COUNTER_MAX)
    swap_max_pages: int = const(default=PAGE_COUNTER_MAX)
    #: In version 1 there is a limit of memory and swap together instead.
    memsw_max_pages: int = const(default=PAGE_COUNTER_MAX)
    #: How eagerly its memory is swapped out, 0 for never.
    swappiness: int = const(default=60)
    oom_group: bool = const(default=False)
    #: Whether it is of version 1, whose OOM killer can be switched off.
    legacy: bool = const(default=False)

    #: pids.max, and the tasks here and below, counted only where that is set.
    pids_max: int | None = const(default=None)
    pids_counter: atomic_t = embedded(lambda memcg: atomic_t(0, memcg))
    #: How often a fork failed here, and how often for a limit here or below.
    pids_fork_failures: atomic_t = embedded(lambda memcg: atomic_t(0, memcg))
    pids_events_max: atomic_t = embedded(lambda memcg: atomic_t(0, memcg))

    memory: page_counter = embedded(lambda memcg: _counter(memcg))
    #: Counters of memory.events and memory.events.local; counting is no step.
    memory_events: dict[str, int] = const(factory=_no_events)
    memory_events_local: dict[str, int] = const(factory=_no_events)

    css_set_lock: spinlock_t = embedded(spinlock_t)
    procs: list[task_struct] = guarded(by="css_set_lock", factory=list)

    # -- version 1
    oom_kill_disable: bool = shared(default=False)
    oom_lock: bool = guarded(by=memcg_oom_lock, default=False)
    under_oom: int = guarded(by=memcg_oom_lock, default=0, lockless=True)
    _oom_waitq: wait_queue_head_t = embedded(wait_queue_head_t)

    def __attrs_post_init__(self) -> None:
        _memcontrol().any_made = True
        if self.parent is not None:
            if self.parent.legacy is not self.legacy:
                raise UsageError(
                    f"mem_cgroup(): legacy={self.legacy!r} does not fit the parent "
                    f"{self.parent.path()}: one tree is of one version"
                )
            self.parent.children.append(self)

    def path(self) -> str:
        """Return the cgroup's path below the root, as reports print it."""
        names: list[str] = []
        at: mem_cgroup | None = self
        while at is not None:
            names.append(f"/{at.cg_name}")
            at = at.parent
        return "".join(reversed(names))


def _counter(memcg: Struct) -> page_counter:
    assert isinstance(memcg, mem_cgroup)  # it is embedded in one
    above = None if memcg.parent is None else memcg.parent.memory
    return page_counter(memcg, memcg.max_pages, above)


@mirrors(
    "include/linux/memcontrol.h",
    checked="v7.2",
    abridged="as long as there is only the root nothing is charged either",
    inline=True,
)
def mem_cgroup_disabled() -> bool:
    """Tell whether memory is charged to nobody.

    Context: Any.
    """
    return not current_machine().config.CONFIG_MEMCG or not _memcontrol().any_made


@mirrors("include/linux/memcontrol.h", checked="v7.2", inline=True)
def parent_mem_cgroup(memcg: mem_cgroup) -> mem_cgroup | None:
    """Return the cgroup above; None is the root."""
    return memcg.parent


@mirrors("include/linux/memcontrol.h", checked="v7.2", inline=True)
def mem_cgroup_is_descendant(memcg: mem_cgroup | None, root: mem_cgroup) -> bool:
    """Tell whether *memcg* is *root*, or stands below it."""
    while memcg is not None and memcg is not root:
        memcg = memcg.parent
    return memcg is root


def for_each_mem_cgroup_tree(memcg: mem_cgroup) -> Iterator[mem_cgroup]:
    """Walk the subtree of *memcg*, each cgroup before its children.

    Context: Any; cgroups are made while the machine is at rest, and stay.
    """
    todo = [memcg]
    while todo:
        found = todo.pop()
        yield found
        todo.extend(reversed(found.children))


# -- a task that met the limit ---------------------------------------------------------


@mirrors("include/linux/memcontrol.h", checked="v7.2", inline=True)
def task_in_memcg_oom(p: task_struct) -> bool:
    """Tell whether *p* has to settle an OOM of its cgroup before it goes on.

    Context: *p* is current, who alone looks at this, so it is no step.
    """
    return p.__dict__["memcg_in_oom"] is not None


@mirrors("include/linux/memcontrol.h", checked="v7.2", inline=True)
def mem_cgroup_enter_user_fault() -> None:
    """Note that current may settle an OOM later: it holds no locks from outside.

    Context: The fault handler.
    """
    current().__dict__["in_user_fault"] = True


@mirrors("include/linux/memcontrol.h", checked="v7.2", inline=True)
def mem_cgroup_exit_user_fault() -> None:
    """Undo :func:`mem_cgroup_enter_user_fault`."""
    current().__dict__["in_user_fault"] = False
