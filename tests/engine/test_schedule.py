# SPDX-License-Identifier: GPL-2.0-only
"""Schedules are values: text and JSON read back as what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykmm.engine import Schedule
from pykmm.errors import UsageError

names = st.text("abcxyz/.:_-#0123456789", min_size=1, max_size=6)
schedules = st.builds(Schedule, st.lists(names, max_size=30))


@given(schedules)
def test_text_reads_back(schedule: Schedule) -> None:
    assert Schedule.parse(str(schedule)) == schedule


@given(schedules)
def test_json_reads_back(schedule: Schedule) -> None:
    assert Schedule.from_json(schedule.to_json()) == schedule


@given(schedules)
def test_repr_is_code_that_makes_an_equal_one(schedule: Schedule) -> None:
    assert eval(repr(schedule), {"Schedule": Schedule}) == schedule


def test_runs_of_one_thread_are_counted() -> None:
    assert str(Schedule(["v", "m", "v", "v", "m"])) == "v m v*2 m"


@pytest.mark.parametrize("text", ["v*0", "*3", "v*x", "v**2", "a*b*2"])
def test_a_word_that_is_none_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"schedule has the word"):
        Schedule.parse(text)


def test_a_count_beyond_reason_is_refused() -> None:
    with pytest.raises(UsageError, match="longer than"):
        Schedule.parse("v*99999999999")


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not json"])
def test_json_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Schedule.from_json(text)
