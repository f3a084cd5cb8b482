# SPDX-License-Identifier: GPL-2.0-only
"""Laws of timers and sleeps, both adversarial and idle.

Model code cannot tell which backend runs it, so nothing here may either: each law
is tried on both, under many schedules.
"""

from __future__ import annotations

import pytest

from pykmm.engine import Timers
from pykmm.linux import atomic, jiffies, timer


@pytest.mark.parametrize("timers", Timers)
def test_timer_fires_once_and_not_before_its_time(lab, timers):
    lab.timers = timers
    for m in lab:
        it, fired = timer.timer_list(), []
        timer.timer_setup(it, lambda _, fired=fired: fired.append(jiffies.jiffies()))
        due = m.clock.now + 50
        m.thread("t", lambda it=it, due=due: timer.mod_timer(it, due))
        m.run()
        assert len(fired) == 1
        assert fired[0] >= due
        assert not timer.timer_pending(it)
        assert not m.clock.due


@pytest.mark.parametrize("timers", Timers)
def test_deleted_timer_does_not_fire(lab, timers):
    lab.timers = timers
    fires = 0
    for m in lab:
        it, fired = timer.timer_list(), []
        timer.timer_setup(it, fired.append)

        def body(it=it, m=m):
            timer.mod_timer(it, m.clock.now + 5)
            return timer.timer_delete(it)

        t = m.thread("t", body)
        m.run()
        assert t.result is not bool(fired)
        assert len(fired) <= 1
        assert not m.clock.due
        fires += len(fired)
    assert timers is Timers.ADVERSARIAL or not fires


@pytest.mark.parametrize("timers", Timers)
def test_timers_fire_in_order(lab, timers):
    lab.timers = timers
    for m in lab:
        order = []
        for due in (30, 10, 20):
            it = timer.timer_list()
            timer.timer_setup(it, lambda _, due=due, order=order: order.append(due))
            timer.mod_timer(it, m.clock.now + due)
        m.run()
        assert order == [10, 20, 30]


def test_timer_can_be_armed_again(lab):
    for m in lab:
        it, fired = timer.timer_list(), []

        def tick(it, fired=fired):
            fired.append(jiffies.jiffies())
            if len(fired) < 3:
                timer.mod_timer(it, jiffies.jiffies() + 10)

        timer.timer_setup(it, tick)
        assert not timer.mod_timer(it, m.clock.now + 10)
        assert timer.mod_timer(it, m.clock.now + 20)
        first = m.clock.now + 20
        m.run()
        assert fired == [first, first + 10, first + 20]


def test_deleting_a_timer_in_sync_waits_for_its_function(lab):
    for m in lab:
        it, steps = timer.timer_list(synced=True), atomic.atomic_t()
        during = []

        def slow(_, steps=steps, during=during):
            during.append("in")
            atomic.atomic_inc(steps)
            during.pop()

        def body(it=it, during=during, m=m):
            timer.mod_timer(it, m.clock.now + 5)
            armed = timer.timer_delete_sync(it)
            assert not during
            return armed

        timer.timer_setup(it, slow)
        t = m.thread("t", body)
        m.run()
        assert steps.counter == (0 if t.result else 1)


@pytest.mark.parametrize("timers", Timers)
def test_sleeps_take_time(lab, timers, victim):
    lab.timers = timers
    for m in lab:
        before, task = m.clock.now, victim()
        task.kill()

        def body(before=before):
            assert jiffies.schedule_timeout_idle(10) == 0
            assert jiffies.jiffies() >= before + 10
            assert jiffies.schedule_timeout_uninterruptible(10) == 0
            assert jiffies.schedule_timeout_killable(7) == 7
            assert jiffies.schedule_timeout_interruptible(7) == 7

        m.thread("t", body).task = task
        m.run()
        assert m.clock.now == before + 20
