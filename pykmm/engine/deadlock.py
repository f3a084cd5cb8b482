# SPDX-License-Identifier: GPL-2.0-only
"""Judging a machine at rest: who sleeps well, and who can never go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Deadlock
from .ledger import calls_around, since
from .thread import Sleep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .thread import Thread

__all__ = ["judge_rest", "plight"]

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
        facts = [fact for t in stuck for fact in plight(t)]
        names = " and ".join(t.name for t in stuck)
        raise Deadlock(f"{names} can never go on", facts=facts)


def plight(t: Thread) -> list[tuple[str, str]]:
    """Tell a report what *t* waits for, who holds that, and what it holds itself."""
    live = t.machine.live
    holders = [x.name for x in live if x is not t and t.obj in x.held]
    by = f", held by {', '.join(holders)}" if holders else ""
    facts = [(t.name, f"waits in {t.waits()}{by}{calls_around(t.kind, t.where)}")]
    facts += [("", f"holds {lock.name} {since(lock, t)}") for lock in t.held]
    return facts
