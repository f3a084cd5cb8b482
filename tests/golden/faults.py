# SPDX-License-Identifier: GPL-2.0-only
"""Small programs with one mistake each, of every kind that is reported."""

from __future__ import annotations

from collections.abc import Callable

from pykmm.engine import Cell, Config, Machine, Mutex, PlainCell, Struct, Timers
from pykmm.engine.fields import const, embedded, guarded, kernel_struct, shared
from pykmm.linux.compiler import READ_ONCE, WRITE_ONCE
from pykmm.linux.jiffies import schedule_timeout_uninterruptible
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.rcupdate import call_rcu, rcu_read_lock, rcu_read_unlock
from pykmm.linux.refcount import (
    refcount_dec_and_test,
    refcount_inc,
    refcount_inc_not_zero,
    refcount_t,
)
from pykmm.linux.spinlock import spin_lock, spin_unlock, spinlock_t
from pykmm.linux.wait import wait_event, wait_queue_head_t, wake_up
from pykmm.scenario import Scenario

__all__ = ["FAULTS", "scenario"]

#: A clock that jumps when nobody can go on.
_CONFIG = Config(timers=Timers.IDLE)

#: What makes the threads of a program, by the kind of mistake.
FAULTS: dict[str, Callable[[Machine], object]] = {}


def scenario(name: str) -> Scenario:
    """Return the program of *name*, to be explored."""

    def run(m: Machine) -> None:
        FAULTS[name](m)
        m.run()

    return Scenario(name=name, function=run, machine=Machine, config=_CONFIG)


def fault(make: Callable[[Machine], object]) -> Callable[[Machine], object]:
    """Register a program under its name."""
    FAULTS[make.__name__] = make
    return make


@kernel_struct
class buffer(Struct):
    """Something counted, with a lock and what it guards."""

    size: int = const(default=7)
    count: refcount_t = embedded(lambda it: refcount_t(1, it))
    lock: mutex = embedded(mutex)
    used: int = guarded(by="lock", default=0)
    next: buffer | None = shared(default=None)


def get(it: buffer) -> buffer:
    refcount_inc(it.count)
    return it


def put(it: buffer) -> None:
    if refcount_dec_and_test(it.count):
        free(it)


def free(it: buffer) -> None:
    it._free()


@fault
def data_race(m: Machine) -> None:
    """Each takes a lock, and not the same."""
    total, locks = PlainCell(0), [Mutex(), Mutex()]

    def add(lock: Mutex) -> None:
        with lock:
            total.set(total.get() + 1)

    for name, lock in zip(("one", "two"), locks, strict=True):
        m.thread(name, lambda lock=lock: add(lock))


@fault
def lock_inversion(m: Machine) -> None:
    """Two orders of two locks, and nobody gets stuck: one begins behind the other."""
    a, b, done = mutex(), mutex(), Cell(0)

    def forth() -> None:
        mutex_lock(a)
        mutex_lock(b)
        mutex_unlock(b)
        mutex_unlock(a)
        m.thread("two", back)

    def back() -> None:
        mutex_lock(b)
        done.set(1)
        mutex_lock(a)
        mutex_unlock(a)
        mutex_unlock(b)

    m.thread("one", forth)


@fault
def deadlock(m: Machine) -> None:
    """Two orders of a spinlock and a lock of a structure, and both get stuck."""
    it, outer = buffer(), mutex()

    def grow() -> None:
        mutex_lock(outer)
        mutex_lock(it.lock)
        mutex_unlock(it.lock)
        mutex_unlock(outer)

    def shrink() -> None:
        mutex_lock(it.lock)
        mutex_lock(outer)
        mutex_unlock(outer)
        mutex_unlock(it.lock)

    m.thread("grow", grow)
    m.thread("shrink", shrink)


@fault
def use_after_free(m: Machine) -> None:
    """One uses what it has given back already, and another one frees it."""
    it = buffer()

    def reader() -> None:
        get(it)
        put(it)
        mutex_lock(it.lock)
        mutex_unlock(it.lock)

    m.thread("reader", reader)
    m.thread("owner", lambda: put(it))


@fault
def freed_by_callback(m: Machine) -> None:
    """The grace period was waited for, but the reader has left its section."""
    head = buffer()
    head.next = buffer()

    def reader() -> None:
        rcu_read_lock()
        found = READ_ONCE(head).next
        rcu_read_unlock()
        if found is not None:
            refcount_inc_not_zero(found.count)

    def remove() -> None:
        old = READ_ONCE(head).next
        WRITE_ONCE(head).next = None
        assert old is not None
        call_rcu(lambda: free(old))

    m.thread("reader", reader)
    m.thread("remove", remove)


