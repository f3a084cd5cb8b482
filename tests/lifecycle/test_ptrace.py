# SPDX-License-Identifier: GPL-2.0-only
"""Tracing: what holds a dying task, and who is told of its end (L50, L66)."""

from __future__ import annotations

from pykmm.engine.events import Access
from pykmm.engine.fields import field_of
from pykmm.errno import EINVAL, EPERM, ESRCH
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.sched import EXIT_TRACE, EXIT_ZOMBIE, PF_EXITING
from pykmm.linux.sched.jobctl import JOBCTL_TRACED
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT
from pykmm.linux.uapi import (
    __WALL,
    CLD_TRAPPED,
    P_PID,
    PTRACE_ATTACH,
    PTRACE_CONT,
    PTRACE_DETACH,
    PTRACE_EVENT_EXIT,
    PTRACE_GETEVENTMSG,
    PTRACE_KILL,
    PTRACE_O_EXITKILL,
    PTRACE_O_TRACEEXIT,
    PTRACE_SETOPTIONS,
    PTRACE_TRACEME,
    SIGCHLD,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGTRAP,
    SIGUSR1,
    WEXITED,
    WNOHANG,
    WSTOPPED,
)
from pykmm.runner import explore
from pykmm.syscalls import (
    exit_group,
    kill,
    pause,
    pidfd_open,
    process_mrelease,
    ptrace,
    sigaction,
    wait4,
    waitid,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call, is_gone, plain

AT_EXIT = (SIGTRAP | PTRACE_EVENT_EXIT << 8) << 8 | 0x7F


def attach(nr: int, options: int = PTRACE_O_TRACEEXIT) -> None:
    """Be the tracer of *nr*, which goes on afterwards."""
    assert ptrace(PTRACE_ATTACH, nr) == 0
    assert wait4(nr, __WALL) == (nr, SIGSTOP << 8 | 0x7F)
    assert ptrace(PTRACE_SETOPTIONS, nr, options) == 0
    assert ptrace(PTRACE_CONT, nr) == 0


def held(m: Machine) -> tuple[Process, Process]:
    """A killed process of 16 KiB that its tracer holds at the event of its exit."""
    app, tracer = m.spawn("app", anon="16K"), m.spawn("tracer")
    tracer.runs(lambda: attach(app.pid))
    m.run()
    assert call(m, "killer", lambda: kill(app.pid, SIGKILL)) == 0
    return app, tracer


def test_l50_a_tracer_holds_a_killed_task_at_its_exit() -> None:
    with Machine() as m:
        app, tracer = held(m)
        mm = app.mm
        assert mm is not None
        assert app.task.signal.flags == SIGNAL_GROUP_EXIT
        assert not plain(app.task, "flags") & PF_EXITING
        assert plain(app.task, "jobctl") & JOBCTL_TRACED
        assert call(m, "killer", lambda: kill(app.pid, SIGKILL)) == 0  # dropped
        assert plain(app.task, "jobctl") & JOBCTL_TRACED
        assert mm.rss_stat[MM_ANONPAGES].counter == 4

        def release() -> object:
            return process_mrelease(pidfd_open(app.pid, 0), 0)

        assert call(m, "lmkd", release) == 0
        assert mm.rss_stat[MM_ANONPAGES].counter == 0
        assert app.mm is mm
        end(m, app, tracer)


def end(m: Machine, app: Process, tracer: Process) -> None:
    """Let the tracer, whose program is over, do the rest by a handler."""
    seen: list[object] = []

    def finish(_: int) -> None:
        seen.append(wait4(app.pid, __WALL))
        seen.append(ptrace(PTRACE_GETEVENTMSG, app.pid))
        seen.append(ptrace(PTRACE_CONT, app.pid))
        seen.append(wait4(app.pid, __WALL))

    sighand = tracer.task.__dict__["sighand"]
    sighand.action = {SIGUSR1: finish}
    call(m, "poker", lambda: kill(tracer.pid, SIGUSR1))
    assert seen == [(app.pid, AT_EXIT), SIGKILL, 0, (app.pid, SIGKILL)]
    assert is_gone(app)  # init had it after the tracer


def test_l50_a_tracer_that_dies_lets_its_tracee_go() -> None:
    with Machine() as m:
        app, tracer = held(m)
        call(m, "killer", lambda: kill(tracer.pid, SIGKILL))
        assert is_gone(tracer)
        assert is_gone(app)


def test_exitkill_kills_what_the_tracer_leaves() -> None:
    for options, gone in ((PTRACE_O_EXITKILL, True), (0, False)):
        with Machine() as m:
            app, tracer = m.spawn("app"), m.spawn("tracer")
            tracer.runs(lambda nr=app.pid, options=options: attach(nr, options))
            m.run()
            call(m, "killer", lambda nr=tracer.pid: kill(nr, SIGKILL))
            assert is_gone(app) is gone
            assert gone or plain(app.task, "ptrace") == 0


def test_l66_the_tracer_has_a_zombie_before_its_parent() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        app, tracer = m.spawn("app", parent=parent), m.spawn("tracer")
        told: list[int] = []
        sighand = parent.task.__dict__["sighand"]
        sighand.action = {SIGCHLD: told.append}
        tracer.runs(lambda: attach(app.pid, 0))
        m.run()
        call(m, "killer", lambda: kill(app.pid, SIGKILL))
        assert plain(app.task, "exit_state") == EXIT_ZOMBIE
        assert told == []
        parent.runs(lambda: wait4(app.pid, WNOHANG))
        m.run()
        assert parent.result == (0, 0)  # there, but not its own yet

        seen: list[object] = []
        tracer.task.__dict__["sighand"].action = {
            SIGUSR1: lambda _: seen.append(wait4(app.pid, __WALL))
        }
        m.events.clear()
        call(m, "poker", lambda: kill(tracer.pid, SIGUSR1))
        assert seen == [(app.pid, SIGKILL)]
        state = field_of(app.task, "exit_state")
        writes = [e for e in m.events if e.obj is state and e.access is Access.WRITE]
        assert [e.value for e in writes] == [EXIT_TRACE, EXIT_ZOMBIE]
        assert told == [SIGCHLD]
        assert plain(app.task, "exit_state") == EXIT_ZOMBIE
        assert plain(app.task, "parent") is parent.task
        parent.task.__dict__["sighand"].action = {
            SIGUSR1: lambda _: seen.append(wait4(app.pid))
        }
        call(m, "poker", lambda: kill(parent.pid, SIGUSR1))
        assert seen == [(app.pid, SIGKILL)] * 2
        assert is_gone(app)


def test_a_parent_traces_its_child_and_reaps_it_once() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)

        @child.runs
        def _() -> None:
            assert ptrace(PTRACE_TRACEME, 0) == 0
            assert ptrace(PTRACE_TRACEME, 0) == -EPERM
            kill(child.pid, SIGSTOP)
            exit_group(3)

        @parent.runs
        def _() -> object:
            stopped = waitid(P_PID, child.pid, WSTOPPED | WEXITED)
            assert not isinstance(stopped, int)
            assert ptrace(PTRACE_CONT, child.pid, 65) == -5
            assert ptrace(PTRACE_CONT, child.pid, 0) == 0
            return stopped.si_code, stopped.si_status, wait4(child.pid)

        m.run()
        assert parent.result == (CLD_TRAPPED, SIGSTOP, (child.pid, 3 << 8))
        assert is_gone(child)


