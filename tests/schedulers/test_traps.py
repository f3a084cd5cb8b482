# SPDX-License-Identifier: GPL-2.0-only
"""What explorers have been seen to lose, each in the smallest program that shows it."""

from __future__ import annotations

import pytest

from pykmm.engine import (
    Access,
    Cell,
    Machine,
    Mutex,
    Sleep,
    current_machine,
    enter,
    leave,
)
from pykmm.errors import Report
from tests.litmus.programs import explore_bare as explore
from tests.litmus.programs import litmus, lock_order, run
from tests.schedulers.primitives import Box, Flag, Ref, Semaphore


def values(program: object) -> list[str]:
    result = explore(litmus(program))
    assert result.complete
    assert not result.reports
    return sorted(map(repr, result.values))


def test_a_failed_trylock_races_with_the_unlock_behind_it() -> None:
    def program(m: Machine) -> object:
        lock, x = Mutex(), Cell(0)

        def owner() -> None:
            with lock:
                x.set(1)

        def trier() -> object:
            if not lock.trylock():
                return "busy"
            found = x.get()
            lock.unlock()
            return found

        return run(m, owner, trier)[1]

    assert values(program) == ["'busy'", "0", "1"]


def test_a_failed_trylock_races_with_the_unlock_whoever_is_first() -> None:
    def program(m: Machine) -> object:
        lock = Mutex()

        def trier() -> tuple[bool, bool]:
            seen = []
            for _ in range(2):
                seen.append(lock.trylock())
                if seen[-1]:
                    lock.unlock()
            return tuple(seen)

        def owner() -> None:
            with lock:
                pass

        return run(m, trier, owner)[0]

    assert values(program) == [
        "(False, False)",
        "(False, True)",
        "(True, False)",
        "(True, True)",
    ]


def test_a_lock_races_with_the_lock_before_not_with_the_unlock() -> None:
    assert values(lock_order(2)) == ["'01'", "'10'"]


def test_a_lock_that_nobody_gets_races_with_who_got_it() -> None:
    def program(m: Machine) -> object:
        lock = Mutex()
        got = []

        def body(me: int) -> None:
            lock.lock()
            got.append(me)
            Flag().wait()  # for ever, with the lock

        run(m, lambda: body(0), lambda: body(1))
        return got

    result = explore(litmus(program))
    assert result.executions == 2
    assert [report.kind for report in result.reports] == ["deadlock"]


def test_a_writer_comes_before_all_readers_that_wait_for_each_other() -> None:
    # Neither reader gives its share back before the other has it, so the writer
    # is first or last; reversing one reader at a time never gets it to be first.
    def program(m: Machine) -> object:
        from pykmm.engine import RWLock

        lock, a, b, log = RWLock(), Flag(), Flag(), Cell("")

        def reader(mine: Flag, other: Flag) -> None:
            lock.read_lock()
            mine.raise_()
            other.wait()
            lock.read_unlock()

        def writer() -> str:
            lock.write_lock()
            first = not a.up
            lock.write_unlock()
            return "first" if first else "last"

        del log
        return run(m, lambda: reader(a, b), lambda: reader(b, a), writer)[2]

    assert values(program) == ["'first'", "'last'"]


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


def test_dropping_a_reference_does_not_commute_with_dropping_the_last() -> None:
    def program(m: Machine) -> object:
        ref = Ref(3)
        return run(m, *[ref.dec] * 3)

    assert values(program) == [
        "(False, False, True)",
        "(False, True, False)",
        "(True, False, False)",
    ]


def test_drops_that_leave_some_commute() -> None:
    def program(m: Machine) -> object:
        ref = Ref(9)
        return run(m, *[ref.dec] * 4)

    assert explore(litmus(program)).executions == 1


def test_a_free_is_no_step_and_races_all_the_same() -> None:
    def program(m: Machine) -> object:
        box, ref = Box(), Ref(1)

        def put() -> None:
            if ref.dec():
                box.free()

        return run(m, box.read, put)

    result = explore(litmus(program))
    assert [report.kind for report in result.reports] == ["use-after-free"]
    assert len(result.outcomes) == 1


def test_what_others_do_behind_a_bug_is_seen() -> None:
    # The first execution ends in the first thread's bug, so the second thread's
    # second step is not even known then.
    def program(m: Machine) -> object:
        x, y = Cell(0), Cell(0)

        def buggy() -> None:
            if x.get() == 0:
                raise Report("x is not set")

        def other() -> None:
            y.set(1)
            x.set(1)

        return run(m, buggy, other)

    result = explore(litmus(program))
    assert [report.summary for report in result.reports] == ["x is not set"]
    assert result.values == [(None, None)]
    assert result.complete


def test_two_bugs_behind_each_other() -> None:
    def program(m: Machine) -> object:
        x, lock = Cell(0), Mutex()

        def buggy(me: int) -> None:
            with lock:
                if x.get() == 0:
                    raise Report(f"{me} was first")

        return run(m, lambda: buggy(1), lambda: buggy(2), lambda: x.set(1))

    result = explore(litmus(program))
    assert sorted(r.summary for r in result.reports) == ["1 was first", "2 was first"]
    assert result.values == [(None, None, None)]


def test_a_thread_that_a_thread_makes() -> None:
    def program(m: Machine) -> object:
        x = Cell(0)

        def parent() -> int:
            current_machine().thread("child", lambda: x.set(1))
            return x.get()

        return run(m, parent)

    assert values(program) == ["(0,)", "(1,)"]


def test_what_happened_before_a_rest_stays_before_it() -> None:
    def program(m: Machine) -> object:
        x = Cell(0)
        run(m, lambda: x.set(1))
        m.thread("late", lambda: x.set(2))
        m.run()
        return x.peek()

    assert explore(litmus(program)).executions == 1


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


@pytest.mark.parametrize("apart", [0, 5])
def test_timers_that_are_due_when_nobody_can_go_on(apart: int) -> None:
    def program(m: Machine) -> object:
        x = Cell("")
        for name, due in (("a", 1010), ("b", 1010 + apart)):
            m.clock.due.append(due)
            m.thread(
                name,
                lambda name=name: x.set(x.get() + name),
                obj=m.clock,
                guard=lambda due=due: m.clock.now >= due,
                access=Access.BARRIER,
            )
        run(m, lambda: x.set(x.get() + "."))
        return x.peek()

    # Timers of one time race with each other, and can both be late; one that is
    # due later waits for the machine to come to rest again.
    expected = ["'.ab'"] if apart else ["'.a'", "'.ab'", "'.b'", "'.ba'"]
    assert values(program) == expected
