# SPDX-License-Identifier: GPL-2.0-only
"""Process groups and sessions: who belongs where, who is signalled, who is orphaned."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EACCES, EINVAL, EPERM, ESRCH
from pykmm.linux.sched import task_struct
from pykmm.linux.sched.signal import SIGNAL_STOP_STOPPED
from pykmm.linux.uapi import (
    P_PGID,
    SIGCONT,
    SIGHUP,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGUSR1,
    WEXITED,
)
from pykmm.runner import explore
from pykmm.schedulers.random_walk import RandomWalk
from pykmm.syscalls import (
    execve,
    exit_group,
    fork,
    getpgid,
    getpgrp,
    getpid,
    getppid,
    getsid,
    kill,
    pause,
    pidfd_open,
    pidfd_send_signal,
    poll,
    pthread_create,
    setpgid,
    setsid,
    setuid,
    sigaction,
    wait4,
    waitid,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, plain, until


def children(task: task_struct) -> list[task_struct]:
    return list(plain(task, "children"))


def in_a_child(ask: Callable[[], object]) -> object:
    """What *ask* returns in a forked child of a process that leads its session."""
    seen: list[object] = []

    with Machine() as m:
        m.spawn("shell").runs(lambda: fork(lambda: seen.append(ask())))
        m.run()
    return seen[0]


def test_a_child_is_in_its_makers_group_and_session() -> None:
    with Machine() as m:
        shell = m.spawn("shell", pid=50)
        seen: list[tuple[int, ...]] = []
        shell.runs(lambda: fork(lambda: seen.append((getpgrp(), getsid(), getppid()))))
        m.run()
        assert seen == [(50, 50, 50)]
        (child,) = children(shell.task)
        assert call(m, "a", lambda: (getpgid(child.pid), getsid(child.pid))) == (50, 50)
        assert call(m, "a", lambda: (getpgid(999), getsid(999))) == (-ESRCH, -ESRCH)


def test_setsid_makes_a_session_unless_it_leads_a_group() -> None:
    def child() -> object:
        own = getpid()
        return setsid() - own, getsid() - own, getpgrp() - own, setsid(), setpgid()

    assert in_a_child(child) == (0, 0, 0, -EPERM, -EPERM)
    assert in_a_child(lambda: (setpgid(), setsid())) == (0, -EPERM)


def test_setpgid_of_oneself() -> None:
    assert in_a_child(lambda: (setpgid(), getpgrp() - getpid())) == (0, 0)
    assert in_a_child(lambda: setpgid(0, -1)) == -EINVAL
    assert in_a_child(lambda: setpgid(999)) == -ESRCH
    assert in_a_child(lambda: setpgid(0, 999)) == -EPERM  # no such group
    # One of the own session may be joined again, one of another session not.
    back = in_a_child(lambda: (setpgid(), setpgid(0, getsid()), getpgrp() == getsid()))
    assert back == (0, 0, True)
    assert in_a_child(lambda: setpgid(0, 1)) == -EPERM
    assert in_a_child(lambda: setpgid(1)) == -ESRCH  # not its child


def test_setpgid_names_processes_and_not_threads() -> None:
    def child() -> object:
        number = pthread_create(pause)
        return setpgid(number), setpgid(getpid())

    assert in_a_child(child) == (-EINVAL, 0)


def test_a_parent_moves_children_until_they_run_another_program() -> None:
    with Machine(scheduler=RandomWalk(0)) as m:
        shell = m.spawn("shell")

        def program() -> tuple[object, ...]:
            job, go = fork(pause), []

            def late_runner() -> None:
                until(lambda: go)
                execve(pause, "new")

            other = fork(late_runner)
            moved = setpgid(job), getpgid(job) == job, setpgid(other, job)
            go.append(True)
            until(lambda: plain(children(shell.task)[-1], "comm") == "new")
            late = setpgid(other)
            gone = fork(setsid)
            until(lambda: getsid(gone) == gone)
            return *moved, late, setpgid(gone)

        shell.runs(program)
        m.run()
        assert shell.result == (0, True, 0, -EACCES, -EPERM)


def test_a_number_stays_taken_while_a_group_bears_it() -> None:
    """Its maker is reaped, a member lives on: found by group, not as a process."""
    with Machine() as m:
        shell = m.spawn("shell")

        def program() -> tuple[object, ...]:
            maker = fork(pause)
            setpgid(maker)
            member = fork(pause)
            setpgid(member, maker)
            kill(maker, SIGKILL)
            wait4(maker)
            as_process, as_group = kill(maker, 0), kill(-maker, 0)
            kill(-maker, SIGKILL)
            wait4(member)
            return as_process, as_group, kill(-maker, 0)

        shell.runs(program)
        m.run()
        assert shell.result == (-ESRCH, 0, -ESRCH)


def test_a_signal_to_a_group_reaches_its_members_only() -> None:
    with Machine(scheduler=RandomWalk(0)) as m:
        shell = m.spawn("shell")
        taken: list[int] = []

        def job() -> None:
            sigaction(SIGUSR1, lambda _: taken.append(getpid()))
            pause()

        def program() -> tuple[int, ...]:
            jobs = [fork(job) for _ in range(3)]
            for number in jobs[:2]:
                setpgid(number, jobs[0])
            until(lambda: len(taken) == 0 and all(asleep(t) for t in children(me)))
            kill(-jobs[0], SIGUSR1)
            until(lambda: len(taken) == 2)
            return tuple(jobs)

        def asleep(task: task_struct) -> bool:
            return task._thread is not None and task._thread.kind == "pause"

        me = shell.task
        shell.runs(program)
        m.run()
        assert isinstance(shell.result, tuple)
        assert sorted(taken) == list(shell.result[:2])


def test_kill_of_the_own_group() -> None:
    with Machine() as m:
        shell = m.spawn("shell")

        def child() -> None:
            setpgid()
            fork(lambda: None)
            kill(0, SIGTERM)

        shell.runs(lambda: wait4(fork(child))[1])
        m.run()
        assert shell.result == SIGTERM
        assert not is_gone(shell)  # it is in the group that the child has left
        assert (
            len(plain(m.init.task, "children")) == 2
        )  # shell, and the reaper's thread


@pytest.mark.parametrize("uid", [1000, 1001])
def test_one_member_that_may_be_signalled_is_enough(uid: int) -> None:
    with Machine(scheduler=RandomWalk(0)) as m:
        shell = m.spawn("shell")
        told: list[int] = []

        def program() -> int:
            theirs = fork(lambda: [setuid(1000), pause()])
            until(lambda: plain(children(shell.task)[0], "cred").uid == 1000)
            setpgid(theirs)
            root = fork(pause)
            setpgid(root, theirs)
            sender = fork(lambda: [setuid(uid), told.append(kill(-theirs, 0))])
            until(lambda: told)
            return sender

        shell.runs(program)
        m.run()
        assert told == [0 if uid == 1000 else -EPERM]


def test_a_shell_continues_whoever_its_jobs_have_become() -> None:
    """SIGCONT needs no more than the session; leaving that ends it."""

    def become(uid: int, *, leaves: bool) -> None:
        if leaves:
            setsid()
        setuid(uid)
        pause()

    with Machine(scheduler=RandomWalk(0)) as m:
        shell = m.spawn("shell", uid=0)

        def program() -> object:
            stays = fork(lambda: become(2000, leaves=False))
            leaves = fork(lambda: become(2000, leaves=True))
            jobs = children(shell.task)
            until(lambda: all(plain(t, "cred").uid == 2000 for t in jobs))
            setuid(1000)
            told = [[kill(nr, s) for s in (SIGCONT, SIGTERM)] for nr in (stays, leaves)]
            return told, kill(stays, 0)

        shell.runs(program)
        m.run()
        refused = -EPERM
        expected = [[0, refused], [refused, refused]], refused
        assert shell.result == expected


def test_pidfd_send_signal_reaches_the_group_that_the_process_made() -> None:
    with Machine() as m:
        shell = m.spawn("shell")

        def program() -> tuple[object, ...]:
            first, second = fork(pause), fork(pause)
            setpgid(first)
            setpgid(second, first)
            fd = pidfd_open(first, 0)
            sent = pidfd_send_signal(fd, SIGKILL, flags=4)
            return sent, wait4(-first)[1], wait4(-first)[1], poll(fd, wait=False) & 1

        shell.runs(program)
        m.run()
        assert shell.result == (0, SIGKILL, SIGKILL, 1)


def test_waiting_for_a_group() -> None:
    with Machine() as m:
        shell = m.spawn("shell")

        def program() -> tuple[object, ...]:
            first = fork(lambda: exit_group(1))
            second = fork(pause)
            setpgid(second)
            kill(second, SIGKILL)
            of_second = waitid(P_PGID, second, WEXITED)
            return getattr(of_second, "si_pid", of_second) == second, wait4(0)[
                0
            ] == first

        shell.runs(program)
        m.run()
        assert shell.result == (True, True)


def orphaned(*, stopped: bool, catches: bool) -> tuple[list[int], bool]:
    """A job whose shell dies: the signals it gets, and whether it is gone."""
    with Machine() as m:
        shell = m.spawn("shell")
        got: list[int] = []

        def job() -> None:
            if catches:
                sigaction(SIGHUP, got.append)
                sigaction(SIGCONT, got.append)
            pause()

        shell.runs(lambda: setpgid(fork(job)))
        m.run()
        (child,) = children(shell.task)
        if stopped:
            call(m, "stopper", lambda: kill(child.pid, SIGSTOP))
        call(m, "killer", lambda: kill(shell.pid, SIGKILL))
        return sorted(got), child._death is not None


def test_an_orphaned_group_that_stands_still_is_hung_up() -> None:
    """And goes on, if that does not kill it; one that runs is left alone."""
    assert orphaned(stopped=True, catches=False) == ([], True)
    assert orphaned(stopped=True, catches=True) == ([SIGHUP, SIGCONT], False)
    assert orphaned(stopped=False, catches=False) == ([], False)
    assert orphaned(stopped=False, catches=True) == ([], False)


def test_a_group_with_a_parent_left_in_the_session_is_no_orphan() -> None:
    with Machine() as m:
        shell = m.spawn("shell")

        def job() -> None:
            setpgid()
            fork(pause)
            kill(getpid(), SIGSTOP)

        shell.runs(lambda: fork(job))
        m.run()
        (leader,) = children(shell.task)
        (other,) = children(leader)
        call(m, "killer", lambda: kill(other.pid, SIGKILL))
        assert leader._death is None
        assert leader.signal.flags & SIGNAL_STOP_STOPPED


def _leave_against_kill(m: Machine) -> object:
    shell = m.spawn("shell")
    shell.runs(lambda: fork(setsid))
    m.spawn("killer").runs(lambda: kill(-shell.pid, SIGKILL))
    m.run()
    return len(m.tasks())


def test_setsid_against_a_signal_to_the_group() -> None:
    """Who has left in time is spared: the shell is gone, its child is or is not."""
    found = explore(_leave_against_kill, scheduler="pct", executions=60)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {3, 4}
