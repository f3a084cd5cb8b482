# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for children: for whom, how often, and what is refused (L64)."""

from __future__ import annotations

import pytest

from pykmm.errno import EAGAIN, EBADF, ECHILD, EINTR, EINVAL, ESRCH, Errno
from pykmm.linux.sched import EXIT_ZOMBIE
from pykmm.linux.uapi import (
    __WALL,
    __WCLONE,
    __WNOTHREAD,
    CLD_EXITED,
    CLD_KILLED,
    P_ALL,
    P_PGID,
    P_PID,
    P_PIDFD,
    PIDFD_NONBLOCK,
    SIGCHLD,
    SIGKILL,
    SIGUSR1,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
)
from pykmm.runner import explore
from pykmm.syscalls import (
    clone,
    exit_group,
    fork,
    getpid,
    kill,
    pidfd_open,
    sigaction,
    wait4,
    waitid,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, plain


def test_l64_looking_leaves_the_zombie_taking_does_not() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        child.runs(lambda: exit_group(3))
        states: list[int] = []

        @parent.runs
        def _() -> object:
            first = waitid(P_PID, child.pid, WEXITED | WNOWAIT)
            states.append(plain(child.task, "exit_state"))
            return first, wait4(child.pid), wait4(child.pid)

        m.run()
        assert states == [EXIT_ZOMBIE]
        assert isinstance(parent.result, tuple)
        first, second, third = parent.result
        assert (first.si_signo, first.si_code) == (SIGCHLD, CLD_EXITED)
        assert (first.si_pid, first.si_status) == (child.pid, 3)
        assert second == (child.pid, 3 << 8)
        assert third == -ECHILD


def _two_waiters(m: Machine) -> object:
    parent = m.spawn("parent", threads=2)
    child = m.spawn("child", parent=parent)
    child.runs(lambda: exit_group(0))
    waiters = parent.threads
    for waiter in waiters:
        waiter.runs(lambda: wait4(-1))
    m.run()
    assert is_gone(child)
    got = [w.result for w in waiters]
    assert sorted(got, key=str) == sorted([(child.pid, 0), -ECHILD], key=str)
    return got.index((child.pid, 0))


def test_l64_of_two_waiters_exactly_one_gets_it() -> None:
    result = explore(_two_waiters, scheduler="pct", executions=120)
    assert not result.reports
    assert {o.value for o in result.outcomes} == {0, 1}


@pytest.mark.parametrize(
    ("which", "upid", "options", "error"),
    [
        (P_ALL, 0, 0, -EINVAL),
        (P_ALL, 0, WNOHANG, -EINVAL),
        (P_ALL, 0, WEXITED | 0x10, -EINVAL),
        (P_PID, 0, WEXITED, -EINVAL),
        (P_PID, -1, WEXITED, -EINVAL),
        (P_PGID, -1, WEXITED, -EINVAL),
        (P_PIDFD, -1, WEXITED, -EINVAL),
        (P_PIDFD, 99, WEXITED, -EBADF),
        (9, 1, WEXITED, -EINVAL),
        (P_PID, 9999, WEXITED, -ECHILD),
        (P_PID, 1, WEXITED, -ECHILD),
        (P_ALL, 0, WEXITED, -ECHILD),
    ],
)
def test_what_waitid_refuses(which: int, upid: int, options: int, error: Errno) -> None:
    with Machine() as m:
        assert call(m, "app", lambda: waitid(which, upid, options)) == error


@pytest.mark.parametrize(
    ("nr", "options", "error"),
    [
        (-1, WNOWAIT, -EINVAL),
        (-1, WEXITED, -EINVAL),
        (-(2**31), 0, -ESRCH),
        (9999, 0, -ECHILD),
        (0, 0, -ECHILD),
        (-9999, 0, -ECHILD),
    ],
)
def test_what_wait4_refuses(nr: int, options: int, error: Errno) -> None:
    with Machine() as m:
        assert call(m, "app", lambda: wait4(nr, options)) == error


def test_groups_are_waited_for_by_number() -> None:
    with Machine() as m:
        parent = m.spawn("parent")

        @parent.runs
        def _() -> object:
            child = fork(lambda: exit_group(1))
            foreign = waitid(P_PGID, 1, WEXITED | WNOHANG)
            own = wait4(0)
            other = fork(lambda: exit_group(2))
            return child, other, foreign, own, wait4(-getpid())

        m.run()
        assert isinstance(parent.result, tuple)
        child, other, foreign, own, by_number = parent.result
        assert foreign == -ECHILD
        assert own == (child, 1 << 8)
        assert by_number == (other, 2 << 8)


def test_a_pidfd_names_the_child_and_may_refuse_to_wait() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)

        @parent.runs
        def _() -> object:
            fd = pidfd_open(child.pid, PIDFD_NONBLOCK)
            early = waitid(P_PIDFD, fd, WEXITED)
            kill(child.pid, SIGKILL)
            late = waitid(P_PIDFD, pidfd_open(child.pid, 0), WEXITED)
            assert not isinstance(late, int)
            return early, late.si_code, late.si_status

        m.run()
        assert parent.result == (-EAGAIN, CLD_KILLED, SIGKILL)
        assert is_gone(child)


def test_clone_children_are_waited_for_if_one_says_so() -> None:
    with Machine() as m:
        parent = m.spawn("parent")

        @parent.runs
        def _() -> object:
            child = clone(SIGUSR1, lambda: exit_group(0))
            sigaction(SIGUSR1, lambda _: None)
            plain_wait = wait4(child, WNOHANG)
            found = wait4(child, __WCLONE)
            while found == -EINTR:
                found = wait4(child, __WALL)
            return plain_wait, found == (child, 0)

        m.run()
        assert parent.result == (-ECHILD, True)


def test_children_of_other_threads_count_unless_refused() -> None:
    with Machine() as m:
        parent = m.spawn("parent", threads=2)
        made: list[int] = []
        parent.threads[1].runs(lambda: made.append(fork(lambda: exit_group(0))))
        m.run()
        parent.runs(lambda: (wait4(-1, __WNOTHREAD | WNOHANG), wait4(-1)))
        m.run()
        assert parent.result == (-ECHILD, (made[0], 0))


def test_a_living_child_is_nothing_to_tell_yet() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        m.spawn("child", parent=parent)
        parent.runs(lambda: waitid(P_ALL, 0, WEXITED | WSTOPPED | WNOHANG))
        m.run()
        assert parent.result.si_signo == 0  # type: ignore[attr-defined]
