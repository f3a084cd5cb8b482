# SPDX-License-Identifier: GPL-2.0-only
"""The read-write semaphore, case by case, under schedules written by hand."""

from __future__ import annotations

import pytest

from pykmm.engine import conflict
from pykmm.errno import EINTR
from pykmm.linux import rwsem as r
from pykmm.linux._rwsem import MAX_READERS_WAKEUP, Waiter


@pytest.fixture
def sem(machine):
    return r.rw_semaphore()


def _queue(sem, machine, text):
    """Put waiters into the queue by hand: ``"R W R"``."""
    made = []
    for letter in text.split():
        waiter = Waiter(machine.boot, writes=letter == "W")
        sem.queue.append(waiter)
        made.append(waiter)
    return made


# -- who gets in, as a table over states (the host's steps are taken at once) ----------


@pytest.mark.parametrize(
    ("readers", "writer", "queue", "reads", "writes"),
    [
        (0, False, "", True, True),
        (1, False, "", True, False),
        (0, True, "", False, False),
        (1, False, "W", False, False),
        (0, False, "W", False, False),
        (0, False, "R", False, False),
        (0, True, "R W", False, False),
    ],
)
def test_trylock(sem, machine, readers, writer, queue, reads, writes):
    def fresh():
        sem.readers, sem.writer = readers, machine.boot if writer else None
        sem.queue.clear()
        _queue(sem, machine, queue)

    fresh()
    assert r.down_read_trylock(sem) is reads
    fresh()
    assert r.down_write_trylock(sem) is writes
    assert r.rwsem_is_locked(sem) is bool(readers or writer or queue or writes)
    assert r.rwsem_is_contended(sem) is bool(queue)
    machine.boot.held.clear()


@pytest.mark.parametrize(
    ("queue", "granted", "woken", "left"),
    [
        ("R W R", [0, 2], [], [1]),
        ("R R", [0, 1], [], []),
        ("W R", [], [0], [0, 1]),
        ("W", [], [0], [0]),
    ],
)
@pytest.mark.parametrize("way", ["up_write", "up_read"])
def test_unlock_lets_the_queue_in(sem, machine, queue, granted, woken, left, way):
    (r.down_write if way == "up_write" else r.down_read)(sem)
    waiters = _queue(sem, machine, queue)
    getattr(r, way)(sem)
    assert sem.readers == len(granted)
    assert [i for i, w in enumerate(waiters) if w.woken] == sorted(granted + woken)
    assert sem.queue == [waiters[i] for i in left]
    assert sem.writer is None


@pytest.mark.parametrize(
    ("queue", "readers", "left"), [("W R", 1, 2), ("R W R", 3, 1), ("", 1, 0)]
)
def test_downgrade(sem, machine, queue, readers, left):
    r.down_write(sem)
    _queue(sem, machine, queue)
    r.downgrade_write(sem)
    assert (sem.readers, len(sem.queue)) == (readers, left)
    assert not any(w.woken for w in sem.queue)
    r.up_read(sem)


def test_reader_steals_a_free_lock_from_a_woken_writer(sem, machine):
    _queue(sem, machine, "W R")
    r.down_read(sem)
    assert (sem.readers, len(sem.queue)) == (1, 2)
    r.up_read(sem)


def test_reader_that_steals_takes_readers_at_the_head_along(sem, machine):
    _queue(sem, machine, "R W R")
    r.down_read(sem)
    assert (sem.readers, len(sem.queue)) == (3, 1)


def test_late_writer_steals_a_free_lock_from_a_woken_writer(sem, machine):
    _queue(sem, machine, "W")
    r.down_write(sem)
    assert sem.writer is machine.boot
    assert len(sem.queue) == 1
    r.up_write(sem)


def test_no_more_than_so_many_readers_get_in_at_once(sem, machine):
    r.down_write(sem)
    _queue(sem, machine, "R " * (MAX_READERS_WAKEUP + 1))
    r.up_write(sem)
    assert (sem.readers, len(sem.queue)) == (MAX_READERS_WAKEUP, 1)


SIGNALS = "signal_pending_state"

# -- steps, under a script -------------------------------------------------------------


def _events(m, name):
    return [(e.kind, e.access.name) for e in m.events if e.thread.name == name][1:]


def test_steps_without_contention(scripted):
    with scripted("") as m:
        sem = r.rw_semaphore()

        def body():
            r.down_read(sem)
            assert r.down_read_trylock(sem)
            assert not r.down_write_trylock(sem)
            r.up_read(sem)
            r.up_read(sem)
            assert r.down_write_killable(sem) == 0
            r.downgrade_write(sem)
            r.up_read(sem)

        m.thread("t", body)
        m.run()
        assert _events(m, "t") == [
            ("down_read", "SHARE"),
            ("down_read_trylock", "SHARE"),
            ("down_write_trylock", "READ"),
            ("up_read", "UNSHARE"),
            ("up_read", "UNSHARE"),
            ("down_write_killable", "ACQUIRE"),
            ("downgrade_write", "WRITE"),
            ("up_read", "UNSHARE"),
        ]
        assert not any(e.blocking for e in m.events[1:])
        assert sem.contended == 0


