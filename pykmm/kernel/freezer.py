# SPDX-License-Identifier: GPL-2.0-only
"""Waking what suspend has put to sleep — ``kernel/freezer.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.printk import trace
from ..linux.sched import task_struct

__all__ = ["__thaw_task", "thaw_process"]

_NOBODY = "nothing freezes here, so nobody can be thawed"


@mirrors("kernel/freezer.c", checked="v7.2", stub=_NOBODY)
def __thaw_task(p: task_struct) -> None:
    """Make the thread *p* run again, if it is frozen.

    Context: Any; never sleeps.
    """
    trace("thaw", p.pid)


@mirrors("kernel/freezer.c", checked="v7.2", stub=_NOBODY)
def thaw_process(p: task_struct) -> None:
    """Make every thread of *p*'s process run again.

    Context: Any; never sleeps.
    """
    trace("thaw", p.pid)
