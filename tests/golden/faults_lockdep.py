# SPDX-License-Identifier: GPL-2.0-only
"""Programs with one mistake each in what may be locked where: nobody gets stuck."""

from __future__ import annotations

from pykmm.engine import Machine
from pykmm.linux.gfp_types import GFP_KERNEL
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.rcupdate import call_rcu
from pykmm.linux.sched.mm import might_alloc
from pykmm.linux.spinlock import (
    spin_lock,
    spin_lock_bh,
    spin_unlock,
    spin_unlock_bh,
    spinlock_t,
)
from pykmm.linux.timer import mod_timer, timer_list, timer_setup
from pykmm.mm.page_alloc_reclaim import fs_reclaim_acquire, fs_reclaim_release

__all__ = ["reclaim_under_lock", "softirq_lock", "softirq_order"]


def reclaim_under_lock(m: Machine) -> None:
    """Somebody allocates under a lock that reclaim takes; there is memory enough."""
    lock = mutex()

    def shrink() -> None:
        fs_reclaim_acquire(GFP_KERNEL)
        mutex_lock(lock)
        mutex_unlock(lock)
        fs_reclaim_release(GFP_KERNEL)

    def grow() -> None:
        mutex_lock(lock)
        might_alloc(GFP_KERNEL)
        mutex_unlock(lock)

    m.thread("shrink", shrink)
    m.thread("grow", grow)


def softirq_lock(m: Machine) -> None:
    """A callback takes a lock that somebody holds with softirqs on."""
    lock = spinlock_t()

    def callback() -> None:
        spin_lock(lock)
        spin_unlock(lock)

    def work() -> None:
        spin_lock(lock)
        spin_unlock(lock)
        call_rcu(callback)

    m.thread("work", work)


def softirq_order(m: Machine) -> None:
    """Behind a lock that a timer's function takes comes one held with softirqs on."""
    safe, unsafe, timer = spinlock_t(), spinlock_t(), timer_list()

    def expired(_: timer_list) -> None:
        spin_lock(safe)
        spin_unlock(safe)

    def work() -> None:
        mod_timer(timer, 2000)
        spin_lock_bh(safe)
        spin_lock(unsafe)
        spin_unlock(unsafe)
        spin_unlock_bh(safe)

    def other() -> None:
        spin_lock(unsafe)
        spin_unlock(unsafe)

    timer_setup(timer, expired)
    m.thread("work", work)
    m.thread("other", other)
