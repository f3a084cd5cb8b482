# SPDX-License-Identifier: GPL-2.0-only
"""Ways out: what others see of a dying task, and who inherits (L44, L45, L54-L65)."""

from __future__ import annotations

import pytest

from pykmm.errno import ECHILD, ESRCH
from pykmm.errors import KernelPanic
from pykmm.kernel.fork_clone import kernel_clone
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.sched import EXIT_ZOMBIE, PF_EXITING, task_struct
from pykmm.linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
)
from pykmm.linux.sched.task import kernel_clone_args as clone_args
from pykmm.linux.uapi import (
    POLLIN,
    POLLRDNORM,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_CHILD_SUBREAPER,
    SA_NOCLDWAIT,
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SIGUSR1,
    WNOHANG,
)
from pykmm.mm.oom_kill_reaper import oom_reap_task_mm
from pykmm.runner import explore, replay
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import (
    exit_group,
    fork,
    getpid,
    kill,
    pause,
    prctl,
    process_mrelease,
    sigaction,
    wait4,
)
from pykmm.syscalls.signals import pidfd_open, poll
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import (
    call,
    is_gone,
    plain,
    threads,
    until,
)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (lambda: exit_group(3), 0x300),
        (lambda: kill(getpid(), SIGKILL), 9),
        (lambda: exit_thread(5), 0x500),
    ],
)
def test_l54_how_it_ended(ending: object, status: int) -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        child.runs(ending)  # type: ignore[type-var]
        m.run()
        assert plain(child.task, "exit_state") == EXIT_ZOMBIE
        assert child.task.signal.flags == SIGNAL_GROUP_EXIT
        parent.runs(lambda: wait4(child.pid))
        m.run()
        assert parent.result == (child.pid, status)


@pytest.mark.parametrize(("handler", "flags"), [(SIG_IGN, 0), (SIG_DFL, SA_NOCLDWAIT)])
def test_l55_a_parent_that_wants_no_zombies(handler: int, flags: int) -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        first = m.spawn("first", parent=parent)
        second = m.spawn("second", parent=parent)

        @parent.runs
        def _() -> object:
            sigaction(SIGCHLD, handler, flags)
            kill(first.pid, SIGKILL)
            kill(second.pid, SIGKILL)
            return wait4(-1)  # until the last is gone

        m.run()
        assert parent.result == -ECHILD
        assert is_gone(first)
        assert is_gone(second)
        assert call(m, "other", lambda: kill(first.pid, 0)) == -ESRCH
        again = clone_args(exit_signal=SIGCHLD, set_tid=(first.pid,))
        assert call(m, "other", lambda: kernel_clone(again)) == first.pid


def test_l55_with_sa_nocldwait_the_signal_is_sent_all_the_same() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        told: list[int] = []
        parent.runs(lambda: sigaction(SIGCHLD, told.append, SA_NOCLDWAIT))
        m.run()
        call(m, "killer", lambda: kill(child.pid, SIGKILL))
        assert told == [SIGCHLD]
        assert is_gone(child)


def test_l57_a_writer_keeps_a_dying_task_before_its_exit_mm() -> None:
    with Machine() as m:
        app, lmkd = m.spawn("app", anon="16K"), m.spawn("lmkd")
        mm = app.space
        with m.hold(mm.mmap_lock, by="writer"):
            kill(app.pid, SIGKILL)
            m.run()
            assert kill(app.pid, SIGKILL) == 0
            lmkd.runs(lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
            m.run()
            assert "down_read_killable_wait" in lmkd.where
            assert not oom_reap_task_mm(app.task, mm)
            assert app.mm is mm
            assert "down_read_wait" in app.where
            assert plain(app.task, "flags") & PF_EXITING
            assert mm.rss_stat[MM_ANONPAGES].counter == 4
        m.run()
        assert lmkd.result == 0
        assert is_gone(app)


def _watch_exit(m: Machine) -> list[tuple[bool, int, int]]:
    """Let a process exit, and look at it before and after each of its steps."""
    app = m.spawn("app", anon="8K")
    mm = app.mm
    assert mm is not None
    app.runs(lambda: exit_group(0))
    seen: list[tuple[bool, int, int]] = []

    class Watch:
        def event(self, event: object) -> None:
            del event
            users, pages = mm.mm_users.counter, mm.rss_stat[MM_ANONPAGES].counter
            seen.append((plain(app.task, "mm") is None, users, pages))

        def at_rest(self, machine: object) -> None:
            del machine

    m.observers.append(Watch())
    m.run()
    return list(dict.fromkeys(seen))


def test_l56_between_hiding_and_dropping_everything_is_still_there() -> None:
    with Machine() as m:
        assert _watch_exit(m) == [
            (False, 1, 2),
            (True, 1, 2),  # from step 5 of exit_mm() to step 9
            (True, 0, 2),
            (True, 0, 0),
        ]


def test_l56_whoever_looks_there_finds_it_so() -> None:
    """The observer is a thread, and the schedule that stops the other is kept."""

    def scenario(m: Machine) -> object:
        app = m.spawn("app", anon="8K")
        mm = app.mm
        assert mm is not None
        app.runs(lambda: exit_group(0))

        def look() -> object:
            kill(getpid(), 0)
            hidden = plain(app.task, "mm") is None
            return hidden, mm.mm_users.counter, mm.rss_stat[MM_ANONPAGES].counter

        observer = m.spawn("observer")
        observer.runs(look)
        m.run()
        return observer.result

    result = explore(scenario, scheduler="pos", executions=150)
    outcomes = {o.value: o for o in result.outcomes}
    assert {(True, 1, 2), (False, 1, 2)} <= outcomes.keys()
    witness = outcomes[True, 1, 2].witness
    assert replay(scenario, witness).outcome == (True, 1, 2)


def test_l60_who_owns_an_address_space_when_the_owner_goes() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="4K")
        mm = app.mm
        assert mm is not None
        other = m.spawn("other", shares_mm=app)
        assert mm.owner is app.task
        call(m, "killer", lambda: kill(app.pid, SIGKILL))
        assert mm.owner is other.task
        pin = m.hold(other.space.mm_users, by="reader")
        call(m, "killer", lambda: kill(other.pid, SIGKILL))
        # Somebody uses it, but no task does.
        assert (mm.owner, mm.mm_users.counter) == (None, 1)
        pin.let_go()


