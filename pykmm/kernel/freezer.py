# SPDX-License-Identifier: GPL-2.0-only
"""Putting tasks to sleep for suspend, and waking them — ``kernel/freezer.c``.

A victim of the OOM killer is never kept frozen: it has memory to give back.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..linux.bitops import clear_bit, set_bit
from ..linux.compiler import READ_ONCE
from ..linux.freezer import freezer, freezing, frozen, try_to_freeze
from ..linux.kernel import might_sleep
from ..linux.oom import tsk_is_oom_victim
from ..linux.printk import trace
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import (
    PF_KTHREAD,
    PF_NOFREEZE,
    PF_SUSPEND_TASK,
    TASK_FROZEN,
    current,
    task_struct,
)
from ..linux.sched.signal import for_each_thread, signal_wake_up
from ..linux.spinlock import (
    spin_lock_irq,
    spin_lock_irqsave,
    spin_unlock_irq,
    spin_unlock_irqrestore,
)
from .signal_queue import lock_task_sighand, unlock_task_sighand

__all__ = [
    "__refrigerator",
    "__thaw_task",
    "fake_signal_wake_up",
    "freeze_task",
    "freezing_slow_path",
    "set_freezable",
    "thaw_process",
]

_STATE: Final = "of a frozen task's state only the freezing is kept"


@mirrors("kernel/freezer.c", checked="v7.2", abridged="no cgroup freezer of version 1")
def freezing_slow_path(p: task_struct) -> bool:
    """Tell whether *p* has to stand still while something is being frozen.

    Context: Any.
    """
    flags = p.__dict__["flags"]
    if flags & (PF_NOFREEZE | PF_SUSPEND_TASK):
        return False
    if tsk_is_oom_victim(p):
        return False
    if READ_ONCE(freezer()).pm_nosig_freezing:
        return True
    return READ_ONCE(freezer()).pm_freezing and not flags & PF_KTHREAD


@mirrors("kernel/freezer.c", checked="v7.2", abridged=_STATE)
def __refrigerator(check_kthr_stop: bool) -> bool:
    """Stand still until nobody wants it any more.

    Context: Sleeps; no signal ends that.
    Return: Whether current has been asleep.
    """
    del check_kthr_stop  # kernel threads are never told to stop here
    was_frozen = False
    while True:
        set_bit(TASK_FROZEN, current()._state)
        spin_lock_irq(freezer().freezer_lock)
        freeze = freezing(current())
        spin_unlock_irq(freezer().freezer_lock)
        if not freeze:
            break
        was_frozen = True
        _schedule_frozen()
    clear_bit(TASK_FROZEN, current()._state)
    return was_frozen


def _schedule_frozen() -> None:
    """Sleep until thawed; a system that is suspended so is not hung."""
    state = current()._state.bit(TASK_FROZEN)
    t = enter(state, "schedule", state._is_clear, Sleep.INTERRUPTIBLE)
    leave(t, state, Access.WAIT, 0, True)


@mirrors("kernel/freezer.c", checked="v7.2")
def fake_signal_wake_up(p: task_struct) -> None:
    """Send *p* to where signals are taken, although there is none.

    Context: Takes siglock.
    """
    sighand = lock_task_sighand(p)
    if sighand is not None:
        signal_wake_up(p, False)
        unlock_task_sighand(sighand)


@mirrors(
    "kernel/freezer.c",
    checked="v7.2",
    abridged="whoever sleeps is sent to the refrigerator; kernel threads go on",
)
def freeze_task(p: task_struct) -> bool:
    """Ask *p* to stand still.

    Context: Any; takes freezer_lock.
    Return: Whether it has to be waited for.
    """
    spin_lock_irqsave(freezer().freezer_lock)
    wanted = freezing(p) and not frozen(p)
    if wanted and not p.__dict__["flags"] & PF_KTHREAD:
        fake_signal_wake_up(p)
    spin_unlock_irqrestore(freezer().freezer_lock)
    return wanted


def _thaw(p: task_struct) -> None:
    spin_lock_irqsave(freezer().freezer_lock)
    if frozen(p):
        clear_bit(TASK_FROZEN, p._state)
    spin_unlock_irqrestore(freezer().freezer_lock)


@mirrors("kernel/freezer.c", checked="v7.2", abridged=_STATE)
def __thaw_task(p: task_struct) -> None:
    """Let the thread *p* run again, if it stands still.

    Context: Any; takes freezer_lock.
    """
    trace("thaw", p.pid)
    _thaw(p)


@mirrors("kernel/freezer.c", checked="v7.2")
def thaw_process(p: task_struct) -> None:
    """Let every thread of *p*'s process run again.

    Context: Any; enters an RCU read section.
    """
    trace("thaw", p.pid)
    rcu_read_lock()
    for t in for_each_thread(p):
        _thaw(t)
    rcu_read_unlock()


@mirrors("kernel/freezer.c", checked="v7.2")
def set_freezable() -> bool:
    """Make current, a kernel thread, one that may be frozen.

    Context: May sleep.
    """
    might_sleep()
    spin_lock_irq(freezer().freezer_lock)
    current().flags &= ~PF_NOFREEZE
    spin_unlock_irq(freezer().freezer_lock)
    return try_to_freeze()
