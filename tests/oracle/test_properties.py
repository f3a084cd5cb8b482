# SPDX-License-Identifier: GPL-2.0-only
"""Any world gets an answer or an error, and always the same one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.oracle import answer, answer_line

PIDS = range(1, 9)
MMS = ("a", "b", "c")
CGROUPS = ("g", "h", "i")
NODES = 3


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


pages = st.sampled_from((0, 1, 10, 5000, 1 << 18))
mm_ids = st.sampled_from(MMS)
task_flags = st.sampled_from(("PF_EXITING", "PF_KTHREAD"))
nodes = st.lists(st.integers(0, NODES - 1), min_size=1, max_size=NODES, unique=True)


@st.composite
def vmas(draw: st.DrawFn) -> list[dict[str, Any]]:
    found, at = [], 16
    for _ in range(draw(st.integers(0, 4))):
        start = at + draw(st.sampled_from((0, 1, 600)))
        at = start + draw(st.sampled_from((1, 3, 512)))
        kind = draw(st.sampled_from(("anon", "file", "shmem", "hugetlb", "pfnmap")))
        found.append(
            {
                "start": start << 12,
                "end": at << 12,
                "kind": kind,
                "shared": draw(st.booleans()),
                "notifier": draw(st.sampled_from(("none", "none", "blocks"))),
            }
        )
    return found


@st.composite
def mm(draw: st.DrawFn, name: str) -> dict[str, Any]:
    flags = ("MMF_OOM_SKIP", "MMF_UNSTABLE", "MMF_OOM_REAP_QUEUED", "MMF_MULTIPROCESS")
    return {
        "id": name,
        "anon": draw(pages),
        "file": draw(pages),
        "shmem": draw(pages),
        "swap": draw(pages),
        "pgtables_bytes": draw(pages) * 4096,
        "total_vm": draw(pages),
        "mm_users": draw(maybe(st.integers(0, 4))),
        "flags": draw(st.lists(st.sampled_from(flags), max_size=2)),
        "mmap_lock": draw(st.sampled_from(("free", "free", "read", "write"))),
        "vmas": draw(vmas()),
    }


@st.composite
def task(draw: st.DrawFn, pid: int, leaders: list[int]) -> dict[str, Any]:
    joins = leaders and draw(st.booleans())
    return {
        "pid": pid,
        "tgid": draw(st.sampled_from(leaders)) if joins else pid,
        "comm": draw(st.sampled_from(("init", "hog", "a b", "ü"))),
        "uid": draw(st.sampled_from((0, 1000, (1 << 32) - 2))),
        "mm": draw(maybe(st.sampled_from(MMS))),
        "flags": draw(st.lists(task_flags, max_size=1)),
        "group_exit": draw(st.booleans()),
        "core_dump": draw(st.booleans()),
        "oom_score_adj": draw(st.sampled_from((-1000, -999, 0, 0, 300, 1000))),
        "oom_origin": draw(st.sampled_from((False, False, False, True))),
        "oom_mm": draw(maybe(st.sampled_from(MMS))),
        "memcg": draw(maybe(st.sampled_from(CGROUPS))),
        "mems_allowed": draw(maybe(nodes)),
        "mempolicy_nodes": draw(maybe(nodes)),
    }


@st.composite
def call(draw: st.DrawFn, pids: list[int]) -> dict[str, Any]:
    pid = draw(st.sampled_from(pids))
    oom = {
        "fn": "out_of_memory",
        "gfp_mask": draw(st.sampled_from((0xCC0, 0xC40, 0x200CC0, 0x100CCA, 0))),
        "order": draw(st.sampled_from((-1, 0, 3))),
        "memcg": draw(maybe(st.sampled_from(CGROUPS))),
        "nodemask": draw(maybe(nodes)),
        "zonelist": draw(st.booleans()),
    }
    found: dict[str, Any] = draw(
        st.sampled_from(
            (
                oom,
                oom,
                oom,
                {"fn": "oom_badness", "pid": pid, "totalpages": draw(pages)},
                {"fn": "proc_oom_score", "pid": pid},
                {"fn": "task_will_free_mem", "pid": pid},
                {"fn": "process_shares_mm", "pid": pid, "mm": draw(mm_ids)},
                {"fn": "find_lock_task_mm", "pid": pid},
                {"fn": "process_mrelease", "pid": draw(maybe(st.just(pid)))},
                {"fn": "wake_oom_reaper", "pid": pid},
                {"fn": "oom_reaper"},
                {"fn": "exit_oom_victim", "pid": pid},
            )
        )
    )
    return found


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    pids = draw(st.lists(st.sampled_from(PIDS), min_size=1, unique=True))
    tasks: list[dict[str, Any]] = []
    for pid in pids:
        leaders = [t["pid"] for t in tasks if t["pid"] == t["tgid"]]
        tasks.append(draw(task(pid, leaders)))
        earlier = [t["pid"] for t in tasks[:-1]]
        if earlier:
            tasks[-1]["vfork_parent"] = draw(maybe(st.sampled_from(earlier)))
    groups = [
        {
            "id": name,
            "parent": draw(maybe(st.sampled_from(CGROUPS[:n]))) if n else None,
            "max_pages": draw(maybe(pages)),
            "swap_max_pages": draw(maybe(pages)),
            "oom_group": draw(st.booleans()),
        }
        for n, name in enumerate(CGROUPS)
    ]
    current = {"current": draw(st.sampled_from(pids))} if draw(st.booleans()) else {}
    return {
        "format": "pykmm-world/1",
        **current,
        "kernel": draw(st.sampled_from(("6.12", "7.2"))),
        "machine": {
            "totalram_pages": draw(st.sampled_from((1, 999, 1 << 18))),
            "total_swap_pages": draw(pages),
            "nodes": [{"present_pages": draw(pages)} for _ in range(NODES)],
            "notifier_frees": draw(st.sampled_from((0, 0, 0, 5))),
            "oom_killer_disabled": draw(st.sampled_from((False, False, False, True))),
        },
        "sysctl": {
            "panic_on_oom": draw(st.sampled_from((0, 0, 0, 1, 2))),
            "oom_kill_allocating_task": draw(st.sampled_from((0, 0, 1))),
        },
        "memcgs": groups,
        "mms": [draw(mm(name)) for name in MMS],
        "tasks": tasks,
        "calls": draw(st.lists(call(pids), max_size=5)),
    }


def check(found: Any, value: dict[str, Any]) -> None:
    """Check the shape of an answer: it never depends on what was answered."""
    if "error" in found:
        assert list(found) == ["error"]
        assert set(found["error"]) == {"where", "what"}
        return
    assert list(found) == ["results", "state"]
    for result, made in zip(found["results"], value["calls"], strict=False):
        assert result["fn"] == made["fn"]
        assert all(isinstance(text, str) for text in result["log"])
        assert all(isinstance(event[0], str) for event in result["events"])
    assert set(found["state"]["tasks"]) == {str(t["pid"]) for t in value["tasks"]}


@pytest.mark.slow
@settings(max_examples=100)
@given(worlds())
def test_a_world_gets_an_answer(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    found: Any = answer_line(text)
    check(found, value)
    if "error" in found:  # only a wait that nobody ends is left to go wrong
        assert found["error"]["where"].startswith("/calls/")
        assert "and nobody will end that wait" in found["error"]["what"]
    assert json.dumps(answer(value)) == json.dumps(found)
    assert json.dumps(value) == text


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(value, dict):
        for key, part in value.items():
            found += places(part, (*at, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found += places(part, (*at, index))
    return found


JUNK = (None, True, -1, 0, 1 << 70, 1.5, "", "x", "\ud800", [], [[]], {}, {"x": 1})


@pytest.mark.slow
@settings(max_examples=100)
@given(worlds(), st.data())
def test_a_damaged_world_gets_an_answer_too(
    value: dict[str, Any], data: st.DataObject
) -> None:
    *way, last = data.draw(st.sampled_from(places(value)))
    holder: Any = value
    for step in way:
        holder = holder[step]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = data.draw(st.sampled_from(JUNK))
    found: Any = answer(value)
    assert set(found) in ({"error"}, {"results", "state"})
    assert json.dumps(answer(value)) == json.dumps(found)


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_line_gets_an_answer(line: bytes | str) -> None:
    assert set(answer_line(line)) == {"error"}
