# SPDX-License-Identifier: GPL-2.0-only
"""Laws of waiting: nothing is lost, nothing counted twice.

Model code cannot tell which backend runs it, so nothing here may either: each law
is tried on both, under many schedules.
"""

from __future__ import annotations

import pytest

from pykmm.engine import Timers
from pykmm.errno import EINTR, ERESTARTSYS
from pykmm.errors import Deadlock
from pykmm.linux import atomic, bitops, completion, mutex, wait


def test_mutex_lock_killable(lab, victim, until):
    for m in lab:
        lock, task = mutex.mutex(), victim()

        def holder(lock=lock, task=task, m=m):
            with lock:
                until(lock, lambda: lock.contended)
                task.kill(*m.threads)
                until(task._signal_object, lambda: task.done)

        def waiter(lock=lock, task=task, m=m):
            until(lock, lambda: lock.holder)
            ret = mutex.mutex_lock_killable(lock)
            task.done = True
            bitops.clear_bit(2, task.flags)
            assert mutex.mutex_lock_killable(lock) == 0
            mutex.mutex_unlock(lock)
            return ret

        task.done = False
        m.thread("holder", holder)
        w = m.thread("waiter", waiter)
        w.task = task
        m.run()
        assert w.result == -EINTR


def test_each_complete_lets_one_pass(lab):
    for m in lab:
        x, passed = completion.completion(), atomic.atomic_t()

        def waiter(x=x, passed=passed):
            completion.wait_for_completion(x)
            atomic.atomic_inc(passed)

        def work(x=x):
            for _ in range(3):
                completion.complete(x)

        for name in "abc":
            m.thread(name, waiter)
        m.thread("work", work)
        m.run()
        assert passed.counter == 3
        assert not completion.try_wait_for_completion(x)


def test_one_complete_too_few_leaves_one_waiting(lab):
    for m in lab:
        x = completion.completion()
        m.thread("a", lambda x=x: completion.wait_for_completion(x))
        m.thread("b", lambda x=x: completion.wait_for_completion(x))
        m.thread("c", lambda x=x: completion.complete(x))
        with pytest.raises(Deadlock, match=r"(a|b) can never go on"):
            m.run()


def test_complete_all_lets_everybody_pass_for_ever(lab):
    for m in lab:
        x = completion.completion()
        for name in "abc":
            m.thread(name, lambda x=x: completion.wait_for_completion(x))
        m.thread("work", lambda x=x: completion.complete_all(x))
        m.run()
        assert completion.completion_done(x)
        completion.wait_for_completion(x)
        completion.reinit_completion(x)
        assert not completion.try_wait_for_completion(x)


def test_wait_for_completion_killable(lab, victim):
    seen = []
    for m in lab:
        x, task = completion.completion(), victim()
        t = m.thread("t", lambda x=x: completion.wait_for_completion_killable(x))
        t.task = task
        m.thread("kill", lambda task=task, m=m: task.kill(*m.threads))
        m.thread("work", lambda x=x: completion.complete(x))
        m.run()
        assert t.result in (0, -ERESTARTSYS)
        # What was not consumed is still there.
        assert completion.try_wait_for_completion(x) is (t.result != 0)
        seen.append(t.result)
    assert lab.backend.value == "free" or set(seen) == {0, -ERESTARTSYS}


def test_no_wake_up_is_lost(lab):
    for m in lab:
        wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()

        def waiter(wq=wq, flag=flag):
            wait.wait_event(wq, lambda: atomic.atomic_read(flag))

        def waker(wq=wq, flag=flag):
            atomic.atomic_set(flag, 1)
            wait.wake_up(wq)

        m.thread("a", waiter)
        m.thread("b", waiter)
        m.thread("waker", waker)
        m.run()
        assert not wq.entries


def test_looking_before_queueing_does_lose_wake_ups(lab):
    """The law above can fail: this waiter looks first, as one must not."""
    lost = 0
    for m in lab:
        wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()

        def waiter(wq=wq, flag=flag):
            while not atomic.atomic_read(flag):
                wait.wait_event(wq, lambda seen=[]: seen.append(0) or len(seen) > 2)

        def waker(wq=wq, flag=flag):
            atomic.atomic_set(flag, 1)
            wait.wake_up(wq)

        m.thread("a", waiter)
        m.thread("waker", waker)
        try:
            m.run()
        except Deadlock:
            lost += 1
    assert lab.backend.value == "free" or lost


