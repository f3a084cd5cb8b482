# SPDX-License-Identifier: GPL-2.0-only
"""Tracing, as the traced task sees it — ``include/linux/ptrace.h``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import extern, mirrors
from .compiler import READ_ONCE
from .sched import current, task_struct
from .sched.signal import same_thread_group
from .uapi import SIGTRAP

__all__ = [
    "PT_EVENT_FLAG",
    "PT_EXITKILL",
    "PT_OPT_FLAG_SHIFT",
    "PT_PTRACED",
    "ptrace_event",
    "ptrace_event_enabled",
    "ptrace_reparented",
]

#: Bits of ``task->ptrace``; the options stand above the first.
PT_PTRACED: Final = 0x1
PT_OPT_FLAG_SHIFT: Final = 3
PT_EXITKILL: Final = 1 << 20 << PT_OPT_FLAG_SHIFT

_ptrace_notify: Callable[[int, int], int] = extern(
    "pykmm.kernel.signal_stop", "ptrace_notify"
)


def PT_EVENT_FLAG(event: int) -> int:  # noqa: N802 -- Linux's name
    """Return the bit that asks for *event*."""
    return 1 << (PT_OPT_FLAG_SHIFT + event)


@mirrors("include/linux/ptrace.h", checked="v7.2", inline=True)
def ptrace_reparented(child: task_struct) -> bool:
    """Tell whether somebody else than its parent's process traces *child*.

    Context: tasklist_lock held.
    """
    parent, tracer = child.real_parent, child.parent
    assert parent is not None
    assert tracer is not None
    return not same_thread_group(parent, tracer)


@mirrors("include/linux/ptrace.h", checked="v7.2", inline=True)
def ptrace_event_enabled(task: task_struct, event: int) -> bool:
    """Tell whether the tracer of *task* wants it to stop at *event*.

    Context: Any; a tracer may come or go meanwhile.
    """
    return bool(READ_ONCE(task).ptrace & PT_EVENT_FLAG(event))


@mirrors("include/linux/ptrace.h", checked="v7.2", abridged="no old report of an exec")
def ptrace_event(event: int, message: int) -> None:
    """Stop for the tracer, if there is one that wants it at *event*.

    Context: May sleep.
    """
    if ptrace_event_enabled(current(), event):
        _ptrace_notify(event << 8 | SIGTRAP, message)
