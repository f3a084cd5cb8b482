# SPDX-License-Identifier: GPL-2.0-only
"""Signals: who gets one, who may send one, and what becomes of a group."""

from __future__ import annotations

import pytest

from pykmm.errno import EINVAL, EPERM, ESRCH
from pykmm.kernel.signal_queue import lock_task_sighand, unlock_task_sighand
from pykmm.kernel.signal_send import do_send_sig_info
from pykmm.linux.completion import (
    completion,
    wait_for_completion,
    wait_for_completion_killable,
)
from pykmm.linux.pid import PIDTYPE_TGID
from pykmm.linux.sched import EXIT_ZOMBIE
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT, fatal_signal_pending
from pykmm.linux.signal import SEND_SIG_PRIV
from pykmm.linux.uapi import (
    SIGKILL,
    SIGSTOP,
    SIGTERM,
)
from pykmm.runner import explore
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import (
    exit_group,
    kill,
    pause,
    setresuid,
    tkill,
    wait4,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, plain, threads


def _kill_seen_under_siglock(m: Machine) -> object:
    app = m.spawn("app", threads=3)
    group = threads(app)
    for t in group:
        t._program = None
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))

    def look() -> object:
        sighand = lock_task_sighand(app.task)
        assert sighand is not None
        signal = app.task.signal
        seen = (
            signal.flags == SIGNAL_GROUP_EXIT,
            signal.group_exit_code,
            *(SIGKILL in t.pending for t in group),
        )
        unlock_task_sighand(sighand)
        return seen

    looker = m.spawn("looker")
    looker.runs(look)
    m.run()
    return looker.result


def test_l41_sigkill_marks_the_group_and_all_threads_at_once() -> None:
    found = {o.value for o in explore(_kill_seen_under_siglock).outcomes}
    assert found == {(False, 0, False, False, False), (True, 9, True, True, True)}


def test_l41_a_second_sigkill_changes_nothing() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=3)
        for t in threads(app):
            t._program = None
        assert call(m, "killer", lambda: kill(app.pid, SIGKILL)) == 0
        signal = app.task.signal
        before = [signal.flags, signal.group_exit_code, signal.shared_pending]
        assert call(m, "killer", lambda: kill(app.pid, SIGKILL)) == 0
        assert [signal.flags, signal.group_exit_code, signal.shared_pending] == before


def test_l42_who_left_alone_is_still_told_of_the_kill() -> None:
    """Only past exit_signals(): there v7.2 empties the private set, whatever is in it.

    Who is killed on the way to user mode has taken its own SIGKILL out by then.
    """
    with Machine() as m:
        app = m.spawn("app", anon="16K", threads=2)
        leader, other = app.threads
        with m.hold(app.space.mmap_lock, by="writer"):
            other.runs(lambda: exit_thread(0))
            m.run()
            kill(app.pid, SIGKILL)
            m.run()
            assert "down_read_wait" in leader.where
            assert "down_read_wait" in other.where
            assert fatal_signal_pending(other.task)
            assert not fatal_signal_pending(leader.task)
        m.run()
        assert is_gone(app)


def test_l43_whom_a_signal_reaches() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        child.runs(lambda: exit_group(0))
        m.run()
        assert plain(child.task, "exit_state") == EXIT_ZOMBIE
        assert call(m, "sender", lambda: kill(child.pid, SIGTERM)) == 0
        parent.runs(lambda: wait4(child.pid))
        m.run()
        assert call(m, "sender", lambda: kill(child.pid, SIGTERM)) == -ESRCH
        app = m.spawn("app", uid=1000)
        assert call(m, "sender", lambda: kill(app.pid, 65)) == -EINVAL
        assert call(m, "sender", lambda: kill(app.pid, SIGTERM), uid=1001) == -EPERM
        assert call(m, "sender", lambda: kill(app.pid, 0), uid=1001) == -EPERM
        assert call(m, "sender", lambda: kill(app.pid, 0), uid=1000) == 0
        assert not is_gone(app)