@fault
def double_free(m: Machine) -> None:
    """Both see the last reference go."""
    it = buffer()
    last = Cell(2)

    def leave() -> None:
        last.set(last.get() - 1)
        if last.get() == 0:
            free(it)

    m.thread("one", leave)
    m.thread("two", leave)


@fault
def freed_with_lock(m: Machine) -> None:
    """A structure goes while somebody holds the lock in it."""
    it = buffer()

    def work() -> None:
        mutex_lock(it.lock)
        put(it)
        mutex_unlock(it.lock)

    m.thread("work", work)


@fault
def refcount_underflow(m: Machine) -> None:
    """A reference is given back that was not taken."""
    count = refcount_t(1)

    def user() -> None:
        refcount_inc(count)
        refcount_dec_and_test(count)

    def owner() -> None:
        user()
        refcount_dec_and_test(count)
        refcount_dec_and_test(count)

    m.thread("owner", owner)


@fault
def refcount_from_zero(m: Machine) -> None:
    """A reference is taken without looking whether there are any."""
    count = refcount_t(1)
    m.thread("owner", lambda: refcount_dec_and_test(count))
    m.thread("user", lambda: refcount_inc(count))


@fault
def leak(m: Machine) -> None:
    """An early return forgets its reference."""
    flag = Cell(0)

    def work(it: buffer) -> None:
        get(it)
        if flag.get():
            return
        put(it)

    def owner() -> None:
        it = buffer()
        flag.set(1)
        work(it)
        put(it)

    m.thread("owner", owner)


@fault
def rcu_pointer(m: Machine) -> None:
    """What was found in a section is used behind it, though it is alive yet."""
    head = buffer()
    head.next = buffer()

    def reader() -> None:
        rcu_read_lock()
        found = READ_ONCE(head).next
        rcu_read_unlock()
        assert found is not None
        get(found)

    m.thread("reader", reader)


@fault
def rcu_sleep(m: Machine) -> None:
    """Somebody might sleep inside a section."""
    lock = mutex()

    def reader() -> None:
        rcu_read_lock()
        mutex_lock(lock)

    m.thread("reader", reader)


@fault
def atomic_sleep(m: Machine) -> None:
    """Somebody might sleep with a spinlock."""
    inner, outer = mutex(), spinlock_t()

    def work() -> None:
        spin_lock(outer)
        mutex_lock(inner)
        mutex_unlock(inner)
        spin_unlock(outer)

    m.thread("work", work)


@fault
def guarded_field(m: Machine) -> None:
    """A field is read without its lock, which another one has."""
    it = buffer()

    def grow() -> None:
        mutex_lock(it.lock)
        it.used += 1
        mutex_unlock(it.lock)

    m.thread("grow", grow)
    m.thread("look", lambda: it.used)


@fault
def wrong_unlock(m: Machine) -> None:
    """Somebody gives back what another one has."""
    lock = mutex()

    def work() -> None:
        mutex_lock(lock)
        mutex_unlock(lock)

    m.thread("work", work)
    m.thread("other", lambda: mutex_unlock(lock))


@fault
def lock_kept(m: Machine) -> None:
    """A thread ends with a lock."""
    lock = mutex()
    m.thread("work", lambda: mutex_lock(lock))


@fault
def lost_wake_up(m: Machine) -> None:
    """The sleeper is woken first, and what it waits for comes later."""
    flag, queue = Cell(0), wait_queue_head_t()

    def sleeper() -> None:
        wait_event(queue, flag.get)

    def waker() -> None:
        wake_up(queue)
        flag.set(1)

    m.thread("sleeper", sleeper)
    m.thread("waker", waker)


@fault
def hung_task(m: Machine) -> None:
    """A lock is held for many minutes."""
    lock = mutex()

    def holder() -> None:
        mutex_lock(lock)
        for _ in range(4):
            schedule_timeout_uninterruptible(100 * m.config.hz)
        mutex_unlock(lock)

    def waiter() -> None:
        mutex_lock(lock)
        mutex_unlock(lock)

    m.thread("holder", holder)
    m.thread("waiter", waiter)


@fault
def livelock(m: Machine) -> None:
    """Somebody waits by looking for what nobody will write."""
    flag = Cell(0)

    def spin() -> None:
        while not flag.get():
            pass

    m.thread("spin", spin)
