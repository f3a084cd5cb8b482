# SPDX-License-Identifier: GPL-2.0-only
"""What explorers have been seen to lose, or to run in vain, where threads wait.

Who waits has a guard, and may go on while it holds; what opens and shuts it are steps
of others.
"""

from __future__ import annotations

import pytest

from pykmm.engine import Access, Cell, Machine, Sleep, enter, leave
from pykmm.linux.rwsem import (
    down_read,
    down_read_trylock,
    down_write,
    rw_semaphore,
    up_read,
    up_write,
)
from pykmm.schedulers import Dfs, Dpor
from tests.litmus.harness import explore_bare as explore
from tests.litmus.harness import litmus, run, values
from tests.schedulers.primitives import Flag, Semaphore
from tests.schedulers.reference import explore_all


def test_a_sleeper_that_was_let_go_on_may_stay_asleep() -> None:
    def program(m: Machine) -> object:
        flag = Flag()
        got = []

        def raiser() -> None:
            flag.raise_()
            flag.lower()

        run(m, raiser, lambda: (flag.wait(), got.append("woke")))
        return got

    assert values(program) == ["['woke']", "[]"]


def test_two_wait_for_one_token() -> None:
    def program(m: Machine) -> object:
        flag, got = Flag(), []

        def taker(me: int) -> None:
            flag.take()
            got.append(me)

        run(m, flag.raise_, lambda: taker(1), lambda: taker(2))
        return got

    assert values(program) == ["[1]", "[2]"]


def test_nobody_runs_in_vain_to_find_a_guard_closed() -> None:
    # When the flag is raised, the second thread has not come to wait for it yet. That
    # it could not have gone on before is known from the flag.
    def program(m: Machine) -> object:
        flag, never, other = Flag(), Flag(), Cell(0)
        run(m, flag.raise_, lambda: (other.get(), flag.wait()), never.take)
        return flag.up

    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (1, 0)


def test_a_closure_is_met_before_its_object_changes() -> None:
    # Nothing tells of the past what the guard is, so the waiter is let come first.
    def program(m: Machine) -> object:
        sem, other = Semaphore(), Cell(0)

        def wait() -> None:
            other.get()
            t = enter(sem, "wait", lambda: sem.permits > 0, Sleep.INTERRUPTIBLE)
            leave(t, sem, Access.WAIT, sem.permits, blocking=True)

        run(m, sem.up, wait)
        return sem.permits

    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (1, 0)


@pytest.mark.parametrize("many", [1, 2])
def test_a_guard_with_arguments_can_be_asked(many: int) -> None:
    def program(m: Machine) -> object:
        sem, other = Semaphore(), Cell(0)
        run(m, sem.up, lambda: (other.get(), sem.wait_for(many), sem.wait_for(many)))
        return sem.permits

    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (1, 0)


@pytest.mark.parametrize("given", [(2, 1), (1, 1, 1)])
def test_permits_that_others_would_give_are_counted(given: tuple[int, ...]) -> None:
    # Without one of these threads the others give as many permits as were there when
    # the waiter could not go on.
    def program(m: Machine) -> object:
        sem = Semaphore()
        givers = [lambda n=n: [sem.up() for _ in range(n)] for n in given]
        run(m, lambda: sem.wait_for(3), *givers)
        return sem.permits

    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (1, 0)


def test_a_waiter_comes_before_all_permits_that_would_shut_its_guard() -> None:
    # In the first execution it comes too late. It does so, too, if one permit less is
    # given before it; but not if two are, whichever.
    def program(m: Machine) -> object:
        sem = Semaphore()
        run(m, *[sem.up] * 3, lambda: sem.wait_room(2))
        return sem.permits

    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (1 + 3 + 1, 0)


def test_permits_that_are_not_alike_are_taken_away_one_after_the_other() -> None:
    # How many are left without one of them was never seen, so that has to be tried.
    def program(m: Machine) -> object:
        sem = Semaphore()
        return run(m, sem.up, sem.up_two, lambda: sem.wait_room(1) or "in time")[2]

    result = explore(litmus(program))
    assert (result.values, result.executions) == ([None, "in time"], 2)


def test_which_of_two_permits_lets_a_waiter_go_on() -> None:
    def program(m: Machine) -> object:
        sem, log = Semaphore(), Cell("")

        def give(me: str) -> None:
            sem.up()
            log.set(log.get() + me)

        def wait() -> str:
            sem.wait_for(1)
            return log.get()

        return run(m, lambda: give("a"), lambda: give("b"), wait)[2]

    assert values(program) == ["''", "'a'", "'ab'", "'b'", "'ba'"]


def test_a_guard_that_looks_at_two_objects() -> None:
    def program(m: Machine) -> object:
        one, two, got = Flag(), Flag(), []

        def waiter() -> None:
            one.wait_or(two)
            got.append("woke")

        def teaser() -> None:
            two.raise_()
            two.lower()

        run(m, teaser, waiter)
        return got

    assert values(program) == ["['woke']", "[]"]


def test_what_opens_one_of_two_objects_stays_open_beside_the_other() -> None:
    # Who lowers the first flag comes before or after the waiter, whom the second one
    # lets go on: but not before that is raised.
    def program(m: Machine) -> object:
        one, two = Flag(), Flag()
        run(
            m,
            lambda: (two.lower(), two.raise_()),
            one.lower,
            lambda: one.wait_or(two),
        )
        return one.up, two.up

    seen = explore_all(program, Dpor())
    assert seen.redundant == 0
    assert seen.outcomes == explore_all(program, Dfs()).outcomes


def test_who_waited_in_vain_at_a_rest_could_have_been_first() -> None:
    def program(m: Machine) -> object:
        flag, got = Flag(), []

        def taker(me: int) -> None:
            flag.take()
            got.append(me)

        m.thread("one", lambda: taker(1))
        m.thread("two", lambda: taker(2))
        flag.raise_()
        m.run()
        flag.raise_()
        m.run()
        return got

    assert values(program) == ["[1, 2]", "[2, 1]"]


def test_some_of_what_shut_a_guard_may_come_first_and_the_rest_later() -> None:
    # One of three permits may come before the first thread. Where that was the third
    # thread's first, the second thread's was left out for the third's last; it could
    # have come instead, with both of the third thread's behind.
    def program(m: Machine) -> object:
        sem = Semaphore()
        run(
            m,
            lambda: sem.wait_room(2),
            sem.up,
            lambda: (sem.wait_room(2), sem.up(), sem.up()),
        )
        return sem.permits

    brute, clever = explore_all(program, Dfs()), explore_all(program, Dpor())
    assert clever.orders.keys() == brute.orders.keys()
    assert (sum(clever.orders.values()), clever.redundant) == (7, 0)


@pytest.mark.xfail(strict=True, reason="one of 580 executions is in vain")
def test_a_writer_who_tries_to_read_beside_others() -> None:
    def program(m: Machine) -> object:
        sem = rw_semaphore()

        def attempt() -> None:
            if down_read_trylock(sem):
                up_read(sem)

        def write(*, tries: bool) -> None:
            down_write(sem)
            if tries:
                attempt()
            up_write(sem)

        def read() -> None:
            down_read(sem)
            up_read(sem)

        writers = [lambda: write(tries=True), lambda: write(tries=False)]
        return run(m, *writers, attempt, read)

    assert explore_all(program, Dpor()).redundant == 0
