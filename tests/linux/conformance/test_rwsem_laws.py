# SPDX-License-Identifier: GPL-2.0-only
"""Laws of read-write semaphores: queueing, granting, giving up.

Model code cannot tell which backend runs it, so nothing here may either: each law
is tried on both, under many schedules.
"""

from __future__ import annotations

import pytest

from pykmm.engine import current_thread
from pykmm.errno import EINTR
from pykmm.errors import Deadlock
from pykmm.linux import atomic, completion, rwsem


def test_queued_writer_keeps_new_readers_out(lab, until):
    for m in lab:
        sem, order = rwsem.rw_semaphore(), []
        go = completion.completion()

        def reader(sem=sem, go=go):
            rwsem.down_read(sem)
            until(sem, lambda: len(sem.queue) == 1)
            assert not rwsem.down_read_trylock(sem)
            assert not rwsem.down_write_trylock(sem)
            assert rwsem.rwsem_is_contended(sem)
            completion.complete(go)
            until(sem, lambda: len(sem.queue) == 2)
            rwsem.up_read(sem)

        def writer(sem=sem, order=order):
            until(sem, lambda: sem.readers == 1)
            rwsem.down_write(sem)
            order.append("writer")
            rwsem.up_write(sem)

        def late(sem=sem, order=order, go=go):
            completion.wait_for_completion(go)
            rwsem.down_read(sem)
            order.append("late reader")
            rwsem.up_read(sem)

        for name, body in (("r", reader), ("w", writer), ("late", late)):
            m.thread(name, body)
        m.run()
        assert order == ["writer", "late reader"]
        assert not sem.queue
        assert sem.contended == 2
        assert rwsem.down_write_trylock(sem)


def test_reading_again_behind_a_writer_is_a_deadlock(lab, until):
    for m in lab:
        sem = rwsem.rw_semaphore()

        def reader(sem=sem):
            rwsem.down_read(sem)
            until(sem, lambda: len(sem.queue) == 1)
            rwsem.down_read(sem)

        def writer(sem=sem):
            until(sem, lambda: sem.readers == 1)
            rwsem.down_write(sem)

        m.thread("r", reader)
        m.thread("w", writer)
        with pytest.raises(Deadlock, match="r and w can never go on"):
            m.run()


def test_readers_get_in_together_past_a_waiting_writer(lab, until):
    for m in lab:
        sem, inside = rwsem.rw_semaphore(), atomic.atomic_t()

        def holder(sem=sem):
            rwsem.down_write(sem)
            until(sem, lambda: len(sem.queue) == 3)
            rwsem.up_write(sem)

        def reader(place, sem=sem, inside=inside):
            until(sem, lambda: sem.writer and len(sem.queue) == place)
            rwsem.down_read(sem)
            atomic.atomic_inc(inside)
            until(inside, lambda: inside.counter == 2)
            rwsem.up_read(sem)

        def writer(sem=sem, inside=inside):
            until(sem, lambda: sem.writer and len(sem.queue) == 1)
            rwsem.down_write(sem)
            assert inside.counter == 2
            rwsem.up_write(sem)

        m.thread("holder", holder)
        m.thread("r1", lambda reader=reader: reader(0))
        m.thread("w", writer)
        m.thread("r2", lambda reader=reader: reader(2))
        m.run()


def test_downgrade_lets_the_readers_at_the_head_in(lab, until):
    for m in lab:
        sem, inside = rwsem.rw_semaphore(), atomic.atomic_t()

        def holder(sem=sem, inside=inside):
            rwsem.down_write(sem)
            until(sem, lambda: len(sem.queue) == 1)
            rwsem.downgrade_write(sem)
            assert sem.held_by(current_thread())
            assert not sem.held_exclusively_by(current_thread())
            until(inside, lambda: inside.counter == 1)
            rwsem.up_read(sem)

        def reader(sem=sem, inside=inside):
            until(sem, lambda: sem.writer)
            rwsem.down_read(sem)
            atomic.atomic_inc(inside)
            rwsem.up_read(sem)

        m.thread("holder", holder)
        m.thread("r", reader)
        m.run()


