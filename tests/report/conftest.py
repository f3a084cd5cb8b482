# SPDX-License-Identifier: GPL-2.0-only
"""Reports to order: the stored ones by name, and made-up ones line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"

NR_PTES = (
    "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",
    "[{pid:5d}] {uid:5d} {tgid:5d} {vm:8d} {rss:8d} {ptes:7d} {swap:8d}"
    "         {adj:5d} {comm}",
)
PGTABLES = (
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem "
    "pgtables_bytes swapents oom_score_adj name",
    "[{pid:7d}] {uid:5d} {tgid:5d} {vm:8d} {rss:8d} {rss:8d} {zero:8d} {zero:9d} "
    "{bytes:8d} {swap:8d}         {adj:5d} {comm}",
)

Task = tuple[int, str, int, int]
"""pid, comm, resident pages, oom_score_adj."""

MakeReport = Callable[..., str]


def row(layout: str, task: Task, uid: int = 1000) -> str:
    """Write one row of a task table."""
    pid, comm, rss, adj = task
    return layout.format(
        pid=pid,
        uid=uid,
        tgid=pid,
        vm=rss * 2,
        rss=rss,
        ptes=0,
        bytes=0,
        zero=0,
        swap=0,
        adj=adj,
        comm=comm,
    )


def report_text(
    tasks: Sequence[Task],
    killed: int | None = None,
    *,
    release: str | None = "6.12.0",
    old: bool = False,
    uid: int = 1000,
    ram: int | None = 1_000_000,
    why: str = "Out of memory",
    order: int = 0,
    tail: Sequence[str] = (),
    memory: Sequence[str] = (),
    summary: bool = True,
) -> str:
    """Write a report in which the kernel killed *killed*, or nobody yet."""
    head, layout = NR_PTES if old else PGTABLES
    lines = [
        f"hog invoked oom-killer: gfp_mask=0xcc0, order={order}, oom_score_adj=0",
    ]
    if release is not None:
        lines.append(f"CPU: 0 PID: 99 Comm: hog Not tainted {release} #1")
    if ram is not None:
        lines += ["Mem-Info:", "Total swap = 0kB", f"{ram} pages RAM"]
    lines += memory
    if not old:
        lines.append("Tasks state (memory values in pages):")
    lines += [head, *(row(layout, task, uid) for task in tasks)]
    comm = next((task[1] for task in tasks if task[0] == killed), "gone")
    if killed is not None and summary and not old:
        lines.append(
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,"
            f"mems_allowed=0,global_oom,task_memcg=/,task={comm},pid={killed},"
            f"uid={uid}"
        )
    if killed is not None:
        rest = "" if old else f", UID:{uid} pgtables:0kB oom_score_adj:0"
        lines.append(
            f"{why}: Killed process {killed} ({comm}) total-vm:8kB, anon-rss:4kB, "
            f"file-rss:0kB, shmem-rss:0kB{rest}"
        )
    return "\n".join([*lines, *tail]) + "\n"


@pytest.fixture
def make_report() -> MakeReport:
    """Give tests the writer of made-up reports."""
    return report_text


@pytest.fixture
def data() -> Path:
    """Give tests the directory of stored reports."""
    return DATA
