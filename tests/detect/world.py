# SPDX-License-Identifier: GPL-2.0-only
"""What the threads of random correct programs share: one of every primitive."""

from __future__ import annotations

from collections.abc import Sequence

from pykmm.engine import Cell, Mutex, PlainCell, RWLock, Struct
from pykmm.engine.fields import const, embedded, kernel_struct, shared
from pykmm.linux.atomic import (
    atomic_t,
)
from pykmm.linux.bitops import Bits
from pykmm.linux.completion import (
    completion,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_trylock, mutex_unlock
from pykmm.linux.rculist import (
    list_head,
)
from pykmm.linux.refcount import (
    refcount_t,
)
from pykmm.linux.rwsem import (
    down_read,
    down_read_trylock,
    down_write,
    down_write_trylock,
    rw_semaphore,
    up_read,
    up_write,
)
from pykmm.linux.spinlock import (
    read_lock,
    read_unlock,
    rwlock_t,
    spin_lock,
    spin_lock_bh,
    spin_lock_irq,
    spin_lock_irqsave,
    spin_trylock,
    spin_unlock,
    spin_unlock_bh,
    spin_unlock_irq,
    spin_unlock_irqrestore,
    spinlock_t,
    write_lock,
    write_unlock,
)
from pykmm.linux.srcu import (
    srcu_struct,
)
from pykmm.linux.timer import timer_list, timer_setup
from pykmm.linux.wait import (
    wait_queue_head_t,
)
from pykmm.linux.workqueue import work_struct

__all__ = ["KEEPING_AWAY", "LOCKS", "TRIES", "World", "buffer"]


@kernel_struct
class buffer(Struct):
    """Something counted, with a link, a field that races where it is marked, and one
    that is written before anybody else can see it."""

    number: int = const(default=1)
    hint: int = shared(default=0)
    made_by: int = shared(default=-1)
    count: refcount_t = embedded(lambda it: refcount_t(1, it))
    link: list_head[buffer] = embedded(lambda it: list_head(it, it))


@kernel_struct
class shelf(Struct):
    """A list that readers walk without its lock."""

    lock: spinlock_t = embedded(spinlock_t)
    head: list_head[buffer] = embedded(list_head)


#: Locks by kind: how to make one, and to take and give it back for writing and for
#: reading. The first three may sleep, so they come outside of the others.
LOCKS = {
    "mutex": (mutex, mutex_lock, mutex_unlock, mutex_lock, mutex_unlock),
    "rwsem": (rw_semaphore, down_write, up_write, down_read, up_read),
    "Mutex": (Mutex, Mutex.lock, Mutex.unlock, Mutex.lock, Mutex.unlock),
    "spin": (spinlock_t, spin_lock, spin_unlock, spin_lock, spin_unlock),
    "rwlock": (rwlock_t, write_lock, write_unlock, read_lock, read_unlock),
    "RWLock": (
        RWLock,
        RWLock.write_lock,
        RWLock.write_unlock,
        RWLock.read_lock,
        RWLock.read_unlock,
    ),
}
#: How to try, for writing and for reading, where that can be done.
TRIES = {
    "mutex": (mutex_trylock, mutex_trylock),
    "rwsem": (down_write_trylock, down_read_trylock),
    "Mutex": (Mutex.trylock, Mutex.trylock),
    "spin": (spin_trylock, spin_trylock),
}


#: How to take and give back a lock that timers' functions take, too.
KEEPING_AWAY = (
    (spin_lock_bh, spin_unlock_bh),
    (spin_lock_irq, spin_unlock_irq),
    (spin_lock_irqsave, spin_unlock_irqrestore),
)


class World:
    """What the threads of one program share."""

    def __init__(self, kinds: Sequence[str], threads: int) -> None:
        self.kinds = kinds
        self.locks = [LOCKS[kind][0]() for kind in kinds]  # type: ignore[operator]
        self.cells = [PlainCell(0) for _ in kinds]
        self.hints = Cell(0)
        #: What each thread does before it tells the others that it is done.
        self.gifts = [PlainCell(0) for _ in range(threads)]
        self.done = [completion() for _ in range(threads)]
        self.ready = [Cell(0) for _ in range(threads)]
        self.queue = wait_queue_head_t()
        self.left = atomic_t(threads)
        self.buffer = buffer()
        self.buffer.count.refs = threads
        self.sem, self.under_sem = rw_semaphore(), PlainCell(0)
        self.word, self.under_bit = Bits(), PlainCell(0)
        self.flag, self.under_flag = atomic_t(0), PlainCell(0)
        self.hands = [Cell[buffer | None](None) for _ in range(2)]
        self.shelf = shelf()
        #: Told of behind a grace period of each kind.
        self.promised = [PlainCell(0) for _ in range(threads)]
        self.told = [Cell(0) for _ in range(threads)]
        self.domain = srcu_struct()
        self.worked = PlainCell(0)
        self.job = work_struct(lambda: self.worked.set(self.worked.get() + 1))
        self.timers = [timer_list(synced=True) for _ in range(threads)]
        self.fired = [PlainCell(0) for _ in range(threads)]
        #: What every timer's function adds to, and those that keep it away.
        self.tally, self.tally_lock = PlainCell(0), spinlock_t()
        for timer, cell in zip(self.timers, self.fired, strict=True):
            timer_setup(timer, lambda _, cell=cell: self._expire(cell))

    def _expire(self, fired: PlainCell[int]) -> None:
        fired.set(fired.get() + 1)
        spin_lock(self.tally_lock)
        self.tally.set(self.tally.get() + 1)
        spin_unlock(self.tally_lock)
