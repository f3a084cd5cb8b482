# SPDX-License-Identifier: GPL-2.0-only
"""Signals to whom a descriptor names, and to nobody who comes later."""

from __future__ import annotations

from pykmm import explore
from pykmm.errno import EBADF, EFAULT, EINVAL, EPERM, ESRCH
from pykmm.linux.signal import kernel_siginfo
from pykmm.linux.signal import sigaction as sigaction_of
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import (
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_SIGNAL_PROCESS_GROUP,
    PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    SA_SIGINFO,
    SI_TKILL,
    SIG_BLOCK,
    SIGCHLD,
    SIGKILL,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
)
from pykmm.linux.uapi_sched import CLONE_NEWPID, CLONE_PIDFD
from pykmm.patches.kernels import v6_12
from pykmm.syscalls import (
    clone3,
    exit_group,
    fork,
    getpid,
    kill,
    open,
    pause,
    pidfd_open,
    pidfd_send_signal,
    poll,
    process_mrelease,
    sigaction,
    sigprocmask,
    wait4,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, plain, threads

SI_QUEUE = -1


def test_l138_a_descriptor_never_names_who_gets_the_number_next() -> None:
    def program() -> object:
        old = pidfd_open(500, 0)
        kill(500, SIGKILL)
        poll(old, 0)  # until it is reaped
        new = clone3(pause, exit_signal=SIGCHLD, set_tid=(500,))
        answers = pidfd_send_signal(old, SIGKILL), process_mrelease(old, 0)
        return new, answers, poll(pidfd_open(500, 0), wait=False)

    with Machine() as m:
        p = m.spawn("p", pid=500, anon="64K")
        assert call(m, "caller", program, anon="64K") == (500, (-ESRCH, -ESRCH), 0)
        assert is_gone(p)
        (q,) = [t for t in m.tasks() if t.pid == 500]
        assert plain(q, "mm") is not None
        assert plain(q, "pending") == set()


def test_l139_what_is_checked_and_when() -> None:
    both = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP

    def program() -> object:
        nr = fork(lambda: exit_group(0))
        foreign = pidfd_open(app.pid, 0)
        child = pidfd_open(nr, 0)
        poll(child)  # until it is dead
        answers = [
            pidfd_send_signal(foreign, SIGTERM, None, both),
            pidfd_send_signal(foreign, SIGTERM, None, 8),
            pidfd_send_signal(99, SIGTERM, None, 8),
            pidfd_send_signal(99, SIGTERM),
            pidfd_send_signal(foreign, 65),
            pidfd_send_signal(child, 0),
            pidfd_send_signal(foreign, SIGUSR1, kernel_siginfo(SIGUSR2, SI_QUEUE)),
            pidfd_send_signal(foreign, SIGUSR1, kernel_siginfo(SIGUSR1)),
            pidfd_send_signal(foreign, SIGUSR1, kernel_siginfo(SIGUSR1, SI_TKILL)),
            pidfd_send_signal(foreign, SIGUSR1, 0xDEAD000),
            pidfd_send_signal(open("/proc/vmstat"), 0),
        ]
        wait4(nr)
        return answers, pidfd_send_signal(child, 65), pidfd_send_signal(child, 0)

    with Machine() as m:
        app = m.spawn("app")
        errors = [-EINVAL, -EINVAL, -EINVAL, -EBADF, -EINVAL, 0]
        forged = [-EINVAL, -EPERM, -EPERM, -EFAULT, -EBADF]
        assert call(m, "p", program) == ([*errors, *forged], -ESRCH, -ESRCH)
        assert not is_gone(app)


def test_l139_what_one_may_say_of_a_signal() -> None:
    """To itself anything; to others only what shows that a program said it."""
    told: list[kernel_siginfo] = []

    def program() -> object:
        sigaction(SIGUSR1, lambda _, info: told.append(info), SA_SIGINFO)
        own = pidfd_open(getpid(), 0)
        forged = kernel_siginfo(SIGUSR1, SI_TKILL, 77)
        group = PIDFD_SIGNAL_PROCESS_GROUP
        foreign = pidfd_open(app.pid, 0)
        return [
            pidfd_send_signal(own, SIGUSR1, forged),
            pidfd_send_signal(own, SIGUSR1, forged, group),
            pidfd_send_signal(foreign, SIGUSR1, kernel_siginfo(SIGUSR1, SI_QUEUE, 77)),
        ]

    with Machine() as m:
        app = m.spawn("app")
        note = sigaction_of(lambda _, info: told.append(info), SA_SIGINFO)
        app.task.__dict__["sighand"].action = {SIGUSR1: note}
        assert call(m, "p", program) == [0, -EPERM, 0]
        assert [(i.si_code, i.si_pid) for i in told] == [(SI_TKILL, 77), (SI_QUEUE, 77)]


def test_l140_the_descriptor_says_who_is_reached() -> None:
    def blocks() -> None:
        sigprocmask(SIG_BLOCK, {SIGUSR1, SIGUSR2, SIGTERM})

    def program() -> object:
        of_thread = pidfd_open(app.pid + 1, PIDFD_THREAD)
        of_process = pidfd_open(app.pid, 0)
        return [
            pidfd_send_signal(of_thread, SIGUSR1),
            pidfd_send_signal(of_thread, SIGUSR2, None, PIDFD_SIGNAL_THREAD_GROUP),
            pidfd_send_signal(of_process, SIGTERM, None, PIDFD_SIGNAL_THREAD),
        ]

    with Machine() as m:
        app = m.spawn("app", threads=2)
        app.runs(blocks)
        app.threads[1].runs(blocks)
        m.run()
        assert call(m, "p", program) == [0, 0, 0]
        leader, thread = threads(app)
        assert leader.pending == {SIGTERM}
        assert thread.pending == {SIGUSR1}
        assert app.task.signal.shared_pending == {SIGUSR2}


def test_l140_a_fatal_signal_to_a_thread_kills_the_group() -> None:
    def program() -> int:
        return pidfd_send_signal(pidfd_open(app.pid + 1, PIDFD_THREAD), SIGTERM)

    with Machine() as m:
        app = m.spawn("app", threads=3)
        assert call(m, "p", program) == 0
        assert is_gone(app)


def test_the_group_of_whom_a_descriptor_names() -> None:
    """Only of who leads one: a member's number is no group's."""
    group = PIDFD_SIGNAL_PROCESS_GROUP

    def program() -> object:
        member = fork(pause)
        return [
            pidfd_send_signal(pidfd_open(nr, 0), SIGTERM, None, group)
            for nr in (member, app.pid)
        ]

    with Machine() as m:
        app, bystander = m.spawn("app"), m.spawn("bystander")
        caller = m.spawn("caller")
        caller.runs(program)
        m.run()
        assert caller.result == [-ESRCH, 0]
        assert (is_gone(app), is_gone(bystander)) == (True, False)
        assert plain(caller.task, "children")[0].exit_state == 0


def test_who_sends_to_itself_needs_no_descriptor() -> None:
    def leader() -> object:
        sigprocmask(SIG_BLOCK, {SIGUSR1, SIGUSR2})
        return [
            pidfd_send_signal(PIDFD_SELF_THREAD, SIGUSR1),
            pidfd_send_signal(PIDFD_SELF_THREAD_GROUP, SIGUSR2),
        ]

    with Machine() as m:
        app = m.spawn("app")
        app.runs(leader)
        m.run()
        assert app.result == [0, 0]
        assert app.task.pending == {SIGUSR1}
        assert app.task.signal.shared_pending == {SIGUSR2}


def test_in_6_12_nobody_stood_for_itself() -> None:
    with Machine() as m:
        m.patches.update(v6_12.patch.functions)
        assert call(m, "p", lambda: pidfd_send_signal(PIDFD_SELF_THREAD, 0)) == -EBADF


def test_the_directory_of_a_process_is_as_good_as_a_descriptor() -> None:
    def program() -> object:
        of_thread = open(f"/proc/{app.pid}/task/{app.pid + 1}")
        of_process = open(f"/proc/{app.pid}")
        refused = pidfd_send_signal(of_thread, SIGTERM)
        return refused, pidfd_send_signal(of_process, SIGTERM)

    with Machine() as m:
        app = m.spawn("app", threads=2)
        assert call(m, "p", program) == (-EBADF, 0)
        assert is_gone(app)


def test_nobody_reaches_out_of_its_namespace() -> None:
    seen: list[object] = []

    def inner() -> None:
        # The maker's own descriptor, which it has inherited.
        seen.append(pidfd_send_signal(3, 0))
        seen.append(pidfd_send_signal(pidfd_open(1, 0), 0))
        pause()

    def outer() -> int:
        pidfd_open(getpid(), 0)
        word = UserWord()
        clone3(inner, flags=CLONE_NEWPID | CLONE_PIDFD, pidfd=word, exit_signal=SIGCHLD)
        return pidfd_send_signal(word.read(), 0)

    with Machine() as m:
        assert call(m, "p", outer) == 0
    assert seen == [-EINVAL, 0]


def _send_while_reaped(m: Machine) -> object:
    def program() -> int:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        return pidfd_send_signal(fd, SIGTERM)

    app = m.spawn("app")
    return call(m, "p", program)


def test_sending_races_the_release() -> None:
    found = explore(_send_while_reaped, scheduler="pct", executions=200)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {0, -ESRCH}
