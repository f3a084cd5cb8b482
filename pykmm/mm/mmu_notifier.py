# SPDX-License-Identifier: GPL-2.0-only
"""Calling those who subscribed — ``mm/mmu_notifier.c``.

Callbacks run inside an SRCU section, so that unsubscribing, and the end of the
address space, can wait for those under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..engine.annotate import mirrors
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..engine.thread import current_thread
from ..errno import EAGAIN
from ..linux.atomic import atomic_read
from ..linux.bug import BUG_ON, WARN_ON
from ..linux.compiler import READ_ONCE
from ..linux.compiler_context_analysis import must_hold
from ..linux.gfp_types import GFP_KERNEL
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from ..linux.mmu_notifier import (
    mmu_notifier,
    mmu_notifier_range,
    mmu_notifier_range_blockable,
    mmu_notifier_subscriptions,
)
from ..linux.printk import pr_info
from ..linux.rculist import (
    list_add_rcu,
    list_del_rcu,
    list_empty,
    list_for_each_entry_rcu,
)
from ..linux.sched.mm import might_alloc, mmdrop, mmgrab
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct, synchronize_srcu
from .mmu_notifier_interval import (
    mmu_interval_notifier_insert,
    mmu_interval_notifier_remove,
    mn_itree_inv_end,
    mn_itree_invalidate,
    mn_itree_release,
)
from .vma_locks import mm_take_all_locks

__all__ = [
    "__mmu_notifier_register",
    "mmu_interval_notifier_insert",
    "mmu_interval_notifier_remove",
    "mmu_notifier_register",
    "mmu_notifier_unregister",
]


class _Statics(Root):
    def __init__(self) -> None:
        super().__init__()
        #: One domain for all address spaces.
        self.srcu = srcu_struct(self)


_statics = MachineLocal(_Statics)


@contextmanager
def _srcu_section() -> Iterator[None]:
    srcu = _statics().srcu
    idx = srcu_read_lock(srcu)
    yield
    srcu_read_unlock(srcu, idx)


def _subscriptions(mm: mm_struct) -> mmu_notifier_subscriptions:
    """Return the subscriptions, which are there: they live as long as *mm*."""
    found = mm.__dict__["notifier_subscriptions"]
    assert isinstance(found, mmu_notifier_subscriptions)
    return found


def _unhash(subscription: mmu_notifier) -> None:
    """Take a subscription out of the list, unless somebody did. The list's lock."""
    if subscription.hashed:
        list_del_rcu(subscription.hlist)
        subscription.hashed = False


# -- the end of the address space ------------------------------------------------------


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def __mmu_notifier_release(mm: mm_struct) -> None:
    """Have all subscribers drop their mappings, and unsubscribe them.

    Context: May sleep. The last user of *mm* has left.
    """
    subscriptions = _subscriptions(mm)
    if READ_ONCE(subscriptions).has_itree:
        mn_itree_release(subscriptions, mm)
    if not list_empty(subscriptions.list):
        mn_hlist_release(subscriptions, mm)


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mn_hlist_release(subscriptions: mmu_notifier_subscriptions, mm: mm_struct) -> None:
    """Call each ``release``, empty the list, and wait for callbacks under way.

    Context: May sleep.
    """
    with _srcu_section():
        for subscription in list_for_each_entry_rcu(subscriptions.list):
            if subscription.ops.release is not None:
                subscription.ops.release(subscription, mm)
        spin_lock(subscriptions.lock)
        for subscription in list_for_each_entry_rcu(subscriptions.list):
            _unhash(subscription)
        spin_unlock(subscriptions.lock)
    # Somebody who unsubscribes may be in its release: pages must wait for that.
    synchronize_srcu(_statics().srcu)


# -- changes ---------------------------------------------------------------------------


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def __mmu_notifier_invalidate_range_start(range: mmu_notifier_range) -> int:
    """Announce a change to all subscribers.

    Context: ``mmap_lock``. May sleep if the range says so.
    Return: 0, or -EAGAIN if somebody would have to wait and must not.
    """
    subscriptions = _subscriptions(range.mm)
    if READ_ONCE(subscriptions).has_itree:
        ret = mn_itree_invalidate(subscriptions, range)
        if ret:
            return ret
    if list_empty(subscriptions.list):
        return 0
    return mn_hlist_invalidate_range_start(subscriptions, range)


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mn_hlist_invalidate_range_start(
    subscriptions: mmu_notifier_subscriptions, range: mmu_notifier_range
) -> int:
    """Call every ``invalidate_range_start``, also after one has refused.

    Those that did not refuse wait for an end, which they get here, because after a
    refusal the caller announces none.

    Context: As :func:`__mmu_notifier_invalidate_range_start`.
    """
    ret = 0
    with _srcu_section():
        for subscription in list_for_each_entry_rcu(subscriptions.list):
            ret = _start_one(subscription, range) or ret
        if ret:
            for subscription in list_for_each_entry_rcu(subscriptions.list):
                end = subscription.ops.invalidate_range_end
                if end is not None:
                    end(subscription, range)
    return ret


