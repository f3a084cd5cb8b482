# SPDX-License-Identifier: GPL-2.0-only
"""Sleepable RCU — ``include/linux/srcu.h``.

Readers may sleep, and a domain of its own keeps one slow reader from delaying
everybody else's grace periods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.objects import Named
from ..engine.step import enter, leave
from ._primitive import Primitive
from .kernel import might_sleep
from .lockdep import lock_map_acquire_read, lock_map_release, lock_map_sync

if TYPE_CHECKING:
    from ..engine.objects import Struct
    from ..engine.thread import Thread

__all__ = ["srcu_read_lock", "srcu_read_unlock", "srcu_struct", "synchronize_srcu"]


class srcu_struct(Primitive):
    """One domain: its read sections by number, each thread's last and the open ones."""

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        self.entered = 0
        self.sections: dict[int, _Section] = {}


class _Section(Named):
    """One read section; whoever waits for its end takes a step on it."""

    def __init__(self, ssp: srcu_struct, t: Thread) -> None:
        self.ssp = ssp
        self.thread = t
        own = [other.number for other in ssp.sections.values() if other.thread is t]
        #: Which one of its thread's it is.
        self.number: int = max(own, default=0) + 1
        self.left = False

    @property
    def uid(self) -> tuple[object, ...]:
        return ("srcu section", self.ssp.uid, self.thread.key, self.number)

    @property
    def name(self) -> str:
        return f"{self.ssp.name}:{self.thread.name}"

    def _is_left(self) -> bool:
        return self.left


@mirrors("include/linux/srcu.h", checked="v7.2", inline=True)
def srcu_read_lock(ssp: srcu_struct) -> int:
    """Open a read section, which may sleep.

    Context: Any.
    Return: What :func:`srcu_read_unlock` wants.
    """
    t = enter(ssp, "srcu_read_lock")
    section = _Section(ssp, t)
    for old, other in list(ssp.sections.items()):
        if other.thread is t and other.left:
            del ssp.sections[old]
    ssp.entered = idx = ssp.entered + 1
    ssp.sections[idx] = section
    leave(t, ssp, Access.SHARE, t.name)
    lock_map_acquire_read(ssp)
    return idx


@mirrors("include/linux/srcu.h", checked="v7.2", inline=True)
def srcu_read_unlock(ssp: srcu_struct, idx: int) -> None:
    """Close the read section *idx*.

    Context: Any.
    """
    section = ssp.sections[idx]
    lock_map_release(ssp)
    t = enter(section, "srcu_read_unlock")
    section.left = True
    leave(t, section, Access.RELEASE, t.name)


@mirrors(
    "kernel/rcu/srcutree.c", checked="v7.2", abridged="waits for the readers alone"
)
def synchronize_srcu(ssp: srcu_struct) -> None:
    """Wait until every section that is open now has been closed.

    Context: May sleep; not inside a section of the same domain.
    """
    might_sleep()
    t = enter(ssp, "synchronize_srcu")
    # Those that have been left are waited for, too, as in synchronize_rcu().
    begun = sorted(ssp.sections.values(), key=lambda section: repr(section.uid))
    leave(t, ssp, Access.ADD, None)
    lock_map_sync(ssp)
    for section in begun:
        t = enter(section, "synchronize_srcu_wait", section._is_left)
        leave(t, section, Access.SHARE, section.thread.name, True)
