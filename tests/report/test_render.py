# SPDX-License-Identifier: GPL-2.0-only
"""What people and programs read of a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable

from pykmm.report import judge_text, render, to_dict

MakeReport = Callable[..., str]
TASKS = [(7, "small", 50, 0), (8, "large", 900, 0), (9, "sshd", 2000, -1000)]

EXPECTED = """\
a.log, report 1 (lines 1 to 12)
  invoked by  99 (hog), gfp_mask 0xcc0, order 0
  kernel      6.12.0
  rules       5.9 and later: pages; may be negative; the last of equals wins
              (by its version, 6.12.0)
  domain      CONSTRAINT_NONE, totalpages 1000000 (RAM 1000000, swap 0)

  points  pid   uid    adj   rss  swap  pgtables  task
     900    8  1000      0   900     0         0  large   <- the rules' choice
      50    7  1000      0    50     0         0  small   <- the kernel's choice
       -    9  1000  -1000  2000     0         0  sshd   <- protected: oom_score_adj -1000

  log line 11: chose 7 (small)
  log line 12: killed 7 (small)
differs: the kernel chose 7 (small), which has 50 points, but its rules choose 8 (large) with 900; 1 task stands before the victim: 8 (large)

a.log: 1 report: 1 differs
"""  # noqa: E501  the program wraps no lines


def test_text(make_report: MakeReport) -> None:
    assert render(judge_text(make_report(TASKS, 7), "a.log")) == EXPECTED


def test_long_tables_are_shortened(make_report: MakeReport) -> None:
    tasks = [(100 + n, f"t{n}", 1000 - n, 0) for n in range(30)]
    verdicts = judge_text(make_report(tasks, 129), "a.log")
    short, whole = render(verdicts), render(verdicts, show_all=True)
    assert "and 19 more (--all shows them)" in short
    assert "t29   <- the kernel's choice" in short
    assert "  t15" not in short
    assert "more (--all" not in whole
    assert all(f"  t{n}" in whole for n in range(30))


def test_equals_stand_in_scan_order(make_report: MakeReport) -> None:
    tasks = [(n, f"t{n}", 5, 0) for n in (30, 10, 20)]
    text = render(judge_text(make_report(tasks, 20), "a.log"))
    assert text.index("t30") < text.index("t10") < text.index("t20")


def test_condition_is_shown(make_report: MakeReport) -> None:
    memory = ["memory: usage 4kB, limit 16000kB, failcnt 1"]
    tasks = [(7, "pushed", 100, 100), (8, "large", 2000, 0)]
    text = make_report(tasks, 7, ram=None, memory=memory)
    assert "\nprovided that totalpages, which the report does not print, was" in (
        render(judge_text(text, "a.log"))
    )


def test_unprintable_names(make_report: MakeReport) -> None:
    text = render(judge_text(make_report([(7, "a\x07b", 5, 0)], 7), "a.log"))
    assert "\x07" not in text.replace("chose 7 (a\x07b)", "")
    assert "a\N{REPLACEMENT CHARACTER}b" in text


def test_plain_values(make_report: MakeReport) -> None:
    (verdict,) = judge_text(make_report(TASKS, 7), "a.log")
    value = json.loads(json.dumps(to_dict(verdict)))
    assert (value["outcome"], value["kernel_pid"], value["model_pid"]) == (
        "differs",
        7,
        8,
    )
    assert [task["points"] for task in value["tasks"]] == [50, 900, None]
    assert [task["eligible"] for task in value["tasks"]] == [True, True, False]
    assert value["killed"] == [{"pid": 7, "comm": "small"}]


def test_summary_counts(make_report: MakeReport) -> None:
    text = make_report(TASKS, 8) + make_report([(1, "a", 9, 0), (2, "b", 5, 0)], 2)
    text += make_report(TASKS[:1])
    last = render(judge_text(text, "a.log")).splitlines()[-1]
    assert last == "a.log: 3 reports: 1 agrees, 1 differs, 1 undecided"
