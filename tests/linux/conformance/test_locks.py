# SPDX-License-Identifier: GPL-2.0-only
"""Laws of all locks: who is kept out, who may share, what is reported.

Model code cannot tell which backend runs it, so nothing here may either: each law
is tried on both, under many schedules.
"""

from __future__ import annotations

import pytest

from pykmm.engine import current_thread
from pykmm.errors import ContextError, Deadlock
from pykmm.linux import atomic, completion, mutex, rwsem, spinlock

EXCLUSIVE = {
    "spinlock": (spinlock.spinlock_t, spinlock.spin_lock, spinlock.spin_unlock),
    "rwlock": (spinlock.rwlock_t, spinlock.write_lock, spinlock.write_unlock),
    "mutex": (mutex.mutex, mutex.mutex_lock, mutex.mutex_unlock),
    "mutex_killable": (mutex.mutex, mutex.mutex_lock_killable, mutex.mutex_unlock),
    "rwsem": (rwsem.rw_semaphore, rwsem.down_write, rwsem.up_write),
    "rwsem_killable": (rwsem.rw_semaphore, rwsem.down_write_killable, rwsem.up_write),
}
SHARED = {
    "rwlock": (*EXCLUSIVE["rwlock"], spinlock.read_lock, spinlock.read_unlock),
    "rwsem": (*EXCLUSIVE["rwsem"], rwsem.down_read, rwsem.up_read),
    "rwsem_killable": (
        *EXCLUSIVE["rwsem_killable"],
        rwsem.down_read_killable,
        rwsem.up_read,
    ),
}
TRYING = {
    "spinlock": (spinlock.spinlock_t, spinlock.spin_trylock, spinlock.spin_unlock),
    "mutex": (mutex.mutex, mutex.mutex_trylock, mutex.mutex_unlock),
    "write": (rwsem.rw_semaphore, rwsem.down_write_trylock, rwsem.up_write),
}


@pytest.mark.parametrize("lock", EXCLUSIVE)
def test_exclusive_lock_excludes(lab, lock):
    make, take, give = EXCLUSIVE[lock]
    for m in lab:
        it, steps, inside, total = make(), atomic.atomic_t(), [], []

        def work(it=it, steps=steps, inside=inside, total=total):
            for _ in range(3):
                take(it)
                inside.append(current_thread())
                atomic.atomic_inc(steps)
                assert inside == [current_thread()]
                assert it.held_exclusively_by(current_thread())
                total.append(inside.pop())
                give(it)
                assert not it.held_by(current_thread())

        for name in "abc":
            m.thread(name, work)
        m.run()
        assert len(total) == 9
        assert steps.counter == 9


@pytest.mark.parametrize("lock", TRYING)
def test_trylock_excludes_and_never_waits(lab, lock):
    make, take, give = TRYING[lock]
    for m in lab:
        it, steps, inside, won = make(), atomic.atomic_t(), [], []

        def work(it=it, steps=steps, inside=inside, won=won):
            for _ in range(3):
                ok = take(it)
                if ok:
                    inside.append(current_thread())
                    atomic.atomic_inc(steps)
                    assert inside == [current_thread()]
                    inside.pop()
                    give(it)
                won.append(ok)

        for name in "abc":
            m.thread(name, work)
        m.run()
        assert len(won) == 9
        assert steps.counter == won.count(True) >= 1
        assert it.contended >= 0


@pytest.mark.parametrize("lock", SHARED)
def test_readers_share_and_exclude_writers(lab, lock):
    make, take_write, give_write, take_read, give_read = SHARED[lock]
    overlaps = 0
    for m in lab:
        it, steps, readers, writers = make(), atomic.atomic_t(), [], []
        most = [0]

        def read(it=it, steps=steps, readers=readers, writers=writers, most=most):
            for _ in range(2):
                take_read(it)
                readers.append(current_thread())
                atomic.atomic_inc(steps)
                assert not writers
                assert it.held_by(current_thread())
                most[0] = max(most[0], len(readers))
                readers.remove(current_thread())
                give_read(it)

        def write(it=it, steps=steps, readers=readers, writers=writers):
            for _ in range(2):
                take_write(it)
                writers.append(current_thread())
                atomic.atomic_inc(steps)
                assert writers == [current_thread()]
                assert not readers
                writers.pop()
                give_write(it)

        for name in ("r1", "r2", "r3"):
            m.thread(name, read)
        for name in ("w1", "w2"):
            m.thread(name, write)
        m.run()
        overlaps += most[0] > 1
        assert steps.counter == 10
    assert lab.backend.value == "free" or overlaps, "no schedule let two readers in"


@pytest.mark.parametrize("lock", SHARED)
def test_two_readers_can_meet_inside(lab, lock, until):
    make, _, _, take_read, give_read = SHARED[lock]
    for m in lab:
        it, here = make(), atomic.atomic_t()

        def read(it=it, here=here):
            take_read(it)
            atomic.atomic_inc(here)
            until(here, lambda: here.counter == 2)
            give_read(it)

        m.thread("a", read)
        m.thread("b", read)
        m.run()


def test_spinlock_counts_who_found_it_taken(lab, until):
    for m in lab:
        lock, taken = spinlock.spinlock_t(), completion.completion()

        def first(lock=lock, taken=taken):
            with lock:
                completion.complete(taken)
                until(taken, lambda: taken.done == 2)

        def second(lock=lock, taken=taken, m=m):
            until(taken, lambda: taken.done == 1)
            assert not spinlock.spin_trylock(lock)
            completion.complete(taken)

        m.thread("first", first)
        m.thread("second", second)
        m.run()
        assert lock.contended == 1


@pytest.mark.parametrize("lock", ["spinlock", "rwlock", "mutex"])
def test_waiting_for_oneself_is_reported_at_once(lab, lock):
    make, take, _ = EXCLUSIVE[lock]
    with lab.machine(0) as m:
        it = make()

        def twice():
            take(it)
            take(it)

        m.thread("t", twice)
        with pytest.raises(Deadlock, match="t waits for itself"):
            m.run()


@pytest.mark.parametrize("lock", EXCLUSIVE)
def test_giving_back_what_is_not_held_is_reported(lab, lock):
    make, _, give = EXCLUSIVE[lock]
    with lab.machine(0) as m:
        it = make()
        m.thread("t", lambda: give(it))
        with pytest.raises(ContextError, match="gives back"):
            m.run()


def test_abba_is_a_deadlock_of_both(lab, until):
    for m in lab:
        a, b, here = mutex.mutex(), mutex.mutex(), atomic.atomic_t()

        def work(one, two, here=here):
            with one:
                atomic.atomic_inc(here)
                until(here, lambda: here.counter == 2)
                mutex.mutex_lock(two)

        m.thread("ab", lambda a=a, b=b, work=work: work(a, b))
        m.thread("ba", lambda a=a, b=b, work=work: work(b, a))
        with pytest.raises(Deadlock, match="ab and ba can never go on"):
            m.run()