def test_l60_the_only_user_hands_it_to_nobody() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="4K")
        mm = app.mm
        assert mm is not None
        call(m, "killer", lambda: kill(app.pid, SIGKILL))
        owners = [e for e in m.events if e.obj.name == f"{mm.name}.owner"]
        assert [(e.kind, e.value) for e in owners][-1] == ("WRITE_ONCE", None)


def test_l61_the_end_of_the_machine_s_init() -> None:
    with pytest.raises(KernelPanic, match=r"kill init! exitcode=0x00000300"):
        with Machine() as m:
            m.init.runs(lambda: exit_group(3))
            m.run()


# -- who is told, and who inherits -----------------------------------------------------


def test_l63_a_dead_leader_is_told_of_when_its_last_thread_is_gone() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", threads=2, parent=parent)
        told: list[int] = []
        parent.runs(lambda: sigaction(SIGCHLD, told.append))
        app.threads[0].runs(lambda: exit_thread(4))
        poller = m.spawn("poller")
        ready: list[int] = []

        @poller.runs
        def _() -> None:
            fd = pidfd_open(app.pid, 0)
            until(lambda: plain(app.task, "exit_state") == EXIT_ZOMBIE)
            ready.append(poll(fd, wait=False))
            ready.append(poll(fd, POLLIN | POLLRDNORM))

        m.run()
        assert plain(app.task, "exit_state") == EXIT_ZOMBIE
        assert told == []
        assert ready == [0]  # and the second poll sleeps
        last = threads(app)[1]
        sighand = parent.task.__dict__["sighand"]
        seen: list[object] = []
        sighand.action = {
            **sighand.action,
            SIGUSR1: lambda _: seen.append(wait4(-1, WNOHANG)),
        }
        call(m, "poker", lambda: kill(parent.pid, SIGUSR1))
        assert seen == [(0, 0)]
        call(m, "killer", lambda: kill(app.pid, SIGKILL))
        assert last._death is not None
        assert told == [SIGCHLD]
        assert ready == [0, POLLIN | POLLRDNORM]
        call(m, "poker", lambda: kill(parent.pid, SIGUSR1))
        assert seen == [(0, 0), (app.pid, SIGKILL)]


def test_l65_orphans_go_to_the_next_subreaper() -> None:
    with Machine() as m:
        reaper = m.spawn("reaper")
        reaped: list[object] = []

        @reaper.runs
        def _() -> object:
            sigaction(SIGCHLD, lambda _: reaped.append(wait4(-1, WNOHANG)))
            prctl(PR_SET_CHILD_SUBREAPER, 1)

            def middle() -> None:
                sigaction(SIGCHLD, SIG_DFL)  # not its parent's handler
                fork(pause)
                fork(lambda: exit_group(7))
                pause()

            fork(middle)
            return prctl(PR_GET_CHILD_SUBREAPER)

        m.run()
        assert reaper.result == 1
        middle: task_struct = reaper.task.__dict__["children"][0]
        assert middle.signal.has_child_subreaper
        child, zombie = middle.__dict__["children"]
        assert plain(zombie, "exit_state") == EXIT_ZOMBIE
        number = zombie.pid
        call(m, "killer", lambda: kill(middle.pid, SIGKILL))
        assert plain(child, "real_parent") is reaper.task
        rest = wait_all(m, reaper, reaped)
        assert {(middle.pid, SIGKILL), (number, 7 << 8)} == set(rest)
        assert zombie._death is not None


def wait_all(m: Machine, p: Process, reaped: list[object]) -> list[object]:
    """Let a process's handler look again; SIGCHLD does not count how often."""
    call(m, "poker", lambda: kill(p.pid, SIGCHLD))
    return [found for found in reaped if found not in ((0, 0), -ECHILD)]


def test_l65_without_one_they_go_to_init_and_threads_come_first() -> None:
    with Machine() as m:
        parent = m.spawn("parent", threads=2)
        child = m.spawn("child", parent=parent)
        parent.threads[0].runs(lambda: exit_thread(0))
        m.run()
        assert plain(child.task, "real_parent") is threads(parent)[1]
        call(m, "killer", lambda: kill(parent.pid, SIGKILL))
        assert plain(child.task, "real_parent") is m.init.task


def test_a_leader_that_is_dead_is_no_use_to_mrelease() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", anon="4K", parent=parent)
        app.runs(lambda: exit_group(0))
        m.run()

        def release() -> object:
            return process_mrelease(pidfd_open(app.pid, 0), 0)

        assert call(m, "lmkd", release) == -ESRCH
