# SPDX-License-Identifier: GPL-2.0-only
"""Freezing, stepping to a point, and calling as somebody: on both backends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import explore, replay
from pykmm.engine import Backend, Config, Timers
from pykmm.errno import ESRCH
from pykmm.errors import UsageError, WouldWait
from pykmm.kernel.exit import exit_mm
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_OOM_SKIP
from pykmm.linux.mmap_lock import mmap_write_lock
from pykmm.linux.sched import PF_EXITING
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.mmap import exit_mmap
from pykmm.syscalls import (
    exit_group,
    getpid,
    kill,
    pause,
    pidfd_open,
    process_mrelease,
    wait4,
)
from pykmm.workbench import Machine, Process, Tree

BACKENDS = pytest.mark.parametrize("m", list(Backend), ids=str, indirect=True)


@pytest.fixture
def m(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Machine(Config(timers=Timers.IDLE), backend=request.param) as machine:
        yield machine


def anon(process: Process) -> int:
    return process.space.rss_stat[MM_ANONPAGES].counter


def release(process: Process) -> int:
    return process_mrelease(pidfd_open(process.pid, 0), 0)


# -- freeze and thaw -------------------------------------------------------------------


@BACKENDS
def test_who_is_frozen_is_killed_and_does_not_run(m: Machine) -> None:
    app = m.spawn("app", anon="64K")
    app.freeze()
    kill(app.pid, SIGKILL)
    m.run()
    assert app.mm is not None
    assert m.spawn("lmkd").call(release, app) == 0
    assert anon(app) == 0
    app.thaw()
    m.run()
    assert app.task._death is not None


@BACKENDS
def test_who_sleeps_in_a_call_can_be_frozen_there(m: Machine) -> None:
    app = m.spawn("app", anon="16K")
    app.runs(pause)
    m.run()
    app.freeze()
    kill(app.pid, SIGKILL)
    m.run()
    assert not app.task.__dict__["flags"] & PF_EXITING
    app.thaw()
    m.run()
    assert app.task._death is not None


def test_time_goes_on_for_the_others() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        done: list[str] = []
        slow, fast = m.spawn("slow"), m.spawn("fast")
        slow.runs(lambda: done.append("slow"))
        fast.runs(lambda: done.append("fast"))
        slow.freeze()
        m.run()
        assert done == ["fast"]
        slow.thaw()
        m.run()
        assert done == ["fast", "slow"]


# -- step to a point -------------------------------------------------------------------


@BACKENDS
def test_from_point_to_point(m: Machine) -> None:
    app = m.spawn("app", anon="64K")
    mm = app.space
    app.runs(lambda: exit_group(0))
    app.step_to(inside=exit_mm)
    assert app.mm is mm
    app.step_to(inside=exit_mmap)
    assert (app.mm, mm.mm_users.counter) == (None, 0)
    assert mm.rss_stat[MM_ANONPAGES].counter == 16
    app.step_to("set_bit", on=mm.flags.bit(MMF_OOM_SKIP))
    assert mm.rss_stat[MM_ANONPAGES].counter == 0
    assert not mm.flags._has(MMF_OOM_SKIP)
    app.step_to(on=mm.mmap_lock)
    assert mm.flags._has(MMF_OOM_SKIP)
    app.thaw()
    m.run()
    assert app.task._death is not None


@BACKENDS
def test_a_thread_of_its_own(m: Machine) -> None:
    """A handle on a thread does all that one on a process does."""
    app = m.spawn("app", anon="16K", threads=2)
    main, other = app.threads
    assert main.task is app.task
    other.runs(lambda: exit_group(3))
    other.step_to(inside=exit_mm)
    assert main.mm is None
    assert other.mm is not None
    other.thaw()
    m.run()
    assert app.task._death is not None


def test_the_next_one_is_another_one() -> None:
    """Who stands at a point and is sent to it again takes that step."""
    with Machine() as m:
        app = m.spawn("app")
        app.runs(lambda: [kill(getpid(), 0) for _ in range(3)])
        where = []
        for _ in range(3):
            app.step_to(inside=kill)
            where.append(len(m.events))
        assert where == sorted(set(where))
        app.thaw()
        m.run()
        assert app.result == [0, 0, 0]


def test_what_is_explored_may_stop_on_its_way() -> None:
    """Between two runs the host looks; what comes before and after is explored."""

    def seen(m: Machine) -> object:
        app, lmkd = m.spawn("app", anon="4K"), m.spawn("lmkd")
        fd = lmkd.call(pidfd_open, app.pid, 0)
        app.runs(lambda: exit_group(0))
        app.step_to("spin_lock", on=app.task.alloc_lock, inside=exit_mm)
        lmkd.runs(lambda: process_mrelease(fd, 0))
        pages = anon(app)
        app.thaw()
        m.run()
        return pages, lmkd.result

    result = explore(seen)
    assert result.complete
    assert not result.reports
    assert {outcome.value for outcome in result.outcomes} == {(1, 0), (1, -ESRCH)}
    for outcome in result.outcomes:
        assert replay(seen, outcome.witness).outcome == outcome.value


# -- call ------------------------------------------------------------------------------


@BACKENDS
def test_a_call_is_made_by_whom_it_is_said(m: Machine) -> None:
    shell, app = m.spawn_tree(Tree("shell", Tree("app")))
    assert app.call(getpid) == app.pid
    exited = m.spawn("late", parent=shell)
    exited.runs(lambda: exit_group(5))
    m.run()
    assert shell.call(wait4, exited.pid) == (exited.pid, 0x500)
    assert shell.call(wait4, -1, options=1) == (0, 0)


def test_a_call_that_would_have_to_wait() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="4K")
        with m.hold(app.space.mmap_lock, by="writer"):
            with pytest.raises(WouldWait, match="host code would have to wait"):
                m.spawn("other").call(mmap_write_lock, app.space)


# -- mistakes --------------------------------------------------------------------------


def test_step_to_says_what_is_wrong() -> None:
    with Machine() as m:
        app = m.spawn("app")
        with pytest.raises(UsageError, match="nothing says which step"):
            app.step_to()
        with pytest.raises(UsageError, match="app never came to a step inside exit_mm"):
            app.step_to(inside=exit_mm)
        with pytest.raises(UsageError, match="it sleeps and has no program"):
            app.step_to("set_bit")
        app.runs(pause)
        with pytest.raises(UsageError, match=r"it is at pause .* \(S\)"):
            app.step_to("set_bit", on=app.space.mmap_lock)


def test_freezing_says_what_is_wrong() -> None:
    with Machine() as m:
        app = m.spawn("app")
        with pytest.raises(UsageError, match="app is not frozen"):
            app.thaw()
        app.freeze()
        with pytest.raises(UsageError, match="app is frozen already"):
            app.freeze()
        app.thaw()
        app.runs(lambda: exit_group(0))
        m.run()
        for verb in (app.freeze, lambda: app.call(getpid), lambda: app.step_to("x")):
            with pytest.raises(UsageError, match="app has ended"):
                verb()
        with pytest.raises(UsageError, match="app shows no address space any more"):
            _ = app.space


@pytest.mark.parametrize("verb", ["freeze", "thaw", "step_to", "call", "hold"])
def test_a_program_does_not_drive(verb: str) -> None:
    with Machine() as m:
        app, other = m.spawn("app"), m.spawn("other")
        ways = {
            "freeze": other.freeze,
            "thaw": other.thaw,
            "step_to": lambda: other.step_to("x"),
            "call": lambda: other.call(getpid),
            "hold": lambda: m.hold(other.task.usage, by=app),
        }
        app.runs(ways[verb])
        with pytest.raises(UsageError, match=rf"{verb}\(\): app is a program"):
            m.run()