def test_l44_global_init_ignores_even_the_kernel() -> None:
    with Machine() as m:
        init = m.init.task

        def from_the_kernel() -> object:
            return do_send_sig_info(SIGKILL, SEND_SIG_PRIV, init, PIDTYPE_TGID)

        assert call(m, "oom", from_the_kernel) == 0
        assert call(m, "root", lambda: kill(1, SIGKILL)) == 0
        assert not is_gone(m.init)
        assert not init.signal.flags & SIGNAL_GROUP_EXIT


def test_l46_which_sleeps_a_signal_ends() -> None:
    with Machine() as m:
        never = completion(m.boot.task)  # type: ignore[arg-type]  # the host's place
        killable = m.spawn("killable")
        killable.runs(lambda: wait_for_completion_killable(never))
        sleeper = m.spawn("sleeper")
        sleeper.runs(pause)
        deaf = m.spawn("deaf")
        deaf.runs(lambda: wait_for_completion(never))

        def killer() -> None:
            for p in (killable, sleeper, deaf):
                kill(p.pid, SIGTERM)  # fatal, so each has SIGKILL from here on
            while not (is_gone(killable) and is_gone(sleeper)):
                pause()

        m.spawn("killer").runs(killer)
        with pytest.raises(Exception, match="deaf can never go on"):
            m.run()
        assert is_gone(killable)
        assert is_gone(sleeper)
        assert not is_gone(deaf)


def test_l46_a_stopped_group_dies_without_sigcont() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        assert call(m, "shell", lambda: kill(app.pid, SIGSTOP)) == 0
        assert not is_gone(app)
        assert call(m, "shell", lambda: kill(app.pid, SIGTERM)) == 0
        assert not is_gone(app)  # which takes it when it goes on
        assert call(m, "shell", lambda: kill(app.pid, SIGKILL)) == 0
        assert is_gone(app)


def _exit_against_kill(m: Machine) -> object:
    parent = m.spawn("parent")
    app = m.spawn("app", threads=2, parent=parent)
    app.threads[0].runs(lambda: exit_group(1))
    app.threads[1].runs(lambda: kill(app.pid, SIGKILL))
    parent.runs(lambda: wait4(app.pid))
    m.run()
    assert is_gone(app)
    assert isinstance(parent.result, tuple)
    return parent.result[1]


def test_l51_whoever_marks_the_group_first_says_how_it_ended() -> None:
    found = {
        o.value
        for o in explore(_exit_against_kill, scheduler="pct", executions=60).outcomes
    }
    assert found == {1 << 8, SIGKILL}


def _exit_against_exit(m: Machine) -> object:
    parent = m.spawn("parent")
    app = m.spawn("app", threads=2, parent=parent)
    app.threads[0].runs(lambda: exit_group(1))
    app.threads[1].runs(lambda: exit_group(2))
    parent.runs(lambda: wait4(app.pid))
    m.run()
    assert is_gone(app)
    assert isinstance(parent.result, tuple)
    return parent.result[1]


def test_l51_two_threads_that_end_the_process_agree() -> None:
    found = {
        o.value
        for o in explore(_exit_against_exit, scheduler="pct", executions=60).outcomes
    }
    assert found == {1 << 8, 2 << 8}


def test_l52_whose_users_count() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        app.runs(lambda: setresuid(1, 2, 3))
        m.run()

        def ask(real: int, effective: int) -> object:
            become = real, effective, effective
            return call(m, "asker", lambda: (setresuid(*become), kill(app.pid, 0))[1])

        assert ask(9, 3) == 0  # the saved one
        assert ask(9, 1) == 0
        assert ask(3, 9) == 0
        assert ask(2, 2) == -EPERM  # the effective one does not count
        assert ask(9, 9) == -EPERM
        # A thread of the same process may be anybody.
        _, other = app.threads
        other.runs(lambda: (setresuid(9, 9, 9), tkill(app.pid, 0)))
        m.run()
        assert other.result == (0, 0)


def test_l53_everybody_nobody_and_a_number_that_is_none() -> None:
    with Machine(reaper=False) as m:
        assert call(m, "lonely", lambda: kill(-1, SIGKILL)) == -ESRCH
    with Machine() as m:
        app = m.spawn("app", uid=1000)
        assert call(m, "denied", lambda: kill(-1, SIGKILL), uid=1001) == 0
        assert not is_gone(app)
        assert call(m, "root", lambda: kill(-(2**31), SIGKILL)) == -ESRCH
