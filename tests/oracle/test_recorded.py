# SPDX-License-Identifier: GPL-2.0-only
"""The oracle answers as the kernel did.

``recorded_7_2.jsonl.gz`` and ``recorded_6_12.jsonl.gz`` hold random worlds and what
mm/oom_kill.c of that kernel, compiled unmodified in user space and run by one
thread, answered. What stood outside of that file was not recorded: the log has
neither dumps nor names behind a gfp mask, nothing of cpusets and cgroups in the
``oom-kill:`` line and no announcement of a group kill, and there are no
``memcg_event OOM_KILL`` events. Keys are one letter each, records are lists.
"""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pykmm.oracle import answer_line

HERE = Path(__file__).parent
KERNELS = {"7.2": "recorded_7_2.jsonl.gz", "6.12": "recorded_6_12.jsonl.gz"}

MEMCG = ("id", "parent", "max_pages", "swap_max_pages", "oom_group")
MM = ("id", "file", "anon", "shmem", "swap", "pgtables_bytes", "total_vm", "mm_users")
MM += ("flags", "mmap_lock", "vmas")
VMA = ("start", "end", "kind", "shared", "notifier")
TASK = ("pid", "tgid", "comm", "uid", "mm", "flags", "group_exit", "core_dump")
TASK += ("oom_score_adj", "oom_score_adj_min", "oom_origin", "oom_mm", "vfork_parent")
TASK += ("memcg", "mems_allowed", "mempolicy_nodes")
TASK_STATE = ("usage", "memdie", "oom_mm", "group_exit")
MM_STATE = ("flags", "mm_users", "mm_count")


def keyed(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


@cache
def lines(kernel: str) -> list[dict[str, Any]]:
    with gzip.open(HERE / KERNELS[kernel], "rt", encoding="ascii") as file:
        return [json.loads(line) for line in file]


def world_of(line: dict[str, Any], kernel: str) -> dict[str, Any]:
    mms = [keyed(MM, values) for values in line["a"]]
    for mm in mms:
        mm["vmas"] = [keyed(VMA, values) for values in mm["vmas"]]
    return {
        "format": "pykmm-world/1",
        "kernel": kernel,
        "machine": line["m"],
        "sysctl": line["s"],
        "memcgs": [keyed(MEMCG, values) for values in line["g"]],
        "mms": mms,
        "tasks": [keyed(TASK, values) for values in line["t"]],
        "current": line["u"],
        "calls": line["c"],
    }


def state_of(line: dict[str, Any]) -> dict[str, Any]:
    state = line["e"]
    return {
        "tasks": {str(pid): keyed(TASK_STATE, rest) for pid, *rest in state["t"]},
        "mms": {name: keyed(MM_STATE, rest) for name, *rest in state["a"]},
        "oom_victims": state["v"],
        "oom_reaper_list": state["q"],
    }


def plain(text: str) -> str:
    """Leave out of a line what was not recorded."""
    text = re.sub(r"(gfp_mask=0x[0-9a-f]+)\([^)]*\)", r"\1", text)
    return re.sub(r"(nodemask=\S+?),cpuset=.*?,task_memcg=[^,]*", r"\1", text)


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    log = [plain(text) for text in result["log"]]
    events = [e for e in result["events"] if e != ["memcg_event", "OOM_KILL"]]
    return {**result, "log": log, "events": events}


@pytest.mark.parametrize(
    ("kernel", "number"),
    [(kernel, n) for kernel in KERNELS for n in range(len(lines(kernel)))],
)
def test_answers_as_the_kernel_did(kernel: str, number: int) -> None:
    line = lines(kernel)[number]
    found: Any = answer_line(json.dumps(world_of(line, kernel)))
    for task in found["state"]["tasks"].values():
        assert task.pop("fatal_signal_pending") in (False, True)
    expected = [comparable(result) for result in line["r"]]
    assert [comparable(result) for result in found["results"]] == expected
    assert found["state"] == state_of(line)


def test_kernels_differ_in_what_was_recorded() -> None:
    def answers(kernel: str) -> list[Any]:
        worlds = [world_of(line, kernel) for line in lines("7.2")]
        return [answer_line(json.dumps(world)) for world in worlds]

    pairs = zip(answers("7.2"), answers("6.12"), strict=True)
    assert sum(new != old for new, old in pairs) > 5