def test_a_tracer_changes_what_a_signal_does() -> None:
    with Machine() as m:
        app, tracer = m.spawn("app"), m.spawn("tracer")
        caught: list[int] = []

        @app.runs
        def _() -> object:
            sigaction(SIGUSR1, caught.append)
            return pause()

        m.run()

        @tracer.runs
        def _() -> object:
            attach(app.pid, 0)
            kill(app.pid, SIGTERM)
            seen = wait4(app.pid, __WALL)
            ptrace(PTRACE_CONT, app.pid, SIGUSR1)
            kill(app.pid, SIGTERM)
            wait4(app.pid, __WALL)
            return seen, ptrace(PTRACE_DETACH, app.pid, 0)

        m.run()
        assert tracer.result == ((app.pid, SIGTERM << 8 | 0x7F), 0)
        assert caught == [SIGUSR1]
        assert not is_gone(app)
        assert plain(app.task, "ptrace") == 0


def test_who_may_trace_whom() -> None:
    with Machine() as m:
        app = m.spawn("app", uid=1000)

        def attach_only() -> object:
            return ptrace(PTRACE_ATTACH, app.pid)

        assert call(m, "other", attach_only, uid=1001) == -EPERM
        assert call(m, "other", lambda: ptrace(PTRACE_CONT, app.pid)) == -ESRCH
        assert call(m, "other", lambda: ptrace(PTRACE_ATTACH, 9999)) == -ESRCH
        tracer = m.spawn("tracer", uid=1000)

        @tracer.runs
        def _() -> object:
            attach(app.pid)
            running = ptrace(PTRACE_DETACH, app.pid)
            return running, ptrace(PTRACE_KILL, app.pid)

        m.run()
        assert tracer.result == (-ESRCH, 0)
        assert call(m, "root", attach_only) == -EPERM  # one tracer at a time


def test_a_stopped_task_is_attached_where_it_stands() -> None:
    with Machine() as m:
        app, tracer = m.spawn("app"), m.spawn("tracer")
        call(m, "shell", lambda: kill(app.pid, SIGSTOP))

        @tracer.runs
        def _() -> object:
            assert ptrace(PTRACE_ATTACH, app.pid) == 0
            seen = wait4(app.pid, __WALL)
            assert ptrace(PTRACE_SETOPTIONS, app.pid, 1 << 30) == -EINVAL
            return seen

        m.run()
        assert tracer.result == (app.pid, SIGSTOP << 8 | 0x7F)


def _attach_against_kill(m: Machine) -> object:
    app, tracer = m.spawn("app", anon="4K"), m.spawn("tracer")

    def trace() -> object:
        if ptrace(PTRACE_ATTACH, app.pid):
            return "gone"
        wait4(app.pid, __WALL)
        ptrace(PTRACE_SETOPTIONS, app.pid, PTRACE_O_TRACEEXIT)
        ptrace(PTRACE_CONT, app.pid)
        while True:
            found = wait4(app.pid, __WALL)
            if not isinstance(found, tuple) or found[1] & 0x7F != 0x7F:
                return found
            ptrace(PTRACE_CONT, app.pid)

    tracer.runs(trace)
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    assert is_gone(app)
    return tracer.result == "gone"


def test_an_attach_races_with_a_kill_and_nothing_is_left() -> None:
    result = explore(_attach_against_kill, scheduler="pct", executions=60)
    assert not result.reports
    assert {o.value for o in result.outcomes} == {True, False}