def test_who_of_two_readers_queues_first_is_no_matter(scripted):
    def hold(take, give):
        return lambda: (take(sem), give(sem))

    with scripted("w w r r r2 r2 w2 w2") as m:
        sem = r.rw_semaphore()
        m.thread("w", hold(r.down_write, r.up_write))
        m.thread("r", hold(r.down_read, r.up_read))
        m.thread("r2", hold(r.down_read, r.up_read))
        m.thread("w2", hold(r.down_write, r.up_write))
        m.run()
        first, second, writer = (
            next(e for e in m.events if e.thread.name == name and e.obj is sem)
            for name in ("r", "r2", "w2")
        )
        assert not conflict(first, second)
        assert conflict(first, writer)
        assert conflict(second, writer)


def test_steps_of_a_handed_over_lock(scripted):
    def hold(take, give):
        def body():
            take(sem)
            give(sem)

        return body

    with scripted("w w r r r2 r2 w w2 w2 r r2 r r2 w2 w2") as m:
        sem = r.rw_semaphore()
        m.thread("w", hold(r.down_write, r.up_write))
        m.thread("r", hold(r.down_read, r.up_read))
        m.thread("r2", hold(r.down_read, r.up_read))
        m.thread("w2", hold(r.down_write, r.up_write))
        m.run()
        assert _events(m, "w") == [("down_write", "ACQUIRE"), ("up_write", "RELEASE")]
        assert _events(m, "r") == [
            ("down_read", "ADD"),
            ("down_read_wait", "WAIT"),
            ("up_read", "UNSHARE"),
        ]
        # The last reader out wakes the writer.
        assert _events(m, "r2")[-1] == ("up_read", "UNSHARE")
        assert _events(m, "w2") == [
            ("down_write", "WRITE"),
            ("down_write_wait", "WRITE"),
            ("up_write", "RELEASE"),
        ]
        assert [e.kind for e in m.events if e.blocking and e.kind != "start"] == [
            "down_read_wait",
            "down_read_wait",
            "down_write_wait",
        ]


def test_woken_writer_can_be_overtaken(scripted):
    """A writer has been woken; a late one takes the lock before it runs."""
    with scripted("a a b b a c c b c b b") as m:
        sem = r.rw_semaphore()

        def write():
            r.down_write(sem)
            r.up_write(sem)

        for name in "abc":
            m.thread(name, write)
        m.run()
        assert _events(m, "c") == [("down_write", "ACQUIRE"), ("up_write", "RELEASE")]
        assert _events(m, "b") == [
            ("down_write", "WRITE"),
            ("down_write_wait", "WAIT"),
            ("down_write_wait", "WRITE"),
            ("up_write", "RELEASE"),
        ]


def test_overtaken_writer_sleeps_again(scripted):
    with scripted("a a b b a c c b b") as m:
        sem = r.rw_semaphore()

        def write():
            r.down_write(sem)
            r.up_write(sem)

        m.thread("a", write)
        m.thread("b", write)
        m.thread("c", lambda: r.down_write(sem) or r.down_write(sem))
        with pytest.raises(AssertionError, match="b cannot run"):
            m.run()


def test_nobody_gets_a_momentarily_free_lock_by_trylock(scripted):
    with scripted("a a b b a t t b b") as m:
        sem = r.rw_semaphore()

        def write():
            r.down_write(sem)
            r.up_write(sem)

        m.thread("a", write)
        m.thread("b", write)
        t = m.thread("t", lambda: r.down_read_trylock(sem))
        m.run()
        assert t.result is False


@pytest.mark.parametrize(
    ("script", "result", "kinds"),
    [
        # Killed while asleep.
        ("w w v v v k k v v w", -EINTR, ["", SIGNALS, "_wait", "_killed"]),
        # Killed before it falls asleep.
        ("w w v v k k v v w", -EINTR, ["", SIGNALS, "_killed"]),
        # Granted, then killed before it runs.
        ("w w v v v w k k v", 0, ["", SIGNALS, "_wait", "up"]),
        # Killed, then granted before it leaves the queue.
        ("w w v v v k k v w v", 0, ["", SIGNALS, "_wait", "_killed", "up"]),
    ],
)
@pytest.mark.parametrize("mode", ["read", "write"])
def test_killed_waiter(scripted, victim, script, result, kinds, mode):
    down, up = {
        "read": (r.down_read_killable, r.up_read),
        "write": (r.down_write_killable, r.up_write),
    }[mode]
    with scripted(script) as m:
        sem, task = r.rw_semaphore(), victim()

        def hold():
            r.down_write(sem)
            r.up_write(sem)

        def wait():
            ret = down(sem)
            if ret == 0:
                up(sem)
            return ret

        m.thread("w", hold)
        v = m.thread("v", wait)
        v.task = task
        m.thread("k", lambda: task.kill(v))
        m.run()
        assert v.result == result
        assert (sem.writer, sem.readers, sem.queue) == (None, 0, [])
        spelled = [
            k.replace("up", up.__name__) if k in ("up", SIGNALS) else down.__name__ + k
            for k in kinds
        ]
        assert [kind for kind, _ in _events(m, "v")] == spelled


def test_readers_do_not_conflict_and_writers_do(scripted):
    with scripted("") as m:
        sem = r.rw_semaphore()

        def read():
            r.down_read(sem)
            r.up_read(sem)

        def write():
            r.down_write(sem)
            r.up_write(sem)

        for name, body in (("a", read), ("b", read), ("w", write)):
            m.thread(name, body)
        m.run()
        steps = [e for e in m.events if e.obj is sem]
        for one in steps:
            for other in steps:
                if one.thread is not other.thread:
                    writes = "w" in (one.thread.name, other.thread.name)
                    assert conflict(one, other) is writes
