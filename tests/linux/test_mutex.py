# SPDX-License-Identifier: GPL-2.0-only
"""Mutexes: their steps, and when a killable one gives up."""

from __future__ import annotations

import pytest

from pykmm.engine import current_thread
from pykmm.errno import EINTR
from pykmm.errors import Deadlock
from pykmm.linux import mutex as x


def test_events(events):
    def body():
        lock = x.mutex()
        with lock:
            assert x.mutex_is_locked(lock)
            assert not x.mutex_trylock(lock)
            assert current_thread().held == [lock]
            assert lock.held_exclusively_by(current_thread())
        assert x.mutex_trylock(lock)
        x.mutex_unlock(lock)
        assert x.mutex_lock_killable(lock) == 0
        x.mutex_unlock(lock)
        assert not x.mutex_is_locked(lock)

    assert events(body) == [
        ("mutex_lock", "ACQUIRE"),
        ("mutex_is_locked", "READ"),
        ("mutex_trylock", "READ"),
        ("mutex_unlock", "RELEASE"),
        ("mutex_trylock", "ACQUIRE"),
        ("mutex_unlock", "RELEASE"),
        ("mutex_lock_killable", "ACQUIRE"),
        ("mutex_unlock", "RELEASE"),
        ("mutex_is_locked", "READ"),
    ]


def test_who_takes_it_twice_waits_for_itself(machine):
    lock = x.mutex()

    def twice():
        x.mutex_lock(lock)
        x.mutex_lock(lock)

    machine.thread("t", twice)
    with pytest.raises(Deadlock, match=r"t waits for itself: mutex_lock mutex#1") as e:
        machine.run()
    assert ("t", "holds mutex#1") in e.value.facts


def wait_and_signal(m, lock, take, task, **how):
    """Have v wait for what h holds while k sends it a signal; return v."""

    def hold():
        x.mutex_lock(lock)
        x.mutex_unlock(lock)

    def wait():
        ret = take(lock)
        if ret == 0:
            x.mutex_unlock(lock)
        return ret

    m.thread("h", hold)
    v = m.thread("v", wait)
    v.task = task
    m.thread("k", lambda: task.kill(v, **how))
    m.run()
    return v


@pytest.mark.parametrize(
    ("script", "result", "steps"),
    [
        ("k k v v v", 0, ["ACQUIRE", "RELEASE"]),
        ("h h v v k k v h", -EINTR, ["READ", "READ"]),
        ("h h v v v k k v h", -EINTR, ["READ", "READ", "WAIT"]),
        ("h h v v v h k k v", 0, ["READ", "READ", "ACQUIRE", "RELEASE"]),
        ("h h v v v k k h v", 0, ["READ", "READ", "ACQUIRE", "RELEASE"]),
    ],
)
@pytest.mark.parametrize("take", [x.mutex_lock_killable, x.mutex_lock_interruptible])
def test_who_is_killed_gives_up(scripted, victim, script, result, steps, take):
    with scripted(script) as m:
        lock = x.mutex()
        v = wait_and_signal(m, lock, take, victim())
        assert v.result == result
        mine = [e.access.name for e in m.events if e.thread is v]
        assert mine[1:] == steps
        assert lock.contended == (len(steps) > 2 or result != 0)


@pytest.mark.parametrize(
    ("take", "script", "result"),
    [
        (x.mutex_lock_killable, "h h v v v k k h v", 0),
        (x.mutex_lock_interruptible, "h h v v v k k v h", -EINTR),
    ],
)
def test_a_signal_that_does_not_kill_ends_an_interruptible_wait_only(
    scripted, victim, take, script, result
):
    with scripted(script) as m:
        v = wait_and_signal(m, x.mutex(), take, victim(), fatal=False)
        assert v.result == result
