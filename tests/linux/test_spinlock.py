# SPDX-License-Identifier: GPL-2.0-only
"""Spinning locks: what they record, and what they forbid."""

from __future__ import annotations

import pytest

from pykmm.engine import current_thread
from pykmm.errors import ContextError, Deadlock
from pykmm.linux import spinlock as s
from pykmm.linux.irqflags import irqs_disabled
from pykmm.linux.preempt import HARDIRQ, SOFTIRQ


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


FORMS = {
    "": (s.spin_lock, s.spin_unlock, 0),
    "_bh": (s.spin_lock_bh, s.spin_unlock_bh, SOFTIRQ.level),
    "_irq": (s.spin_lock_irq, s.spin_unlock_irq, HARDIRQ.level),
    "_irqsave": (s.spin_lock_irqsave, s.spin_unlock_irqrestore, HARDIRQ.level),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_keep_interrupts_away_and_take_no_step_more(events, form):
    take, give, level = FORMS[form]

    def body():
        lock = s.spinlock_t()
        take(lock)
        assert current_thread().masked == level
        assert irqs_disabled() == (level == HARDIRQ.level)
        give(lock)
        assert current_thread().masked == 0

    assert events(body) == [(take.__name__, "ACQUIRE"), (give.__name__, "RELEASE")]


def test_writers_keep_interrupts_away(events):
    def body():
        lock = s.rwlock_t()
        s.write_lock_irq(lock)
        assert irqs_disabled()
        s.write_unlock_irq(lock)
        assert not irqs_disabled()

    assert events(body) == [
        ("write_lock_irq", "ACQUIRE"),
        ("write_unlock_irq", "RELEASE"),
    ]


def test_restoring_leaves_interrupts_as_they_were(events):
    def body():
        outer, inner = s.spinlock_t(), s.spinlock_t()
        s.spin_lock_irq(outer)
        s.spin_lock_irqsave(inner)
        s.spin_unlock_irqrestore(inner)
        assert irqs_disabled()
        s.spin_unlock_irq(outer)
        s.spin_lock_irqsave(inner)
        s.spin_unlock_irqrestore(inner)
        assert not irqs_disabled()

    events(body)


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
