# SPDX-License-Identifier: GPL-2.0-only
"""Handlers, masks and queues: what a program does about its signals."""

from __future__ import annotations

import pytest

from pykmm.errno import EINTR, EINVAL, EPERM
from pykmm.linux.uapi import (
    SA_NODEFER,
    SA_RESTART,
    SA_SIGINFO,
    SI_TKILL,
    SI_USER,
    SIG_BLOCK,
    SIG_IGN,
    SIG_UNBLOCK,
    SIGCHLD,
    SIGCONT,
    SIGKILL,
    SIGRTMIN,
    SIGSTOP,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
    WNOHANG,
)
from pykmm.syscalls import (
    kill,
    pause,
    sigaction,
    sigpending,
    sigprocmask,
    sigsuspend,
    tgkill,
    tkill,
    wait4,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, plain


def test_a_handler_is_told_who_sent() -> None:
    with Machine() as m:
        app = m.spawn("app")
        told: list[object] = []

        @app.runs
        def _() -> object:
            def note(sig: int, info: object) -> None:
                told.append(info)

            sigaction(SIGUSR1, note, SA_SIGINFO)
            return pause()

        m.run()
        sender = m.spawn("sender", uid=0)
        sender.runs(lambda: (kill(app.pid, SIGUSR1), tgkill(app.pid, app.pid, SIGUSR1)))
        m.run()
        assert app.result == -EINTR
        assert {info.si_code for info in told} <= {SI_USER, SI_TKILL}  # type: ignore[attr-defined]
        assert told[0].si_pid == sender.pid  # type: ignore[attr-defined]


def test_a_legacy_signal_is_queued_once_and_a_realtime_one_each_time() -> None:
    with Machine() as m:
        app = m.spawn("app")
        caught: list[int] = []

        @app.runs
        def _() -> None:
            for sig in (SIGUSR1, SIGRTMIN):
                sigaction(sig, caught.append, SA_NODEFER)
            sigprocmask(SIG_BLOCK, {SIGUSR1, SIGRTMIN})
            for _ in range(3):
                kill(app.pid, SIGUSR1)
                kill(app.pid, SIGRTMIN)
            caught.append(0)
            sigprocmask(SIG_UNBLOCK, {SIGUSR1, SIGRTMIN})

        m.run()
        assert caught == [0, SIGUSR1, SIGRTMIN, SIGRTMIN, SIGRTMIN]


def test_a_handler_blocks_its_own_signal_and_its_mask() -> None:
    with Machine() as m:
        app = m.spawn("app")
        order: list[str] = []

        def handler(sig: int) -> None:
            order.append(f"in {sig}")
            if sig == SIGUSR1:
                kill(app.pid, SIGUSR2)
                order.append(f"pending {sorted(sigpending())}")
            order.append(f"out {sig}")

        @app.runs
        def _() -> None:
            sigaction(SIGUSR1, handler, mask=[SIGUSR2, SIGKILL])
            sigaction(SIGUSR2, handler)
            kill(app.pid, SIGUSR1)
            order.append(f"blocked {sorted(sigprocmask(SIG_BLOCK, ()))}")

        m.run()
        one, two = int(SIGUSR1), int(SIGUSR2)
        assert order == [
            f"in {one}",
            f"pending [{two}]",
            f"out {one}",
            f"in {two}",
            f"out {two}",
            "blocked []",
        ]


def test_sigsuspend_takes_what_is_blocked_otherwise() -> None:
    with Machine() as m:
        app = m.spawn("app")
        caught: list[int] = []

        @app.runs
        def _() -> object:
            sigaction(SIGUSR1, caught.append)
            sigprocmask(SIG_BLOCK, {SIGUSR1})
            kill(app.pid, SIGUSR1)
            assert caught == []
            return sigsuspend(()), sigprocmask(SIG_BLOCK, ())

        m.run()
        assert caught == [SIGUSR1]
        assert app.result == (-EINTR, {SIGUSR1})


def test_ignoring_forgets_what_is_pending() -> None:
    with Machine() as m:
        app = m.spawn("app")

        @app.runs
        def _() -> object:
            sigprocmask(SIG_BLOCK, {SIGTERM})
            kill(app.pid, SIGTERM)
            tkill(app.pid, SIGTERM)
            before = sigpending()
            sigaction(SIGTERM, SIG_IGN)
            return before, sigpending()

        m.run()
        assert app.result == ({SIGTERM}, set())


@pytest.mark.parametrize(
    ("sig", "ret"), [(SIGKILL, -EINVAL), (SIGSTOP, -EINVAL), (65, -EINVAL), (64, 0)]
)
def test_some_signals_cannot_be_caught(sig: int, ret: int) -> None:
    with Machine() as m:
        assert call(m, "app", lambda: sigaction(sig, SIG_IGN)) == ret


@pytest.mark.parametrize(("flags", "result"), [(SA_RESTART, "child"), (0, -EINTR)])
def test_a_wait_goes_on_behind_a_handler_that_says_so(
    flags: int, result: object
) -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        parent.runs(
            lambda: (sigaction(SIGUSR1, lambda _: None, flags), wait4(child.pid))[1]
        )
        m.run()
        call(m, "sender", lambda: kill(parent.pid, SIGUSR1))
        call(m, "sender", lambda: kill(child.pid, SIGKILL))
        assert parent.result == ((child.pid, 9) if result == "child" else result)


def test_a_blocked_thread_leaves_a_group_signal_to_another() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        caught: list[int] = []

        @app.runs
        def _() -> None:
            sigaction(SIGUSR1, caught.append)
            sigprocmask(SIG_BLOCK, {SIGUSR1})

        m.run()
        call(m, "sender", lambda: kill(app.pid, SIGUSR1))
        assert caught == [SIGUSR1]
        call(m, "sender", lambda: tkill(app.pid, SIGUSR1))
        assert caught == [SIGUSR1]
        assert plain(app.task, "pending") == {SIGUSR1}


def test_sigcont_needs_no_permission_within_a_session() -> None:
    with Machine() as m:
        app = m.spawn("app", uid=1000)
        assert call(m, "denied", lambda: kill(app.pid, SIGCONT), uid=1001) == -EPERM
        other = m.spawn("other", uid=1001)
        theirs, session = other.task.signal, app.task.signal.pids[3]
        theirs.pids = (*theirs.pids[:3], session)  # as setsid() leaves it
        other.runs(lambda: kill(app.pid, SIGCONT))
        m.run()
        assert other.result == 0
        theirs.pids = (*theirs.pids[:3], theirs.pids[1])


def test_sigchld_is_what_a_parent_reaps_by() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        reaped: list[object] = []

        @parent.runs
        def _() -> None:
            sigaction(SIGCHLD, lambda _: reaped.append(wait4(-1, WNOHANG)))

        m.run()
        call(m, "killer", lambda: kill(child.pid, SIGTERM))
        assert reaped == [(child.pid, SIGTERM)]
