# SPDX-License-Identifier: GPL-2.0-only
"""An exec beside kills, releases and whoever looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import explore
from pykmm.errno import EBADF, EINTR, EINVAL, ESRCH
from pykmm.fs.exec import do_execveat_common
from pykmm.fs.exec_begin import begin_new_exec, setup_new_exec
from pykmm.kernel.pid import find_task_by_vpid
from pykmm.kernel.signal import kill as do_kill
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_OOM_SKIP
from pykmm.linux.oom import tsk_is_oom_victim
from pykmm.linux.rcupdate import rcu
from pykmm.linux.rwsem import down_read_killable, up_read
from pykmm.linux.sched import current
from pykmm.linux.sched.mm import in_vfork
from pykmm.linux.sched.signal import for_each_process
from pykmm.linux.uapi import PIDFD_THREAD, POLLHUP, SIGKILL, SIGUSR1
from pykmm.patches.kernels import v6_12
from pykmm.scenario import Scenario
from pykmm.syscalls import (
    execve,
    kill,
    pause,
    pidfd_open,
    pidfd_send_signal,
    poll,
    process_mrelease,
    sigaction,
    tgkill,
    vfork,
    wait4,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, oom_kill, plain, threads

# -- against a kill --------------------------------------------------------------------


def _exec_against_kill(m: Machine, nr_threads: int, who: int) -> object:
    parent = m.spawn("parent")
    app = m.spawn("app", parent=parent, anon="16K", threads=nr_threads)
    number, told = app.pid, []

    def program() -> None:
        ret = do_execveat_common("new", None)  # without the way back
        told.append(ret)

    app.threads[who].runs(program)
    m.spawn("killer").runs(lambda: kill(number, SIGKILL))
    parent.runs(lambda: wait4(number))
    m.run()
    assert isinstance(parent.result, tuple)
    return parent.result[1], str(told)


def test_l36_a_group_kill_against_an_exec() -> None:
    """Whoever wins, the process dies of the signal, and everything is given back."""
    for who in (0, 1):
        found = explore(
            lambda m, who=who: _exec_against_kill(m, 3, who),  # type: ignore[misc]
            scheduler="pct",
            executions=150,
        )
        assert found.reports == ()
        values = {o.value for o in found.outcomes}
        assert {status for status, _ in values} == {9}
        assert (9, "[-EAGAIN]") in values
        assert {told for _, told in values} <= {"[]", "[0]", "[-EAGAIN]", "[-EINTR]"}


def test_l36_a_killed_thread_of_its_own_completes_its_exec() -> None:
    told: list[object] = []

    def program() -> None:
        do_kill(current().tgid, SIGKILL)  # without the way back
        told.append(do_execveat_common("new", None))
        told.append(current().mm)

    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent, anon="16K")
        old, number = app.mm, app.pid
        app.runs(program)
        parent.runs(lambda: wait4(number))
        m.run()
        assert told[0] == 0
        assert told[1] is not old
        assert parent.result == (number, 9)
        assert is_gone(app)


def test_l37_a_kill_while_the_old_memory_is_locked() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        old = app.space
        told: list[object] = []

        def program() -> None:
            told.append(do_execveat_common("new", None))
            told.append(current().mm is old)

        with m.hold(old.mmap_lock, by="writer"):
            app.runs(program)
            m.run()
            kill(app.pid, SIGKILL)
            m.run()
            assert told == [-EINTR, True]
        m.run()
        assert is_gone(app)
        assert old not in m.alive


@pytest.mark.parametrize("old", [False, True])
def test_l38_l144_who_takes_the_number_over_is_the_process(old: bool) -> None:
    def second() -> None:
        sigaction(SIGUSR1, lambda _: None)
        pause()

    def thread() -> None:
        sigaction(SIGUSR1, lambda _: None)
        pause()
        execve(second, "new")

    def watcher() -> object:
        tid = app.pid + 1
        of_process = pidfd_open(app.pid, 0)
        of_thread = pidfd_open(tid, PIDFD_THREAD)
        tgkill(app.pid, tid, SIGUSR1)
        poll(of_thread, 0)  # until nobody bears the number
        return [
            pidfd_send_signal(of_process, 0),
            pidfd_send_signal(of_thread, 0),
            poll(of_process, wait=False),
            process_mrelease(of_process, 0),
            process_mrelease(of_thread, 0),
            poll(of_thread, 0, wait=False),
            pidfd_open(tid, PIDFD_THREAD),
        ]

    with Machine() as m:
        if old:
            m.patches.update(v6_12.patch.functions)
        app = m.spawn("app", anon="16K", threads=2)
        app.threads[1].runs(thread)
        m.run()
        answers = call(m, "watcher", watcher)
        assert answers == [0, -ESRCH, 0, -EINVAL, -ESRCH, POLLHUP, -ESRCH]


def _vfork_and_exec(m: Machine) -> object:
    seen: list[object] = []

    def body() -> None:
        vfork(lambda: execve(pause, "new"))
        (child,) = plain(current(), "children")
        shares = plain(child, "mm") is plain(current(), "mm")
        seen.append((shares, in_vfork(child)))

    m.spawn("p", anon="16K").runs(body)
    m.run()
    return seen[0]


def test_l39_the_maker_goes_on_before_the_memory_is_switched() -> None:
    """W9: for a while they share the memory, and nobody is in vfork any more."""
    found = explore(_vfork_and_exec, scheduler="pct", executions=100)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {(True, False), (False, False)}


def test_l36_l40_a_victim_stays_one_on_memory_that_nobody_reaped() -> None:
    """The killer and its reaper come to an exec that cannot be given up any more."""
    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent, anon="64K", oom_score_adj=1000)
        old, number = app.space, app.pid
        app.runs(lambda: execve(pause, "new"))
        app.step_to(inside=begin_new_exec)
        oom_kill(m)
        assert app.mm is old
        assert old.rss_stat[MM_ANONPAGES].counter == 0
        app.step_to(inside=setup_new_exec)
        assert app.task.signal.oom_mm is old
        assert tsk_is_oom_victim(app.task)
        assert app.mm not in (old, None)
        assert [mm_flags_test(MMF_OOM_SKIP, mm) for mm in (old, app.space)] == [
            True,
            False,
        ]
        app.thaw()
        parent.runs(lambda: wait4(number))
        m.run()
        assert parent.result == (number, 9)
        assert is_gone(app)


# -- against process_mrelease() --------------------------------------------------------


def _exec_against_release(m: Machine) -> object:
    app = m.spawn("app", anon="16K")
    number = app.pid
    app.runs(lambda: execve(pause, "new"))
    killer = m.spawn("killer")

    @killer.runs
    def _() -> object:
        fd = pidfd_open(number, 0)
        kill(number, SIGKILL)
        return process_mrelease(fd, 0)

    m.run()
    return killer.result


def _vfork_exec_against_release(m: Machine) -> object:
    """W9: the old memory is the maker's, which is not killed."""
    p = m.spawn("p", anon="16K")
    number = p.pid + 2
    p.runs(lambda: vfork(lambda: execve(pause, "new")))
    killer = m.spawn("killer")

    @killer.runs
    def _() -> object:
        fd = pidfd_open(number, 0)
        kill(number, SIGKILL)
        return process_mrelease(fd, 0)

    m.run()
    assert p.mm is not None
    # A release of memory that is still shared would have taken the maker's pages.
    assert p.mm.rss_stat[1].counter == 4
    return killer.result


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("function", "answers"),
    [
        (_exec_against_release, {0, -ESRCH}),
        # Who is not there yet, or cannot be asked, has no descriptor.
        (_vfork_exec_against_release, {0, -ESRCH, -EINVAL, -EBADF}),
    ],
)
def test_a_release_of_who_execs(
    function: Callable[[Machine], object], answers: set[int], old: bool
) -> None:
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="exec-release", function=function, patches=patches)
    found = explore(scenario, scheduler="pct", executions=120)
    assert found.reports == ()
    values = {o.value for o in found.outcomes}
    assert values <= answers
    assert len(values) > 1


