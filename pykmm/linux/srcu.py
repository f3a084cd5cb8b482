# SPDX-License-Identifier: GPL-2.0-only
"""Sleepable RCU — ``include/linux/srcu.h``.

Readers may sleep, and a domain of its own keeps one slow reader from delaying
everybody else's grace periods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import enter, leave
from ._primitive import Primitive
from .kernel import might_sleep

if TYPE_CHECKING:
    from ..engine.objects import Struct

__all__ = ["srcu_read_lock", "srcu_read_unlock", "srcu_struct", "synchronize_srcu"]


class srcu_struct(Primitive):
    """One domain: its open read sections, in order of entry."""

    def __init__(self, owner: Struct | None = None) -> None:
        super().__init__(owner)
        self.entered = 0
        self.readers: dict[int, str] = {}


@mirrors("include/linux/srcu.h", checked="v7.2", inline=True)
def srcu_read_lock(ssp: srcu_struct) -> int:
    """Open a read section, which may sleep.

    Context: Any.
    Return: What :func:`srcu_read_unlock` wants.
    """
    t = enter(ssp, "srcu_read_lock")
    ssp.entered = idx = ssp.entered + 1
    ssp.readers[idx] = t.name
    leave(t, ssp, Access.SHARE, len(ssp.readers))
    return idx


@mirrors("include/linux/srcu.h", checked="v7.2", inline=True)
def srcu_read_unlock(ssp: srcu_struct, idx: int) -> None:
    """Close the read section *idx*.

    Context: Any.
    """
    t = enter(ssp, "srcu_read_unlock")
    del ssp.readers[idx]
    leave(t, ssp, Access.UNSHARE, len(ssp.readers))


@mirrors(
    "kernel/rcu/srcutree.c", checked="v7.2", abridged="waits for the readers alone"
)
def synchronize_srcu(ssp: srcu_struct) -> None:
    """Wait until every section that is open now has been closed.

    Context: May sleep; not inside a section of the same domain.
    """
    might_sleep()
    t = enter(ssp, "synchronize_srcu")
    before = list(ssp.readers)
    leave(t, ssp, Access.WRITE, len(before))
    if before:
        _wait_for_readers(ssp, before)


def _wait_for_readers(ssp: srcu_struct, before: list[int]) -> None:
    def over() -> bool:
        return not any(idx in ssp.readers for idx in before)

    t = enter(ssp, "synchronize_srcu wait", over)
    leave(t, ssp, Access.WAIT, len(ssp.readers), True)
