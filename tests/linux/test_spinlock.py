# SPDX-License-Identifier: GPL-2.0-only
"""Spinning locks: what they record, and what they forbid."""

from __future__ import annotations

import pytest

from pykmm.engine import current_thread
from pykmm.errors import ContextError, Deadlock
from pykmm.linux import spinlock as s


def test_events_of_a_spinlock(events):
    def body():
        lock = s.spinlock_t()
        with lock:
            assert not s.spin_trylock(lock)
            assert s.spin_is_locked(lock)
            s.assert_spin_locked(lock)
        assert s.spin_trylock(lock)
        s.spin_unlock(lock)
        assert not s.spin_is_locked(lock)

    assert events(body) == [
        ("spin_lock", "ACQUIRE"),
        ("spin_trylock", "READ"),
        ("spin_is_locked", "READ"),
        ("spin_unlock", "RELEASE"),
        ("spin_trylock", "ACQUIRE"),
        ("spin_unlock", "RELEASE"),
        ("spin_is_locked", "READ"),
    ]


def test_events_of_a_rwlock(events):
    def body():
        lock = s.rwlock_t()
        s.read_lock(lock)
        s.read_lock(lock)
        assert current_thread().held == [lock, lock]
        s.read_unlock(lock)
        s.read_unlock(lock)
        s.write_lock_irq(lock)
        s.write_unlock_irq(lock)

    assert [access for _, access in events(body)] == [
        *("SHARE", "SHARE", "UNSHARE", "UNSHARE", "ACQUIRE", "RELEASE")
    ]


def test_interrupt_forms_are_the_same_lock():
    assert s.spin_lock_irq is s.spin_lock_irqsave is s.spin_lock
    assert s.spin_unlock_irq is s.spin_unlock_irqrestore is s.spin_unlock


def test_held_locks_and_atomic_depth(machine):
    a, b = s.spinlock_t(), s.rwlock_t()

    def body():
        t = current_thread()
        s.spin_lock(a)
        s.read_lock(b)
        assert (t.held, t.atomic) == ([a, b], 2)
        s.spin_unlock(a)
        assert (t.held, t.atomic) == ([b], 1)
        s.read_unlock(b)
        assert (t.held, t.atomic) == ([], 0)

    machine.thread("t", body)
    machine.run()


def test_relying_on_a_lock_of_somebody_else(machine):
    lock = s.spinlock_t()
    machine.thread("t", lambda: s.assert_spin_locked(lock))
    with pytest.raises(ContextError, match="t relies on spinlock_t#1"):
        machine.run()


@pytest.mark.parametrize(
    ("first", "second"),
    [(s.write_lock, s.read_lock), (s.read_lock, s.write_lock)],
)
def test_changing_sides_of_a_rwlock_is_a_deadlock(machine, first, second):
    lock = s.rwlock_t()

    def body():
        first(lock)
        second(lock)

    machine.thread("t", body)
    with pytest.raises(Deadlock, match="t waits for itself"):
        machine.run()


def test_ending_with_a_lock_held_is_reported(machine):
    lock = s.spinlock_t()
    machine.thread("t", lambda: s.spin_lock(lock))
    with pytest.raises(ContextError, match="ended while it held spinlock_t#1"):
        machine.run()
