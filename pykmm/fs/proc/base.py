# SPDX-License-Identifier: GPL-2.0-only
"""What ``/proc/PID`` shows of a process — ``fs/proc/base.c``."""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...engine.machine import current_machine
from ...linux.oom import LONG_MIN
from ...linux.sched import task_struct
from ...mm.oom_kill import oom_badness

__all__ = ["proc_oom_score"]


def _quotient(dividend: int, divisor: int) -> int:
    """Divide as C does: towards zero."""
    result = abs(dividend) // abs(divisor)
    return -result if (dividend < 0) is not (divisor < 0) else result


@mirrors("fs/proc/base.c", checked="v7.2", abridged="returns what Linux prints")
def proc_oom_score(task: task_struct) -> int:
    """Put the badness of *task* on a scale from 0, which also means: never.

    Context: As :func:`oom_badness`.
    """
    config = current_machine().config
    totalpages = config.totalram_pages + config.total_swap_pages
    badness = oom_badness(task, totalpages)
    if badness == LONG_MIN:
        return 0
    return _quotient((1000 + _quotient(badness * 1000, totalpages)) * 2, 3)
