# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for a word of memory: who is woken, who is refused, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Machine, explore
from pykmm.errno import EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS
from pykmm.kernel.futex.core import _futex_queues
from pykmm.linux.uaccess import UserWord, put_user
from pykmm.linux.uapi import SA_RESTART, SIGKILL, SIGUSR1
from pykmm.linux.uapi_futex import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_PRIVATE_FLAG,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
)
from pykmm.syscalls import (
    exit,
    exit_group,
    fork,
    futex,
    kill,
    pthread_create,
    pthread_join,
    sigaction,
    wait4,
)
from tests.lifecycle._people import call


def waiters(m: Machine) -> tuple[int, int]:
    """How many are counted, and how many queue."""
    with m.as_boot():
        bucket = _futex_queues()
        return bucket.waiters.counter, len(bucket.chain)


@pytest.mark.parametrize(
    ("op", "val", "bitset", "answer"),
    [
        (FUTEX_WAIT, 6, 1, -EAGAIN),
        (FUTEX_WAIT, 5, 0, None),
        (FUTEX_WAIT_BITSET, 5, 0, -EINVAL),
        (FUTEX_WAKE_BITSET, 1, 0, -EINVAL),
        (FUTEX_WAKE, 1, 1, 0),
        (FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 5, 1, -ENOSYS),
        (FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 1, -ENOSYS),
        (FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 6, 1, -EAGAIN),
        (2, 1, 1, -ENOSYS),
    ],
)
def test_what_a_call_answers_where_nobody_wakes(
    op: int, val: int, bitset: int, answer: int | None
) -> None:
    with Machine() as m:
        found = call(m, "app", lambda: futex(UserWord(5), op, val, bitset))
        assert found == answer  # None: it sleeps
        assert waiters(m) == ((0, 0) if answer is not None else (1, 1))
        for wanted in (FUTEX_WAIT, FUTEX_WAKE):
            assert call(m, "bad", lambda op=wanted: futex(None, op, 1)) == -EFAULT


def sleepers(m: Machine, *waits: tuple[int, int]) -> tuple[UserWord, list[int]]:
    """Let threads of one process wait for a word, each with an op and a bitset.

    Return: The word, and the list of those that came back, by their places.
    """
    words: list[UserWord] = []
    back: list[int] = []

    def waiter(place: int, op: int, bitset: int) -> None:
        assert futex(words[0], op, 1, bitset) == 0
        back.append(place)
        exit(0)

    def program() -> None:
        words.append(UserWord(1))
        for place, (op, bitset) in enumerate(waits):
            pthread_create(lambda place=place, o=op, b=bitset: waiter(place, o, b))

    m.spawn("app").runs(program)
    m.run()
    return words[0], back


def wakes(m: Machine, program: Callable[[], object]) -> object:
    """Run *program* in a process that shares the memory of the :func:`sleepers`."""
    return call(m, "waker", program, shares_mm=m.processes[1])


def test_who_came_first_is_woken_first_and_always_somebody() -> None:
    with Machine() as m:
        word, back = sleepers(m, *[(FUTEX_WAIT, 0)] * 5)
        assert waiters(m) == (5, 5)
        assert wakes(m, lambda: futex(word, FUTEX_WAKE, 2)) == 2
        assert back == [0, 1]
        assert wakes(m, lambda: futex(word, FUTEX_WAKE, 0)) == 1
        assert back == [0, 1, 2]
        assert wakes(m, lambda: futex(word, FUTEX_WAKE, 99)) == 2
        assert back == [0, 1, 2, 3, 4]
        assert waiters(m) == (0, 0)


def test_bits_choose_among_those_who_wait() -> None:
    with Machine() as m:
        word, back = sleepers(
            m, (FUTEX_WAIT_BITSET, 1), (FUTEX_WAIT_BITSET, 6), (FUTEX_WAIT, 0)
        )
        assert wakes(m, lambda: futex(word, FUTEX_WAKE_BITSET, 9, 8)) == 1
        assert back == [2]  # a plain wait has all bits
        assert wakes(m, lambda: futex(word, FUTEX_WAKE_BITSET, 9, 4)) == 1
        assert back == [2, 1]
        assert wakes(m, lambda: futex(word, FUTEX_WAKE, 9)) == 1
        assert back == [2, 1, 0]


def test_a_private_wait_is_for_private_wakes_of_the_same_memory() -> None:
    with Machine() as m:
        word, back = sleepers(m, (FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0))
        private = FUTEX_WAKE | FUTEX_PRIVATE_FLAG

        def in_a_copy() -> object:
            return wait4(fork(lambda: exit_group(futex(word, private, 1))))

        assert wakes(m, lambda: futex(word, FUTEX_WAKE, 1)) == 0
        child, status = wakes(m, in_a_copy)  # type: ignore[misc]  # it was waited for
        assert (child > 0, status, back) == (True, 0, [])
        assert wakes(m, lambda: futex(word, private, 1)) == 1
        assert back == [0]


@pytest.mark.parametrize(("flags", "answer"), [(0, -EINTR), (SA_RESTART, -EAGAIN)])
def test_a_signal_ends_the_wait_or_has_it_begun_anew(flags: int, answer: int) -> None:
    """The word is another one by then, so that one who waits again is refused."""
    with Machine() as m:
        app, word = m.spawn("app"), None

        def program() -> object:
            nonlocal word
            word = UserWord(1)
            sigaction(SIGUSR1, lambda _: put_user(2, word), flags)
            return futex(word, FUTEX_WAIT, 1)

        app.runs(program)
        m.run()
        assert (app.result, waiters(m)) == (None, (1, 1))
        call(m, "other", lambda: kill(app.pid, SIGUSR1))
        assert (app.result, waiters(m)) == (answer, (0, 0))


def test_a_waiter_that_is_killed_leaves_the_queue() -> None:
    with Machine() as m:
        sleepers(m, (FUTEX_WAIT, 0), (FUTEX_WAIT, 0))
        call(m, "other", lambda: kill(m.processes[1].pid, SIGKILL))
        assert waiters(m) == (0, 0)


# -- every order that matters ----------------------------------------------------------


def joined(m: Machine) -> str:
    told: list[str] = []

    def program() -> None:
        tid = UserWord()
        pthread_create(lambda: exit(0), tid=tid)
        pthread_join(tid)
        told.append("joined")

    m.spawn("app").runs(program)
    m.run()
    assert waiters(m) == (0, 0)
    return "".join(told)


def test_no_order_loses_the_wake_up_of_a_join() -> None:
    found = explore(joined, executions=3_000)
    assert found.complete
    assert found.reports == ()
    assert list(found.values) == ["joined"]


def told_too_early(m: Machine) -> str:
    """Wake, and only then change the word: a mistake of the program."""
    told: list[str] = []

    def program() -> None:
        word = UserWord(1)

        def waiter() -> None:
            futex(word, FUTEX_WAIT, 1)
            told.append("woken")

        pthread_create(waiter)
        futex(word, FUTEX_WAKE, 1)
        put_user(0, word)

    m.spawn("app").runs(program)
    m.run()
    return "".join(told) or "asleep"


def test_who_wakes_before_the_word_changes_may_wake_nobody() -> None:
    assert set(explore(told_too_early).values) == {"woken", "asleep"}
