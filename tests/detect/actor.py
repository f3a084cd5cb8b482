# SPDX-License-Identifier: GPL-2.0-only
"""What the threads of random correct programs do, and how they get it wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pykmm.engine import Machine, PlainCell
from pykmm.linux.atomic import (
    atomic_cmpxchg,
    atomic_dec_and_test,
    atomic_xchg,
)
from pykmm.linux.bitops import set_bit, test_and_clear_bit, test_and_set_bit
from pykmm.linux.compiler import READ_ONCE, WRITE_ONCE
from pykmm.linux.completion import (
    complete_all,
    completion_done,
    wait_for_completion,
)
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.rculist import (
    list_add_rcu,
    list_del_rcu,
    list_first_or_null_rcu,
    list_for_each_entry_rcu,
)
from pykmm.linux.rcupdate import (
    call_rcu,
    rcu_read_lock,
    rcu_read_unlock,
    synchronize_rcu,
)
from pykmm.linux.refcount import (
    refcount_dec_and_test,
    refcount_inc,
    refcount_inc_not_zero,
)
from pykmm.linux.rwsem import (
    down_read,
    down_write,
    downgrade_write,
    up_read,
)
from pykmm.linux.spinlock import (
    spin_lock,
    spin_unlock,
)
from pykmm.linux.srcu import (
    srcu_read_lock,
    srcu_read_unlock,
    synchronize_srcu,
)
from pykmm.linux.timer import mod_timer, timer_delete_sync
from pykmm.linux.wait import (
    wait_event,
    wait_event_interruptible,
    wait_event_timeout,
    wake_up,
)
from pykmm.linux.workqueue import schedule_work
from tests.detect.world import KEEPING_AWAY, LOCKS, TRIES, World, buffer

__all__ = ["ACTIONS", "MISTAKES", "WAITS", "Actor", "Mistake"]

#: What a thread may do, as often as it is likely.
ACTIONS: Final = (
    *("lock", "lock", "lock", "try_", "downgrade", "bit", "exchange"),
    *("hint", "rcu", "ref", "fresh", "hand", "child"),
    *("add", "glance", "look", "look", "remove", "promise", "section", "srcu"),
    *("work", "timer", "tally", "nap"),
)
#: What needs somebody who came before.
WAITS: Final = ("wait", "sleep", "sleep_for_a_while", "sleep_lightly", "ask")


@frozen
class Mistake:
    """What can be forgotten or done too early, in some actions."""

    actions: tuple[str, ...]
    #: The detector that finds it; none for what is always watched.
    detector: str
    #: The kinds of reports that it earns.
    kinds: frozenset[str]


def _mistake(actions: str, detector: str, *kinds: str) -> Mistake:
    return Mistake(tuple(actions.split()), detector, frozenset(kinds))


MISTAKES: Final = {
    "no locks": _mistake("lock", "kcsan", "data-race"),
    "two orders": _mistake("lock", "lockdep", "lock-inversion", "deadlock", "context"),
    "no put": _mistake("fresh", "leak", "leak"),
    "two puts": _mistake("fresh nap", "", "use-after-free", "refcount"),
    "no grace period": _mistake("add glance remove", "kasan", "use-after-free"),
    "behind the section": _mistake("add look", "rcu", "context"),
    "no wake-up": _mistake("sleep sleep_lightly nap", "hung_task", "hung-task"),
    "softirqs on": _mistake("tally timer", "lockdep", "lock-inversion"),
    "sleeping reader": _mistake("rcu hint", "", "context"),
}


class Actor:
    """One thread."""

    def __init__(self, m: Machine, world: World, me: int, mistake: str) -> None:
        self.machine = m
        self.world = world
        self.me = me
        self.mistake = mistake

    def run(self, plan: Sequence[tuple[str, int, int]]) -> None:
        world, me = self.world, self.me
        world.gifts[me].set(me)
        for action, about, writes in plan:
            getattr(self, action)(about, writes)
        complete_all(world.done[me])
        world.ready[me].store_release(1)
        if self.mistake != "no wake-up":
            wake_up(world.queue)
        self._put(world.buffer)
        if atomic_dec_and_test(world.left):
            assert [cell.get() for cell in world.gifts] == [*range(len(world.gifts))]

    # -- locks -------------------------------------------------------------------

    def lock(self, outer: int, writes: int) -> None:
        """Take a lock, and the ones behind it inside."""
        order = range(outer, len(self.world.locks))
        if self.mistake == "two orders" and self.me:
            order = order[::-1]
        for at in order:
            if self.mistake != "no locks":
                self._take(at, writes)
            self._use(self.world.cells[at], writes)
        for at in reversed(order):
            if self.mistake != "no locks":
                self._give(at, writes)

    def try_(self, at: int, writes: int) -> None:
        """Take one lock if that takes no waiting."""
        tries = TRIES.get(self.world.kinds[at])
        if tries is None or not tries[not writes](self.world.locks[at]):  # type: ignore[operator]
            return
        self._use(self.world.cells[at], writes)
        self._give(at, writes)

    def _take(self, at: int, writes: int) -> None:
        LOCKS[self.world.kinds[at]][1 if writes else 3](self.world.locks[at])  # type: ignore[operator]

    def _give(self, at: int, writes: int) -> None:
        LOCKS[self.world.kinds[at]][2 if writes else 4](self.world.locks[at])  # type: ignore[operator]

    def _use(self, cell: PlainCell[int], writes: int) -> None:
        value = cell.get()
        if writes:
            cell.set(value + 1)

    def downgrade(self, _: int, writes: int) -> None:
        """Write, and go on as a reader; or read only."""
        sem, cell = self.world.sem, self.world.under_sem
        if writes:
            down_write(sem)
            cell.set(self.me)
            downgrade_write(sem)
            assert cell.get() == self.me
        else:
            down_read(sem)
            cell.get()
        up_read(sem)

    def bit(self, _: int, writes: int) -> None:
        """Make a lock of a bit; its neighbour means nothing."""
        set_bit(1, self.world.word)
        if not test_and_set_bit(0, self.world.word):
            self._use(self.world.under_bit, writes)
            test_and_clear_bit(0, self.world.word)

    def exchange(self, _: int, writes: int) -> None:
        """Make a lock of a number."""
        if atomic_cmpxchg(self.world.flag, 0, 1) == 0:
            self._use(self.world.under_flag, writes)
            atomic_xchg(self.world.flag, 0)

    # -- marked accesses ------------------------------------------------------------

    def hint(self, about: int, writes: int) -> None:
        """Race on purpose."""
        if writes:
            self.world.hints.set(about)
            WRITE_ONCE(self.world.buffer).hint = about
        else:
            self.world.hints.get()
            assert READ_ONCE(self.world.buffer).hint >= 0

    def rcu(self, about: int, writes: int) -> None:
        rcu_read_lock()
        self.hint(about, writes)
        if self.mistake == "sleeping reader":
            self.nap(about, writes)
        rcu_read_unlock()

    # -- references ------------------------------------------------------------------

    def ref(self, _: int, __: int) -> None:
        """Use what is counted, under a reference of one's own."""
        refcount_inc(self.world.buffer.count)
        assert self.world.buffer.number == 1
        self._put(self.world.buffer)

    def fresh(self, _: int, writes: int) -> None:
        """Make something, share it with oneself, and let it go."""
        it = buffer(made_by=self.me)
        if writes:
            refcount_inc(it.count)
            self._put(it)
            if self.mistake == "two puts":
                self._put(it)
        if self.mistake != "no put":
            self._put(it)

    def hand(self, about: int, writes: int) -> None:
        """Leave something for whoever comes, or take it and let it go."""
        hand = self.world.hands[about % 2]
        if writes:
            mine = buffer(made_by=self.me)
            if not hand.cas(None, mine):
                self._put(mine)
            return
        it = hand.load_acquire()
        if it is not None and hand.cas(it, None):
            assert it.made_by >= 0
            self._put(it)

    def _put(self, it: buffer) -> None:
        if refcount_dec_and_test(it.count):
            it._free()

    def child(self, _: int, __: int) -> None:
        """Make a thread that sees what came before it."""
        cell = PlainCell(0)
        cell.set(1)
        self.machine.thread("child", cell.get)

    # -- RCU ---------------------------------------------------------------------------

    def add(self, _: int, __: int) -> None:
        """Publish something whose fields were written plainly."""
        it = buffer()
        it.made_by = self.me
        spin_lock(self.world.shelf.lock)
        list_add_rcu(it.link, self.world.shelf.head)
        spin_unlock(self.world.shelf.lock)

    def look(self, _: int, writes: int) -> None:
        """Use what was published, in a section or under a reference out of it."""
        got: list[buffer] = []
        rcu_read_lock()
        for it in list_for_each_entry_rcu(self.world.shelf.head):
            assert it.number == 1
            assert it.made_by >= 0
            if writes and (
                self.mistake == "behind the section" or refcount_inc_not_zero(it.count)
            ):
                got.append(it)
        rcu_read_unlock()
        for it in got:
            WRITE_ONCE(it).hint = self.me
            if self.mistake != "behind the section":
                self._put_published(it)

    def glance(self, _: int, __: int) -> None:
        """Look at what never changes of what was published last; that takes no step."""
        rcu_read_lock()
        it = list_first_or_null_rcu(self.world.shelf.head)
        self.world.hints.get()
        assert it is None or it.number == 1
        rcu_read_unlock()

    def remove(self, _: int, writes: int) -> None:
        """Take what was published last, and let it go when no reader has it."""
        spin_lock(self.world.shelf.lock)
        it = next(iter(list_for_each_entry_rcu(self.world.shelf.head)), None)
        if it is not None:
            list_del_rcu(it.link)
        spin_unlock(self.world.shelf.lock)
        if it is not None:
            if writes and self.mistake != "no grace period":
                synchronize_rcu()
            self._put_published(it)

    def _put_published(self, it: buffer) -> None:
        """Free behind a grace period: a reader may be about to look at the count."""
        if refcount_dec_and_test(it.count):
            if self.mistake == "no grace period":
                it._free()
            else:
                call_rcu(it._free)

    def promise(self, _: int, writes: int) -> None:
        """Write something, and tell it without an order, but behind a grace period."""
        if self.world.told[self.me].peek():
            return
        self.world.promised[self.me].set(1)
        if writes:
            synchronize_rcu()
        else:
            synchronize_srcu(self.world.domain)
        self.world.told[self.me].set(1 if writes else 2)

    def section(self, _: int, __: int) -> None:
        rcu_read_lock()
        self._look_at_promises(1)
        rcu_read_unlock()

    def srcu(self, about: int, writes: int) -> None:
        """The same in a section in which one may sleep."""
        idx = srcu_read_lock(self.world.domain)
        self.nap(about, writes)
        self._look_at_promises(2)
        srcu_read_unlock(self.world.domain, idx)

    def _look_at_promises(self, kind: int) -> None:
        for cell, told in zip(self.world.promised, self.world.told, strict=True):
            if told.get() == kind:
                assert cell.get() == 1

    # -- later -----------------------------------------------------------------------

    def work(self, _: int, __: int) -> None:
        schedule_work(self.world.job)

    def timer(self, about: int, writes: int) -> None:
        """Arm one's own timer, and maybe look at what it did when it is gone."""
        timer = self.world.timers[self.me]
        mod_timer(timer, 300 + about)
        if writes:
            timer_delete_sync(timer)
            self.world.fired[self.me].set(0)

    def tally(self, about: int, writes: int) -> None:
        """Add to what timers' functions add to, and keep these away meanwhile."""
        lock = self.world.tally_lock
        take, give = KEEPING_AWAY[about % 3]
        if self.mistake == "softirqs on":
            take, give = spin_lock, spin_unlock
        take(lock)
        self._use(self.world.tally, writes)
        give(lock)

    def nap(self, about: int, _: int) -> None:
        schedule_timeout_uninterruptible(1 + about)

    # -- waiting for others ----------------------------------------------------------

    def wait(self, whom: int, _: int) -> None:
        """Wait for what another one did, and look at it."""
        wait_for_completion(self.world.done[whom])
        self._take_gift(whom)

    def ask(self, whom: int, _: int) -> None:
        if completion_done(self.world.done[whom]):
            self._take_gift(whom)

    def sleep(self, whom: int, _: int) -> None:
        wait_event(self.world.queue, self.world.ready[whom].load_acquire)
        self._take_gift(whom)

    def sleep_lightly(self, whom: int, _: int) -> None:
        ready = self.world.ready[whom]
        if wait_event_interruptible(self.world.queue, ready.load_acquire) == 0:
            self._take_gift(whom)

    def sleep_for_a_while(self, whom: int, _: int) -> None:
        ready = self.world.ready[whom]
        if wait_event_timeout(self.world.queue, ready.load_acquire, 50):
            self._take_gift(whom)

    def _take_gift(self, whom: int) -> None:
        assert self.world.gifts[whom].get() == whom
