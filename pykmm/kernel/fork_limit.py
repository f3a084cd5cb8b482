# SPDX-License-Identifier: GPL-2.0-only
"""How many threads there may be — part of ``kernel/fork.c``.

Where no limit is set nobody counts: the count is only there to be compared with it.
"""

from __future__ import annotations

from ..engine.fields import guarded, kernel_struct
from ..engine.machine import current_machine
from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..linux.compiler import data_race
from ..linux.sched import tasklist_lock

__all__ = ["count_threads", "too_many_threads"]


@kernel_struct
class _Threads(Struct):
    #: Those that can be found; the idle ones do not count.
    nr_threads: int = guarded(by=tasklist_lock, default=0, lockless=True)


_threads = MachineLocal(_Threads)


def count_threads(more: int) -> None:
    """Count a thread that can be found now, or one that no longer can.

    Context: tasklist_lock held for writing.
    """
    if current_machine().config.threads_max is not None:
        _threads().nr_threads += more


def too_many_threads() -> bool:
    """Tell whether there are as many threads as ``kernel.threads-max`` allows.

    Context: Any; no lock, so several forks at once may go beyond it.
    """
    limit = current_machine().config.threads_max
    return limit is not None and data_race(_threads()).nr_threads >= limit
