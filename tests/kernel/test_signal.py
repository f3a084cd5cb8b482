# SPDX-License-Identifier: GPL-2.0-only
"""Sending and taking signals: who dies of what, and what a sender is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EINVAL, EPERM, ESRCH
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT, core_state
from pykmm.linux.uapi import (
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGINT,
    SIGKILL,
    SIGSEGV,
    SIGTERM,
    SIGUSR1,
    SIGWINCH,
)
from pykmm.runner import explore
from pykmm.syscalls import exit_group, getpid, kill, pidfd_open, process_mrelease
from pykmm.workbench import Machine, Process


def is_gone(p: Process) -> bool:
    return p.task._death is not None


def send(m: Machine, nr: int, sig: int, *, uid: int = 0) -> object:
    sender = m.spawn("sender", uid=uid)
    sender.runs(lambda: kill(nr, sig))
    m.run()
    return sender.result


@pytest.mark.parametrize("sig", [SIGKILL, SIGTERM, SIGINT, SIGUSR1])
def test_a_fatal_signal_takes_the_group_down(sig: int) -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K", threads=3)
        assert send(m, app.pid, sig) == 0
        assert is_gone(app)


@pytest.mark.parametrize("sig", [SIGCHLD, SIGWINCH, SIGCONT])
def test_what_is_ignored_by_default_kills_nobody(sig: int) -> None:
    with Machine() as m:
        app = m.spawn("app")
        assert send(m, app.pid, sig) == 0
        assert not is_gone(app)


def test_an_ignored_signal_is_dropped() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.task.__dict__["sighand"].action = {SIGTERM: SIG_IGN}
        assert send(m, app.pid, SIGTERM) == 0
        assert not is_gone(app)
        assert app.task.signal.shared_pending == set()


def test_a_blocked_signal_waits_and_marks_nobody() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.task.blocked = {SIGTERM}
        assert send(m, app.pid, SIGTERM) == 0
        assert not is_gone(app)
        assert app.task.signal.shared_pending == {SIGTERM}
        assert not app.task.signal.flags & SIGNAL_GROUP_EXIT


def test_a_handler_runs_and_the_process_goes_on() -> None:
    with Machine() as m:
        app = m.spawn("app")
        caught: list[int] = []
        app.task.__dict__["sighand"].action = {SIGUSR1: caught.append}
        assert send(m, app.pid, SIGUSR1) == 0
        assert caught == [SIGUSR1]
        assert not is_gone(app)


def test_group_exit_is_set_inside_kill() -> None:
    """So -EINVAL never comes after a kill of the only user of an mm."""
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        app.task._program = None
        lmkd = m.spawn("lmkd")

        @lmkd.runs
        def _() -> object:
            kill(app.pid, SIGTERM)
            return process_mrelease(pidfd_open(app.pid, 0), 0)

        m.run()
        assert lmkd.result == 0


def test_a_core_dump_signal_alone_does_not_mark_the_group() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        app.task._program = None
        assert send(m, app.pid, SIGSEGV) == 0
        assert not app.task.signal.flags & SIGNAL_GROUP_EXIT


def test_only_sigkill_reaches_a_group_that_dumps_core() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.task._program = None
        signal = app.task.signal
        signal.flags = SIGNAL_GROUP_EXIT
        signal.core_state = core_state(dumper=app.task)
        assert send(m, app.pid, SIGTERM) == 0
        assert signal.shared_pending == set()
        assert send(m, app.pid, SIGKILL) == 0
        assert signal.group_exit_code == SIGKILL


def test_a_group_that_exits_drops_what_comes_later() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.task._program = None
        app.task.signal.flags = SIGNAL_GROUP_EXIT
        assert send(m, app.pid, SIGUSR1) == 0
        assert app.task.signal.shared_pending == set()


def test_init_is_immune() -> None:
    with Machine() as m:
        m.spawn("app")
        assert send(m, 1, SIGKILL) == 0
        assert not is_gone(m.init)


@pytest.mark.parametrize(
    ("nr", "sig", "ret"),
    [
        (9999, SIGKILL, -ESRCH),
        (-9999, SIGKILL, -ESRCH),
        (-(2**31), SIGKILL, -ESRCH),
        (1, 65, -EINVAL),
        (1, -1, -EINVAL),
        (1, 0, 0),
    ],
)
def test_errors(nr: int, sig: int, ret: int) -> None:
    with Machine() as m:
        assert send(m, nr, sig) == ret


def test_permission_goes_by_uid() -> None:
    with Machine() as m:
        app = m.spawn("app", uid=1000)
        assert send(m, app.pid, SIGTERM, uid=1001) == -EPERM
        assert not is_gone(app)
        assert send(m, app.pid, SIGTERM, uid=1000) == 0
        assert is_gone(app)


def test_a_killed_caller_does_not_return_from_its_call() -> None:
    with Machine() as m:
        app = m.spawn("app")
        went_on: list[str] = []

        @app.runs
        def _() -> None:
            kill(app.pid, SIGKILL)
            went_on.append("after")

        m.run()
        assert went_on == []
        assert is_gone(app)


def status_of(m: Machine, ending: Callable[[], object]) -> object:
    from pykmm.syscalls import wait4

    parent = m.spawn("parent")
    child = m.spawn("child", parent=parent)
    child.runs(ending)
    parent.runs(lambda: wait4(child.pid))
    m.run()
    assert is_gone(child)
    found = parent.result
    assert isinstance(found, tuple)
    assert found[0] == child.pid
    return found[1]


def test_wait_status_of_an_exit_and_of_a_signal() -> None:
    with Machine() as m:
        assert status_of(m, lambda: exit_group(3)) == 3 << 8
    with Machine() as m:

        def suicide() -> object:
            return kill(getpid(), SIGTERM)

        assert status_of(m, suicide) == SIGTERM


def killed_between_calls(m: Machine) -> object:
    app, killer = m.spawn("app"), m.spawn("killer")
    came: list[int] = []

    @app.runs
    def _() -> None:
        for _ in range(2):
            came.append(getpid())

    killer.runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    return len(came)


def test_a_kill_between_any_two_calls_is_explored() -> None:
    """The look at pending signals is a step: else the explorer would miss some."""
    found = {o.value for o in explore(killed_between_calls).outcomes}
    walks = explore(killed_between_calls, scheduler="random", executions=300)
    assert found >= {o.value for o in walks.outcomes}
    assert found == {0, 1, 2}