# -- who looks meanwhile ---------------------------------------------------------------


def _look_at_exec(m: Machine) -> object:
    """W15: look a process up, and walk all of them, while a thread takes it over."""
    app = m.spawn("app", threads=2)
    leader, thread = threads(app)
    number = app.pid
    app.threads[1].runs(lambda: execve(pause, "new"))

    def look() -> object:
        with rcu():
            found = find_task_by_vpid(number)
            walked = [p for p in for_each_process() if p in (leader, thread)]
        names = {leader: "leader", thread: "thread"}
        return names.get(found), *(names[p] for p in walked)

    looker = m.spawn("looker")
    looker.runs(look)
    m.run()
    return looker.result


def test_whoever_looks_finds_the_process_once() -> None:
    explored = explore(_look_at_exec, scheduler="pct", executions=150)
    assert explored.reports == ()
    values = {o.value for o in explored.outcomes}
    # Either is found, in both ways; neither way finds nobody, or both of them.
    both = ("leader", "thread")
    assert values == {(found, walked) for found in both for walked in both}


def _memory_of_exec(m: Machine) -> object:
    """Look whether the old memory is there when the exec's lock is free again."""
    app = m.spawn("app", anon="16K")
    old = app.mm
    app.runs(lambda: execve(pause, "new"))

    def look() -> object:
        signal = app.task.signal
        if down_read_killable(signal.exec_update_lock):
            return None
        switched = plain(app.task, "mm") is not old
        gone = old is not None and not old.mm_users.counter
        up_read(signal.exec_update_lock)
        return switched, gone

    looker = m.spawn("looker")
    looker.runs(look)
    m.run()
    return looker.result


@pytest.mark.parametrize("old", [False, True])
def test_where_the_old_memory_goes(old: bool) -> None:
    """In 6.12 under the exec's lock, today behind it."""
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="exec-mm", function=_memory_of_exec, patches=patches)
    found = explore(scenario, scheduler="pct", executions=150)
    assert found.reports == ()
    values = {o.value for o in found.outcomes}
    assert values >= {(False, False), (True, True)}
    assert ((True, False) in values) is not old
