# SPDX-License-Identifier: GPL-2.0-only
"""Words that reports and refusals are put together from."""

from __future__ import annotations

import pytest

from pykmm.errors import UsageError, call_path, check_whole, choices


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")],
)
def test_choices_end_in_or(values: list[str], text: str) -> None:
    assert choices(values) == text


def test_six_calls_are_told_and_that_there_are_more() -> None:
    six = ["a", "b", "c", "d", "e", "f"]
    assert call_path(six) == "  a < b < c < d < e < f"
    assert call_path([*six, "g"]) == "  a < b < c < d < e < f < …"


def test_calls_without_a_name_worth_telling_are_left_out() -> None:
    assert call_path(["_helper", "<lambda>", "mmput", "_"]) == "  mmput"
    assert call_path(["_helper"]) == ""


@pytest.mark.parametrize(("least", "lowest"), [({}, 1), ({"least": 0}, 0)])
def test_a_whole_number_is_no_less_than_the_least(
    least: dict[str, int], lowest: int
) -> None:
    check_whole("n", lowest, **least)
    for wrong in (lowest - 1, True, 2.0, "2", None):
        with pytest.raises(UsageError, match=f"n={wrong!r} must be a whole number, "):
            check_whole("n", wrong, **least)
