# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm report``: logs in, verdicts out, and a status that scripts can use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = (
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem "
    "pgtables_bytes swapents oom_score_adj name"
)


def log(killed: int) -> str:
    """Write a report of two tasks, of which the kernel killed *killed*."""
    rows = [
        f"[{pid:7d}]  1000 {pid:5d} {rss * 2:8d} {rss:8d} {rss:8d}        0         0"
        f"        0        0             0 {comm}"
        for pid, rss, comm in ((10, 900, "small"), (11, 90_000, "large"))
    ]
    comm = {10: "small", 11: "large"}[killed]
    lines = [
        "hog invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0",
        "CPU: 0 PID: 99 Comm: hog Not tainted 6.12.0 #1",
        "Mem-Info:",
        "Total swap = 0kB",
        "1000000 pages RAM",
        "Tasks state (memory values in pages):",
        HEAD,
        *rows,
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,"
        f"mems_allowed=0,global_oom,task_memcg=/,task={comm},pid={killed},uid=1000",
        f"Out of memory: Killed process {killed} ({comm}) total-vm:8kB, anon-rss:4kB, "
        "file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:0kB oom_score_adj:0",
    ]
    return "".join(f"[    1.{n:06d}] {line}\n" for n, line in enumerate(lines))


@pytest.fixture
def right(tmp_path: Path) -> str:
    """A log in which the kernel's choice is the model's."""
    path = tmp_path / "right.log"
    path.write_text(log(11), encoding="utf-8")
    return str(path)


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    """A log in which it is not."""
    path = tmp_path / "wrong.log"
    path.write_text(log(10), encoding="utf-8")
    return str(path)


def test_agreement_is_status_0(cli: Callable[..., Any], right: str) -> None:
    answer = cli("report", right)
    assert answer.status == 0
    assert answer.err == ""
    assert "agrees: the kernel chose 11 (large)" in answer.out


def test_a_mismatch_is_status_1_and_all_files_are_judged(
    cli: Callable[..., Any], right: str, wrong: str
) -> None:
    answer = cli("report", wrong, right)
    assert answer.status == 1
    assert f"{wrong}: 1 report: 1 differs" in answer.out
    assert f"{right}: 1 report: 1 agrees" in answer.out


def test_json_holds_the_verdicts_of_all_files(
    cli: Callable[..., Any], right: str, wrong: str
) -> None:
    answer = cli("report", "--json", wrong, right)
    assert answer.status == 1
    data = json.loads(answer.out)
    assert data["format"] == "pykmm-report/1"
    assert [r["outcome"] for r in data["reports"]] == ["differs", "agrees"]


def test_standard_input_is_a_file(process: Callable[..., Any]) -> None:
    answer = process("report", "-", stdin=log(11).encode())
    assert answer.status == 0
    assert answer.out.startswith("standard input, report 1 ")


def test_one_unreadable_file_spoils_no_output(
    cli: Callable[..., Any],
    mistake: Callable[[Any], str],
    right: str,
    tmp_path: Path,
) -> None:
    missing = str(tmp_path / "missing.log")
    assert f"{missing} does not exist" in mistake(cli("report", right, missing))
    assert "is a directory" in mistake(cli("report", right, str(tmp_path)))


def test_a_file_without_a_report_is_a_mistake(
    cli: Callable[..., Any], mistake: Callable[[Any], str], tmp_path: Path
) -> None:
    path = tmp_path / "other.log"
    path.write_text("nothing\nof\nthe kind\n", encoding="utf-8")
    assert "is not a log with a kernel OOM report" in mistake(cli("report", str(path)))
