# SPDX-License-Identifier: GPL-2.0-only
"""Work for later, in process context — ``include/linux/workqueue.h``.

Each execution of a work item is a thread that waits to be chosen; the same item
never runs twice at once. All run as one kernel thread, of which a system has many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ._primitive import Primitive
from .sched import PF_KTHREAD, PF_WQ_WORKER, task_struct
from .sched.signal import sighand_struct, signal_struct

__all__ = ["schedule_work", "work_struct"]

#: The worker is as old as the system, but takes no number from anybody.
_WORKER_PID: Final = (1 << 22) - 1


class work_struct(Primitive):
    """Something to do: pending from when it is asked for until somebody does it."""

    def __init__(self, func: Callable[[], None]) -> None:
        super().__init__()
        self.func = func
        self.pending = False
        self.running = False

    def _idle(self) -> bool:
        return not self.running

    def _process(self) -> None:
        """Be the body of an execution; its start is the step that begins it."""
        self.pending = False
        self.running = True
        self.func()
        t = enter(self, "work_done")
        self.running = False
        leave(t, self, Access.WRITE, "pending" if self.pending else "idle")


def _make_worker() -> task_struct:
    sighand = sighand_struct()
    signal = signal_struct(_sighand=sighand)
    worker = task_struct(
        pid=_WORKER_PID,
        tgid=_WORKER_PID,
        comm="kworker/0:1",
        flags=PF_KTHREAD | PF_WQ_WORKER,
        signal=signal,
        sighand=sighand,
    )
    worker.group_leader = worker
    return worker


_worker = MachineLocal(_make_worker)


@mirrors(
    "include/linux/workqueue.h",
    checked="v7.2",
    abridged="one queue, whose workers are never short",
    inline=True,
)
def schedule_work(work: work_struct) -> bool:
    """Have *work* done soon, unless somebody has asked for it already.

    Context: Any; never sleeps.
    Return: Whether it was not pending before.
    """
    t = enter(work, "queue_work")
    queued = not work.pending
    work.pending = True
    leave(t, work, Access.WRITE if queued else Access.READ, "pending")
    if queued:
        current_machine().thread(
            "kworker",
            work._process,
            obj=work,
            kind="process_one_work",
            guard=work._idle,
            access=Access.WRITE,
            task=_worker(),
        )
    return queued
