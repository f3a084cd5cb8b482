# SPDX-License-Identifier: GPL-2.0-only
"""Subscriptions to parts of an address space — part of ``mm/mmu_notifier.c``.

While a part with subscribers is being invalidated the set of subscriptions stays as
it is: who wants to come or go is put off until the last invalidation has ended.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EAGAIN, EINVAL, EOVERFLOW
from ..linux.atomic import atomic_read
from ..linux.bug import WARN_ON
from ..linux.kernel import might_sleep
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from ..linux.mmu_notifier import (
    MMU_NOTIFIER_RANGE_BLOCKABLE,
    MMU_NOTIFY_RELEASE,
    mmu_interval_notifier,
    mmu_interval_notifier_ops,
    mmu_notifier_range,
    mmu_notifier_range_blockable,
    mmu_notifier_subscriptions,
)
from ..linux.sched.mm import mmdrop, mmgrab
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.wait import wait_event, wake_up_all
from .vma_locks import mm_take_all_locks

__all__ = [
    "mmu_interval_notifier_insert",
    "mmu_interval_notifier_remove",
    "mn_itree_inv_end",
    "mn_itree_invalidate",
    "mn_itree_release",
]

_PLAIN = "a sorted tuple instead of an interval tree, and callbacks in one pass"


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mn_itree_is_invalidating(subscriptions: mmu_notifier_subscriptions) -> bool:
    """Tell whether the set of subscriptions must stay as it is.

    Context: The subscriptions' lock.
    """
    return bool(subscriptions.invalidate_seq & 1)


@mirrors("mm/mmu_notifier.c", checked="v7.2", abridged=_PLAIN)
def mn_itree_inv_start_range(
    subscriptions: mmu_notifier_subscriptions, range: mmu_notifier_range
) -> tuple[list[mmu_interval_notifier], int]:
    """Begin an invalidation.

    Context: Takes the subscriptions' lock.
    Return: Whom it concerns, by address, and its number. They stay until
        :func:`mn_itree_inv_end`.
    """
    spin_lock(subscriptions.lock)
    subscriptions.active_invalidate_ranges += 1
    hit = [
        sub
        for sub in subscriptions.itree
        if sub.start < range.end and sub.last >= range.start
    ]
    if hit:
        subscriptions.invalidate_seq |= 1
    seq = subscriptions.invalidate_seq
    spin_unlock(subscriptions.lock)
    return hit, seq


@mirrors("mm/mmu_notifier.c", checked="v7.2", abridged=_PLAIN)
def mn_itree_inv_end(subscriptions: mmu_notifier_subscriptions) -> None:
    """End an invalidation; the last one lets in and out whoever was put off.

    Context: Takes the subscriptions' lock.
    """
    spin_lock(subscriptions.lock)
    subscriptions.active_invalidate_ranges -= 1
    if subscriptions.active_invalidate_ranges or not mn_itree_is_invalidating(
        subscriptions
    ):
        spin_unlock(subscriptions.lock)
        return
    subscriptions.invalidate_seq += 1
    for sub in subscriptions.deferred_list:
        if sub in subscriptions.itree:
            _take_out(subscriptions, sub)
        else:
            _put_in(subscriptions, sub)
    subscriptions.deferred_list = ()
    spin_unlock(subscriptions.lock)
    wake_up_all(subscriptions.wq)


def _put_in(
    subscriptions: mmu_notifier_subscriptions, sub: mmu_interval_notifier
) -> None:
    subscriptions.itree = tuple(
        sorted((*subscriptions.itree, sub), key=lambda other: other.start)
    )


def _take_out(
    subscriptions: mmu_notifier_subscriptions, sub: mmu_interval_notifier
) -> None:
    subscriptions.itree = tuple(
        other for other in subscriptions.itree if other is not sub
    )


@mirrors("mm/mmu_notifier.c", checked="v7.2", abridged=_PLAIN)
def mn_itree_invalidate(
    subscriptions: mmu_notifier_subscriptions, range: mmu_notifier_range
) -> int:
    """Tell the subscribers to what *range* covers, until one of them refuses.

    Context: ``mmap_lock``. May sleep if the range says so.
    Return: 0, or -EAGAIN: then the invalidation has been ended again.
    """
    hit, seq = mn_itree_inv_start_range(subscriptions, range)
    for sub in hit:
        if sub.ops.invalidate(sub, range, seq):
            continue
        if WARN_ON(
            mmu_notifier_range_blockable(range),
            f"{sub.name} refused a change that may wait for it",
        ):
            continue
        mn_itree_inv_end(subscriptions)
        return -EAGAIN
    return 0


@mirrors("mm/mmu_notifier.c", checked="v7.2", abridged=_PLAIN)
def mn_itree_release(subscriptions: mmu_notifier_subscriptions, mm: mm_struct) -> None:
    """Tell all subscribers that the whole address space goes.

    Context: May sleep. The last user of *mm* has left.
    """
    everything = mmu_notifier_range(
        MMU_NOTIFY_RELEASE, mm, 0, ULONG_MAX, MMU_NOTIFIER_RANGE_BLOCKABLE
    )
    hit, seq = mn_itree_inv_start_range(subscriptions, everything)
    for sub in hit:
        refused = not sub.ops.invalidate(sub, everything, seq)
        WARN_ON(refused, f"{sub.name} refused the end of the address space")
    mn_itree_inv_end(subscriptions)


def _with_itree(mm: mm_struct) -> mmu_notifier_subscriptions:
    """Have *mm* take subscriptions to parts."""
    mmap_write_lock(mm)
    mm_take_all_locks(mm)
    if mm.notifier_subscriptions is None:
        mm.notifier_subscriptions = mmu_notifier_subscriptions()
    subscriptions = mm.notifier_subscriptions
    mmap_write_unlock(mm)
    assert subscriptions is not None
    spin_lock(subscriptions.lock)
    if not subscriptions.has_itree:
        subscriptions.has_itree = True
    spin_unlock(subscriptions.lock)
    return subscriptions


@mirrors("mm/mmu_notifier.c", checked="v7.2", abridged=_PLAIN)
def mmu_interval_notifier_insert(
    interval_sub: mmu_interval_notifier,
    mm: mm_struct,
    start: int,
    length: int,
    ops: mmu_interval_notifier_ops,
) -> int:
    """Subscribe to *length* bytes of *mm* from *start* on.

    Context: May sleep; takes ``mmap_lock`` for writing. The caller is a user of *mm*.
    Return: 0; -EOVERFLOW for an impossible range; -EINVAL for an *mm* without users.
    """
    subscriptions = _with_itree(mm)
    if length <= 0 or start + length - 1 > ULONG_MAX:
        return -EOVERFLOW
    if WARN_ON(atomic_read(mm.mm_users) <= 0, f"{mm.name} has no users"):
        return -EINVAL
    interval_sub.mm = mm
    interval_sub.ops = ops
    interval_sub.start = start
    interval_sub.last = start + length - 1
    mmgrab(mm)
    spin_lock(subscriptions.lock)
    if mn_itree_is_invalidating(subscriptions):
        subscriptions.deferred_list = (*subscriptions.deferred_list, interval_sub)
    else:
        if subscriptions.active_invalidate_ranges:
            # Nobody knows which parts they are: as if this one were among them.
            subscriptions.invalidate_seq |= 1
        _put_in(subscriptions, interval_sub)
    spin_unlock(subscriptions.lock)
    return 0


@mirrors("mm/mmu_notifier.c", checked="v7.2", abridged=_PLAIN)
def mmu_interval_notifier_remove(interval_sub: mmu_interval_notifier) -> None:
    """End a subscription; its callback does not run any more when this returns.

    Context: May sleep; not from the callback, and without locks that it takes.
    """
    might_sleep()
    mm = interval_sub.mm
    subscriptions = mm.__dict__["notifier_subscriptions"]
    seq = 0
    spin_lock(subscriptions.lock)
    if not mn_itree_is_invalidating(subscriptions):
        _take_out(subscriptions, interval_sub)
    elif interval_sub in subscriptions.itree:
        subscriptions.deferred_list = (*subscriptions.deferred_list, interval_sub)
        seq = subscriptions.invalidate_seq
    else:
        subscriptions.deferred_list = tuple(
            other for other in subscriptions.deferred_list if other is not interval_sub
        )
    spin_unlock(subscriptions.lock)
    if seq:
        wait_event(
            subscriptions.wq, lambda: mmu_interval_seq_released(subscriptions, seq)
        )
    mmdrop(mm)


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mmu_interval_seq_released(
    subscriptions: mmu_notifier_subscriptions, seq: int
) -> bool:
    """Tell whether the invalidation *seq* has ended.

    Context: Takes the subscriptions' lock.
    """
    spin_lock(subscriptions.lock)
    released = bool(subscriptions.invalidate_seq != seq)
    spin_unlock(subscriptions.lock)
    return released
