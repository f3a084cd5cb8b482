# SPDX-License-Identifier: GPL-2.0-only
"""Keeping softirqs away — ``include/linux/bottom_half.h``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.step import remark
from ..engine.thread import current_thread
from ..errors import ContextError
from .preempt import HARDIRQ, SOFTIRQ

__all__ = ["local_bh_disable", "local_bh_enable"]


@mirrors("include/linux/bottom_half.h", checked="v7.2", inline=True)
def local_bh_disable() -> None:
    """Keep softirqs away, once more.

    Context: Any; the thread must not sleep from here on. No step.
    """
    current_thread().masked += SOFTIRQ.level


@mirrors("include/linux/bottom_half.h", checked="v7.2", inline=True)
def local_bh_enable() -> None:
    """Undo one :func:`local_bh_disable`.

    Context: Softirqs are kept away, and interrupts are on. No step.
    """
    t = current_thread()
    if not 0 < t.masked < HARDIRQ.level and not t.machine.stopping:
        why = "with interrupts off" if t.masked else "without having kept them away"
        raise ContextError(f"{t.name} lets softirqs in {why}")
    t.masked -= SOFTIRQ.level
    if t.held:
        remark(t, "local_bh_enable", SOFTIRQ)
