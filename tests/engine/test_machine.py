# SPDX-License-Identifier: GPL-2.0-only
"""One execution: ambient, deterministic, and gone without a trace afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pykmm.engine import (
    Backend,
    Cell,
    Machine,
    Mutex,
    Pool,
    ThreadState,
    current_machine,
)
from pykmm.errors import ContextError, Deadlock, Livelock, UsageError
from pykmm.schedulers.random_walk import RandomWalk


def increments(m: Machine, threads: int = 3) -> Cell[int]:
    cell, lock = Cell(0), Mutex()

    def body() -> None:
        for _ in range(3):
            with lock:
                cell.set(cell.get() + 1)

    for index in range(threads):
        m.thread(f"t{index}", body)
    m.run()
    return cell


@pytest.mark.parametrize("backend", Backend)
@pytest.mark.parametrize("seed", range(20))
def test_locked_increments_are_never_lost(backend: Backend, seed: int) -> None:
    with Machine(scheduler=RandomWalk(seed), backend=backend, seed=seed, jitter=3) as m:
        assert increments(m).peek() == 9


def test_one_schedule_gives_one_trace() -> None:
    def trace() -> list[str]:
        with Machine(scheduler=RandomWalk(7)) as m:
            increments(m)
            return [
                f"{e.thread.name} {e.kind} {e.obj.name} {e.value}" for e in m.events
            ]

    assert trace() == trace()


def test_steps_and_events_are_one_to_one() -> None:
    with Machine(scheduler=RandomWalk(3)) as m:
        increments(m)
        assert [t.name for t in m.steps] == [e.thread.name for e in m.events]


def test_many_machines_do_not_know_of_each_other() -> None:
    with Machine() as outer:
        first = Cell(1)
        with Machine() as inner:
            assert current_machine() is inner
            assert Cell(0).name == first.name
        assert current_machine() is outer


def test_machines_in_different_os_threads() -> None:
    results: list[int] = []

    def work(seed: int) -> None:
        with Machine(scheduler=RandomWalk(seed), pool=None) as m:
            results.append(increments(m).peek())

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [9] * 4


def boom() -> None:
    raise RuntimeError("boom")


def spin() -> None:
    cell = Cell(0)
    while True:
        cell.get()


def keep_lock() -> None:
    Mutex().lock()


ABBA_KINDS: dict[str, tuple[Callable[[], None], type[BaseException]]] = {
    "raises": (boom, RuntimeError),
    "never rests": (spin, Livelock),
    "ends with a lock": (keep_lock, ContextError),
}


@pytest.mark.parametrize("backend", Backend)
@pytest.mark.parametrize("name", ["raises", "ends with a lock"])
def test_no_thread_survives_a_failure(name: str, backend: Backend) -> None:
    body, kind = ABBA_KINDS[name]
    before = threading.active_count()
    with pytest.raises(kind), Machine(backend=backend) as m:
        gate = Mutex()
        gate.lock()
        m.thread("waits", gate.lock)
        m.thread("bad", body)
        m.run()
    assert threading.active_count() == before


def test_no_thread_survives_a_livelock() -> None:
    before = threading.active_count()
    with pytest.raises(Livelock, match="no rest after 500 steps"):
        with Machine(max_steps=500) as m:
            m.thread("spinner", spin)
            m.run()
    assert threading.active_count() == before


@pytest.mark.parametrize("backend", Backend)
def test_code_that_is_only_left_makes_no_thread(backend: Backend) -> None:
    def waits() -> None:
        gate = Mutex()
        gate.lock()
        try:
            gate.lock()
        finally:
            current_machine().thread("late", boom)

    with pytest.raises(RuntimeError), Machine(backend=backend) as m:
        m.thread("waiter", waits)
        m.thread("bad", boom)
        m.run()
    assert [t.name for t in m.threads] == ["waiter", "bad"]


def test_no_thread_survives_an_abandoned_machine() -> None:
    before = threading.active_count()
    m = Machine()
    with m:
        gate = Mutex()

        def hold_and_wait() -> None:
            gate.lock()
            gate.unlock()

        m.thread("one", hold_and_wait)
        m.run()
        m.thread("late", hold_and_wait)
    assert threading.active_count() == before
    assert all(t.state is not ThreadState.STARTED for t in m.threads)


@pytest.mark.parametrize("backend", Backend)
def test_a_deadlock_names_both_sides(backend: Backend) -> None:
    for seed in range(200):
        try:
            with Machine(
                scheduler=RandomWalk(seed), backend=backend, seed=seed, jitter=2
            ) as m:
                a, b = Mutex(), Mutex()

                def nest(first: Mutex, second: Mutex) -> None:
                    with first, second:
                        pass

                m.thread("t1", lambda a=a, b=b: nest(a, b))
                m.thread("t2", lambda a=a, b=b: nest(b, a))
                m.run()
        except Deadlock as deadlock:
            text = deadlock.render()
            assert "t1 and t2 can never go on" in text
            assert "held by t2" in text
            assert "held by t1" in text
            return
    if backend is Backend.BATON:
        pytest.fail("200 random schedules of ABBA and no deadlock")


def test_a_pool_is_shared_and_closed() -> None:
    before = threading.active_count()
    with Pool() as pool:
        for seed in range(5):
            with Machine(scheduler=RandomWalk(seed), pool=pool) as m:
                increments(m)
        assert len(pool.all) <= 3
    assert threading.active_count() == before


def test_thread_names_are_unique_and_can_stand_in_a_schedule() -> None:
    with Machine() as m:
        names = [m.thread("t", lambda: None).name for _ in range(3)]
        assert names == ["t", "t/2", "t/3"]
        with pytest.raises(UsageError, match="no spaces"):
            m.thread("two words", lambda: None)


def test_kernel_code_outside_of_a_machine_says_so() -> None:
    with pytest.raises(UsageError, match="outside of a machine"):
        Cell(0)


def test_a_closed_machine_does_not_run() -> None:
    with Machine() as m:
        pass
    with pytest.raises(UsageError, match="was closed"):
        m.run()


def test_the_host_may_not_wait() -> None:
    with Machine() as m:
        lock = Mutex()

        def take() -> None:
            lock.lock()

        m.thread("t", take)
        with pytest.raises(ContextError, match="ended while it held"):
            m.run()
    with Machine():
        lock = Mutex()
        lock.lock()
        with pytest.raises(UsageError, match="would have to wait"):
            lock.lock()
