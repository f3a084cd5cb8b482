# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a wait, of a wake-up, and of what ends a wait early."""

from __future__ import annotations

import pytest

from pykmm.engine import Access
from pykmm.errno import ERESTARTSYS
from pykmm.errors import Deadlock
from pykmm.linux import wait
from pykmm.linux.atomic import atomic_read, atomic_set, atomic_t


def _kinds(m, name):
    found = [e for e in m.events if e.thread.name == name][1:]
    return [f"{e.kind} {e.access.name}" for e in found]


def _waiter(wq, flag):
    return lambda: wait.wait_event(wq, lambda: atomic_read(flag))


def _waker(wq, flag):
    def body():
        atomic_set(flag, 1)
        wait.wake_up(wq)

    return body


def test_condition_that_holds_costs_nothing(scripted):
    with scripted("k k k w") as m:
        wq, flag = wait.wait_queue_head_t(), atomic_t()
        m.thread("w", _waiter(wq, flag))
        m.thread("k", _waker(wq, flag))
        m.run()
        assert _kinds(m, "w") == ["atomic_read READ"]
        assert _kinds(m, "k") == ["atomic_set WRITE", "wake_up READ"]


def test_woken_while_asleep(scripted):
    with scripted("w w w w k k k w w w w") as m:
        wq, flag = wait.wait_queue_head_t(), atomic_t()
        m.thread("w", _waiter(wq, flag))
        m.thread("k", _waker(wq, flag))
        m.run()
        assert _kinds(m, "w") == [
            "atomic_read READ",
            "prepare_to_wait WRITE",
            "atomic_read READ",
            "schedule WAIT",
            "prepare_to_wait WRITE",
            "atomic_read READ",
            "finish_wait WRITE",
        ]
        assert _kinds(m, "k")[-1] == "wake_up WRITE"
        (asleep,) = (e for e in m.events if e.kind == "schedule")
        assert asleep.blocking


def test_woken_between_queueing_and_looking(scripted):
    with scripted("w w w k k k w w") as m:
        wq, flag = wait.wait_queue_head_t(), atomic_t()
        m.thread("w", _waiter(wq, flag))
        m.thread("k", _waker(wq, flag))
        m.run()
        # The waker has taken it out of the queue: there is nothing to finish.
        assert _kinds(m, "w")[2:] == ["atomic_read READ", "finish_wait READ"]


def test_spurious_wake_up_goes_back_to_sleep(scripted):
    with scripted("w w w w s s w w w k k k") as m:
        wq, flag = wait.wait_queue_head_t(), atomic_t()
        m.thread("w", _waiter(wq, flag))
        m.thread("s", lambda: wait.wake_up_all(wq))
        m.thread("k", _waker(wq, flag))
        m.run()
        assert _kinds(m, "w").count("schedule WAIT") == 2


def test_spurious_wake_up_is_used_up(scripted):
    with scripted("w w s s") as m:
        wq = wait.wait_queue_head_t()
        m.thread("w", lambda: wait.wait_event(wq, lambda: False))
        m.thread("s", lambda: wait.wake_up(wq))
        with pytest.raises(Deadlock, match="w can never go on"):
            m.run()
        assert len(m.steps) < 15


def test_signal_looks_at_the_condition_once_more(scripted, victim):
    with scripted("w w w w w k k s s w w w w") as m:
        wq, flag, task = wait.wait_queue_head_t(), atomic_t(), victim()
        w = m.thread(
            "w", lambda: wait.wait_event_killable(wq, lambda: atomic_read(flag))
        )
        w.task = task
        m.thread("k", lambda: task.kill(w))
        m.thread("s", lambda: atomic_set(flag, 1))
        m.run()
        assert w.result == 0
        assert _kinds(m, "w")[3:] == [
            "signal_pending_state READ",
            "schedule WAIT",
            "prepare_to_wait WRITE",
            "atomic_read READ",
            "finish_wait READ",
        ]
        assert not wq.entries


def test_signal_before_sleeping(scripted, victim):
    with scripted("k k w") as m:
        wq, task = wait.wait_queue_head_t(), victim()
        w = m.thread("w", lambda: wait.wait_event_interruptible(wq, lambda: False))
        w.task = task
        m.thread("k", lambda: task.kill(w, fatal=False))
        m.run()
        assert w.result == -ERESTARTSYS
        assert _kinds(m, "w") == [
            "prepare_to_wait WRITE",
            "signal_pending_state READ",
            "prepare_to_wait WRITE",
        ]


@pytest.mark.parametrize("call", [wait.wait_event_interruptible, wait.wait_event_idle])
def test_idle_sleepers_do_not_count_as_hung(machine, call):
    wq = wait.wait_queue_head_t()
    machine.thread("idler", lambda: call(wq, lambda: False))
    machine.run()
    assert [t.name for t in wq.entries] == ["idler"]
    assert wait.waitqueue_active(wq)
    wait.init_waitqueue_head(wq)
    assert not wait.waitqueue_active(wq)


def test_empty_wake_ups_commute(events):
    def body():
        wq = wait.wait_queue_head_t()
        for wake in (wait.wake_up, wait.wake_up_all, wait.wake_up_interruptible):
            wake(wq)

    assert {access for _, access in events(body)} == {Access.READ.name}
