# SPDX-License-Identifier: GPL-2.0-only
"""Everything that may sleep refuses to where one must not, even if it need not."""

from __future__ import annotations

import pytest

from pykmm.engine import Timers
from pykmm.errors import ContextError
from pykmm.linux import (
    completion,
    jiffies,
    kernel,
    mutex,
    rcupdate,
    rwsem,
    spinlock,
    timer,
    wait,
)

SLEEPERS = {
    "might_sleep": kernel.might_sleep,
    "mutex_lock": lambda: mutex.mutex_lock(mutex.mutex()),
    "mutex_lock_killable": lambda: mutex.mutex_lock_killable(mutex.mutex()),
    "down_read": lambda: rwsem.down_read(rwsem.rw_semaphore()),
    "down_read_killable": lambda: rwsem.down_read_killable(rwsem.rw_semaphore()),
    "down_write": lambda: rwsem.down_write(rwsem.rw_semaphore()),
    "down_write_killable": lambda: rwsem.down_write_killable(rwsem.rw_semaphore()),
    "synchronize_rcu": rcupdate.synchronize_rcu,
    "wait_event": lambda: wait.wait_event(wait.wait_queue_head_t(), lambda: True),
    "wait_event_interruptible": lambda: wait.wait_event_interruptible(
        wait.wait_queue_head_t(), lambda: True
    ),
    "wait_event_timeout": lambda: wait.wait_event_timeout(
        wait.wait_queue_head_t(), lambda: True, 1
    ),
    "wait_for_completion": lambda: completion.wait_for_completion(
        completion.completion()
    ),
    "wait_for_completion_killable": lambda: completion.wait_for_completion_killable(
        completion.completion()
    ),
    "schedule_timeout_idle": lambda: jiffies.schedule_timeout_idle(1),
}


def _under_spinlock(call):
    with spinlock.spinlock_t():
        call()


def _under_rwlock(call):
    lock = spinlock.rwlock_t()
    spinlock.read_lock(lock)
    call()


def _under_rcu(call):
    with rcupdate.rcu():
        call()


def _in_rcu_callback(call):
    rcupdate.call_rcu(call)


def _in_timer(call):
    it = timer.timer_list()
    timer.timer_setup(it, lambda _: call())
    timer.mod_timer(it, 2000)


PLACES = {
    _under_spinlock: r"holds spinlock_t#1$",
    _under_rwlock: r"holds rwlock_t#1$",
    _under_rcu: r"is in an RCU read section$",
    _in_rcu_callback: r"^rcu:rcu might sleep .* softirq context$",
    _in_timer: r"^timer:<lambda> might sleep .* softirq context$",
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("sleeper", SLEEPERS)
def test_sleeping_in_atomic_context_is_reported(machine, sleeper, place):
    machine.thread("t", lambda: place(SLEEPERS[sleeper]))
    with pytest.raises(ContextError, match=PLACES[place]):
        machine.run()


@pytest.mark.parametrize(
    "call",
    [
        lambda: mutex.mutex_trylock(mutex.mutex()),
        lambda: rwsem.down_read_trylock(rwsem.rw_semaphore()),
        lambda: rwsem.down_write_trylock(rwsem.rw_semaphore()),
        lambda: completion.complete(completion.completion()),
        lambda: wait.wake_up(wait.wait_queue_head_t()),
        lambda: rcupdate.call_rcu(lambda: None),
    ],
)
def test_the_others_do_not_mind(machine, call):
    lock = spinlock.spinlock_t()
    spinlock.spin_lock(lock)
    call()
    spinlock.spin_unlock(lock)


def test_jiffies_arithmetic(machine):
    assert jiffies.HZ() == machine.config.hz == 250
    assert jiffies.msecs_to_jiffies(1) == 1
    assert jiffies.msecs_to_jiffies(1000) == 250
    assert jiffies.time_after(2, 1)
    assert not jiffies.time_after(1, 1)
    assert jiffies.time_after_eq(1, 1)
    assert jiffies.time_before(0, 1)
    assert jiffies.jiffies() == machine.clock.now
    assert machine.config.timers is Timers.ADVERSARIAL
