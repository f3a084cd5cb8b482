# SPDX-License-Identifier: GPL-2.0-only
"""Every stored report of a real kernel is judged, and the kernel was right."""

from __future__ import annotations

from pathlib import Path

import pytest

from pykmm.report import Outcome, judge_text, read_log

# file, whom the kernel killed in each of its reports, rules that tell why
FIELD = [
    ("2.6.32-global-php-fpm", [14290], "2.6.36 to 3.4"),
    ("3.10.0-global-mysqld", [6576], "3.5 to 3.13"),
    ("3.10.0-global-mysqld-2", [18480], "3.5 to 3.13"),
    ("3.10.0-global-yum-cron", [5683], "3.5 to 3.13"),
    ("3.10.107-memcg-stress-ng-vm", [3691], "3.5 to 3.13"),
    ("noversion-memcg-pause", [49297], "3.14 to 4.16"),
    ("4.8.0-memcg-gunpowder-memho", [1667], "3.14 to 4.16"),
    ("4.18.0-global-oom", [2074], "5.3 to 5.8"),
    ("5.2.0-memcg-stress", [210], "5.1 to 5.2"),
    ("5.4.0-global-python3", [28600], "5.3 to 5.8"),
    ("5.7.0-global-polkitd", [350], "5.3 to 5.8"),
    ("5.7.0-global-trinity-c1", [948], "5.3 to 5.8"),
    ("5.7.0-global-trinity-c1-2", [1112], "5.3 to 5.8"),
    ("noversion-memcg-stress", [32308], "5.3 to 5.8"),
    ("5.13.0-global-unattended-upgr", [651], "5.9 and later"),
    ("5.14.21-memcg-qemu-system-x86", [39079], "5.9 and later"),
    ("5.15.0-memcg-syz-executor", [15307], "5.9 and later"),
    ("6.1.1-global-doxygen", [473206], "5.9 and later"),
    ("6.11.0-global-stress-ng-vm", [116], "5.9 and later"),
    ("6.11.0-memcg-cc1", [5646], "5.9 and later"),
    ("noversion-global-ld-musl-x86_64", [13623], "5.9 and later"),
    ("noversion-global-oom01", [3261], "5.9 and later"),
    ("noversion-global-sh", [171], "5.9 and later"),
    ("noversion-memcg-apk", [3974], "5.9 and later"),
    ("6.12-vm-adj_close", [157, 191], "5.9 and later"),
    ("6.12-vm-basic", [147, 207], "5.9 and later"),
    ("6.12-vm-clone_vm", [170, 186], "5.9 and later"),
    ("6.12-vm-group_ancestor", [135, 197], "5.9 and later"),
    ("6.18-v1-clone_vm_same_group", [21258, 21271], "5.9 and later"),
    ("6.18-v1-eight_random_a", [21800, 21769, 21830], "5.9 and later"),
    ("6.18-v1-leader_exited", [17988, 18002], "5.9 and later"),
    ("6.18-v1-moved_in_order", [3829, 3821, 3817, 3795, 3848], "5.9 and later"),
    ("7.3-vm-adj_close", [116, 148], "5.9 and later"),
    ("7.3-vm-basic", [108, 156], "5.9 and later"),
    ("7.3-vm-clone_vm", [135, 149], "5.9 and later"),
    ("7.3-vm-group_ancestor", [99, 151], "5.9 and later"),
]

# file, the allocating task, whom the selection would have chosen
BYPASSED = [("6.12-vm-alloc_task_1", 171, 135), ("7.3-vm-alloc_task_1", 148, 100)]


@pytest.mark.parametrize(("stem", "killed", "rules"), FIELD)
def test_model_agrees(data: Path, stem: str, killed: list[int], rules: str) -> None:
    verdicts = judge_text(read_log(str(data / f"{stem}.log")), stem)
    assert [verdict.kernel_pid for verdict in verdicts] == killed
    assert [verdict.model_pid for verdict in verdicts] == killed
    assert {verdict.outcome for verdict in verdicts} == {Outcome.AGREES}
    assert all((verdict.rules or "").startswith(f"{rules}:") for verdict in verdicts)


@pytest.mark.parametrize(("stem", "killed", "chosen"), BYPASSED)
def test_bypassed_selection(data: Path, stem: str, killed: int, chosen: int) -> None:
    (verdict,) = judge_text(read_log(str(data / f"{stem}.log")), stem)
    assert verdict.outcome is Outcome.BYPASSED
    assert (verdict.kernel_pid, verdict.model_pid) == (killed, chosen)
    assert "oom_kill_allocating_task" in verdict.explanation


def test_every_stored_log_is_listed(data: Path) -> None:
    stored = {path.stem for path in data.glob("*.log")}
    assert stored == {entry[0] for entry in [*FIELD, *BYPASSED]}
    assert len(stored) == 38


def test_two_answers_hang_on_swap_that_the_report_hides(data: Path) -> None:
    verdicts = judge_text(read_log(str(data / "6.18-v1-eight_random_a.log")), "log")
    assert [verdict.condition for verdict in verdicts] == [
        "totalpages, which the report does not print, was at most 102999 pages "
        "(402 MiB)",
        None,
        "totalpages, which the report does not print, was at most 50999 pages "
        "(199 MiB)",
    ]


def test_no_other_answer_hangs_on_an_assumption(data: Path) -> None:
    for stem in [entry[0] for entry in FIELD if entry[0] != "6.18-v1-eight_random_a"]:
        verdicts = judge_text(read_log(str(data / f"{stem}.log")), stem)
        assert [verdict.condition for verdict in verdicts] == [None] * len(verdicts)


def test_explanations_name_what_is_special(data: Path) -> None:
    def said(stem: str) -> str:
        return judge_text(read_log(str(data / f"{stem}.log")), stem)[0].explanation

    assert "48 tasks have 6 points and the first of equals" in said(
        "2.6.32-global-php-fpm"
    )
    assert "2 tasks have 1 points and the first of equals" in said(
        "noversion-memcg-pause"
    )
    assert "17988 is a thread of process 17971" in said("6.18-v1-leader_exited")
    assert "2 more died with it in /a, a memory.oom.group" in said(
        "7.3-vm-group_ancestor"
    )
    assert "no 'Killed process' line follows" in said("5.14.21-memcg-qemu-system-x86")
