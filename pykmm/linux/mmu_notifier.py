# SPDX-License-Identifier: GPL-2.0-only
"""Secondary MMUs that want to know — ``include/linux/mmu_notifier.h``.

A subscriber keeps mappings of its own of the same pages, in a guest or a device.
It is told before pages go and after. Who must not wait, such as the OOM reaper,
asks without blocking, and a subscriber may then refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

import attrs

from ..engine.annotate import extern, mirrors
from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Struct
from ..engine.thread import current_thread
from .compiler import READ_ONCE
from .kernel import might_sleep
from .lockdep import lock_map_acquire, lock_map_release, lockdep_map
from .mm_types import mm_struct
from .printk import trace
from .rculist import list_head
from .spinlock import spinlock_t
from .wait import wait_queue_head_t

__all__ = [
    "MMU_NOTIFIER_RANGE_BLOCKABLE",
    "MMU_NOTIFY_CLEAR",
    "MMU_NOTIFY_PROTECTION_PAGE",
    "MMU_NOTIFY_PROTECTION_VMA",
    "MMU_NOTIFY_RELEASE",
    "MMU_NOTIFY_UNMAP",
    "mm_has_notifiers",
    "mmu_interval_notifier",
    "mmu_interval_notifier_ops",
    "mmu_notifier",
    "mmu_notifier_event",
    "mmu_notifier_invalidate_range_end",
    "mmu_notifier_invalidate_range_start",
    "mmu_notifier_invalidate_range_start_nonblock",
    "mmu_notifier_ops",
    "mmu_notifier_range",
    "mmu_notifier_range_blockable",
    "mmu_notifier_release",
    "mmu_notifier_subscriptions",
    "mmu_notifier_subscriptions_destroy",
]


class mmu_notifier_event(IntEnum):
    """Why the page tables change."""

    MMU_NOTIFY_UNMAP = 0
    MMU_NOTIFY_CLEAR = 1
    MMU_NOTIFY_PROTECTION_VMA = 2
    MMU_NOTIFY_PROTECTION_PAGE = 3
    MMU_NOTIFY_SOFT_DIRTY = 4
    MMU_NOTIFY_RELEASE = 5
    MMU_NOTIFY_MIGRATE = 6
    MMU_NOTIFY_EXCLUSIVE = 7


MMU_NOTIFY_UNMAP: Final = mmu_notifier_event.MMU_NOTIFY_UNMAP
MMU_NOTIFY_CLEAR: Final = mmu_notifier_event.MMU_NOTIFY_CLEAR
MMU_NOTIFY_PROTECTION_VMA: Final = mmu_notifier_event.MMU_NOTIFY_PROTECTION_VMA
MMU_NOTIFY_PROTECTION_PAGE: Final = mmu_notifier_event.MMU_NOTIFY_PROTECTION_PAGE
MMU_NOTIFY_RELEASE: Final = mmu_notifier_event.MMU_NOTIFY_RELEASE

MMU_NOTIFIER_RANGE_BLOCKABLE: Final = 1


@attrs.define(eq=False)
class mmu_notifier_range:
    """What is about to change."""

    event: mmu_notifier_event
    mm: mm_struct
    start: int
    end: int
    flags: int = 0


@attrs.frozen(eq=False)
class mmu_notifier_ops:
    """A subscriber's callbacks; each may be missing.

    They run on the thread that changes the page tables. State that several threads
    reach has to live in primitives of the model, as everywhere.
    """

    #: The address space is going; called once, before its pages are freed.
    release: Callable[[mmu_notifier, mm_struct], None] | None = None
    #: Returns 0, or -EAGAIN where waiting is forbidden. Who can refuse must not
    #: have an end: it is not told whether its start counted.
    invalidate_range_start: Callable[[mmu_notifier, mmu_notifier_range], int] | None = (
        None
    )
    invalidate_range_end: Callable[[mmu_notifier, mmu_notifier_range], None] | None = (
        None
    )


@attrs.frozen(eq=False)
class mmu_interval_notifier_ops:
    """The callback of a subscriber to a part of an address space."""

    #: Gets the subscription, the change, and the number of the invalidation. The
    #: answer False is for where waiting is forbidden, and means that it would.
    invalidate: Callable[[mmu_interval_notifier, mmu_notifier_range, int], bool]


@kernel_struct
class mmu_notifier_subscriptions(Struct):
    """Who has subscribed to one address space."""

    list: list_head[mmu_notifier] = embedded(list_head)
    #: Orders changes of the list, whose walks are under SRCU, and guards the rest.
    lock: spinlock_t = embedded(spinlock_t)
    #: Whether anybody has ever subscribed to a part; set once.
    has_itree: bool = guarded(by="lock", default=False, lockless=True)
    #: Odd while parts with subscribers are being invalidated: ``itree`` stays.
    invalidate_seq: int = guarded(by="lock", default=2)
    #: Changes between start and end, of any part.
    active_invalidate_ranges: int = guarded(by="lock", default=0)
    #: Subscriptions to parts, by address; and those that will come or go.
    itree: tuple[mmu_interval_notifier, ...] = guarded(
        by="lock", default=(), lockless=True
    )
    deferred_list: tuple[mmu_interval_notifier, ...] = guarded(by="lock", default=())
    wq: wait_queue_head_t = embedded(wait_queue_head_t)


def _subscriptions_lock(subscription: mmu_notifier) -> spinlock_t:
    subscriptions: mmu_notifier_subscriptions = subscription.mm.__dict__[
        "notifier_subscriptions"
    ]
    return subscriptions.lock


@kernel_struct
class mmu_notifier(Struct):
    """One subscription, made by its driver and registered by
    :func:`pykmm.mm.mmu_notifier.mmu_notifier_register`."""

    ops: mmu_notifier_ops = const()
    mm: mm_struct = const(default=None)
    #: Whether its reference on the structure of *mm* is still owed.
    _holds_mm: bool = const(default=False)
    hlist: list_head[mmu_notifier] = embedded(lambda s: list_head(s, s))
    #: Whether it is in the list.
    hashed: bool = guarded(by=_subscriptions_lock, default=False, lockless=True)


@kernel_struct
class mmu_interval_notifier(Struct):
    """One subscription to the addresses from :attr:`start` to :attr:`last`."""

    ops: mmu_interval_notifier_ops = const(default=None)
    mm: mm_struct = const(default=None)
    start: int = const(default=0)
    last: int = const(default=0)


#: Telling subscribers counts as a lock: reclaim does it, so they must not reclaim.
__mmu_notifier_invalidate_range_start_map: Final = lockdep_map(
    "mmu_notifier_invalidate_range_start"
)
_release: Callable[[mm_struct], None] = extern(
    "pykmm.mm.mmu_notifier", "__mmu_notifier_release"
)
_range_start: Callable[[mmu_notifier_range], int] = extern(
    "pykmm.mm.mmu_notifier", "__mmu_notifier_invalidate_range_start"
)
_range_end: Callable[[mmu_notifier_range], None] = extern(
    "pykmm.mm.mmu_notifier", "__mmu_notifier_invalidate_range_end"
)
_destroy: Callable[[mm_struct], None] = extern(
    "pykmm.mm.mmu_notifier", "__mmu_notifier_subscriptions_destroy"
)


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mm_has_notifiers(mm: mm_struct) -> bool:
    """Tell whether anybody has ever subscribed.

    Context: ``mmap_lock``; or another lock that the mappings cannot change under, and
        then it is a step.
    """
    if mm.mmap_lock.held_by(current_thread()):
        return mm.notifier_subscriptions is not None
    return READ_ONCE(mm).notifier_subscriptions is not None


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mmu_notifier_range_blockable(range: mmu_notifier_range) -> bool:
    """Tell whether a callback may wait."""
    return bool(range.flags & MMU_NOTIFIER_RANGE_BLOCKABLE)


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mmu_notifier_release(mm: mm_struct) -> None:
    """Tell all subscribers that the address space goes, and unsubscribe them.

    Context: May sleep; the last user has left, so that nobody subscribes any more.
    """
    if READ_ONCE(mm).notifier_subscriptions is not None:
        _release(mm)


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mmu_notifier_invalidate_range_start(range: mmu_notifier_range) -> None:
    """Announce a change, and wait for all subscribers to be ready.

    Context: May sleep. ``mmap_lock``; no page-table lock.
    """
    might_sleep()
    trace("notifier_start", range.start)
    lock_map_acquire(__mmu_notifier_invalidate_range_start_map)
    if mm_has_notifiers(range.mm):
        range.flags |= MMU_NOTIFIER_RANGE_BLOCKABLE
        _range_start(range)
    lock_map_release(__mmu_notifier_invalidate_range_start_map)


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mmu_notifier_invalidate_range_start_nonblock(range: mmu_notifier_range) -> int:
    """Announce a change, unless a subscriber would have to wait.

    Context: ``mmap_lock``; no page-table lock. Never sleeps.
    Return: 0, or -EAGAIN: then nothing may be changed, and no end be announced.
    """
    ret = 0
    lock_map_acquire(__mmu_notifier_invalidate_range_start_map)
    if mm_has_notifiers(range.mm):
        range.flags &= ~MMU_NOTIFIER_RANGE_BLOCKABLE
        ret = _range_start(range)
    lock_map_release(__mmu_notifier_invalidate_range_start_map)
    trace("notifier_refused" if ret else "notifier_start", range.start)
    return ret


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mmu_notifier_invalidate_range_end(range: mmu_notifier_range) -> None:
    """Announce that the change is over.

    Context: As the start that succeeded.
    """
    if mmu_notifier_range_blockable(range):
        might_sleep()
    if mm_has_notifiers(range.mm):
        _range_end(range)
    trace("notifier_end", range.start)


@mirrors("include/linux/mmu_notifier.h", checked="v7.2", inline=True)
def mmu_notifier_subscriptions_destroy(mm: mm_struct) -> None:
    """Free the list of subscribers along with *mm*.

    Context: Nobody refers to *mm* any more, so looking needs no step.
    """
    if mm.__dict__["notifier_subscriptions"] is not None:
        _destroy(mm)
