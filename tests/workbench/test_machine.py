# SPDX-License-Identifier: GPL-2.0-only
"""Booting and spawning: what a user says, and what he is told when it is wrong."""

from __future__ import annotations

import pytest

from pykmm import Config, Machine
from pykmm.boot import Region
from pykmm.engine import Cell
from pykmm.errors import InvariantViolation, Leak, UsageError
from pykmm.linux.mm_types import MM_ANONPAGES, MM_FILEPAGES, MM_SWAPENTS
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import getpid, kill
from pykmm.workbench import Process, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [(0, 0), (4096, 4096), ("64K", 65536), ("1MiB", 1 << 20), ("2g", 2 << 30)],
)
def test_sizes(text: int | str, size: int) -> None:
    assert parse_size("anon", text) == size


@pytest.mark.parametrize("text", [-1, "", "K", "1.5M", "64 parsecs", True, None, 3.0])
def test_what_is_no_size_is_named(text: object) -> None:
    with pytest.raises(UsageError, match=r"anon=.* is no size"):
        parse_size("anon", text)  # type: ignore[arg-type]  # that is the point


def spawn(**wrong: object) -> None:
    with Machine() as m:
        m.spawn(**{"name": "app", **wrong})  # type: ignore[arg-type]  # as said


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "two words"}, "no spaces"),
        ({"name": ""}, "no spaces"),
        ({"threads": 0}, "threads=0 must be a whole number, 1 or more"),
        ({"oom_score_adj": 1001}, "oom_score_adj=1001 must be -1000 to 1000"),
        ({"anon": "much"}, "anon='much' is no size"),
        ({"pid": 1}, "pid=1 is in use"),
        ({"anon": "1T"}, "does not fit"),
    ],
)
def test_spawn_says_what_is_wrong(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        spawn(**wrong)


@pytest.mark.parametrize(
    ("path", "size", "says"),
    [
        ("data", 0, "path='data' must name a file, from / on"),
        ("/proc/data", 0, "not below /proc or /dev"),
        ("/dev/mem", 0, "not below /proc or /dev"),
        ("/data", "much", "size='much' is no size"),
    ],
)
def test_files_say_what_is_wrong(path: str, size: int | str, says: str) -> None:
    with Machine() as m, pytest.raises(UsageError, match=says):
        m.file(path, size)


@pytest.mark.parametrize(
    ("kind", "size", "says"),
    [("heap", 4096, "kind='heap' must be one of"), ("anon", 0, "must be above 0")],
)
def test_regions_say_what_is_wrong(kind: str, size: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Region(kind, size)


def test_memory_of_a_spawned_process() -> None:
    with Machine(Config(total_swap_pages=100)) as m:
        app = m.spawn("app", anon="64K", file="16K", swap="8K")
        assert app.mm is not None
        counts = [app.mm.rss_stat[k].counter for k in (MM_ANONPAGES, MM_FILEPAGES)]
        assert counts == [16, 4]
        assert app.mm.rss_stat[MM_SWAPENTS].counter == 2


def test_a_program_runs_as_its_process() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.runs(getpid)
        assert app.result is None
        m.run()
        assert app.result == app.pid


def test_a_process_has_one_program() -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.runs(getpid)
        with pytest.raises(UsageError, match="app has a program already"):
            app.runs(getpid)


def test_names_are_made_unique_for_schedules() -> None:
    with Machine() as m:
        twins = [m.spawn("app") for _ in range(2)]
        for twin in twins:
            twin.runs(getpid)
        m.run()
        assert {t.name for t in m.steps} == {"app", "app/2"}


def test_a_machine_without_processes_never_boots() -> None:
    with Machine() as m:
        cell = Cell(0)
        m.thread("t", lambda: cell.set(1))
        m.run()
        assert m.processes == []
        assert len(m.events) == 2


def test_init_comes_first_and_reaps() -> None:
    with Machine() as m:
        app = m.spawn("app")
        assert [t.comm for t in m.tasks()][:2] == ["init", "oom_reaper"]
        kill(app.pid, SIGKILL)
        m.run()
        assert [t.comm for t in m.tasks()] == ["init", "oom_reaper"]


def lose_a_reference(app: Process) -> None:
    assert app.mm is not None
    app.mm.mm_users.counter += 1


def drop_one_too_many(app: Process) -> None:
    app.task.usage.refs -= 1
    app.task.usage.refs += 2


@pytest.mark.parametrize(
    ("fault", "kind", "what"),
    [
        (lose_a_reference, Leak, r"mm_users is 2 at rest"),
        (drop_one_too_many, Leak, r"usage is 2 at rest"),
    ],
)
def test_laws_at_rest(fault: object, kind: type[Exception], what: str) -> None:
    with pytest.raises(kind, match=what):
        with Machine() as m:
            app = m.spawn("app", anon="16K")
            m.run()
            fault(app)  # type: ignore[operator]  # one of the two above
            m.run()


def test_a_count_below_its_owners_is_a_violation() -> None:
    with pytest.raises(InvariantViolation, match="sigcnt is 0 at rest, but 1 hold"):
        with Machine() as m:
            app = m.spawn("app")
            app.task.signal.sigcnt.refs = 0
            m.run()
