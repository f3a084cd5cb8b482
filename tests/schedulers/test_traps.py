# SPDX-License-Identifier: GPL-2.0-only
"""What explorers have been seen to lose, each in the smallest program that shows it."""

from __future__ import annotations

import pytest

from pykmm.engine import Access, Cell, Machine, Mutex, RWLock, current_machine
from pykmm.errors import Report
from pykmm.schedulers import Dpor
from tests.litmus.harness import explore_bare as explore
from tests.litmus.harness import litmus, run, values
from tests.litmus.programs import lock_order
from tests.schedulers.primitives import Box, Flag, Ref
from tests.schedulers.reference import explore_all


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
        lock, a, b = RWLock(), Flag(), Flag()

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

        return run(m, lambda: reader(a, b), lambda: reader(b, a), writer)[2]

    assert values(program) == ["'first'", "'last'"]


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


def test_a_free_behind_a_lock_that_others_share_is_explored_to_the_end() -> None:
    # What the lock looks at were its owners, which no execution writes down, so that
    # asking for them began anew for ever.
    def program(m: Machine) -> object:
        lock, box = RWLock(), Box()

        def share() -> None:
            lock.read_lock()
            lock.read_unlock()

        def free() -> None:
            lock.read_lock()
            box.free()
            lock.read_unlock()

        return run(m, box.read, share, free)

    seen = explore_all(program, Dpor(), at_most=20)
    assert {label.partition(":")[0] for label in seen.outcomes} == {
        "(0, None, None)",
        "use-after-free",
    }
    assert (seen.redundant, seen.restarts) == (0, 0)


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
