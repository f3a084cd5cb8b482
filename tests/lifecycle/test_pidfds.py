# SPDX-License-Identifier: GPL-2.0-only
"""Descriptors that name processes and threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import explore
from pykmm.errno import (
    EBADF,
    EINVAL,
    EISDIR,
    EMFILE,
    ENOENT,
    EPERM,
    ESRCH,
)
from pykmm.linux.fdtable import NR_OPEN
from pykmm.linux.sched import EXIT_ZOMBIE
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import (
    O_RDWR,
    P_PIDFD,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_THREAD,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLRDNORM,
    SIGCHLD,
    SIGKILL,
    WEXITED,
)
from pykmm.linux.uapi_sched import CLONE_NEWPID, CLONE_PIDFD
from pykmm.patches.kernels import v6_12
from pykmm.scenario import Scenario
from pykmm.syscalls import (
    clone3,
    close,
    exit,
    exit_group,
    fork,
    getpid,
    kill,
    open,
    pause,
    pidfd_getfd,
    pidfd_open,
    pidfd_send_signal,
    poll,
    process_mrelease,
    pthread_create,
    read,
    wait4,
    waitid,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call, is_gone, plain

#: What ``poll()`` finds of the dead, and of the reaped.
DEAD = POLLIN | POLLRDNORM
REAPED = DEAD | POLLHUP
ALL = POLLIN | POLLRDNORM


def _zombie(m: Machine) -> tuple[Process, Process]:
    parent = m.spawn("parent")
    child = m.spawn("child", parent=parent)
    child.runs(lambda: exit(0))
    m.run()
    assert plain(child.task, "exit_state") == EXIT_ZOMBIE
    return parent, child


# -- opening ---------------------------------------------------------------------------


def test_l135_what_opens() -> None:
    with Machine() as m:
        _, zombie = _zombie(m)

        def program() -> object:
            answers = [
                pidfd_open(0, 0),
                pidfd_open(-1, 0),
                pidfd_open(1, 1),
                pidfd_open(9999, 0),
                pidfd_open(zombie.pid, 0),
            ]
            fds = [pidfd_open(getpid(), 0) for _ in range(NR_OPEN - 4)]
            return answers, fds[-1], pidfd_open(getpid(), 0)

        expected = [-EINVAL, -EINVAL, -EINVAL, -ESRCH, 3]
        assert call(m, "p", program) == (expected, NR_OPEN - 1, -EMFILE)


@pytest.mark.parametrize(("old", "refusal"), [(False, -ENOENT), (True, -EINVAL)])
def test_l136_a_thread_opens_only_as_a_thread(old: bool, refusal: int) -> None:
    with Machine() as m:
        if old:
            m.patches.update(v6_12.patch.functions)
        app = m.spawn("app", threads=2)
        tid = app.pid + 1

        def program() -> object:
            fd = pidfd_open(tid, PIDFD_THREAD)
            return pidfd_open(tid, 0), fd, pidfd_open(app.pid, PIDFD_THREAD)

        assert call(m, "p", program) == (refusal, 3, 4)


def _open_while_forked(m: Machine) -> object:
    parent = m.spawn("parent")
    parent.runs(lambda: fork(pause))
    opener = m.spawn("opener")
    number = opener.pid + 1
    opener.runs(lambda: pidfd_open(number, 0))
    m.run()
    assert parent.result == number
    return opener.result


@pytest.mark.parametrize("old", [False, True])
def test_l136_a_number_that_nobody_bears_yet(old: bool) -> None:
    """W0: the number can be found before the child can."""
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="open", function=_open_while_forked, patches=patches)
    found = explore(scenario, executions=300, bound=1)
    assert found.reports == ()
    values = {o.value for o in found.outcomes}
    assert values == ({3, -ESRCH, -EINVAL} if old else {3, -ESRCH})


# -- what names whom -------------------------------------------------------------------


def test_l137_whose_memory_a_descriptor_releases() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="64K", threads=2)
        other = m.spawn("other", anon="64K")

        def program() -> object:
            of_thread = pidfd_open(app.pid + 1, PIDFD_THREAD)
            of_leader = pidfd_open(app.pid, PIDFD_THREAD)
            directory = open(f"/proc/{app.pid}")
            plain_file = open(f"/proc/{app.pid}/oom_score")
            closed = pidfd_open(app.pid, 0)
            close(closed)
            fds = (of_thread, of_leader, directory, plain_file, closed)
            return [process_mrelease(fd, 0) for fd in fds]

        # The leader's is as a process's: it is alive.
        assert call(m, "p", program) == [-ESRCH, -EINVAL, -EBADF, -EBADF, -EBADF]
        assert other.mm is not None


def test_a_thread_descriptor_of_a_dying_leader_releases() -> None:
    def program() -> object:
        fd = pidfd_open(app.pid, PIDFD_THREAD)
        kill(app.pid, SIGKILL)
        return process_mrelease(fd, 0)

    with Machine() as m:
        app = m.spawn("app", anon="64K")
        assert call(m, "p", program) == 0


@pytest.mark.parametrize(("old", "answer"), [(False, -EINVAL), (True, -EBADF)])
def test_who_stands_for_itself(old: bool, answer: int) -> None:
    selves = (PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP)
    with Machine() as m:
        if old:
            m.patches.update(v6_12.patch.functions)
        got = call(m, "p", lambda: [process_mrelease(fd, 0) for fd in selves])
        assert got == [answer, answer]


def test_the_descriptor_of_a_child_is_there_before_the_child_runs() -> None:
    def program() -> object:
        word = UserWord()
        nr = clone3(pause, flags=CLONE_PIDFD, pidfd=word, exit_signal=SIGCHLD)
        fd = word.read()
        info = read(open(f"/proc/self/fdinfo/{fd}"))
        kill(nr, SIGKILL)
        found = waitid(P_PIDFD, fd, WEXITED)
        return info == b"pos:\t0\nPid:\t%d\nNSpid:\t%d\n" % (nr, nr), found, nr

    with Machine() as m:
        result = call(m, "p", program)
        assert isinstance(result, tuple)
        same, found, nr = result
        assert same
        assert found.si_pid == nr


# -- somebody else's descriptors -------------------------------------------------------


def test_l143_what_a_descriptor_gets() -> None:
    def opens() -> None:
        open("/proc/vmstat")
        pidfd_open(getpid(), 0)

    def program() -> object:
        of_app, of_me = pidfd_open(app.pid, 0), pidfd_open(getpid(), 0)
        of_zombie = pidfd_open(zombie.pid, 0)
        directory = open(f"/proc/{app.pid}")
        got = pidfd_getfd(of_app, 4, 0)
        return [
            pidfd_getfd(of_app, 3, 1),
            pidfd_getfd(99, 3, 0),
            pidfd_getfd(directory, 3, 0),
            pidfd_getfd(of_app, 77, 0),
            pidfd_getfd(of_zombie, 3, 0),
            poll(got, ALL, wait=False),
            len(read(pidfd_getfd(of_app, 3, 0), 9)),
            read(pidfd_getfd(of_me, directory, 0)),
        ]

    def stranger() -> object:
        return pidfd_getfd(pidfd_open(app.pid, 0), 3, 0)

    with Machine() as m:
        _, zombie = _zombie(m)
        app = m.spawn("app")
        app.runs(opens)
        m.run()
        errors = [-EINVAL, -EBADF, -EBADF, -EBADF, -ESRCH]
        assert call(m, "p", program) == [*errors, 0, 9, -EISDIR]
        assert call(m, "q", stranger, uid=1000) == -EPERM


def test_l143_nothing_is_got_from_the_reaped() -> None:
    def program() -> object:
        nr = fork(lambda: exit_group(0))
        fd = pidfd_open(nr, 0)
        wait4(nr)
        return pidfd_getfd(fd, 3, 0)

    with Machine() as m:
        assert call(m, "p", program) == -ESRCH


def test_directories_of_processes_cannot_be_written() -> None:
    with Machine() as m:
        assert call(m, "p", lambda: open("/proc/self", O_RDWR)) == -EISDIR


# -- threads that share a table --------------------------------------------------------


def _closed_meanwhile(m: Machine, use: Callable[[int], object]) -> object:
    """Use a descriptor that another thread closes."""
    app = m.spawn("app", threads=1)
    target = m.spawn("target")
    told: list[object] = []

    def program() -> None:
        fd = pidfd_open(target.pid, 0)
        pthread_create(lambda: close(fd))
        told.append(use(fd))

    app.runs(program)
    m.run()
    assert not is_gone(target)
    return told[0]


@pytest.mark.parametrize(
    ("use", "answers"),
    [
        (lambda fd: process_mrelease(fd, 0), {-EINVAL, -EBADF}),
        (lambda fd: pidfd_send_signal(fd, 0), {0, -EBADF}),
        (lambda fd: poll(fd, ALL, wait=False), {0, POLLNVAL}),
    ],
)
def test_a_descriptor_that_another_thread_closes(
    use: Callable[[int], object], answers: set[int]
) -> None:
    found = explore(lambda m: _closed_meanwhile(m, use), executions=300, bound=1)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == answers


# -- namespaces ------------------------------------------------------------------------


def test_a_number_that_the_reader_does_not_see() -> None:
    """0 in a namespace that the process is not in, all numbers in one above it."""
    seen: list[object] = []

    def inner() -> None:
        fd = pidfd_open(getpid(), 0)
        seen.append(read(open(f"/proc/self/fdinfo/{fd}")))
        # The maker's own, which it has inherited.
        seen.append(read(open("/proc/self/fdinfo/3")))
        pause()

    def outer() -> None:
        pidfd_open(getpid(), 0)
        word = UserWord()
        nr = clone3(inner, flags=CLONE_NEWPID | CLONE_PIDFD, pidfd=word, exit_signal=17)
        seen.append((nr, read(open(f"/proc/self/fdinfo/{word.read()}"))))

    with Machine() as m:
        m.spawn("p").runs(outer)
        m.run()
    number = next(x for x in seen if isinstance(x, tuple))
    seen.remove(number)
    assert number[1] == b"pos:\t0\nPid:\t%d\nNSpid:\t%d\t1\n" % (number[0], number[0])
    assert seen == [
        b"pos:\t0\nPid:\t1\nNSpid:\t1\n",
        b"pos:\t0\nPid:\t0\nNSpid:\t0\n",
    ]
