# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for processes by descriptors: poll, fdinfo and waitid."""

from __future__ import annotations

from pykmm import explore
from pykmm.errno import (
    EAGAIN,
    EBADF,
    ECHILD,
    EINTR,
    EINVAL,
)
from pykmm.linux.sched import EXIT_ZOMBIE
from pykmm.linux.uapi import (
    P_PIDFD,
    PIDFD_NONBLOCK,
    PIDFD_THREAD,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLRDNORM,
    SIGKILL,
    SIGUSR1,
    WEXITED,
)
from pykmm.syscalls import (
    exit,
    fork,
    getpid,
    kill,
    open,
    pause,
    pidfd_open,
    poll,
    read,
    wait4,
    waitid,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, plain

#: What ``poll()`` finds of the dead, and of the reaped.
DEAD = POLLIN | POLLRDNORM
REAPED = DEAD | POLLHUP
ALL = POLLIN | POLLRDNORM


def test_l141_what_poll_and_fdinfo_find() -> None:
    def program() -> object:
        nr = fork(lambda: pause())
        fd = pidfd_open(nr, 0)
        info = open(f"/proc/self/fdinfo/{fd}")
        seen = [poll(fd, ALL, wait=False), read(info)]
        kill(nr, SIGKILL)
        seen.append(poll(fd, ALL))
        wait4(nr)
        seen.append(poll(fd, ALL, wait=False))
        again = open(f"/proc/self/fdinfo/{fd}")
        seen += [read(again), poll(fd, 0, wait=False), poll(99), fd]
        return nr, seen

    with Machine() as m:
        result = call(m, "p", program)
        assert isinstance(result, tuple)
        nr, seen = result
        alive = b"pos:\t0\nPid:\t%d\nNSpid:\t%d\n" % (nr, nr)
        gone = b"pos:\t0\nPid:\t-1\nNSpid:\t-1\n"
        assert seen == [0, alive, DEAD, REAPED, gone, POLLHUP, POLLNVAL, 3]


def test_l141_a_dead_leader_with_threads_is_not_dead_yet() -> None:
    def program() -> object:
        fds = pidfd_open(app.pid, 0), pidfd_open(app.pid + 1, PIDFD_THREAD)
        before = [poll(fd, ALL, wait=False) for fd in fds]
        kill(app.pid, SIGKILL)
        return before, [poll(fd, ALL) for fd in fds]

    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent, threads=2)
        app.runs(lambda: exit(0))
        m.run()
        assert plain(app.task, "exit_state") == EXIT_ZOMBIE
        # The thread is nobody's child: it is released at once.
        assert call(m, "p", program) == ([0, 0], [DEAD, REAPED])


def test_a_signal_ends_the_wait() -> None:
    handled: list[int] = []
    with Machine() as m:
        p = m.spawn("p")
        p.task.__dict__["sighand"].action = {SIGUSR1: handled.append}
        p.runs(lambda: poll(pidfd_open(getpid(), 0), ALL))
        m.run()
        assert p.result is None
        assert call(m, "killer", lambda: kill(p.pid, SIGUSR1)) == 0
        assert (p.result, handled) == (-EINTR, [SIGUSR1])


def _poll_while_killed(m: Machine) -> object:
    app = m.spawn("app")
    poller = m.spawn("poller")
    poller.runs(lambda: poll(pidfd_open(app.pid, 0), ALL))
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    return poller.result


def test_no_wake_up_of_a_poll_is_lost() -> None:
    found = explore(_poll_while_killed, executions=400, scheduler="pct")
    assert found.reports == ()
    # Polled in time, or too late for the descriptor, when -EBADF is "no such fd".
    assert {o.value for o in found.outcomes} <= {DEAD, REAPED, POLLNVAL}
    assert {DEAD, REAPED} <= {o.value for o in found.outcomes}


def test_l142_whose_end_a_descriptor_tells() -> None:
    def program() -> object:
        nr = fork(pause)
        patient, hasty = pidfd_open(nr, 0), pidfd_open(nr, PIDFD_NONBLOCK)
        early = waitid(P_PIDFD, hasty, WEXITED)
        foreign = waitid(P_PIDFD, pidfd_open(1, 0), WEXITED)
        none = waitid(P_PIDFD, 99, WEXITED), waitid(P_PIDFD, -1, WEXITED)
        kill(nr, SIGKILL)
        found = waitid(P_PIDFD, patient, WEXITED)
        return early, foreign, none, found.si_pid == nr, waitid(P_PIDFD, hasty, WEXITED)

    with Machine() as m:
        answer = (-EAGAIN, -ECHILD, (-EBADF, -EINVAL), True, -ECHILD)
        assert call(m, "p", program) == answer
