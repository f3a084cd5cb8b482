# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts: what agrees, differs, was bypassed, and what cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.report import (
    EraRules,
    Outcome,
    RebuiltWorld,
    Selection,
    judge_text,
    read_log,
)

MakeReport = Callable[..., str]
TASKS = [(7, "small", 50, 0), (8, "large", 900, 0), (9, "sshd", 2000, -1000)]


def test_agrees(make_report: MakeReport) -> None:
    (verdict,) = judge_text(make_report(TASKS, 8), "log")
    assert (verdict.outcome, verdict.kernel_pid, verdict.model_pid) == (
        Outcome.AGREES,
        8,
        8,
    )
    assert verdict.explanation == (
        "the kernel chose 8 (large), and so do its rules: 900 points, before "
        "7 (small) with 50"
    )
    assert [row.points for row in verdict.rows] == [50, 900, None]
    assert verdict.rows[2].reason == "protected: oom_score_adj -1000"


def test_differs(make_report: MakeReport) -> None:
    (verdict,) = judge_text(make_report(TASKS, 7), "log")
    assert (verdict.outcome, verdict.kernel_pid, verdict.model_pid) == (
        Outcome.DIFFERS,
        7,
        8,
    )
    assert verdict.explanation == (
        "the kernel chose 7 (small), which has 50 points, but its rules choose "
        "8 (large) with 900; 1 task stands before the victim: 8 (large)"
    )
    assert not verdict.fine


def test_differs_by_what_counters_lag(make_report: MakeReport) -> None:
    tasks = [(7, "a", 890, 0), (8, "b", 900, 0)]
    (verdict,) = judge_text(make_report(tasks, 7), "log")
    assert verdict.outcome is Outcome.DIFFERS
    assert "they are 10 pages apart" in verdict.explanation


def test_differs_between_users_of_one_address_space(make_report: MakeReport) -> None:
    tasks = [(7, "shell", 900, 0), (8, "shell", 900, 0)]
    (verdict,) = judge_text(make_report(tasks, 7), "log")
    assert verdict.outcome is Outcome.DIFFERS
    assert "a vfork child is not eligible" in verdict.explanation


def test_differs_by_swapoff(make_report: MakeReport) -> None:
    (verdict,) = judge_text(make_report(TASKS, 9), "log")
    assert verdict.outcome is Outcome.DIFFERS
    assert "which is not eligible" in verdict.explanation
    assert "a task in swapoff is chosen first" in verdict.explanation


def test_child_that_dies_for_its_parent(make_report: MakeReport) -> None:
    kill = "Killed process 7 (small) total-vm:8kB, anon-rss:4kB, file-rss:0kB"
    score = "Out of memory: Kill process 8 (large) score 0 or sacrifice child"
    text = make_report(TASKS, None, old=True, release="4.4.0", tail=[score, kill])
    (verdict,) = judge_text(text, "log")
    assert (verdict.outcome, verdict.kernel_pid) == (Outcome.AGREES, 8)
    assert "it then killed 7 (small) in its place" in verdict.explanation
    (unnamed,) = judge_text(text.replace(score + "\n", ""), "log")
    assert unnamed.outcome is Outcome.DIFFERS
    assert "kernels up to 5.0 kill a child" in unnamed.explanation


def test_score_that_does_not_fit_is_remarked(make_report: MakeReport) -> None:
    tail = ["Out of memory: Kill process 8 (large) score 77 or sacrifice child"]
    text = make_report(TASKS, None, old=True, release="4.4.0", tail=tail)
    (verdict,) = judge_text(text, "log")
    assert "its score line says 77, not 0" in verdict.explanation


def test_bypassed_by_sysctl(make_report: MakeReport) -> None:
    why = "Out of memory (oom_kill_allocating_task)"
    (verdict,) = judge_text(make_report(TASKS, 7, why=why), "log")
    assert verdict.outcome is Outcome.BYPASSED
    assert verdict.explanation == (
        "vm.oom_kill_allocating_task is set: the kernel killed 7 (small), the "
        "allocating task; its rules would have chosen 8 (large)"
    )


def test_bypassed_by_panic(make_report: MakeReport) -> None:
    tail = [
        "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled"
    ]
    (verdict,) = judge_text(make_report(TASKS, tail=tail), "log")
    assert (verdict.outcome, verdict.kernel_pid) == (Outcome.BYPASSED, None)
    assert "panicked before it selected" in verdict.explanation


@pytest.mark.parametrize(
    "line",
    [
        "Out of memory and no killable processes...",
        "Kernel panic - not syncing: System is deadlocked on memory",
    ],
)
def test_nobody_to_kill(make_report: MakeReport, line: str) -> None:
    (verdict,) = judge_text(make_report(TASKS[2:], tail=[line]), "log")
    assert (verdict.outcome, verdict.model_pid) == (Outcome.AGREES, None)
    (verdict,) = judge_text(make_report(TASKS, tail=[line]), "log")
    assert (verdict.outcome, verdict.model_pid) == (Outcome.DIFFERS, 8)


