# SPDX-License-Identifier: GPL-2.0-only
"""Which steps order what others did before them, and by how much.

This follows the Linux kernel memory model (``tools/memory-model``) as far as it can
be had for one table look-up a step. What an event orders depends on its access
class, except where its kind says otherwise:

==================================  ===============================================
lock, unlock                        acquire, release; readers do not order readers
a failed trylock, ``*_is_locked``   nothing
value-returning atomics, cmpxchg    full order if they changed something
``atomic_inc()``, ``set_bit()``     nothing, and neither do their like, reads
                                    and writes of atomics, ``READ_ONCE()`` and
                                    ``WRITE_ONCE()``
``refcount_dec_and_test()``         release; the last one acquires, too
``refcount_inc()``                  nothing
publishing on an RCU list           release, and ``rcu_dereference()`` acquires:
                                    more than the dependency that it is in Linux
grace periods                       end behind all read sections that were left
                                    before, and sections that begin behind their
                                    begin come after it; sections order nothing else
a completion that is not done yet   nothing, and neither does a timer not armed
work that is pending already        comes behind those who wanted it, too
waking up                           whoever is woken comes after the waker
idle timers                         the clock jumps when nobody can go on: all that
                                    was comes before all that will be
==================================  ===============================================

Only steps that conflict order each other here, so executions that differ in the order
of independent steps get the same verdict.

A kind that is not listed is a primitive's of which nothing is known. It is taken to
order as much as its access class allows: a race may be missed then, but none is
invented.
"""

from __future__ import annotations

from typing import Final

from ..engine.events import Access

__all__ = [
    "ACQUIRE",
    "ALL",
    "CUT",
    "DEFAULTS",
    "FOUND",
    "ORDERS",
    "RELAXED",
    "RELEASE",
    "REPLACE",
    "WOKEN",
]

#: Comes after the last step that released the object alone, and, with ALL, after
#: those that released it together since.
ACQUIRE: Final = 1
ALL: Final = 2
#: Lets steps that acquire the object come after; with REPLACE it alone counts from
#: now on, because it comes after all releases before, or hides them.
RELEASE: Final = 4
REPLACE: Final = 8
#: A change that orders nothing, unless it wakes somebody.
RELAXED: Final = 16
#: Comes after the last change, even if that was a relaxed one.
WOKEN: Final = 32
#: Everything that happened comes before everything that will.
CUT: Final = 64
#: All that only if the step found something: if its value is true.
FOUND: Final = 128

_FULL: Final = ACQUIRE | ALL | RELEASE | REPLACE

#: By access class, for kinds of which nothing else is known.
DEFAULTS: Final[tuple[int, ...]] = tuple(
    {
        Access.READ: ACQUIRE,
        Access.WRITE: _FULL,
        Access.ADD: 0,
        Access.INC: 0,
        Access.DEC: RELEASE,
        Access.DROP: RELEASE,
        Access.ACQUIRE: ACQUIRE | ALL,
        Access.RELEASE: RELEASE | REPLACE,
        Access.SHARE: ACQUIRE,
        Access.UNSHARE: RELEASE,
        Access.WAIT: ACQUIRE | ALL | WOKEN,
        Access.BARRIER: CUT,
    }[access]
    for access in Access
)

#: Looks and failures that order nothing.
_UNORDERED_READS: Final = (
    "READ_ONCE",
    "access",
    "atomic_add_unless",
    "atomic_cmpxchg",
    "atomic_inc_not_zero",
    "atomic_read",
    "cas",
    "clear_bit",
    "cmpxchg",
    "data_race",
    "down_read_trylock",
    "down_write_trylock",
    "jiffies",
    "mem_cgroup_get_max",
    "mem_cgroup_margin",
    "mutex_is_locked",
    "mutex_lock_interruptible",
    "mutex_lock_killable",
    "mutex_trylock",
    "pmd_none",
    "ptep_get",
    "read",
    "refcount_inc_not_zero",
    "refcount_read",
    "rwsem_is_contended",
    "rwsem_is_locked",
    "set_bit",
    "should_reclaim_retry",
    "signal_pending_state",
    "spin_is_locked",
    "spin_trylock",
    "start",
    "test_bit",
    "tick",
    "timer_delete",
    "timer_pending",
    "trylock",
    "waitqueue_active",
    "zone_page_state_snapshot",
    "zone_reclaimable_pages",
)

#: Looks at what may be done: only who finds it done takes the lock in which it was.
_DONE: Final = (
    "completion_done",
    "try_wait_for_completion",
    "wait_for_completion_killable",
)

#: Changes that order nothing.
_RELAXED_WRITES: Final = (
    "WRITE_ONCE",
    "atomic_dec",
    "atomic_inc",
    "atomic_long_dec",
    "atomic_long_inc",
    "atomic_set",
    "clear_bit",
    "data_race",
    "refcount_set",
    "set_bit",
    "write",
)

#: Changes that publish what was done before, and look at nothing themselves. That
#: ``list_del_rcu()`` is among them: who follows the pointer it writes comes to an
#: entry that was published before, and the list's lock orders that.
_PUBLISHING: Final = (
    "filemap_add_folio",
    "i_size_write",
    "idr_remove",
    "idr_replace",
    "list_add_rcu",
    "list_add_tail_rcu",
    "list_del_rcu",
    "list_replace_rcu",
    "mas_store",
    "pmd_populate",
    "rcu_assign_pointer",
    "smp_store_release",
    "store_release",
    "vma_mark_attached",
)

#: Where grace periods begin.
_GRACE_PERIODS: Final = ("call_rcu", "synchronize_rcu", "synchronize_srcu")

#: All that differs from :data:`DEFAULTS`, by access class and kind.
ORDERS: Final[tuple[dict[str, int], ...]] = tuple(
    {
        Access.READ: {
            **dict.fromkeys(_UNORDERED_READS, 0),
            **dict.fromkeys(_DONE, ACQUIRE | FOUND),
            "queue_work": ACQUIRE | RELEASE,
        },
        Access.WRITE: {
            **dict.fromkeys(_RELAXED_WRITES, RELAXED),
            **dict.fromkeys(_PUBLISHING, RELEASE | REPLACE),
            # To queue for a lock is not to have it.
            "down_read": 0,
            "down_read_killable": 0,
            "down_write": 0,
            "down_write_killable": 0,
            "down_write_killable_wait": ACQUIRE | ALL,
            "down_write_nested": 0,
            "down_write_nested_wait": ACQUIRE | ALL,
            "down_write_wait": ACQUIRE | ALL,
            "downgrade_write": RELEASE | REPLACE,
            # Time passes for everybody, and tells nobody what others have done.
            "schedule_timeout_idle": 0,
            "schedule_timeout_interruptible": 0,
            "schedule_timeout_killable": 0,
            "schedule_timeout_uninterruptible": 0,
            "tick": 0,
        },
        Access.ADD: dict.fromkeys(_GRACE_PERIODS, RELEASE),
        Access.INC: {"atomic_inc_not_zero": ACQUIRE | RELEASE},
        Access.DEC: {"atomic_dec": 0, "atomic_dec_and_test": ACQUIRE | RELEASE},
        Access.SHARE: dict.fromkeys(("rcu_read_lock", "srcu_read_lock"), ACQUIRE | ALL),
        # Their locks are taken by another class; this is to give up for a signal.
        Access.WAIT: {
            "mutex_lock_interruptible_wait": 0,
            "mutex_lock_killable_wait": 0,
        },
    }.get(access, {})
    for access in Access
)
