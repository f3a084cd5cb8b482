# SPDX-License-Identifier: GPL-2.0-only
"""How a task began to exit in Linux 6.12 — part of the patch ``v6.12``.

A thread counted itself out in one section and came to a core dump's meeting in
another, so a dump could begin in between and count on a thread whose exit had
already ended the group. Signals of its own stayed until it was released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...fs import coredump
from ...kernel import exit as _exit
from ...kernel import signal_deliver
from ...kernel.exit import coredump_task_exit
from ...kernel.signal_deliver import retarget_shared_pending
from ...kernel.signal_notify import do_notify_parent_cldstop
from ...kernel.signal_queue import task_participate_group_stop
from ...linux.compiler import READ_ONCE
from ...linux.sched import (
    PF_EXITING,
    PF_POSTCOREDUMP,
    current,
    task_struct,
    tasklist_lock,
)
from ...linux.sched.jobctl import JOBCTL_STOP_PENDING
from ...linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    signal_pending,
    thread_group_empty,
)
from ...linux.spinlock import (
    read_lock,
    read_unlock,
    spin_lock_irq,
    spin_unlock_irq,
)
from ...linux.uapi import CLD_STOPPED

__all__ = ["replaced"]


def synchronize_group_exit(tsk: task_struct, code: int) -> None:
    """Count current out, and then come to the meeting of a core dump, if there is one.

    Context: Takes siglock, twice; sleeps while the group dumps core.
    """
    sighand = tsk.sighand
    assert sighand is not None  # not released yet
    signal = tsk.signal
    spin_lock_irq(sighand.siglock)
    signal.quick_threads -= 1
    if signal.quick_threads == 0 and not signal.flags & SIGNAL_GROUP_EXIT:
        signal.flags = SIGNAL_GROUP_EXIT
        signal.group_exit_code = code
        signal.group_stop_count = 0
    spin_unlock_irq(sighand.siglock)
    spin_lock_irq(sighand.siglock)
    tsk.flags |= PF_POSTCOREDUMP
    state = signal.core_state
    spin_unlock_irq(sighand.siglock)
    if state is not None:
        coredump_task_exit(tsk, state)


def exit_signals(tsk: task_struct) -> None:
    """Mark current as exiting; without the lock where nobody else could care.

    Context: May take siglock, and tasklist_lock if it was the last to stop.
    """
    if thread_group_empty(tsk) or READ_ONCE(tsk.signal).flags & SIGNAL_GROUP_EXIT:
        tsk.flags |= PF_EXITING
        return
    sighand = tsk.sighand
    assert sighand is not None  # not released yet
    stopped = False
    spin_lock_irq(sighand.siglock)
    tsk.flags |= PF_EXITING
    if signal_pending(tsk):
        retarget_shared_pending(tsk, tsk.signal.shared_pending - tsk.blocked)
        if tsk.jobctl & JOBCTL_STOP_PENDING:
            stopped = task_participate_group_stop(tsk)
    spin_unlock_irq(sighand.siglock)
    if stopped:
        read_lock(tasklist_lock())
        do_notify_parent_cldstop(tsk, False, CLD_STOPPED)
        read_unlock(tasklist_lock())


def dump_interrupted() -> bool:
    """Tell whether the dumping thread was sent anything at all.

    Context: Any.
    """
    return signal_pending(current())


def replaced() -> Iterator[tuple[Callable[..., object], Callable[..., object]]]:
    """Yield what is replaced, and by what."""
    yield _exit.synchronize_group_exit, synchronize_group_exit
    yield signal_deliver.exit_signals, exit_signals
    yield coredump.dump_interrupted, dump_interrupted
