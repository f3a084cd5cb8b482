# SPDX-License-Identifier: GPL-2.0-only
"""What is no world: where it is wrong, why, and that nothing was done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from pykmm.oracle import answer_line

HEAD = {"format": "pykmm-world/1", "calls": []}
OOM = {"fn": "out_of_memory", "gfp_mask": 0xCC0}
BIG = 10**30


def tasks(*items: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {**HEAD, "tasks": list(items), **rest}


def mms(*items: dict[str, Any]) -> dict[str, Any]:
    return {**HEAD, "mms": list(items)}


def vmas(*items: dict[str, Any]) -> dict[str, Any]:
    return mms({"id": "m", "vmas": list(items)})


def calls(*items: Any) -> dict[str, Any]:
    return {**HEAD, "mms": [{"id": "m"}], "tasks": [{"pid": 7}], "calls": list(items)}


WRONG: list[tuple[object, str, str]] = [
    # -- the world itself
    (None, "", "an object, not null"),
    ([], "", "an object, not a list"),
    (3, "", "an object, not a number"),
    ({}, "", "lacks the key 'calls'"),
    ({"calls": []}, "", "lacks the key 'format'"),
    ({"format": "pykmm-world/1"}, "", "lacks the key 'calls'"),
    ({"format": "pykmm-world/2", "calls": []}, "/format", "'pykmm-world/1'"),
    ({"format": 1, "calls": []}, "/format", "'pykmm-world/1'"),
    ({**HEAD, "task": []}, "/task", "unknown"),
    ({**HEAD, "a/b~c": []}, "/a~1b~0c", "unknown"),
    ({**HEAD, "kernel": "5.0"}, "/kernel", "none of 6.12 or 7.2"),
    ({**HEAD, "kernel": 7.2}, "/kernel", "none of"),
    ({**HEAD, "page_size": 5000}, "/page_size", "none of"),
    ({**HEAD, "hz": 0}, "/hz", "below 1"),
    ({**HEAD, "hz": True}, "/hz", "whole number, not true"),
    ({**HEAD, "hz": 250.0}, "/hz", "fraction"),
    ({**HEAD, "hz": "250"}, "/hz", "whole number, not a string"),
    ({**HEAD, "tasks": {}}, "/tasks", "a list, not an object"),
    ({**HEAD, "tasks": None}, "/tasks", "a list, not null"),
    ({**HEAD, "current": 9}, "/current", "no pid 9"),
    # -- the machine
    ({**HEAD, "machine": {"totalram_pages": 0}}, "/machine/totalram_pages", "below 1"),
    ({**HEAD, "machine": {"totalram_pages": BIG}}, "/machine/totalram_pages", "above"),
    ({**HEAD, "machine": {"nodes": []}}, "/machine/nodes", "empty"),
    ({**HEAD, "machine": {"nodes": [{}]}}, "/machine/nodes/0", "present_pages"),
    (
        {**HEAD, "machine": {"nodes": [{"present_pages": -1}]}},
        "/machine/nodes/0/present_pages",
        "below 0",
    ),
    ({**HEAD, "machine": {"nodes": [{"present_pages": 0}]}}, "/machine/nodes", "total"),
    (
        {**HEAD, "machine": {"nodes": [{"present_pages": 1}] * 1025}},
        "/machine/nodes",
        "more than 1024",
    ),
    ({**HEAD, "machine": {"swap": 0}}, "/machine/swap", "unknown"),
    (
        {**HEAD, "machine": {"oom_killer_disabled": 0}},
        "/machine/oom_killer_disabled",
        "true or false, not a number",
    ),
    ({**HEAD, "sysctl": {"panic_on_oom": 3}}, "/sysctl/panic_on_oom", "above 2"),
    # -- cgroups
    ({**HEAD, "memcgs": [{}]}, "/memcgs/0", "lacks the key 'id'"),
    ({**HEAD, "memcgs": [{"id": ""}]}, "/memcgs/0/id", "empty"),
    ({**HEAD, "memcgs": [{"id": "a/b"}]}, "/memcgs/0/id", "'/'"),
    ({**HEAD, "memcgs": [{"id": ".."}]}, "/memcgs/0/id", "'..'"),
    ({**HEAD, "memcgs": [{"id": "a"}, {"id": "a"}]}, "/memcgs/1/id", "taken"),
    ({**HEAD, "memcgs": [{"id": "a", "parent": "a"}]}, "/memcgs/0/parent", "first"),
    (
        {**HEAD, "memcgs": [{"id": "a", "parent": "b"}, {"id": "b"}]},
        "/memcgs/0/parent",
        "parents come first",
    ),
    (
        {**HEAD, "memcgs": [{"id": "a", "max_pages": -1}]},
        "/memcgs/0/max_pages",
        "below 0",
    ),
    # -- address spaces
    (mms({"id": "m"}, {"id": "m"}), "/mms/1/id", "taken"),
    (mms({"id": "m", "anon": -1}), "/mms/0/anon", "below 0"),
    (mms({"id": "m", "anon": None}), "/mms/0/anon", "not null"),
    (mms({"id": "m", "anon": 1 << 60}), "/mms/0/anon", "above"),
    (mms({"id": "m", "mm_users": 1 << 31}), "/mms/0/mm_users", "above"),
    (mms({"id": "m", "flags": ["MMF_X"]}), "/mms/0/flags/0", "'MMF_X' is none of"),
    (mms({"id": "m", "flags": "MMF_UNSTABLE"}), "/mms/0/flags", "a list"),
    (mms({"id": "m", "mmap_lock": "held"}), "/mms/0/mmap_lock", "free, read or write"),
    (mms({"id": 5}), "/mms/0/id", "a string, not a number"),
    (vmas({"start": 0}), "/mms/0/vmas/0", "'end'"),
    (vmas({"start": 8192, "end": 4096}), "/mms/0/vmas/0/end", "empty"),
    (vmas({"start": 4096, "end": 4096}), "/mms/0/vmas/0/end", "empty"),
    (vmas({"start": 1, "end": 4096}), "/mms/0/vmas/0/start", "multiple"),
    (vmas({"start": 0, "end": 4097}), "/mms/0/vmas/0/end", "multiple"),
    (
        vmas({"start": 4096, "end": 12288}, {"start": 0, "end": 8192}),
        "/mms/0/vmas/1",
        "overlaps mapping 0",
    ),
    (vmas({"start": 0, "end": 4096, "kind": "stack"}), "/mms/0/vmas/0/kind", "none of"),
    # -- tasks
    (tasks({"comm": "x"}), "/tasks/0", "lacks the key 'pid'"),
    (tasks({"pid": 0}), "/tasks/0/pid", "below 1"),
    (tasks({"pid": 1 << 22}), "/tasks/0/pid", "above"),
    (tasks({"pid": True}), "/tasks/0/pid", "not true"),
    (tasks({"pid": 7}, {"pid": 7}), "/tasks/1/pid", "7 is taken"),
    (tasks({"pid": 8, "tgid": 7}, {"pid": 7}), "/tasks/0/tgid", "leaders come first"),
    (tasks({"pid": 7}, {"pid": 8, "tgid": 9}), "/tasks/1/tgid", "no leader 9"),
    (
        tasks({"pid": 7}, {"pid": 8, "tgid": 7}, {"pid": 9, "tgid": 8}),
        "/tasks/2/tgid",
        "no leader 8",
    ),
    (tasks({"pid": 7, "mm": "m"}), "/tasks/0/mm", "no mm 'm'"),
    (tasks({"pid": 7, "oom_mm": "m"}), "/tasks/0/oom_mm", "no mm 'm'"),
    (tasks({"pid": 7, "memcg": "a"}), "/tasks/0/memcg", "no memcg 'a'"),
    (tasks({"pid": 7, "vfork_parent": 8}), "/tasks/0/vfork_parent", "no pid 8"),
    (tasks({"pid": 7, "vfork_parent": 7}), "/tasks/0/vfork_parent", "its own parent"),
    (tasks({"pid": 7, "comm": "x" * 16}), "/tasks/0/comm", "longer than 15 bytes"),
    (tasks({"pid": 7, "comm": "äöü" * 3}), "/tasks/0/comm", "longer than 15 bytes"),
    (tasks({"pid": 7, "comm": "a\0b"}), "/tasks/0/comm", "must not"),
    (tasks({"pid": 7, "oom_score_adj": 1001}), "/tasks/0/oom_score_adj", "above 1000"),
    (tasks({"pid": 7, "flags": ["PF_X"]}), "/tasks/0/flags/0", "none of PF_EXITING"),
    (tasks({"pid": 7, "mems_allowed": []}), "/tasks/0/mems_allowed", "empty"),
    (tasks({"pid": 7, "mems_allowed": [0, 1]}), "/tasks/0/mems_allowed/1", "no node 1"),
    (
        tasks({"pid": 7, "mempolicy_nodes": [4]}),
        "/tasks/0/mempolicy_nodes/0",
        "no node 4",
    ),
    # -- calls
    (calls(None), "/calls/0", "an object, not null"),
    (calls({}), "/calls/0", "lacks the key 'fn'"),
    (calls({"fn": "exit"}), "/calls/0/fn", "'exit' is none of oom_badness"),
    (calls({"fn": ["oom_reaper"]}), "/calls/0/fn", "a list is none of"),
    (calls({"fn": "oom_reaper", "pid": 7}), "/calls/0/pid", "unknown"),
    (calls({"fn": "oom_badness", "pid": 7}), "/calls/0", "lacks the key 'totalpages'"),
    (calls({"fn": "proc_oom_score", "pid": None}), "/calls/0/pid", "not null"),
    (calls({"fn": "proc_oom_score", "pid": 8}), "/calls/0/pid", "no pid 8"),
    (calls(OOM, {"fn": "proc_oom_score", "pid": 8}), "/calls/1/pid", "no pid 8"),
    (
        calls({"fn": "process_shares_mm", "pid": 7, "mm": "n"}),
        "/calls/0/mm",
        "no mm 'n'",
    ),
    (calls({**OOM, "memcg": "a"}), "/calls/0/memcg", "no memcg 'a'"),
    (calls({**OOM, "nodemask": [9]}), "/calls/0/nodemask/0", "no node 9"),
    (calls({**OOM, "order": -2}), "/calls/0/order", "below -1"),
    (calls({**OOM, "gfp_mask": 1 << 32}), "/calls/0/gfp_mask", "above"),
    (calls({**OOM, "zonelist": None}), "/calls/0/zonelist", "true or false"),
]


@pytest.mark.parametrize(("value", "where", "why"), WRONG)
def test_what_is_no_world(
    value: object, where: str, why: str, refuse: Callable[[object], tuple[str, str]]
) -> None:
    found, what = refuse(value)
    assert found == where
    assert why in what
    assert what == what.strip()
    assert "\n" not in what


LINES: list[tuple[str | bytes, str, str]] = [
    ("", "", "empty"),
    ("  \n", "", "empty"),
    (b"\n", "", "empty"),
    ("{", "", "no JSON"),
    ("nonsense", "", "no JSON"),
    ('{"format": "pykmm-world/1", "calls": []} x', "", "no JSON"),
    ("{'format': 1}", "", "no JSON"),
    (b'{"format": "\xff"}', "", "no UTF-8"),
    ("\ufeff{}", "", "no JSON"),
    ('{"hz": NaN}', "", "NaN is no number"),
    ('{"hz": -Infinity}', "", "-Infinity is no number"),
    ('{"hz": 1e400, "calls": [], "format": "pykmm-world/1"}', "/hz", "fraction"),
    ('{"hz": ' + "9" * 5000 + "}", "", "too many digits"),
    ("[" * 100_000, "", "nested too deeply"),
    ('{"a":' * 100_000, "", "nested too deeply"),
    ('{"hz": 1, "hz": 2}', "/hz", "'hz' stands twice"),
    ('{"tasks": [{"pid": 1}, {"pid": 2, "pid": 2}]}', "/tasks/1/pid", "twice"),
]


@pytest.mark.parametrize(("line", "where", "why"), LINES)
def test_what_is_no_line(line: str | bytes, where: str, why: str) -> None:
    found: Any = answer_line(line)
    assert list(found) == ["error"]
    assert found["error"]["where"] == where
    assert why in found["error"]["what"]


def test_the_first_doubled_key_is_told() -> None:
    line = '{"calls": [{"fn": 1, "fn": 2}], "tasks": [{"pid": 1, "pid": 1}], "hz": 1}'
    found: Any = answer_line(line)
    assert found["error"]["where"] == "/calls/0/fn"


@pytest.mark.parametrize(
    "line",
    [
        "x" * 10_000_000,
        json.dumps({"format": "y" * 10_000_000}),
        json.dumps({**HEAD, "tasks": [{"pid": 1, "comm": "z" * 10_000_000}]}),
        json.dumps({**HEAD, "mms": [3] * 3_000_000}),
    ],
    ids=["no JSON", "format", "comm", "list"],
)
def test_ten_megabytes_of_nonsense_are_one_error(line: str) -> None:
    begin = time.process_time()
    found: Any = answer_line(line)
    assert list(found) == ["error"]
    assert len(found["error"]["what"]) < 300
    assert time.process_time() - begin < 10


def test_the_value_that_was_handed_in_stays_as_it_was(
    world: Callable[..., dict[str, Any]],
    refuse: Callable[[object], tuple[str, str]],
) -> None:
    value = world({"fn": "oom_reaper"}, current=99)
    before = json.dumps(value)
    assert refuse(value)[0] == "/current"
    assert json.dumps(value) == before
