# SPDX-License-Identifier: GPL-2.0-only
"""How many processes a user may have, and how many threads there may be."""

from __future__ import annotations

from pykmm.engine.config import Config
from pykmm.errno import EAGAIN
from pykmm.linux.cred import cred
from pykmm.linux.resource import RLIMIT_NPROC
from pykmm.linux.uapi import CAP_SYS_RESOURCE, SIGKILL
from pykmm.schedulers.random_walk import RandomWalk
from pykmm.syscalls import (
    execve,
    exit_group,
    fork,
    kill,
    pause,
    pthread_create,
    setrlimit,
    setuid,
    wait4,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, until

NOBODY = 65534


def _limit(soft: int) -> None:
    assert setrlimit(RLIMIT_NPROC, soft, soft) == 0


def test_l21_a_limit_of_processes() -> None:
    told: list[object] = []

    def body() -> None:
        _limit(3)
        told.append([fork(), pthread_create(), fork(), pthread_create()])

    with Machine() as m:
        p = m.spawn("p", uid=NOBODY)
        p.runs(body)
        m.run()
        assert told == [[4, 5, -EAGAIN, -EAGAIN]]
        assert p.task.signal.sigcnt.counter == 2
        # Another user's processes do not count, and root's have no limit.
        assert call(m, "root", lambda: (_limit(0), fork())) == (None, 7)
        assert m.tasks()[-1].signal.__dict__["rlim"][RLIMIT_NPROC].rlim_cur == 0


def test_l21_a_capability_lifts_the_limit() -> None:
    with Machine() as m:
        p = m.spawn("p")
        p.task.cred = cred(uid=NOBODY, cap_effective=frozenset({CAP_SYS_RESOURCE}))
        p.runs(lambda: (_limit(0), fork()))
        m.run()
        assert p.result == (None, 4)


def test_a_reaped_child_makes_room_for_another() -> None:
    def body() -> object:
        _limit(2)
        first = fork(lambda: exit_group(0))
        full = fork()
        return first, full, wait4(first), fork()

    with Machine() as m:
        found = call(m, "p", body, uid=NOBODY)
        assert isinstance(found, tuple)
        first, full, reaped, second = found
        assert (first, full, reaped) == (4, -EAGAIN, (4, 0))
        assert second > first


def test_too_many_processes_are_noticed_at_the_next_exec() -> None:
    seen: list[object] = []

    def program() -> None:
        setrlimit(RLIMIT_NPROC, 1, 1)
        seen.append(setuid(NOBODY))
        seen.append(execve(pause, "new"))
        kill(other.pid, SIGKILL)
        until(lambda: is_gone(other))
        execve(lambda: seen.append("new"), "new")

    with Machine(scheduler=RandomWalk(0)) as m:
        other = m.spawn("other", uid=NOBODY, threads=2)
        m.spawn("app").runs(program)
        m.run()
    assert seen == [0, -EAGAIN, "new"]


def test_a_change_of_users_moves_the_count_of_processes() -> None:
    def limited(m: Machine, uid: int) -> object:
        def program() -> object:
            setrlimit(RLIMIT_NPROC, 1, 1)
            setuid(uid)
            return fork(None)

        return call(m, f"of-{uid}", program)

    with Machine() as m:
        assert limited(m, NOBODY) == -EAGAIN
        assert limited(m, 0) != -EAGAIN  # no limit is one for root


def test_no_more_threads_than_the_machine_allows() -> None:
    """Root is no exception; init and the reaper's thread count."""

    def program() -> object:
        first = fork(lambda: exit_group(0))
        full = fork(None), pthread_create(pause)
        wait4(first)
        return first > 0, *full, fork(None) > 0

    with Machine(config=Config(threads_max=4)) as m:
        assert call(m, "app", program) == (True, -EAGAIN, -EAGAIN, True)
    with Machine(config=Config(threads_max=5)) as m:
        assert call(m, "app", lambda: (fork(None) > 0, fork(None) > 0, fork(None))) == (
            True,
            True,
            -EAGAIN,
        )
