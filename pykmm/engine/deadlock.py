# SPDX-License-Identifier: GPL-2.0-only
"""Judging a machine at rest: who sleeps well, and who can never go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Deadlock
from .thread import Sleep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .thread import Thread

__all__ = ["judge_rest"]

_WELL = (Sleep.INTERRUPTIBLE, Sleep.IDLE)


def judge_rest(live: Sequence[Thread]) -> None:
    """Report the threads of *live* that may not be at rest where they are.

    Interruptible and idle sleepers may. Who waits uninterruptibly, or holds a lock, a
    read section or a processor, is stuck for good.
    """
    stuck = [
        t for t in live if t.sleep not in _WELL or t.held or t.atomic or t.rcu_depth
    ]
    if stuck:
        facts = [(t.name, _plight(t, stuck)) for t in stuck]
        names = " and ".join(t.name for t in stuck)
        raise Deadlock(f"{names} can never go on", facts=facts)


def _plight(t: Thread, stuck: Sequence[Thread]) -> str:
    holders = [x.name for x in stuck if x is not t and t.obj in x.held]
    by = f", held by {', '.join(holders)}" if holders else ""
    held = ", ".join(lock.name for lock in t.held)
    return f"waits in {t.waits()}{by}" + (f"; holds {held}" if held else "")
