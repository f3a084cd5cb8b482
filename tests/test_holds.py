# SPDX-License-Identifier: GPL-2.0-only
"""What the host holds for somebody: locks, references, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm.engine import Backend, Config, Named, Timers
from pykmm.engine.thread import ThreadState
from pykmm.errors import Deadlock, UsageError
from pykmm.kernel.fork import mmput
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.sched import tasklist_lock
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import execve, exit_group, kill, mmap
from pykmm.workbench import Machine, Process

COUNTS: dict[str, Callable[[Process], Named]] = {
    "mm_users": lambda p: p.space.mm_users,
    "mm_count": lambda p: p.space.mm_count,
    "usage": lambda p: p.task.usage,
    "pid": lambda p: p.task.__dict__["thread_pid"].count,
}
LOCKS: dict[str, Callable[[Process], Named]] = {
    "mmap_lock": lambda p: p.space.mmap_lock,
    "alloc_lock": lambda p: p.task.alloc_lock,
    "cred_guard_mutex": lambda p: p.task.signal.cred_guard_mutex,
    "tasklist_lock": lambda p: tasklist_lock(),
}


@pytest.fixture(params=list(Backend), ids=str)
def m(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Machine(Config(timers=Timers.IDLE), backend=request.param) as machine:
        yield machine


@pytest.mark.parametrize("name", COUNTS)
def test_a_reference_keeps_what_it_is_on(m: Machine, name: str) -> None:
    app = m.spawn("app", anon="16K")
    counter = COUNTS[name](app)
    before = counter.counter  # type: ignore[attr-defined]  # they all have one
    kept = m.hold(counter, by="keeper")
    assert counter.counter == before + 1  # type: ignore[attr-defined]  # as before
    assert (kept.by, kept.is_lock) == ("keeper", False)
    kill(app.pid, SIGKILL)
    m.run()
    owner = counter.owner
    assert owner is not None
    assert owner._death is None
    kept.let_go()
    m.run()
    assert owner._death is not None


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_keeps_everybody_out_who_is_not_hung_for_that(
    m: Machine, name: str
) -> None:
    app = m.spawn("app", anon="16K")
    lock = LOCKS[name](app)
    execs = name == "cred_guard_mutex"
    with m.hold(lock, by="keeper"):
        with pytest.raises(UsageError, match="cannot be had now: somebody has it"):
            m.hold(lock, by="other")
        app.runs(lambda: execve(None, "new") if execs else exit_group(0))
        m.run()
        thread = app.task._thread
        assert thread is not None
        assert lock.name in thread.waits()
    m.run()
    assert thread.state is (ThreadState.STARTED if execs else ThreadState.DONE)


@pytest.mark.parametrize("name", ["mmap_lock", "tasklist_lock"])
def test_a_lock_that_is_shared(m: Machine, name: str) -> None:
    app = m.spawn("app")
    lock = LOCKS[name](app)
    with m.hold(lock, by="one", shared=True), m.hold(lock, by="two", shared=True):
        with pytest.raises(UsageError, match="cannot be had now"):
            m.hold(lock, by="three")
    m.hold(lock, by="three").let_go()


def test_readers_pass_a_reader(m: Machine) -> None:
    app = m.spawn("app", anon="16K")
    mm = app.space
    writer = m.spawn("writer", shares_mm=app)
    writer.runs(lambda: mmap(4096))
    with m.hold(mm.mmap_lock, by="reader", shared=True):
        app.call(lambda: (mmap_read_lock(mm), mmap_read_unlock(mm)))
        m.run()
        assert writer.result is None
    m.run()
    assert isinstance(writer.result, int)


def test_a_reference_that_a_program_gives_back(m: Machine) -> None:
    app = m.spawn("app", anon="16K")
    mm = app.space
    kept = m.hold(mm.mm_users, by="reader")
    kill(app.pid, SIGKILL)
    m.run()
    assert mm.rss_stat[MM_ANONPAGES].counter == 4
    kept.hand_over()
    m.spawn("reader").runs(lambda: mmput(mm))
    m.run()
    assert mm._death is not None


def test_a_process_may_be_the_one(m: Machine) -> None:
    app, reader = m.spawn("app"), m.spawn("reader")
    assert m.hold(app.space.mm_users, by=reader).by == "reader"


def test_who_hangs_is_told_of_when_nothing_is_held_any_more(m: Machine) -> None:
    app = m.spawn("app")
    mm = app.space
    app.runs(lambda: mmap_read_lock(mm))
    kept = m.hold(mm.mmap_lock, by="writer")
    m.run()
    kept.let_go()
    with pytest.raises(Deadlock, match="app can never go on"):
        m.run()


def test_holds_are_given_back_once(m: Machine) -> None:
    app = m.spawn("app")
    kept = m.hold(app.space.mm_users, by="somebody")
    kept.let_go()
    for verb in (kept.let_go, kept.hand_over):
        with pytest.raises(UsageError, match="somebody holds nothing any more"):
            verb()


def test_what_cannot_be_held_is_named(m: Machine) -> None:
    app = m.spawn("app", anon="16K")
    mm = app.space
    with pytest.raises(UsageError, match=r"rss_stat.* cannot be held: choose"):
        m.hold(mm.rss_stat[MM_ANONPAGES], by="x")
    with pytest.raises(UsageError, match=r"mm_users.* cannot be held shared"):
        m.hold(mm.mm_users, by="x", shared=True)
    with pytest.raises(UsageError, match="is a lock, which whoever took it"):
        m.hold(mm.mmap_lock, by="x").hand_over()
    m.spawn("other", shares_mm=app)
    kill(app.pid, SIGKILL)
    m.run()


def test_what_is_gone_cannot_be_held(m: Machine) -> None:
    app = m.spawn("app", anon="16K")
    mm, usage = app.space, app.task.usage
    pinned = m.hold(mm.mm_count, by="pin")
    kill(app.pid, SIGKILL)
    m.run()
    with pytest.raises(UsageError, match="usage is gone: hold it before its end"):
        m.hold(usage, by="late")
    with pytest.raises(UsageError, match="nobody uses it any more"):
        m.hold(mm.mm_users, by="late")
    pinned.let_go()