def test_summary_alone_names_the_victim(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    (verdict,) = judge_text(text[: text.index("Out of memory:")], "log")
    assert (verdict.outcome, verdict.kernel_pid) == (Outcome.AGREES, 8)


def test_victim_of_before_is_passed_over(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8) + make_report([*TASKS, (10, "new", 5, 0)], 7)
    first, second = judge_text(text, "log")
    assert (first.outcome, second.outcome) == (Outcome.AGREES, Outcome.AGREES)
    assert second.rows[1].reason == "killed before, its memory already given up"


def test_victim_of_before_can_be_chosen_after_sysrq(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8) + make_report([*TASKS, (10, "new", 5, 0)], 8, order=-1)
    assert [v.outcome for v in judge_text(text, "log")] == [Outcome.AGREES] * 2


def test_the_same_log_twice(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    assert [v.outcome for v in judge_text(text + text, "log")] == [Outcome.AGREES] * 2


def test_another_boot_forgets_victims(make_report: MakeReport) -> None:
    banner = "Linux version 6.12.0 (x@y) #1\n"
    text = make_report(TASKS, 8) + banner + make_report(TASKS[1:], 8)
    assert [v.outcome for v in judge_text(text, "log")] == [Outcome.AGREES] * 2


def test_torn_report_among_whole_ones(make_report: MakeReport) -> None:
    verdicts = judge_text(make_report(TASKS, 8) + make_report(TASKS[:1]), "log")
    assert [v.outcome for v in verdicts] == [Outcome.AGREES, Outcome.UNDECIDED]
    assert "the line that says whom the kernel killed is missing" in (
        verdicts[1].explanation
    )


class Contrary:
    """A selector that takes the first task, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    def select(self, world: RebuiltWorld, rules: EraRules) -> Selection:
        self.asked.append((world.totalpages, rules.name))
        points = tuple(-task.index for task in world.tasks)
        return Selection(0, world.totalpages, points)


def test_selector_decides(make_report: MakeReport) -> None:
    contrary = Contrary()
    (verdict,) = judge_text(make_report(TASKS, 7), "log", contrary)
    assert (verdict.outcome, verdict.model_pid) == (Outcome.AGREES, 7)
    assert [row.points for row in verdict.rows] == [0, -1, -2]
    assert set(contrary.asked) == {(1_000_000, "5.9 and later")}


def complaint(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        judge_text(text, "x.log")
    said = str(caught.value)
    assert said.startswith("x.log ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("text", ["", "\n\n", "  \n\t\n", "\0\0"])
def test_empty(text: str) -> None:
    assert complaint(text) == (
        "x.log is empty: pass a kernel log that holds an OOM report"
    )


@pytest.mark.parametrize(
    "text", ["hello\nworld\n", "[    0.0] Linux version 6.1.0 (a@b) #1\n", "\ufffd" * 9]
)
def test_foreign(text: str) -> None:
    assert "is not a log with a kernel OOM report" in complaint(text)


def test_header_only(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    assert complaint(text[: text.index("Tasks state")]) == (
        "x.log cannot be judged: the OOM report at line 1 has no task table before "
        "it ends at line 5: the log is cut off after the header, or "
        "vm.oom_dump_tasks was 0"
    )


def test_table_head_only(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    assert "no row that can be read" in complaint(text[: text.index("[      7]")])


def test_table_cut_off(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    assert complaint(text[: text.index("oom-kill:")]) == (
        "x.log cannot be judged: the OOM report at line 1 ends at line 10 with row 3 "
        "of its task table: the line that says whom the kernel killed is missing, "
        "so the log is cut off there"
    )


def test_beginning_cut_off(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    assert "begins inside an OOM report" in complaint(text[text.index("[      7]") :])


def test_kill_lines_only(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8)
    assert "1 'Killed process' lines but no task table" in complaint(
        text[text.index("Out of memory:") :]
    )


def test_victim_without_row(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8).replace("[      8]", "[ lost ]")
    assert "says that 8 (large) was chosen, but its task table has no such row" in (
        complaint(text)
    )


def test_kernel_before_2_6_36(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8, old=True)
    text = text.replace("nr_ptes swapents oom_score_adj", "cpu oom_adj")
    assert "is of a kernel before 2.6.36" in complaint(text)


@pytest.mark.parametrize("stem", ["6.12-vm-group_ancestor", "noversion-memcg-apk"])
def test_cut_anywhere(data: Path, stem: str) -> None:
    lines = read_log(str(data / f"{stem}.log")).splitlines(keepends=True)
    for end in range(len(lines)):
        text = "".join(lines[:end])
        try:
            verdicts = judge_text(text, "x.log")
        except UsageError:
            continue
        assert all(verdict.fine for verdict in verdicts)
