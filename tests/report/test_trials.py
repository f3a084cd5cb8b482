# SPDX-License-Identifier: GPL-2.0-only
"""What a report leaves open is tried, and named where an answer hangs on it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.report import Outcome, judge_text
from pykmm.report.eras import ERAS, EraRules
from pykmm.report.historic import PlainSelector
from pykmm.report.parse import parse
from pykmm.report.trials import totalpages_to_try
from pykmm.report.world import RebuiltWorld, rebuild

MakeReport = Callable[..., str]
QUIET = settings(derandomize=True, database=None, deadline=None, max_examples=60)


def memcg(limit_pages: int) -> list[str]:
    return [f"memory: usage 4kB, limit {limit_pages * 4}kB, failcnt 1"]


def test_swap_behind_a_memcg_decides(make_report: MakeReport) -> None:
    tasks = [(7, "pushed", 100, 100), (8, "large", 2000, 0)]
    text = make_report(tasks, 7, ram=None, memory=memcg(4000))
    (verdict,) = judge_text(text, "log")
    assert verdict.outcome is Outcome.AGREES
    assert verdict.condition == (
        "totalpages, which the report does not print, was at least 20000 pages (78 MiB)"
    )
    assert verdict.totalpages == 20_000


def test_limit_on_swap_leaves_no_way_out(make_report: MakeReport) -> None:
    tasks = [(7, "pushed", 100, 100), (8, "large", 2000, 0)]
    memory = [*memcg(4000), "swap: usage 0kB, limit 400kB, failcnt 0"]
    (verdict,) = judge_text(make_report(tasks, 7, ram=None, memory=memory), "log")
    assert verdict.outcome is Outcome.DIFFERS


def test_rules_that_the_report_does_not_tell_apart(make_report: MakeReport) -> None:
    tasks = [(7, "server", 900, -998), (8, "pause", 1, -998)]
    text = make_report(tasks, 8, release=None)
    text = text.replace(" rss_anon rss_file rss_shmem", "")
    for pages in (1, 900):
        text = text.replace(f"{pages:8d} {pages:8d} {0:8d} {0:9d}", f"{pages:8d}")
    (verdict,) = judge_text(text, "log")
    assert verdict.outcome is Outcome.AGREES
    assert verdict.condition == (
        "the kernel had the rules of 5.3 to 5.8, not of 5.9 and later, which the "
        "report does not tell apart"
    )
    (plain,) = judge_text(text.replace("pid=8", "pid=7"), "log")
    assert (plain.outcome, plain.condition) == (Outcome.AGREES, None)


def test_root_without_capability(make_report: MakeReport) -> None:
    tasks = [(7, "daemon", 5000, 0), (8, "other", 4000, 0)]
    text = make_report(tasks, 7, old=True, release="3.10.107", uid=0, ram=100_000)
    text = text.replace("[    8]     0", "[    8]  1000")
    (verdict,) = judge_text(text, "log")
    assert verdict.outcome is Outcome.AGREES
    assert verdict.condition == (
        "tasks of uid 0 had no CAP_SYS_ADMIN, as in a container"
    )


def worlds(make: MakeReport, tasks: list[tuple[int, int]]) -> RebuiltWorld:
    rows = [(10 + i, "t", rss, adj) for i, (rss, adj) in enumerate(tasks)]
    text = make(rows, 10, ram=None, memory=memcg(1000), summary=False)
    return rebuild(parse(text).reports[0])


def test_no_answer_lies_between_two_tried_sizes(make_report: MakeReport) -> None:
    rows = st.tuples(st.integers(0, 9000), st.sampled_from([-1000, -998, 0, 1, 300]))

    @QUIET
    @given(st.lists(rows, min_size=1, max_size=5), st.sampled_from(ERAS[1:]))
    def check(tasks: list[tuple[int, int]], rules: EraRules) -> None:
        world = worlds(make_report, tasks)
        tried = totalpages_to_try(world, rules, world.tasks[0])
        for size, successor in zip(tried, [*tried[1:], tried[-1] + 9999], strict=True):
            inside = {size, (size + successor) // 2, successor - 1}
            answers = {
                PlainSelector().select(world.with_totalpages(s), rules).chosen == 0
                for s in inside
            }
            assert len(answers) == 1

    check()
