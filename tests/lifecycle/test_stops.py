# SPDX-License-Identifier: GPL-2.0-only
"""Stopping and going on: who stands still, and what the parent is told."""

from __future__ import annotations

from pykmm.linux.sched.jobctl import JOBCTL_STOPPED
from pykmm.linux.sched.signal import (
    SIGNAL_STOP_CONTINUED,
    SIGNAL_STOP_MASK,
    SIGNAL_STOP_STOPPED,
)
from pykmm.linux.uapi import (
    CLD_CONTINUED,
    CLD_STOPPED,
    P_PID,
    SA_NOCLDSTOP,
    SA_SIGINFO,
    SIGCHLD,
    SIGCONT,
    SIGKILL,
    SIGSTOP,
    SIGTSTP,
    WCONTINUED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
    WUNTRACED,
)
from pykmm.runner import explore
from pykmm.syscalls import getpid, kill, sigaction, wait4, waitid
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call, is_gone, plain, threads


def stands(p: Process) -> bool:
    return all(plain(t, "jobctl") & JOBCTL_STOPPED for t in threads(p))


def test_sigstop_stops_every_thread_and_sigcont_lets_all_go() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=3)
        call(m, "shell", lambda: kill(app.pid, SIGSTOP))
        assert stands(app)
        assert app.task.signal.flags == SIGNAL_STOP_STOPPED
        assert app.task.signal.group_stop_count == 0
        call(m, "shell", lambda: kill(app.pid, SIGCONT))
        assert not any(plain(t, "jobctl") & JOBCTL_STOPPED for t in threads(app))
        assert app.task.signal.flags == SIGNAL_STOP_CONTINUED
        assert not is_gone(app)


def test_a_stopped_program_goes_on_where_it_was() -> None:
    with Machine() as m:
        app = m.spawn("app")
        came: list[str] = []

        @app.runs
        def _() -> None:
            came.append("before")
            kill(getpid(), SIGSTOP)
            came.append("after")

        m.run()
        assert came == ["before"]
        call(m, "shell", lambda: kill(app.pid, SIGCONT))
        assert came == ["before", "after"]


def test_the_parent_waits_for_stops_and_for_going_on() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", threads=2, parent=parent)

        @parent.runs
        def _() -> object:
            seen: list[object] = []
            kill(child.pid, SIGSTOP)
            seen.append(wait4(child.pid, WUNTRACED))
            seen.append(wait4(child.pid, WUNTRACED | WNOHANG))  # told once
            kill(child.pid, SIGCONT)
            seen.append(wait4(child.pid, WCONTINUED))
            seen.append(wait4(child.pid, WCONTINUED | WNOHANG))
            kill(child.pid, SIGKILL)
            seen.append(wait4(child.pid))
            return seen

        m.run()
        assert parent.result == [
            (child.pid, SIGSTOP << 8 | 0x7F),
            (0, 0),
            (child.pid, 0xFFFF),
            (0, 0),
            (child.pid, SIGKILL),
        ]


def test_waitid_may_look_at_a_stop_without_taking_it() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)

        @parent.runs
        def _() -> object:
            kill(child.pid, SIGSTOP)
            first = waitid(P_PID, child.pid, WSTOPPED | WNOWAIT)
            again = waitid(P_PID, child.pid, WSTOPPED)
            last = waitid(P_PID, child.pid, WSTOPPED | WNOHANG)
            return first, again, last

        m.run()
        assert isinstance(parent.result, tuple)
        first, again, last = parent.result
        assert first == again
        assert (again.si_code, again.si_status) == (CLD_STOPPED, SIGSTOP)
        assert last.si_signo == 0


def test_a_handler_is_told_of_both() -> None:
    for flags, told in ((0, [CLD_STOPPED, CLD_CONTINUED]), (SA_NOCLDSTOP, [])):
        with Machine() as m:
            parent = m.spawn("parent")
            child = m.spawn("child", parent=parent)
            codes: list[int] = []

            def note(_: int, info: object, codes: list[int] = codes) -> None:
                codes.append(info.si_code)  # type: ignore[attr-defined]

            def watch(note: object = note, flags: int = flags) -> None:
                sigaction(SIGCHLD, note, SA_SIGINFO | flags)  # type: ignore[arg-type]

            parent.runs(watch)
            m.run()
            for sig in (SIGSTOP, SIGCONT):
                call(m, "shell", lambda sig=sig, pid=child.pid: kill(pid, sig))
            assert codes == told


def test_each_undoes_the_other_before_it_is_taken() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.task._program = None  # it takes nothing
        signal = app.task.signal
        call(m, "shell", lambda: kill(app.pid, SIGSTOP))
        assert signal.shared_pending == {SIGSTOP}
        call(m, "shell", lambda: kill(app.pid, SIGCONT))
        assert signal.shared_pending == set()  # ignored, after it has undone the stop


def test_a_job_without_a_shell_is_not_stopped_from_the_terminal() -> None:
    with Machine() as m:
        app = m.spawn("app")  # its parent is of another session
        call(m, "tty", lambda: kill(app.pid, SIGTSTP))
        assert not plain(app.task, "jobctl") & JOBCTL_STOPPED
        shell = m.spawn("shell")
        job = m.spawn("job", parent=shell)
        own, session = job.task.signal, shell.task.signal.pids[3]
        own.pids = (*own.pids[:3], session)  # as fork() leaves it
        call(m, "tty", lambda: kill(job.pid, SIGTSTP))
        assert stands(job)
        own.pids = (*own.pids[:3], own.pids[1])


def _stop_against_continue(m: Machine) -> object:
    app = m.spawn("app", threads=2)
    m.spawn("stopper").runs(lambda: kill(app.pid, SIGSTOP))
    m.spawn("waker").runs(lambda: kill(app.pid, SIGCONT))
    m.run()
    signal = app.task.signal
    assert signal.group_stop_count == 0
    return stands(app), bool(signal.flags & SIGNAL_STOP_STOPPED)


def test_a_stop_is_whole_or_undone() -> None:
    result = explore(_stop_against_continue)
    assert result.complete
    assert {o.value for o in result.outcomes} == {(True, True), (False, False)}
    assert not result.reports


def test_a_kill_ends_a_stop_at_any_time() -> None:
    def scenario(m: Machine) -> object:
        app = m.spawn("app", threads=2)
        m.spawn("stopper").runs(lambda: kill(app.pid, SIGSTOP))
        m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
        m.run()
        assert not app.task.signal.flags & SIGNAL_STOP_MASK
        return is_gone(app)

    result = explore(scenario, scheduler="pct", executions=40)
    assert {o.value for o in result.outcomes} == {True}
