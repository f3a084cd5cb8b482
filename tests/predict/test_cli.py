# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm predict``, from the arguments to the exit status."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pykmm.__main__ import main

Write = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command; return status, output and complaints."""

    def called(*argv: str | Path) -> tuple[int, str, str]:
        status = main(["predict", *map(str, argv)])
        out, err = capsys.readouterr()
        return status, out, err

    return called


def test_agreement_is_status_0(run: Run, stored: Write) -> None:
    status, out, err = run("--proc", stored("loaded-6.18"))
    assert (status, err) == (0, "")
    assert "chosen  25385 (adj): most points" in out
    assert "scores  41 of 41 equal the kernel's oom_score\n" in out
    assert "  and 31 more (--all shows them)" in out


def test_a_score_that_differs_is_status_1(run: Run, stored: Write) -> None:
    proc = stored("loaded-6.18")
    (proc / "25378/oom_score").write_text("100\n")
    status, out, err = run("--proc", proc)
    assert (status, err) == (1, "")
    assert "differs 25378 (adj): the model says 667, the kernel 100\n" in out


def test_top_and_all(run: Run, stored: Write) -> None:
    proc = stored("loaded-6.18")
    assert "  and 39 more" in run("--proc", proc, "--top", "2")[1]
    assert " more " not in run("--proc", proc, "--all")[1].partition("chosen")[0]


def load(out: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(out)
    assert data["format"] == "pykmm-predict/1"
    return data


def test_json_has_everything(run: Run, stored: Write) -> None:
    proc = stored("swapping-7.0")
    status, out, _ = run(
        "--json", "--proc", proc, "--cgroup", proc / "cgroup",
        "--memcg", "/user.slice/build",
    )  # fmt: skip
    data = load(out)
    assert status == 0
    assert (data["chosen"], data["killed_with_it"]) == (2501, [9000, 2500, 2502])
    assert (data["constraint"], data["totalpages"]) == ("CONSTRAINT_MEMCG", 524288)
    assert (data["ram_pages"], data["swap_pages"]) == (2_000_000, 1_000_000)
    assert data["memcg"]["limit_bytes"] == 2 << 30
    assert data["reap"]["source"] == "smaps"
    assert data["reap"]["anon_alone_kib"] == 581_000
    assert data["scores"]["equal"] == len(data["tasks"]) == 13
    tasks = {each["pid"]: each for each in data["tasks"]}
    assert tasks[2312]["comm"] == "tab\ntwo"
    assert tasks[2500]["comm"] == "mäke \N{REPLACEMENT CHARACTER}"
    assert tasks[400]["reason"] == "oom_score_adj -1000"
    assert (tasks[400]["points"], tasks[400]["oom_score"]) == (None, 0)
    assert not tasks[2310]["candidate"]


def test_json_of_nobody(run: Run, write: Write) -> None:
    task = "task 5 1 S 0x400000 1 1 0 -1000 0 99 4 0 0 0 0 1 0 'x'\n"
    data = load(run("--json", "--proc", write(f"meminfo 9999 0\n{task}"))[1])
    assert (data["chosen"], data["reap"], data["memcg"]) == (None, None, None)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--proc", "{}/absent"], "there is no directory '{}/absent': pass --proc DIR"),
        (["--proc", "{}/empty"], "{}/empty/meminfo cannot be read: pass --proc DIR"),
        (["--proc", "{}", "--memcg", "/a"], "--memcg='/a' needs memory cgroups"),
        (["--proc", "{}", "--cgroup", "{}"], "--cgroup='{}' holds no memory cgroups"),
        (["--top", "0"], "--top: '0' is below 1"),
        (["x"], "unrecognized arguments: x"),
    ],
)
def test_a_mistake_is_one_line(
    run: Run, write: Write, argv: list[str], says: str
) -> None:
    proc = write("meminfo 9999 0\n")
    (proc / "empty").mkdir()
    status, out, err = run(*(word.format(proc) for word in argv))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert says.format(proc) in err


@pytest.mark.skipif(not Path("/proc/self/oom_score").exists(), reason="no /proc")
def test_this_process_is_scored_as_its_kernel_does(run: Run, tmp_path: Path) -> None:
    """Read the real files of the one process that a test may count on."""
    mounts = Path("/proc/self/mountinfo").read_text("utf-8")
    if " /proc/meminfo " in mounts:
        pytest.skip("a container shows its own idea of meminfo")
    own = os.getpid()
    for name in (str(own), "meminfo", "sys", "stat", "self"):
        (tmp_path / name).symlink_to(f"/proc/{name}")
    status, out, _ = run("--json", "--proc", tmp_path)
    data = load(out)
    assert status == 0
    assert [task["pid"] for task in data["tasks"]] == [own]
    assert data["chosen"] == own or data["tasks"][0]["reason"]
    assert data["scores"]["differs"] == 0
    assert data["tasks"][0]["rss_pages"] > 1000


@pytest.mark.slow
def test_many_processes_are_no_trouble(run: Run, write: Write) -> None:
    line = "task {0} 1 S 0x400000 1 {0} 0 0 666 9999 40 0 0 0 4 10 0 'x'\n"
    text = "".join(line.format(pid) for pid in range(5, 1005))
    status, out, _ = run("--proc", write(f"meminfo 99999999 0\n{text}"))
    assert status == 0
    assert "chosen  1004 (x): most points, 11 = 10 resident" in out
    assert "scores  1000 of 1000 equal" in out
