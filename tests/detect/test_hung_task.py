# SPDX-License-Identifier: GPL-2.0-only
"""Lost wake-ups, sleeps without end, and circles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import HungTaskDetector
from pykmm.engine import Cell, Config, Machine, Mutex, Timers
from pykmm.errors import Deadlock, HungTask, Livelock, StepLimit
from pykmm.linux.jiffies import schedule_timeout_idle, schedule_timeout_uninterruptible
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.wait import (
    wait_event,
    wait_event_interruptible,
    wait_queue_head_t,
    wake_up,
)
from pykmm.schedulers import RoundRobin
from tests.detect.programs import Body, explored, found

Wait = Callable[[wait_queue_head_t, Callable[[], object]], object]


# -- lost wake-ups ------------------------------------------------------------------


def sleeper(wait: Wait, *, wakes: bool, first: bool = False) -> object:
    """Make a program in which one waits for a flag that the other sets."""

    def setup(_: Machine) -> Sequence[Body]:
        flag, queue = Cell(0), wait_queue_head_t()

        def waker() -> None:
            if first and wakes:
                wake_up(queue)
            flag.set(1)
            if wakes and not first:
                wake_up(queue)

        return [lambda: wait(queue, flag.get), waker]

    return setup


@pytest.mark.parametrize("wait", [wait_event, wait_event_interruptible])
def test_whoever_sets_a_flag_has_to_wake_the_sleeper(wait: Wait) -> None:
    result = explored(sleeper(wait, wakes=False), detectors="hung_task")  # type: ignore[arg-type]
    assert [type(report) for report in result.reports] == [HungTask]
    assert "a wake-up was lost" in result.reports[0].summary
    assert "t0 sleeps on" in result.reports[0].summary


@pytest.mark.parametrize("wait", [wait_event, wait_event_interruptible])
def test_waking_before_setting_the_flag_loses_the_wake_up(wait: Wait) -> None:
    program = sleeper(wait, wakes=True, first=True)
    result = explored(program, detectors="hung_task")  # type: ignore[arg-type]
    assert [type(report) for report in result.reports] == [HungTask]
    assert result.outcomes  # not in every order


@pytest.mark.parametrize("wait", [wait_event, wait_event_interruptible])
def test_setting_the_flag_and_then_waking_loses_nothing(wait: Wait) -> None:
    assert explored(sleeper(wait, wakes=True)).reports == ()  # type: ignore[arg-type]


def test_a_sleeper_whose_condition_does_not_hold_sleeps_well() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        queue = wait_queue_head_t()
        return [lambda: wait_event_interruptible(queue, lambda: False)]

    assert found(setup) is None


def test_an_uninterruptible_sleeper_without_reason_is_a_deadlock() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        queue = wait_queue_head_t()
        return [lambda: wait_event(queue, lambda: False)]

    assert isinstance(found(setup), Deadlock)


def test_a_condition_that_takes_a_lost_lock_is_left_alone() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        queue, lock = wait_queue_head_t(), Mutex()

        def condition() -> bool:
            with lock:
                return False

        def keeper() -> None:
            lock.lock()
            wait_event_interruptible(queue, lambda: False)

        return [lambda: wait_event_interruptible(queue, condition), keeper]

    assert isinstance(found(setup, "00000001"), Deadlock)


# -- sleeping for too long ------------------------------------------------------------


def slow_holder(seconds: int, naps: int, config: Config) -> None:
    """One holds a lock through some naps while another one waits for it."""
    with Machine(config, observers=[HungTaskDetector()]) as m:
        lock = mutex()

        def holder() -> None:
            mutex_lock(lock)
            for _ in range(naps):
                schedule_timeout_uninterruptible(seconds * config.hz)
            mutex_unlock(lock)

        def waiter() -> None:
            mutex_lock(lock)
            mutex_unlock(lock)

        m.thread("holder", holder)
        m.thread("waiter", waiter)
        m.run()


def test_waiting_for_two_minutes_is_hanging() -> None:
    config = Config(timers=Timers.IDLE)
    slow_holder(30, 4, config)
    with pytest.raises(HungTask, match="waiter has been sleeping for more than 120"):
        slow_holder(30, 6, config)


def test_sleeping_for_a_time_is_not() -> None:
    config = Config(timers=Timers.IDLE)
    with Machine(config, observers=[HungTaskDetector()]) as m:
        m.thread("long", lambda: schedule_timeout_idle(1000 * config.hz))

        def short() -> None:
            for _ in range(10):
                schedule_timeout_uninterruptible(50 * config.hz)

        m.thread("short", short)
        m.run()


# -- circles --------------------------------------------------------------------------


def spinning(m: Machine, flag: Cell[int]) -> Callable[[], None]:
    def spin() -> None:
        while flag.get() == 0:
            pass

    return spin


def run(
    *names: str, rounds: int = 20, max_steps: int = 1000, fair: bool = True
) -> None:
    """Run threads by name on a machine that a livelock detector watches."""
    with Machine(
        scheduler=RoundRobin() if fair else None,
        observers=[HungTaskDetector(rounds=rounds)],
        max_steps=max_steps,
    ) as m:
        flag, lock, other = Cell(0), Mutex(), Mutex()
        gate = Cell(0)

        def poll_under_a_lock() -> None:
            while True:
                with lock:
                    if flag.get():
                        return

        def raise_under_the_lock() -> None:
            with lock:
                flag.set(1)

        def step_back(one: Mutex, two: Mutex) -> Callable[[], None]:
            def body() -> None:
                while True:
                    one.lock()
                    got = two.trylock()
                    one.unlock()
                    if got:
                        two.unlock()
                        return

            return body

        def work_for_ever() -> None:
            while flag.get() == 0:
                gate.set(gate.get() + 1)

        def give_up() -> None:
            for _ in range(10):
                if flag.get():
                    return

        def stuck() -> None:
            with other:
                other.lock()

        bodies = {
            "spin": spinning(m, flag),
            "spin_too": spinning(m, flag),
            "set": lambda: flag.set(1),
            "poll": poll_under_a_lock,
            "raise": raise_under_the_lock,
            "a_then_b": step_back(lock, other),
            "b_then_a": step_back(other, lock),
            "work": work_for_ever,
            "give_up": give_up,
            "stuck": stuck,
        }
        for name in names:
            m.thread(name, bodies[name])
        m.run()


def test_spinning_on_what_nobody_will_write_is_a_livelock() -> None:
    with pytest.raises(Livelock, match="spin went round 20 times") as caught:
        run("spin")
    assert not isinstance(caught.value, StepLimit)
    assert dict(caught.value.facts) == {"spin": "read Cell#1 = 0"}


def test_all_who_spin_are_named_and_those_who_wait() -> None:
    with pytest.raises(Livelock, match="spin and spin_too went round") as caught:
        run("spin", "spin_too", "stuck")
    assert not isinstance(caught.value, StepLimit)
    assert "lock Mutex#2" in dict(caught.value.facts)["stuck"]


def test_polling_under_a_lock_is_spinning() -> None:
    with pytest.raises(Livelock) as caught:
        run("poll")
    assert not isinstance(caught.value, StepLimit)


def test_stepping_back_from_each_other_for_ever_is_a_livelock() -> None:
    with pytest.raises(Livelock, match="a_then_b and b_then_a") as caught:
        run("a_then_b", "b_then_a")
    assert not isinstance(caught.value, StepLimit)


@pytest.mark.parametrize("names", [("spin", "set"), ("poll", "raise"), ("give_up",)])
def test_whoever_gets_on_in_the_end_is_in_no_circle(names: tuple[str, ...]) -> None:
    run(*names)


@pytest.mark.parametrize("names", [("spin", "set"), ("poll", "raise")])
def test_an_unfair_scheduler_proves_nothing(names: tuple[str, ...]) -> None:
    with pytest.raises(StepLimit, match="no rest after 1000 steps"):
        run(*names, fair=False)


def test_writing_all_the_time_is_no_circle_but_has_a_limit() -> None:
    with pytest.raises(StepLimit):
        run("work")