def test_wake_up_interruptible_leaves_the_others_asleep(lab, until):
    for m in lab:
        wq, one, all_ = wait.wait_queue_head_t(), atomic.atomic_t(), atomic.atomic_t()

        def deep(wq=wq, all_=all_):
            wait.wait_event(wq, lambda: atomic.atomic_read(all_))

        def light(wq=wq, one=one):
            return wait.wait_event_interruptible(wq, lambda: atomic.atomic_read(one))

        def waker(wq=wq, one=one, all_=all_):
            until(wq, lambda: len(wq.entries) == 2)
            (sleeper,) = (e for t, e in wq.entries.items() if t.name == "deep")
            atomic.atomic_set(one, 1)
            wait.wake_up_interruptible(wq)
            assert not sleeper.woken
            assert wait.waitqueue_active(wq)
            atomic.atomic_set(all_, 1)
            wait.wake_up_all(wq)

        m.thread("deep", deep)
        t = m.thread("light", light)
        m.thread("waker", waker)
        m.run()
        assert t.result == 0


WAITS = {
    "interruptible": (wait.wait_event_interruptible, False, -ERESTARTSYS),
    "freezable": (wait.wait_event_freezable, False, -ERESTARTSYS),
    "killable": (wait.wait_event_killable, True, -ERESTARTSYS),
}


@pytest.mark.parametrize("kind", WAITS)
def test_signal_ends_a_wait(lab, kind, victim):
    call, fatal, expected = WAITS[kind]
    for m in lab:
        wq, task = wait.wait_queue_head_t(), victim()
        t = m.thread("t", lambda wq=wq: call(wq, lambda: False))
        t.task = task
        m.thread("kill", lambda task=task, m=m: task.kill(*m.threads, fatal=fatal))
        m.run()
        assert t.result == expected
        assert not wq.entries


def test_harmless_signal_does_not_end_a_killable_wait(lab, victim):
    for m in lab:
        wq, flag, task = wait.wait_queue_head_t(), atomic.atomic_t(), victim()
        t = m.thread(
            "t",
            lambda wq=wq, flag=flag: wait.wait_event_killable(
                wq, lambda: atomic.atomic_read(flag)
            ),
        )
        t.task = task

        def other(wq=wq, flag=flag, task=task, m=m):
            task.kill(*m.threads, fatal=False)
            atomic.atomic_set(flag, 1)
            wait.wake_up(wq)

        m.thread("other", other)
        m.run()
        assert t.result == 0


@pytest.mark.parametrize("timers", Timers)
def test_wait_event_timeout_tells_which(lab, timers):
    lab.timers = timers
    for m in lab:
        wq, flag = wait.wait_queue_head_t(), atomic.atomic_t()
        before = m.clock.now

        def waiter(wq=wq, flag=flag):
            left = wait.wait_event_timeout(wq, lambda: atomic.atomic_read(flag), 10)
            assert left or not flag.counter or timers is Timers.ADVERSARIAL
            return left

        def waker(wq=wq, flag=flag):
            atomic.atomic_set(flag, 1)
            wait.wake_up(wq)

        t = m.thread("t", waiter)
        m.thread("waker", waker)
        m.run()
        assert 0 <= t.result <= 10
        if t.result == 0:
            assert m.clock.now == before + 10
        assert timers is Timers.ADVERSARIAL or t.result == 10
        assert not wq.entries


@pytest.mark.parametrize("timers", Timers)
def test_wait_event_timeout_ends_by_itself(lab, timers):
    lab.timers = timers
    for m in lab:
        wq, before = wait.wait_queue_head_t(), m.clock.now
        t = m.thread("t", lambda wq=wq: wait.wait_event_timeout(wq, lambda: False, 10))
        m.run()
        assert t.result == 0
        assert m.clock.now == before + 10
        assert not m.clock.due
