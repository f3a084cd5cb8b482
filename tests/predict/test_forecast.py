# SPDX-License-Identifier: GPL-2.0-only
"""Whom the model chooses on a machine, among whom, and why not the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.predict import Forecast

Ask = Callable[..., Forecast]
Write = Callable[..., Path]

BASE = "release 7.0.1\nmeminfo 4000000 0\ncpus 2\n"
INIT = (
    "task 1 0 S 0x400000 1 1 0 0 0 9000 9000 0 0 0 0 2250 0 'init'\n"
    "task 2 0 S 0x208040 1 1 0 0 0 - - - - - - - 0 'kthreadd'\n"
)
TOTALPAGES = 1_000_000


def task(
    pid: int,
    pages: int,
    *,
    adj: int = 0,
    swap: int = 0,
    start: int = 5,
    state: str = "S",
    tables: int = 0,
    ppid: int = 1,
    flags: str = "0x400000",
    threads: int = 1,
) -> str:
    """Write a process with the score that a kernel would show of it."""
    badness = pages + swap + tables + adj * (TOTALPAGES // 1000)
    score = 0 if adj == -1000 else (1000 + int(badness * 1000 / TOTALPAGES)) * 2 // 3
    memory = f"99999 {pages * 4} 0 0 {swap * 4} {tables * 4} {pages}"
    return (
        f"task {pid} {ppid} {state} {flags} {threads} {start} 0 {adj} {score} {memory} "
        f"0 'p{pid}'\n"
    )


def chosen(forecast: Forecast) -> int | None:
    return None if forecast.chosen is None else forecast.chosen.pid


def reasons(forecast: Forecast) -> dict[int, str]:
    return {task.pid: task.reason for task in forecast.tasks if task.reason}


def test_most_pages_of_any_kind_are_chosen(ask: Ask) -> None:
    assert chosen(ask(BASE + INIT + task(5, 100) + task(6, 90))) == 5
    assert chosen(ask(BASE + INIT + task(5, 100) + task(6, 90, swap=11))) == 6
    assert chosen(ask(BASE + INIT + task(5, 100) + task(6, 90, tables=11))) == 6


def test_an_adjustment_is_so_many_permille_of_the_machine(ask: Ask) -> None:
    assert chosen(ask(BASE + INIT + task(5, 2999) + task(6, 0, adj=3))) == 6
    assert chosen(ask(BASE + INIT + task(5, 3001) + task(6, 0, adj=3))) == 5


def test_of_equals_the_latest_is_chosen(ask: Ask) -> None:
    text = BASE + INIT + task(5, 9, start=7) + task(6, 9, start=9) + task(7, 9, start=8)
    assert chosen(ask(text)) == 6
    assert [t.pid for t in ask(text).candidates] == [6, 7, 5]


def test_negative_points_are_points(ask: Ask) -> None:
    forecast = ask(BASE + INIT + task(5, 0, adj=-999) + task(6, 0, adj=-1000))
    assert chosen(forecast) == 5
    assert forecast.chosen is not None
    assert forecast.chosen.points == -999_000


def test_who_may_not_be_chosen_has_a_reason(ask: Ask) -> None:
    forecast = ask(
        BASE
        + INIT
        + task(5, 900, state="D", start=5)
        + task(6, 900, ppid=5, flags="0x400040", start=6)
        + task(7, 99_999, adj=-1000)
        + "task 8 1 Z 0x4 1 9 0 0 0 - - - - - - - 0 'dead'\n"
        + "task 9 1 D 0x4 1 9 0 0 0 - - - - - - - 0 'dying'\n"
    )
    assert chosen(forecast) == 5
    assert reasons(forecast) == {
        1: "init",
        2: "kernel thread",
        6: "vfork child of 5",
        7: "oom_score_adj -1000",
        8: "zombie",
        9: "exiting, without memory",
    }


def test_a_container_s_first_process_is_no_init(ask: Ask) -> None:
    forecast = ask(BASE + task(1, 900) + task(2, 100) + task(3, 90))
    assert chosen(forecast) == 1
    assert reasons(forecast) == {}
    assert any("as in a container" in note for note in forecast.notes)


def test_an_exited_leader_is_chosen_for_its_threads(ask: Ask) -> None:
    text = (
        "task 5 1 Z 0x4 2 5 0 0 668 - - - - - - - 0 'lead'\n"
        "thread 5 6 S 0x40 9999 8000 0 0 0 0 2000\n"
    )
    forecast = ask(BASE + INIT + text + task(6, 100))
    assert chosen(forecast) == 5
    assert forecast.fine
    assert forecast.reap is not None
    assert forecast.reap.anon == 8000


def test_nobody_is_left(ask: Ask) -> None:
    forecast = ask(BASE + INIT + task(5, 100, adj=-1000))
    assert forecast.chosen is None
    assert forecast.reap is None
    assert forecast.candidates == []


# -- memory cgroups -----------------------------------------------------------------

KIB = 1024


@pytest.fixture
def groups(tree: Write) -> Path:
    """A slice with two services, and one beside it."""
    return tree(
        {
            "cgroup.controllers": "memory",
            "web/memory.max": 40_000 * KIB,
            "web/memory.swap.max": 400 * KIB,
            "web/cgroup.procs": "13",
            "web/a/memory.max": "max",
            "web/a/cgroup.procs": "11\n10",
            "web/b/memory.max": 4_000 * KIB,
            "web/b/memory.oom.group": 1,
            "web/b/cgroup.procs": "20\n21\n22\n99",
            "web-2/memory.max": "max",
            "web-2/cgroup.procs": "30",
        }
    )


CROWD = (
    BASE.replace("4000000 0", "3999000 1000")
    + INIT
    + task(10, 50)
    + task(11, 50)
    + task(13, 60)
    + task(20, 40)
    + task(21, 10)
    + task(22, 10, adj=-1000)
    + task(30, 900)
)


def test_a_cgroup_chooses_in_its_subtree(ask: Ask, groups: Path) -> None:
    forecast = ask(CROWD, groups, memcg="/web")
    assert chosen(forecast) == 13
    assert forecast.constraint == "CONSTRAINT_MEMCG"
    assert forecast.totalpages == 10_000 + 100
    assert [t.pid for t in forecast.candidates] == [13, 11, 10, 20, 21]
    outside = [t.pid for t in forecast.tasks if not t.is_candidate]
    assert outside == [1, 2, 30]


def test_swap_adds_no_more_than_there_is(ask: Ask, groups: Path) -> None:
    (groups / "web/memory.swap.max").write_text("max\n")
    assert ask(CROWD, groups, memcg="/web").totalpages == 10_000 + 250
    text = CROWD + "sysctl swappiness 0\n"
    assert ask(text, groups, memcg="/web").totalpages == 10_000


def test_a_cgroup_s_processes_are_visited_as_listed(ask: Ask, groups: Path) -> None:
    # Of two equals the last one of the list wins, which is no order of numbers.
    assert chosen(ask(CROWD, groups, memcg="/web/a")) == 10


def test_version_1_lists_by_number_so_that_age_decides(ask: Ask, tree: Write) -> None:
    old = tree({"a/memory.limit_in_bytes": 1 << 20, "a/cgroup.procs": "10\n11"}, "v1")
    (old / "memory.limit_in_bytes").write_text("1048576\n")
    text = BASE + INIT + task(10, 50, start=9) + task(11, 50, start=7)
    assert chosen(ask(text, old, memcg="/a")) == 10
    exited = (
        "task 11 1 Z 0x4 2 7 0 0 666 - - - - - - - 0 'lead'\n"
        "thread 11 12 S 0x40 9999 200 0 0 0 0 50\n"
    )
    text = BASE + INIT + task(10, 50, start=9) + exited
    assert chosen(ask(text, old, memcg="/a")) == 11  # visited last


def test_an_oom_group_dies_together(ask: Ask, groups: Path) -> None:
    forecast = ask(CROWD, groups, memcg="/web/b")
    assert chosen(forecast) == 20
    assert [t.pid for t in forecast.group] == [21]  # 22 is protected
    assert ask(CROWD, groups, memcg="/web").group == ()


def test_the_machine_s_oom_kills_a_group_too(ask: Ask, groups: Path) -> None:
    text = CROWD.replace(task(20, 40), task(20, 4000))
    forecast = ask(text, groups)
    assert (chosen(forecast), forecast.constraint) == (20, "CONSTRAINT_NONE")
    assert [t.pid for t in forecast.group] == [21]


def test_scores_are_the_machine_s_whoever_runs_out(ask: Ask, groups: Path) -> None:
    forecast = ask(CROWD, groups, memcg="/web/b")
    assert forecast.fine
    assert {t.score.agreement.value for t in forecast.tasks} == {"equal"}


def test_an_empty_cgroup_chooses_nobody(ask: Ask, groups: Path) -> None:
    (groups / "web-2/cgroup.procs").write_text("0\n77\n")
    forecast = ask(CROWD, groups, memcg="/web-2")
    assert forecast.chosen is None
    assert forecast.candidates == []


def test_a_cgroup_needs_a_hierarchy(ask: Ask) -> None:
    with pytest.raises(UsageError, match="--memcg='/x' needs memory cgroups, and none"):
        ask(BASE + INIT + task(5, 1), memcg="/x")


# -- what else decides --------------------------------------------------------------


def notes(forecast: Forecast) -> str:
    return "\n".join(forecast.notes)


@pytest.mark.parametrize(
    ("value", "machine", "memcg"),
    [(0, False, False), (1, True, False), (2, True, True)],
)
def test_a_machine_may_panic_instead(
    ask: Ask, groups: Path, value: int, machine: bool, memcg: bool
) -> None:
    text = CROWD + f"sysctl panic_on_oom {value}\n"
    says = f"vm.panic_on_oom is {value}: the kernel would panic"
    assert (says in notes(ask(text, groups))) is machine
    assert (says in notes(ask(text, groups, memcg="/web"))) is memcg


def test_a_machine_may_kill_who_asks(ask: Ask, groups: Path) -> None:
    text = CROWD + "sysctl oom_kill_allocating_task 1\n"
    says = "vm.oom_kill_allocating_task is set"
    assert says in notes(ask(text, groups))
    assert says not in notes(ask(text, groups, memcg="/web"))


def test_a_group_may_have_no_limit(ask: Ask, groups: Path) -> None:
    says = "/web-2 has no limit of its own"
    assert says in notes(ask(CROWD, groups, memcg="/web-2"))
    assert "no limit" not in notes(ask(CROWD, groups, memcg="/web"))


def test_a_group_may_wait_instead(ask: Ask, tree: Write) -> None:
    old = tree(
        {
            "memory.limit_in_bytes": 1 << 30,
            "a/memory.limit_in_bytes": 1 << 20,
            "a/memory.oom_control": "oom_kill_disable 1",
        },
        "v1",
    )
    forecast = ask(CROWD, old, memcg="/a")
    assert "/a has oom_kill_disable: its tasks would wait" in notes(forecast)


def test_a_covered_meminfo_is_said(ask: Ask) -> None:
    mounts = "22 27 0:2 / /proc/meminfo rw - fuse.x x rw\n"
    text = CROWD + f"file self/mountinfo {mounts!r}\n"
    assert "mounted over meminfo" in notes(ask(text))
