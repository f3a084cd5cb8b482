# SPDX-License-Identifier: GPL-2.0-only
"""Core dumps, which hold a dying process with all its memory (L47-L49)."""

from __future__ import annotations

import pytest

from pykmm.errno import EINVAL
from pykmm.fs.coredump import core_settings
from pykmm.linux.sched import PF_DUMPCORE, PF_EXITING, PF_POSTCOREDUMP
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT, core_state, core_thread
from pykmm.linux.uapi import SIGABRT, SIGKILL, SIGSEGV, SIGTERM
from pykmm.runner import explore
from pykmm.syscalls import (
    exit_group,
    getpid,
    kill,
    mmap,
    pidfd_open,
    process_mrelease,
    touch,
    wait4,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import (
    call,
    is_gone,
    plain,
    threads,
)


def dump_to(m: Machine, pattern: str, buffers: int = 16) -> None:
    m.boot_kernel()
    settings = settings_of(m)
    settings.core_pattern, settings.pipe_buffers = pattern, buffers


def settings_of(m: Machine):  # type: ignore[no-untyped-def]
    with m.as_boot():
        return core_settings()


def dumping(m: Machine, buffers: int = 1) -> tuple[Process, Process]:
    """A process of three threads that dumps, and whose dump nobody reads yet."""
    dump_to(m, "|slow", buffers)
    parent = m.spawn("parent")
    app = m.spawn("app", anon="16K", threads=3, parent=parent)
    app.threads[1].runs(lambda: kill(getpid(), SIGSEGV))
    m.run()
    return parent, app


def status(m: Machine, parent: Process, app: Process) -> object:
    parent.runs(lambda: wait4(app.pid))
    m.run()
    assert is_gone(app)
    assert not [s for s in m.alive if isinstance(s, core_state | core_thread)]
    assert isinstance(parent.result, tuple)
    return parent.result[1]


def release(app: Process) -> int:
    return process_mrelease(pidfd_open(app.pid, 0), 0)


def test_l47_a_dump_holds_the_process() -> None:
    with Machine() as m:
        parent, app = dumping(m)
        signal = app.task.signal
        assert signal.flags == SIGNAL_GROUP_EXIT
        assert signal.core_state is not None
        assert signal.group_exit_code == SIGSEGV
        group = threads(app)
        dumpers = [t for t in group if plain(t, "flags") & PF_DUMPCORE]
        assert dumpers == [signal.core_state.dumper]
        for t in group:
            assert plain(t, "mm") is app.mm is not None
            assert not plain(t, "flags") & PF_EXITING
            parked = t not in dumpers
            assert bool(plain(t, "flags") & PF_POSTCOREDUMP) is parked
        assert call(m, "lmkd", lambda: release(app)) == -EINVAL
        with m.as_boot():
            core_settings().pipes[-1].read(100)
        assert status(m, parent, app) == 0x8B
        assert settings_of(m).written == 4


def test_l48_sigkill_ends_the_dump() -> None:
    """A writer keeps the killed threads before exit_mm(), so that lmkd finds them."""
    with Machine() as m:
        parent, app = dumping(m)
        group, lmkd = app.task.signal.__dict__, m.spawn("lmkd")
        assert call(m, "other", lambda: kill(app.pid, SIGTERM)) == 0  # dropped
        assert group["core_state"] is not None
        with m.hold(app.space.mmap_lock, by="writer"):
            assert lmkd.call(release, app) == -EINVAL
            assert kill(app.pid, SIGKILL) == 0
            assert (group["flags"], group["group_exit_code"]) == (
                SIGNAL_GROUP_EXIT,
                SIGKILL,
            )
            m.run()
            assert group["core_state"] is None
            lmkd.runs(lambda: release(app))
            m.run()
            assert "down_read_killable_wait" in lmkd.where
        m.run()
        assert lmkd.result == 0
        assert settings_of(m).written < 4
        assert status(m, parent, app) == SIGKILL


def _kill_against_dump(m: Machine) -> object:
    dump_to(m, "core")
    parent = m.spawn("parent")
    app = m.spawn("app", anon="4K", threads=2, parent=parent)
    app.threads[1].runs(lambda: kill(getpid(), SIGABRT))

    def killer() -> object:
        kill(app.pid, SIGKILL)
        return release(app)

    lmkd = m.spawn("lmkd")
    lmkd.runs(killer)
    m.run()
    released = lmkd.result
    return status(m, parent, app), int(released)  # type: ignore[call-overload]


def test_l48_whenever_the_kill_comes() -> None:
    """Either the dump is whole and says so, or the status is the kill's alone."""
    result = explore(_kill_against_dump, scheduler="pct", executions=100)
    assert not result.reports
    found = {o.value for o in result.outcomes}
    assert {status for status, _ in found} == {SIGABRT | 0x80, SIGKILL}
    assert {-EINVAL, 0} <= {-EINVAL if r == -EINVAL else r for _, r in found}


def _kill_against_lone_dump(m: Machine) -> object:
    dump_to(m, "core")
    app = m.spawn("app", anon="4K")
    app.runs(lambda: kill(getpid(), SIGABRT))
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    assert is_gone(app)
    return plain(app.task, "exit_code")


def test_l48_in_every_order_that_matters() -> None:
    """One of them: the killer has looked the sighand up, and then all is released."""
    result = explore(_kill_against_lone_dump)
    assert result.complete
    assert not result.reports
    assert {o.value for o in result.outcomes} == {SIGABRT | 0x80, SIGKILL}


def test_l49_who_shares_the_memory_runs_on() -> None:
    with Machine() as m:
        dump_to(m, "|slow", 0)
        app = m.spawn("app", anon="16K", threads=2)
        other = m.spawn("other", shares_mm=app)
        app.threads[1].runs(lambda: kill(getpid(), SIGSEGV))
        m.run()
        assert app.task.signal.core_state is not None

        @other.runs
        def _() -> object:
            addr = mmap(4096)
            touch(addr, 4096)
            return getpid()

        m.run()
        assert other.result == other.pid
        assert not other.task.signal.flags & SIGNAL_GROUP_EXIT
        call(m, "killer", lambda: kill(app.pid, SIGKILL))
        assert is_gone(app)
        assert not is_gone(other)


@pytest.mark.parametrize(
    ("pattern", "dumpable", "expected"),
    [("core", True, SIGSEGV | 0x80), ("", True, SIGSEGV), ("core", False, SIGSEGV)],
)
def test_who_dumps_says_so_in_its_status(
    pattern: str, dumpable: bool, expected: int
) -> None:
    with Machine() as m:
        dump_to(m, pattern)
        parent = m.spawn("parent")
        app = m.spawn("app", anon="8K", threads=2, parent=parent)
        app.task.exec_state.dumpable = int(dumpable)
        app.threads[0].runs(lambda: kill(getpid(), SIGSEGV))
        m.run()
        assert status(m, parent, app) == expected


def test_a_dump_loses_against_an_exit() -> None:
    def scenario(m: Machine) -> object:
        dump_to(m, "core")
        parent = m.spawn("parent")
        app = m.spawn("app", anon="4K", threads=2, parent=parent)
        app.threads[0].runs(lambda: exit_group(3))
        app.threads[1].runs(lambda: kill(getpid(), SIGSEGV))
        m.run()
        return status(m, parent, app)

    result = explore(scenario, scheduler="pct", executions=40)
    assert not result.reports
    assert {o.value for o in result.outcomes} == {3 << 8, SIGSEGV | 0x80}
