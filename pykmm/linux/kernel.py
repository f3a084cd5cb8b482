# SPDX-License-Identifier: GPL-2.0-only
"""Where one may sleep — ``include/linux/kernel.h``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.ledger import section
from ..engine.thread import current_thread
from ..errors import ContextError

__all__ = ["might_sleep"]


@mirrors("include/linux/kernel.h", checked="v7.2", inline=True)
def might_sleep() -> None:
    """Report the caller if it must not sleep here, even if it would not have to.

    Context: Process context: no spinlock held, no RCU read section open, interrupts
        and softirqs on, not inside a timer or RCU callback.
    """
    t = current_thread()
    if (t.atomic or t.rcu_depth or t.masked) and not t.machine.stopping:
        _complain()


def _complain() -> None:
    t = current_thread()
    where = []
    if t.held:
        where.append(f"holds {', '.join(lock.name for lock in t.held)}")
    if t.rcu_depth:
        where.append("is in an RCU read section")
    if t.interrupt is not None:
        where.append(f"runs in {t.interrupt.name.lower()} context")
    elif t.masked and not t.held:
        where.append("keeps interrupts away")
    why = " and ".join(where) or "was told not to"
    raise ContextError(
        f"{t.name} might sleep in atomic context: it {why}",
        facts=[
            ("atomic", str(t.atomic)),
            ("RCU nesting", str(t.rcu_depth)),
            *section(t),
        ],
    )
