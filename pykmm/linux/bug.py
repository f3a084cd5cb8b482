# SPDX-License-Identifier: GPL-2.0-only
"""Saying that something cannot be — ``include/linux/bug.h``, ``kernel/panic.c``.

Linux prints and often goes on. Here each of these ends the execution with a
report, because the state that comes after is not worth exploring; a patch that
replaces :func:`__warn` makes warnings harmless again.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.statics import MachineLocal
from ..errors import KernelBug, KernelPanic, KernelWarning
from .printk import pr_emerg, trace

__all__ = ["BUG_ON", "WARN_ON", "WARN_ON_ONCE", "__warn", "panic"]


class _Warned:
    """Which once-only warnings a machine has given."""

    def __init__(self) -> None:
        self.whats: dict[str, None] = {}


_warned = MachineLocal(_Warned)


@mirrors("include/asm-generic/bug.h", checked="v7.2", inline=True)
def BUG_ON(condition: object, what: str) -> None:  # noqa: N802 -- Linux's name
    """Stop the machine if *condition* holds; *what* says what cannot be.

    Context: Any.
    """
    if condition:
        raise KernelBug(f"kernel BUG: {what}")


@mirrors("include/asm-generic/bug.h", checked="v7.2", inline=True)
def WARN_ON(condition: object, what: str) -> bool:  # noqa: N802 -- Linux's name
    """Warn if *condition* holds.

    Context: Any.
    Return: Whether it holds, for callers that then take the safe way out.
    """
    if condition:
        __warn(what)
    return bool(condition)


@mirrors("include/asm-generic/bug.h", checked="v7.2", inline=True)
def WARN_ON_ONCE(condition: object, what: str) -> bool:  # noqa: N802 -- Linux's name
    """Warn if *condition* holds, the first time for this *what* on a machine.

    Context: Any.
    Return: Whether it holds.
    """
    if condition and what not in _warned().whats:
        _warned().whats[what] = None
        __warn(what)
    return bool(condition)


@mirrors("kernel/panic.c", checked="v7.2", abridged="a report, not a log and a taint")
def __warn(what: str) -> None:
    """Give the warning.

    Context: Any.
    """
    raise KernelWarning(f"WARNING: {what}")


@mirrors("kernel/panic.c", checked="v7.2", abridged="no notifiers, no reboot timer")
def panic(message: str) -> None:
    """Stop the machine for good.

    Context: Any.
    Return: Never.
    """
    text = f"Kernel panic - not syncing: {message}"
    pr_emerg(text)
    trace("panic")
    raise KernelPanic(text)
