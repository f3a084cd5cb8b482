# SPDX-License-Identifier: GPL-2.0-only
"""The rules of a kernel follow from its version, or from the form of its report."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from pykmm.report.eras import ERAS, Badness, Ties, find_era
from pykmm.report.parse import parse

MakeReport = Callable[..., str]


def names(text: str) -> list[str]:
    return [era.name for era in find_era(parse(text).reports[0]).candidates]


def test_eras_cover_every_version_once() -> None:
    for era, successor in pairwise(ERAS):
        assert era.until < successor.since
    assert all(era.commits for era in ERAS)


def test_what_changed_when() -> None:
    changed = {era.since: era for era in ERAS}
    assert changed[(3, 5, 0)].badness is Badness.ADJ_BONUS
    assert changed[(3, 14, 0)].badness is Badness.CURRENT_BONUS
    assert changed[(4, 17, 0)].badness is Badness.NO_BONUS
    assert not changed[(5, 1, 0)].sacrifices_children
    assert changed[(5, 1, 0)].ties is Ties.FIRST
    assert changed[(5, 3, 0)].ties is Ties.LAST
    assert changed[(5, 9, 0)].badness is Badness.SIGNED


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("3.10.107", ["3.5 to 3.13"]),
        ("3.14.0", ["3.14 to 4.16"]),
        ("3.18.140-perf+", ["3.14 to 4.16"]),
        ("3.10.0-514.6.1.el7.x86_64", ["3.5 to 3.13", "3.14 to 4.16"]),
        ("2.6.32-642.el6.x86_64", ["3.5 to 3.13", "3.14 to 4.16"]),
        (None, ["3.14 to 4.16", "3.5 to 3.13"]),
    ],
)
def test_table_with_nr_ptes(
    make_report: MakeReport, release: str | None, expected: list[str]
) -> None:
    assert names(make_report([(7, "a", 5, 0)], 7, old=True, release=release)) == (
        expected
    )


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.12.1", ["5.9 and later"]),
        ("7.3.4", ["5.9 and later"]),
        ("rubbish", ["5.9 and later"]),
        ("4.18.0-999.el8", ["5.9 and later"]),
    ],
)
def test_table_with_split_rss(
    make_report: MakeReport, release: str, expected: list[str]
) -> None:
    assert names(make_report([(7, "a", 5, 0)], 7, release=release)) == expected


def five_x(make_report: MakeReport, release: str | None) -> str:
    """Write a report as 5.4 to 6.7 print it."""
    text = make_report([(7, "a", 5, 0)], 7, release=release)
    split = "        5        5        0         0        0"
    return text.replace(" rss_anon rss_file rss_shmem", "").replace(
        split, "        5        0"
    )


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.4.0", ["5.3 to 5.8"]),
        ("5.8.18", ["5.3 to 5.8"]),
        ("5.9.0-rc1", ["5.9 and later"]),
        ("4.18.0-477.13.1.el8_8.x86_64", ["5.3 to 5.8", "5.9 and later"]),
        (None, ["5.9 and later", "5.3 to 5.8"]),
    ],
)
def test_table_with_pgtables_bytes(
    make_report: MakeReport, release: str | None, expected: list[str]
) -> None:
    assert names(five_x(make_report, release)) == expected


def test_kill_line_without_uid_is_older_than_5_4(make_report: MakeReport) -> None:
    text = five_x(make_report, None).replace(
        ", UID:1000 pgtables:0kB oom_score_adj:0", ""
    )
    assert names(text) == ["5.3 to 5.8", "5.1 to 5.2", "4.17 to 5.0"]


def test_why_is_told(make_report: MakeReport) -> None:
    why = find_era(parse(make_report([(7, "a", 5, 0)], 7)).reports[0]).why
    assert why == "by its version, 6.12.0"
