# SPDX-License-Identifier: GPL-2.0-only
"""Locks whose holder dies: who is woken, who is not, and what a reap takes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import Machine
from pykmm.engine import Config, Timers
from pykmm.errno import EINVAL
from pykmm.kernel.fork_task import exit_mm_release
from pykmm.linux.sched import current
from pykmm.linux.uaccess import UserWord, put_user
from pykmm.linux.uapi import SIGKILL
from pykmm.linux.uapi_futex import (
    FUTEX_OWNER_DIED,
    FUTEX_PRIVATE_FLAG,
    FUTEX_TID_MASK,
    FUTEX_WAIT,
    FUTEX_WAITERS,
    FUTEX_WAKE,
    robust_list_head,
)
from pykmm.syscalls import (
    execve,
    exit,
    fork,
    futex,
    gettid,
    kill,
    mmap,
    munmap,
    pause,
    pidfd_open,
    process_mrelease,
    pthread_create,
    set_robust_list,
    touch,
    wait4,
)
from tests.lifecycle._people import call

PAGE = 4096
#: A lock whose number is nobody's.
OTHER = 4000
DIED = FUTEX_OWNER_DIED


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with Machine(Config(timers=Timers.IDLE)) as machine:
        yield machine


def lists(*words: UserWord, pending: int | None = None) -> robust_list_head:
    """Make a list of locks in current's memory, and say where it is."""
    at = mmap(2 * PAGE)
    touch(at, 2 * PAGE)
    locks = {at + PAGE + 16 * nr: word for nr, word in enumerate(words)}
    head = robust_list_head(at, locks)
    if pending is not None:
        head.list_op_pending = list(locks)[pending]
    assert set_robust_list(head) == 0
    return head


def meet(m: Machine, say: int, hold: Callable[[UserWord], object]) -> tuple[bool, int]:
    """Kill who *holds* a lock that somebody waits for.

    Its word is the holder's number and what *say* says; or that alone, if it is one.

    Return: Whether the other one was woken, and what the word says now.
    """
    app, words, woken = m.spawn("app"), [], []
    holder = m.spawn("holder", shares_mm=app)

    @holder.runs
    def _() -> None:
        number = 0 if say & FUTEX_TID_MASK else gettid()
        words.append(UserWord(say | number))
        hold(words[0])
        pause()

    m.run()
    waiter = m.spawn("waiter", shares_mm=app)
    waiter.runs(lambda: woken.append(futex(words[0], FUTEX_WAIT, words[0].read())))
    m.run()
    assert woken == []
    call(m, "killer", lambda: kill(holder.pid, SIGKILL))
    return woken == [0], words[0].value


def test_who_waits_is_woken_and_finds_that_the_holder_died(m: Machine) -> None:
    assert meet(m, FUTEX_WAITERS, lists) == (True, FUTEX_WAITERS | DIED)


@pytest.mark.parametrize("shared", [True, False])
def test_another_process_is_woken_if_the_word_is_in_memory_of_both(
    m: Machine, shared: bool
) -> None:
    holder, waiter = m.spawn("holder"), m.spawn("waiter")
    says = holder.pid | FUTEX_WAITERS
    word = UserWord(says, shared=shared)
    holder.runs(lambda: (lists(word), pause()))
    waiter.runs(lambda: futex(word, FUTEX_WAIT, says))
    m.run()
    assert waiter.result is None
    call(m, "killer", lambda: kill(holder.pid, SIGKILL))
    assert word.value == FUTEX_WAITERS | DIED
    assert waiter.result == (0 if shared else None)


def test_who_waits_privately_is_not_found_in_shared_memory(m: Machine) -> None:
    word = UserWord(7, shared=True)
    waiter = m.spawn("waiter")
    waiter.runs(lambda: futex(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 7))
    m.run()
    assert call(m, "other", lambda: futex(word, FUTEX_WAKE, 1)) == 0
    private = FUTEX_WAKE | FUTEX_PRIVATE_FLAG
    assert call(m, "stranger", lambda: futex(word, private, 1)) == 0
    assert waiter.result is None


def test_nobody_is_woken_if_nobody_said_so(m: Machine) -> None:
    assert meet(m, 0, lists) == (False, DIED)


def test_a_lock_of_somebody_else_is_left_alone(m: Machine) -> None:
    said = OTHER | FUTEX_WAITERS
    assert meet(m, said, lists) == (False, said)


def test_a_lock_that_is_on_no_list_is_lost(m: Machine) -> None:
    woken, value = meet(m, FUTEX_WAITERS, lambda _: lists())
    assert (woken, value & DIED) == (False, 0)


@pytest.mark.parametrize(
    ("said", "woken"),
    [(OTHER, True), (DIED, True), (OTHER | FUTEX_WAITERS, False)],
)
def test_a_lock_about_to_change_hands_wakes_the_next(
    m: Machine, said: int, woken: bool
) -> None:
    def hold(word: UserWord) -> None:
        lists(word, pending=0)
        put_user(said, word)

    def unlisted(word: UserWord) -> None:
        lists(word)
        put_user(said, word)

    assert meet(m, said | OTHER, hold) == (woken, said)
    assert meet(m, said | OTHER, unlisted) == (False, said)


def test_the_pending_one_is_given_up_once(m: Machine) -> None:
    def hold(word: UserWord) -> None:
        lists(word, pending=0)

    assert meet(m, FUTEX_WAITERS, hold) == (True, FUTEX_WAITERS | DIED)


@pytest.mark.parametrize("page", [0, 1])
def test_what_cannot_be_read_is_not_given_up(m: Machine, page: int) -> None:
    def hold(word: UserWord) -> None:
        munmap(lists(word).addr + page * PAGE, PAGE)

    woken, value = meet(m, FUTEX_WAITERS, hold)
    assert (woken, value & DIED) == (False, 0)


def test_an_exec_gives_up_too_and_forgets_the_list(m: Machine) -> None:
    words: list[UserWord] = []

    def program() -> None:
        words.append(UserWord(gettid()))
        lists(words[0])
        execve(lambda: words.append(UserWord(gettid())), "new")

    p = m.spawn("app")
    p.runs(program)
    m.run()
    assert words[0].value == DIED
    assert p.task.__dict__["robust_list"] is None


def test_a_child_has_no_list(m: Machine) -> None:
    inherited: list[robust_list_head | None] = []

    def child() -> None:
        inherited.append(current().robust_list)
        exit(0)

    def program() -> int:
        word = UserWord(gettid())
        lists(word)
        pthread_create(lambda: exit(0))
        fork(child)
        wait4(-1)
        return word.read() & DIED

    assert (call(m, "app", program), inherited) == (0, [None])


def test_the_list_has_one_size(m: Machine) -> None:
    assert call(m, "app", lambda: set_robust_list(None, 16)) == -EINVAL


@pytest.mark.parametrize("released", [False, True])
def test_a_release_takes_the_list_before_it_is_walked(
    m: Machine, released: bool
) -> None:
    words: list[UserWord] = []

    def program() -> None:
        words.append(UserWord(gettid()))
        lists(words[0])
        pause()

    app = m.spawn("app")
    app.runs(program)
    m.run()
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    app.step_to(inside=exit_mm_release)
    if released:
        other = m.spawn("other")
        other.runs(lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        m.run()
        assert other.result == 0
    app.thaw()
    m.run()
    assert bool(words[0].value & DIED) is not released
