# SPDX-License-Identifier: GPL-2.0-only
"""Bits of ``task->jobctl`` — ``include/linux/sched/jobctl.h``."""

from __future__ import annotations

from typing import Final

__all__ = [
    "JOBCTL_PENDING_MASK",
    "JOBCTL_PTRACE_FROZEN",
    "JOBCTL_STOPPED",
    "JOBCTL_STOP_CONSUME",
    "JOBCTL_STOP_DEQUEUED",
    "JOBCTL_STOP_PENDING",
    "JOBCTL_STOP_SIGMASK",
    "JOBCTL_TRACED",
    "JOBCTL_TRAPPING",
    "JOBCTL_TRAP_MASK",
    "JOBCTL_TRAP_STOP",
]

#: The signal that began the stop.
JOBCTL_STOP_SIGMASK: Final = 0xFFFF
#: A stop signal was taken off its queue, and no SIGCONT has come since.
JOBCTL_STOP_DEQUEUED: Final = 1 << 16
#: The thread has to stop with its group, and counts among those that have to.
JOBCTL_STOP_PENDING: Final = 1 << 17
JOBCTL_STOP_CONSUME: Final = 1 << 18
#: It has to stop for its tracer.
JOBCTL_TRAP_STOP: Final = 1 << 19
#: On its way from one kind of stop to the other, and its tracer waits for that.
JOBCTL_TRAPPING: Final = 1 << 21
#: Its tracer works on it: nobody else wakes it.
JOBCTL_PTRACE_FROZEN: Final = 1 << 24
#: It stands still, with its group or for its tracer.
JOBCTL_STOPPED: Final = 1 << 26
JOBCTL_TRACED: Final = 1 << 27

JOBCTL_TRAP_MASK: Final = JOBCTL_TRAP_STOP
JOBCTL_PENDING_MASK: Final = JOBCTL_STOP_PENDING | JOBCTL_TRAP_MASK
