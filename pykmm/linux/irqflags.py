# SPDX-License-Identifier: GPL-2.0-only
"""Switching interrupts off and on — ``include/linux/irqflags.h``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.step import remark
from ..engine.thread import current_thread, thread_here
from .preempt import HARDIRQ

__all__ = [
    "irqs_disabled",
    "local_irq_disable",
    "local_irq_enable",
    "local_irq_restore",
    "local_irq_save",
]

_OFF: Final = HARDIRQ.level


@mirrors("include/linux/irqflags.h", checked="v7.2", inline=True)
def irqs_disabled() -> bool:
    """Tell whether interrupts are off.

    Context: Any. No step: nobody else can change the answer.
    """
    return current_thread().masked >= _OFF


@mirrors("include/linux/irqflags.h", checked="v7.2", inline=True)
def local_irq_disable() -> None:
    """Switch interrupts off, and softirqs with them.

    Context: Any; the thread must not sleep from here on. No step.
    """
    (thread_here() or current_thread()).masked |= _OFF


@mirrors("include/linux/irqflags.h", checked="v7.2", inline=True)
def local_irq_enable() -> None:
    """Switch interrupts on, whoever switched them off.

    Context: Any. No step.
    """
    t = thread_here() or current_thread()
    t.masked &= ~_OFF
    if t.held:
        remark(t, "local_irq_enable", HARDIRQ)


@mirrors("include/linux/irqflags.h", checked="v7.2", inline=True)
def local_irq_save() -> int:
    """Switch interrupts off.

    Context: As :func:`local_irq_disable`.
    Return: What :func:`local_irq_restore` needs to leave them as they were.
    """
    t = thread_here() or current_thread()
    flags = t.masked & _OFF
    t.masked |= _OFF
    return flags


@mirrors("include/linux/irqflags.h", checked="v7.2", inline=True)
def local_irq_restore(flags: int) -> None:
    """Undo the :func:`local_irq_save` that returned *flags*.

    Context: Any. No step.
    """
    if not flags:
        local_irq_enable()
