# SPDX-License-Identifier: GPL-2.0-only
"""What each call does, and what an answer tells of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pykmm.oracle import answer

Ask = Callable[..., dict[str, Any]]

OOM = {"fn": "out_of_memory", "gfp_mask": 0xCC0}
WAKE = {"fn": "wake_oom_reaper", "pid": 7}
REAP = {"fn": "oom_reaper"}
LINE = (
    "Out of memory: Killed process 7 (hog) total-vm:0kB, anon-rss:4000kB, "
    "file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0"
)


def rets(found: dict[str, Any]) -> list[Any]:
    return [result["ret"] for result in found["results"]]


def test_a_kill(ask: Ask) -> None:
    found = ask(OOM)
    (result,) = found["results"]
    assert list(result) == [
        "fn",
        "ret",
        "constraint",
        "totalpages",
        "chosen",
        "points",
        "events",
        "log",
    ]
    assert result["ret"] is True
    assert result["constraint"] == "CONSTRAINT_NONE"
    assert (result["totalpages"], result["chosen"], result["points"]) == (
        1 << 20,
        7,
        1000,
    )
    assert result["events"] == [
        ["vm_event", "OOM_KILL"],
        ["memcg_event", "OOM_KILL"],
        ["signal", 9, 7],
        ["thaw", 7],
        ["mark_victim", 7],
        ["timer", 500],
    ]
    assert result["log"][0] == (
        "hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
    )
    assert result["log"][-1] == LINE
    assert found["state"] == {
        "tasks": {
            "1": {
                "usage": 0,
                "memdie": False,
                "oom_mm": None,
                "group_exit": False,
                "fatal_signal_pending": False,
            },
            "7": {
                "usage": 1,
                "memdie": True,
                "oom_mm": "big",
                "group_exit": True,
                "fatal_signal_pending": True,
            },
        },
        "mms": {
            "big": {"flags": ["MMF_OOM_REAP_QUEUED"], "mm_users": 1, "mm_count": 2}
        },
        "oom_victims": 1,
        "oom_reaper_list": [],
    }


def test_a_life_after_the_kill(ask: Ask) -> None:
    vmas = [{"start": 4096, "end": 8192}, {"start": 8192, "end": 20480}]
    mms = [{"id": "big", "anon": 1000, "vmas": vmas}]
    leave = {"fn": "exit_oom_victim", "pid": 7}
    found = ask(OOM, WAKE, REAP, leave, mms=mms)
    _, wake, reap, left = found["results"]
    assert wake["events"] == [["wake_reaper", 7], ["wake_up"]]
    assert reap["events"] == [
        ["start_task_reaping", 7],
        ["notifier_start", 8192],
        ["zap", 8192, 20480],
        ["notifier_end", 8192],
        ["notifier_start", 4096],
        ["zap", 4096, 8192],
        ["notifier_end", 4096],
        ["finish_task_reaping", 7],
    ]
    assert left["events"] == [["wake_up_all"]]
    assert found["state"]["tasks"]["7"]["usage"] == 0
    assert found["state"]["oom_victims"] == 0
    assert found["state"]["mms"]["big"]["flags"] == [
        "MMF_OOM_REAP_QUEUED",
        "MMF_OOM_SKIP",
        "MMF_UNSTABLE",
    ]


def test_6_12_walks_up(ask: Ask) -> None:
    vmas = [{"start": n << 12, "end": n + 1 << 12} for n in (1, 2, 3)]
    mms = [{"id": "big", "anon": 1000, "vmas": vmas}]
    order = {
        kernel: [
            event[1]
            for event in ask(OOM, WAKE, REAP, mms=mms, kernel=kernel)["results"][2][
                "events"
            ]
            if event[0] == "zap"
        ]
        for kernel in ("6.12", "7.2")
    }
    assert order["6.12"] == [4096, 8192, 12288]
    assert order["7.2"] == order["6.12"][::-1]


def test_a_refusal_is_tried_again_ten_times(ask: Ask) -> None:
    vma = {"start": 4096, "end": 8192, "notifier": "blocks"}
    mms = [{"id": "big", "anon": 1, "vmas": [vma]}]
    result = ask(OOM, WAKE, REAP, mms=mms, hz=1000)["results"][2]
    assert (
        result["events"]
        == [
            ["start_task_reaping", 7],
            ["notifier_refused", 4096],
            ["finish_task_reaping", 7],
            ["sleep", 100],
        ]
        * 10
    )
    assert result["log"] == ["oom_reaper: unable to reap pid:7 (hog)"]


@pytest.mark.parametrize(("lock", "tries"), [("read", 0), ("write", 10)])
def test_somebody_else_holds_the_lock(ask: Ask, lock: str, tries: int) -> None:
    mms = [{"id": "big", "anon": 1, "mmap_lock": lock}]
    events = ask(OOM, WAKE, REAP, mms=mms)["results"][2]["events"]
    assert events.count(["skip_task_reaping", 7]) == tries


def test_the_reaper_takes_the_last_one_first(ask: Ask) -> None:
    mms = [{"id": "a", "anon": 9}, {"id": "b", "anon": 5}]
    tasks = [{"pid": 3}, {"pid": 5, "mm": "a"}, {"pid": 6, "mm": "b"}]
    skip = {**OOM, "order": -1}
    wake = {"fn": "wake_oom_reaper"}
    calls = (skip, {**wake, "pid": 5})
    found = ask(*calls, mms=mms, tasks=tasks)
    assert found["state"]["oom_reaper_list"] == [5]
    kills = ask(
        skip, {**wake, "pid": 5}, REAP, skip, {**wake, "pid": 6}, mms=mms, tasks=tasks
    )
    assert kills["state"]["oom_reaper_list"] == [6]


def test_a_timer_that_is_not_armed_does_nothing(ask: Ask) -> None:
    found = ask(WAKE, OOM, WAKE, WAKE)
    assert [len(result["events"]) for result in found["results"]] == [0, 6, 2, 0]


def test_nobody_to_kill_panics_and_ends_the_answer(ask: Ask) -> None:
    found = ask(OOM, WAKE, tasks=[{"pid": 1}, {"pid": 7}])
    (result,) = found["results"]
    assert result["ret"] == "panic"
    assert result["events"] == [["panic"]]
    assert result["log"][-1] == "System is deadlocked on memory"
    assert "constraint" not in result


@pytest.mark.parametrize(
    ("parts", "ret"),
    [
        ({"machine": {"oom_killer_disabled": True}}, False),
        ({"machine": {"notifier_frees": 1}}, True),
    ],
)
def test_what_ends_a_search_before_it_begins(ask: Ask, parts: Any, ret: bool) -> None:
    (result,) = ask(OOM, **parts)["results"]
    assert result["ret"] is ret
    assert result["log"] == result["events"] == []
    assert (result["constraint"], result["totalpages"]) == ("CONSTRAINT_NONE", 0)
    assert (result["chosen"], result["points"]) == (None, 0)


def test_a_victim_that_is_still_dying_ends_the_search(ask: Ask) -> None:
    result = ask(OOM, OOM)["results"][1]
    assert (result["ret"], result["chosen"]) == (True, None)  # current is that one
    tasks = [{"pid": 3}, {"pid": 7, "mm": "big", "oom_mm": "big"}]
    (result,) = ask(OOM, tasks=tasks)["results"]
    assert (result["ret"], result["chosen"]) == (True, -1)
    assert result["points"] == "LONG_MIN"


def test_a_cgroup_dies_together(ask: Ask) -> None:
    memcgs = [
        {"id": "a", "oom_group": True},
        {"id": "b", "parent": "a", "max_pages": 9},
    ]
    mms = [{"id": "x", "anon": 5}, {"id": "y", "anon": 1}]
    tasks = [
        {"pid": 4},
        {"pid": 5, "mm": "x", "memcg": "b"},
        {"pid": 6, "mm": "y", "memcg": "a"},
    ]
    parts = {"memcgs": memcgs, "mms": mms, "tasks": tasks}
    (result,) = ask({**OOM, "memcg": "a"}, **parts)["results"]
    assert ["memcg_event", "OOM_GROUP_KILL", "a"] in result["events"]
    # What mm/memcontrol.c announces is not part of an answer.
    assert not any(line.startswith("Tasks in /a") for line in result["log"])
    assert [e[2] for e in result["events"] if e[0] == "signal"] == [5, 6, 5]
    (result,) = ask({**OOM, "memcg": "b"}, **parts)["results"]
    assert (result["constraint"], result["totalpages"]) == ("CONSTRAINT_MEMCG", 9)
    assert [e[2] for e in result["events"] if e[0] == "signal"] == [5]


def test_sizes_follow_the_page_size(ask: Ask) -> None:
    found = ask(OOM, page_size=65536)
    assert "anon-rss:64000kB" in found["results"][0]["log"][-1]
    mms = [{"id": "big", "anon": 1, "pgtables_bytes": 131072}]
    badness = {"fn": "oom_badness", "pid": 7, "totalpages": 1000}
    assert rets(ask(badness, mms=mms, page_size=65536)) == [3]
    assert rets(ask(badness, mms=mms)) == [33]


def test_the_highest_uids_are_printed_as_signed_where_linux_does(ask: Ask) -> None:
    tasks = [{"pid": 7, "uid": (1 << 32) - 2, "mm": "big"}]
    log = ask(OOM, tasks=tasks)["results"][0]["log"]
    assert "[      7]    -2     7 " in log[3]
    assert log[4].endswith(",uid=-2")
    assert " UID:4294967294 " in log[5]


def test_small_questions(ask: Ask) -> None:
    found = ask(
        {"fn": "oom_badness", "pid": 1, "totalpages": 5},
        {"fn": "oom_badness", "pid": 7, "totalpages": 5},
        {"fn": "proc_oom_score", "pid": 1},
        {"fn": "proc_oom_score", "pid": 7},
        {"fn": "task_will_free_mem", "pid": 7},
        {"fn": "process_shares_mm", "pid": 7, "mm": "big"},
        {"fn": "process_shares_mm", "pid": 1, "mm": "big"},
        {"fn": "find_lock_task_mm", "pid": 7},
        {"fn": "find_lock_task_mm", "pid": 1},
    )
    assert rets(found) == ["LONG_MIN", 1000, 0, 666, False, True, False, 7, None]
    assert all(r["events"] == r["log"] == [] for r in found["results"])


def test_who_lost_its_mm_is_found_by_its_threads(ask: Ask) -> None:
    tasks = [{"pid": 7}, {"pid": 8, "tgid": 7, "mm": "big"}]
    found = ask(
        {"fn": "find_lock_task_mm", "pid": 7},
        {"fn": "oom_badness", "pid": 7, "totalpages": 0},
        {"fn": "task_will_free_mem", "pid": 7},
        tasks=tasks,
    )
    assert rets(found) == [8, 1000, False]


def test_process_mrelease(ask: Ask) -> None:
    def release(pid: int | None, **more: int) -> dict[str, Any]:
        return {"fn": "process_mrelease", "pid": pid, **more}

    mms = [{"id": "big"}, {"id": "dying", "anon": 1}]
    tasks = [
        {"pid": 2, "mm": "big"},
        {"pid": 7, "mm": "dying", "group_exit": True},
        {"pid": 8, "tgid": 7, "mm": "dying"},
        {"pid": 9, "group_exit": True},
    ]
    found = ask(
        release(None),
        release(None, flags=1),
        release(2),
        release(7),
        release(8),
        release(9),
        mms=mms,
        tasks=tasks,
        current=2,
    )
    assert rets(found) == [-9, -22, -22, 0, 0, -3]
    assert found["state"]["mms"]["dying"]["flags"] == ["MMF_UNSTABLE"]
    assert all(task["usage"] == 0 for task in found["state"]["tasks"].values())


def test_a_killed_caller_does_not_wait(ask: Ask) -> None:
    mms = [{"id": "big", "anon": 9}, {"id": "dying", "anon": 1, "mmap_lock": "write"}]
    tasks = [{"pid": 2, "mm": "big"}, {"pid": 7, "mm": "dying", "group_exit": True}]
    release = {"fn": "process_mrelease", "pid": 7}
    killed = {**OOM, "order": -1}
    found = ask(killed, release, mms=mms, tasks=tasks)
    assert rets(found) == [True, -4]


def test_a_wait_that_nobody_ends_is_an_error(
    world: Ask, refuse: Callable[[object], tuple[str, str]]
) -> None:
    mms = [{"id": "m", "mmap_lock": "write"}]
    tasks = [{"pid": 2}, {"pid": 7, "mm": "m", "group_exit": True}]
    release = {"fn": "process_mrelease", "pid": 7}
    where, what = refuse(world({"fn": "oom_reaper"}, release, mms=mms, tasks=tasks))
    assert where == "/calls/1"
    assert what == (
        "process_mrelease would have to wait for m's mmap_lock, and nobody will end "
        "that wait"
    )


def test_whose_context_it_is(ask: Ask) -> None:
    tasks = [{"pid": 1}, {"pid": 2, "flags": ["PF_KTHREAD"]}, {"pid": 7, "comm": "me"}]
    call = {**OOM, "order": -1}
    invoked = " invoked oom-killer"

    def who(**parts: Any) -> str:
        line: str = ask(call, **parts)["results"][0]["log"][0]
        return line.partition(invoked)[0]

    assert who(tasks=tasks) == "me"
    assert who(tasks=tasks, current=2) == "task"
    assert who(tasks=tasks[:2]) == "swapper/0"
    assert who(tasks=[]) == "swapper/0"


def test_the_emptiest_world() -> None:
    found = answer({"format": "pykmm-world/1", "calls": []})
    state = {"tasks": {}, "mms": {}, "oom_victims": 0, "oom_reaper_list": []}
    assert found == {"results": [], "state": state}


def test_cgroups_may_be_deep(ask: Ask) -> None:
    depth = 5000
    memcgs = [{"id": "0"}] + [
        {"id": str(n), "parent": str(n - 1)} for n in range(1, depth)
    ]
    tasks = [{"pid": 3}, {"pid": 7, "mm": "big", "memcg": str(depth - 1)}]
    (result,) = ask({**OOM, "memcg": "0"}, memcgs=memcgs, tasks=tasks)["results"]
    assert result["chosen"] == 7


def test_a_reader_gets_numbers_of_its_own(ask: Ask) -> None:
    mms = [{"id": "big", "anon": 1000, "mm_users": 5}]
    assert ask(mms=mms)["state"]["mms"]["big"]["mm_users"] == 5
    assert ask()["state"]["mms"]["big"]["mm_users"] == 1