KILLABLE = {
    "down_read": (rwsem.down_read_killable, rwsem.up_read),
    "down_write": (rwsem.down_write_killable, rwsem.up_write),
}


@pytest.mark.parametrize("call", KILLABLE)
def test_killed_in_the_queue_is_eintr(lab, call, victim, until):
    take, _ = KILLABLE[call]
    for m in lab:
        sem, task = rwsem.rw_semaphore(), victim()

        def holder(sem=sem, task=task, m=m):
            rwsem.down_write(sem)
            until(sem, lambda: len(sem.queue) == 1)
            task.kill(*m.threads)
            until(sem, lambda: not sem.queue)
            rwsem.up_write(sem)

        def waiter(sem=sem):
            until(sem, lambda: sem.writer)
            return take(sem)

        m.thread("holder", holder)
        w = m.thread("waiter", waiter)
        w.task = task
        m.run()
        assert w.result == -EINTR
        assert rwsem.down_write_trylock(sem)


@pytest.mark.parametrize("call", KILLABLE)
def test_dying_task_takes_an_uncontended_lock(lab, call, victim):
    take, give = KILLABLE[call]
    for m in lab:
        sem, task = rwsem.rw_semaphore(), victim()
        task.kill()

        def body(sem=sem):
            ret = take(sem)
            give(sem)
            return ret

        t = m.thread("t", body)
        t.task = task
        m.run()
        assert t.result == 0


def test_killed_head_makes_way_for_the_reader_behind(lab, victim, until):
    for m in lab:
        sem, task, met = rwsem.rw_semaphore(), victim(), completion.completion()

        def holder(sem=sem, task=task, met=met, m=m):
            rwsem.down_read(sem)
            until(sem, lambda: len(sem.queue) == 2)
            task.kill(*m.threads)
            completion.wait_for_completion(met)
            rwsem.up_read(sem)

        def writer(sem=sem):
            until(sem, lambda: sem.readers)
            return rwsem.down_write_killable(sem)

        def reader(sem=sem, met=met):
            until(sem, lambda: len(sem.queue) == 1)
            rwsem.down_read(sem)
            completion.complete(met)
            rwsem.up_read(sem)

        m.thread("holder", holder)
        w = m.thread("writer", writer)
        w.task = task
        m.thread("reader", reader)
        m.run()
        assert w.result == -EINTR


def test_plain_read_lock_heeds_no_signal(lab, victim, until):
    for m in lab:
        sem, task = rwsem.rw_semaphore(), victim()

        def holder(sem=sem, task=task, m=m):
            rwsem.down_write(sem)
            until(sem, lambda: len(sem.queue) == 1)
            task.kill(*m.threads)
            assert len(sem.queue) == 1
            rwsem.up_write(sem)

        def waiter(sem=sem):
            until(sem, lambda: sem.writer)
            rwsem.down_read(sem)
            rwsem.up_read(sem)

        m.thread("holder", holder)
        m.thread("waiter", waiter).task = task
        m.run()


def test_kills_and_grants_mixed_leave_the_semaphore_idle(lab, victim):
    results = []
    for m in lab:
        sem, inside, task = rwsem.rw_semaphore(), [], victim()
        steps = atomic.atomic_t()

        def read(sem=sem, inside=inside, steps=steps):
            ret = rwsem.down_read_killable(sem)
            if ret == 0:
                inside.append("r")
                atomic.atomic_inc(steps)
                assert "w" not in inside
                inside.remove("r")
                rwsem.up_read(sem)
            results.append(ret)

        def write(sem=sem, inside=inside, steps=steps):
            ret = rwsem.down_write_killable(sem)
            if ret == 0:
                inside.append("w")
                atomic.atomic_inc(steps)
                assert inside == ["w"]
                inside.remove("w")
                rwsem.up_write(sem)
            results.append(ret)

        for name, body in (("r1", read), ("w1", write), ("r2", read), ("w2", write)):
            m.thread(name, body).task = task
        m.thread("kill", lambda task=task, m=m: task.kill(*m.threads))
        m.run()
        assert (sem.writer, sem.readers, sem.queue) == (None, 0, [])
    assert set(results) <= {0, -EINTR}
    assert 0 in results
    assert lab.backend.value == "free" or -EINTR in results