def _start_one(subscription: mmu_notifier, range: mmu_notifier_range) -> int:
    ops = subscription.ops
    if ops.invalidate_range_start is None:
        return 0
    blockable = mmu_notifier_range_blockable(range)
    ret = _call(blockable, ops.invalidate_range_start, subscription, range)
    if ret:
        pr_info(
            f"{ops.invalidate_range_start.__name__} callback failed with {int(ret)} in "
            f"{'' if blockable else 'non-'}blockable context."
        )
        WARN_ON(
            blockable or ret != -EAGAIN,
            f"{subscription.name} refused a change with {ret!r}: it may only refuse "
            "with -EAGAIN, and only where it must not sleep",
        )
        WARN_ON(
            ops.invalidate_range_end is not None,
            f"{subscription.name} refuses changes and has an end, which cannot match",
        )
    return ret


def _call(
    blockable: bool,
    callback: Callable[[mmu_notifier, mmu_notifier_range], int | None],
    subscription: mmu_notifier,
    range: mmu_notifier_range,
) -> int:
    """Run a callback; where it must not sleep, sleeping is reported."""
    t = current_thread()
    t.atomic += not blockable
    ret = callback(subscription, range)
    t.atomic -= not blockable
    return ret or 0


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def __mmu_notifier_invalidate_range_end(range: mmu_notifier_range) -> None:
    """Announce to all subscribers that the change is over.

    Context: As the start.
    """
    subscriptions = _subscriptions(range.mm)
    if READ_ONCE(subscriptions).has_itree:
        mn_itree_inv_end(subscriptions)
    if not list_empty(subscriptions.list):
        mn_hlist_invalidate_end(subscriptions, range)


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mn_hlist_invalidate_end(
    subscriptions: mmu_notifier_subscriptions, range: mmu_notifier_range
) -> None:
    """Call every ``invalidate_range_end``.

    Context: As the start.
    """
    blockable = mmu_notifier_range_blockable(range)
    with _srcu_section():
        for subscription in list_for_each_entry_rcu(subscriptions.list):
            end = subscription.ops.invalidate_range_end
            if end is not None:
                _call(blockable, end, subscription, range)


# -- subscribing -----------------------------------------------------------------------


@mirrors(
    "mm/mmu_notifier.c",
    checked="v7.2",
    abridged="there is always memory for it, and no signal ends it",
)
@must_hold("mm.mmap_lock")
def __mmu_notifier_register(subscription: mmu_notifier, mm: mm_struct) -> int:
    """Subscribe to *mm*, as :func:`mmu_notifier_register` does.

    Context: ``mmap_lock`` for writing; a user of *mm*.
    """
    BUG_ON(atomic_read(mm.mm_users) <= 0, f"{mm.name} has no users to subscribe for")
    made = None
    if mm.notifier_subscriptions is None:
        might_alloc(GFP_KERNEL)  # behind the locks it must not be: reclaim takes them
        made = mmu_notifier_subscriptions()
    mm_take_all_locks(mm)
    if made is not None:
        mm.notifier_subscriptions = made
    subscriptions = _subscriptions(mm)
    mmgrab(mm)
    subscription.mm = mm
    subscription._holds_mm = True
    spin_lock(subscriptions.lock)
    list_add_rcu(subscription.hlist, subscriptions.list)
    subscription.hashed = True
    spin_unlock(subscriptions.lock)
    return 0


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mmu_notifier_register(subscription: mmu_notifier, mm: mm_struct) -> int:
    """Have the callbacks of *subscription* called for *mm*, until it unregisters.

    A subscription keeps the structure of *mm*, not what is mapped in it.

    Context: May sleep; takes ``mmap_lock`` for writing. The caller is a user of *mm*.
    Return: 0.
    """
    mmap_write_lock(mm)
    ret = __mmu_notifier_register(subscription, mm)
    mmap_write_unlock(mm)
    return ret


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def mmu_notifier_unregister(subscription: mmu_notifier, mm: mm_struct) -> None:
    """End a subscription; no callback runs any more when this returns.

    ``release`` has been called then, here or by the exit of the address space.

    Context: May sleep; no lock held. Gives the reference on *mm* back.
    """
    BUG_ON(atomic_read(mm.mm_count) <= 0, f"{mm.name} is gone")
    if READ_ONCE(subscription).hashed:
        # The section makes exit_mmap() wait for this release.
        with _srcu_section():
            if subscription.ops.release is not None:
                subscription.ops.release(subscription, mm)
        subscriptions = _subscriptions(mm)
        spin_lock(subscriptions.lock)
        _unhash(subscription)
        spin_unlock(subscriptions.lock)
    synchronize_srcu(_statics().srcu)
    BUG_ON(atomic_read(mm.mm_count) <= 0, f"{mm.name} is gone")
    subscription._holds_mm = False
    mmdrop(mm)


@mirrors("mm/mmu_notifier.c", checked="v7.2")
def __mmu_notifier_subscriptions_destroy(mm: mm_struct) -> None:
    """Free the list along with *mm*.

    Context: The last reference on *mm* is gone.
    """
    subscriptions = _subscriptions(mm)
    BUG_ON(
        subscriptions.list.next is not subscriptions.list,
        f"{mm.name} is freed with subscribers",
    )
    subscriptions._free()
