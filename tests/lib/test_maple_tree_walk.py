# SPDX-License-Identifier: GPL-2.0-only
"""Where walks over a maple tree stop, and how they go on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pykmm.errno import EBUSY
from pykmm.lib.maple_tree import (
    mas_empty_area,
    mas_erase,
    mas_find,
    mas_find_range,
    mas_find_rev,
    mas_is_none,
    mas_is_overflow,
    mas_is_paused,
    mas_is_ptr,
    mas_is_start,
    mas_is_underflow,
    mas_next,
    mas_next_range,
    mas_pause,
    mas_prev,
    mas_prev_range,
    mas_walk,
    mtree_erase,
    mtree_load,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    ma_active,
    ma_error,
    ma_none,
    ma_overflow,
    ma_pause,
    ma_root,
    ma_start,
    ma_underflow,
    maple_status,
    mas_for_each,
    mas_for_each_rev,
    mas_is_err,
    mas_set,
)
from tests.lib.trees import MAX, abc, after, tree

if TYPE_CHECKING:
    pass


def test_find_up_to_the_end_and_back() -> None:
    mas = MA_STATE(abc(), 0, 0)
    assert [mas_find(mas, MAX) for _ in range(3)] == ["A", "B", "C"]
    assert after(mas, mas_find, MAX) == (None, 0x6000, MAX, ma_active)
    assert [mas_prev(mas, 0) for _ in range(3)] == ["C", "B", "A"]
    assert after(mas, mas_prev, 0) == (None, 0, 0xFFF, ma_underflow)
    assert mas_next(mas, MAX) == "A"


def test_find_rev_down_to_the_end_and_back() -> None:
    mas = MA_STATE(abc(), MAX, MAX)
    assert [mas_find_rev(mas, 0) for _ in range(3)] == ["C", "B", "A"]
    assert after(mas, mas_find_rev, 0) == (None, 0, 0xFFF, ma_underflow)
    assert mas_find_rev(mas, 0) is None
    assert mas_find(mas, MAX) == "A"


def test_find_rev_returns_an_entry_that_straddles_the_limit() -> None:
    mas = MA_STATE(abc(), MAX, MAX)
    assert [mas_find_rev(mas, 0x2800) for _ in range(2)] == ["C", "B"]
    assert after(mas, mas_find_rev, 0x2800) == (None, 0x2000, 0x2FFF, ma_active)


def test_find_rev_stops_in_a_gap_that_reaches_the_limit() -> None:
    mas = MA_STATE(abc(), MAX, MAX)
    assert mas_find_rev(mas, 0x3000) == "C"
    assert after(mas, mas_find_rev, 0x3000) == (None, 0x3000, 0x4FFF, ma_underflow)


@pytest.mark.parametrize(
    ("start", "found"), [(0x2800, "B"), (0x4FFF, "B"), (0x1000, "A"), (0xFFF, None)]
)
def test_find_rev_first_looks_at_where_it_starts(start: int, found: str | None) -> None:
    mas = MA_STATE(abc(), start, start)
    assert mas_find_rev(mas, 0) == found
    assert (mas.status is ma_underflow) == (found is None)


def test_find_stops_at_its_limit_and_goes_on_beyond_it() -> None:
    mas = MA_STATE(abc(), 0, 0)
    assert after(mas, mas_find, 0xFFF) == (None, 0, 0xFFF, ma_active)
    assert mas_find(mas, 0x1000) == "A"
    mas = MA_STATE(abc(), 0x3000, 0x3000)
    assert after(mas, mas_find, 0x4FFF) == (None, 0x3000, 0x4FFF, ma_active)
    assert mas_find(mas, 0x5000) == "C"
    mas = MA_STATE(abc(), MAX, MAX)
    assert after(mas, mas_find, MAX) == (None, 0x6000, MAX, ma_active)


def test_find_that_begins_above_its_limit_does_not_even_search() -> None:
    mas = MA_STATE(abc(), 0x2000, 0x2000)
    assert after(mas, mas_find, 0x1FFF) == (None, 0x2000, 0x2000, ma_start)


def test_next_and_prev_leave_the_slot_they_start_in() -> None:
    assert mas_next(MA_STATE(abc(), 0x1800, 0x1800), MAX) == "B"
    assert mas_next(MA_STATE(abc(), 0, 0), MAX) == "A"
    assert mas_prev(MA_STATE(abc(), 0x2800, 0x2800), 0) == "A"
    mas = MA_STATE(abc(), 0x1800, 0x1800)
    assert after(mas, mas_prev, 0) == (None, 0, 0xFFF, ma_underflow)


def test_next_goes_on_when_the_limit_is_raised() -> None:
    mas = MA_STATE(abc(), 0, 0)
    assert after(mas, mas_next, 0xFFF) == (None, 0, 0xFFF, ma_overflow)
    assert mas_next(mas, MAX) == "A"
    assert after(mas, mas_next, 0x1FFF) == (None, 0x1000, 0x1FFF, ma_overflow)
    assert mas_next(mas, MAX) == "B"


def test_next_that_overflows_in_a_gap_stands_in_the_gap() -> None:
    mt = tree((0x1000, 0x1500, "a"), (0x2000, 0x2500, "b"), (0x3000, 0x3500, "c"))
    mas = MA_STATE(mt, 0x1000, 0x1000)
    mas_walk(mas)
    assert mas_next(mas, 0x2100) == "b"
    assert after(mas, mas_next, 0x2999) == (None, 0x2501, 0x2FFF, ma_overflow)
    assert mas_next(mas, MAX) == "c"
    assert after(mas, mas_next, MAX) == (None, 0x3501, MAX, ma_overflow)
    assert mas_prev(mas, 0) == "c"


def test_prev_goes_on_when_the_limit_is_lowered() -> None:
    mt = tree((0x1000, 0x1500, "a"), (0x2000, 0x2500, "b"))
    mas = MA_STATE(mt, 0x2000, 0x2000)
    mas_walk(mas)
    assert after(mas, mas_prev, 0x1200) == ("a", 0x1000, 0x1500, ma_active)
    assert after(mas, mas_prev, 0x1200) == (None, 0x1000, 0x1500, ma_underflow)
    assert after(mas, mas_prev, 0x100) == (None, 0, 0xFFF, ma_underflow)


def test_range_steps_stop_in_gaps() -> None:
    mas = MA_STATE(abc(), 0x2000, 0x2000)
    assert mas_walk(mas) == "B"
    assert after(mas, mas_next_range, MAX) == (None, 0x3000, 0x4FFF, ma_active)
    assert after(mas, mas_next_range, MAX) == ("C", 0x5000, 0x5FFF, ma_active)
    assert after(mas, mas_next_range, MAX) == (None, 0x6000, MAX, ma_active)
    assert after(mas, mas_next_range, MAX) == (None, 0x6000, MAX, ma_overflow)
    assert after(mas, mas_prev_range, 0) == ("C", 0x5000, 0x5FFF, ma_active)
    assert after(mas, mas_prev_range, 0) == (None, 0x3000, 0x4FFF, ma_active)


def test_an_entry_that_touches_an_end_of_the_line() -> None:
    mt = tree((0, 0xFFF, "low"), (MAX - 0xFFF, MAX, "high"))
    mas = MA_STATE(mt, 0, 0)
    assert [mas_find(mas, MAX) for _ in range(3)] == ["low", "high", None]
    assert (mas.index, mas.last, mas.status) == (MAX - 0xFFF, MAX, ma_active)
    # The end was found, not passed, so the way back begins below it.
    assert mas_find_rev(mas, 0) == "low"
    assert mas_next(MA_STATE(mt, MAX, MAX), MAX) is None
    assert mas_prev(MA_STATE(mt, 0, 0), 0) is None
    mas = MA_STATE(mt, 0x1000, 0x1000)
    assert mas_prev(mas, 0) == "low"
    assert after(mas, mas_prev, 0) == (None, 0, 0xFFF, ma_underflow)
    assert mas_next(mas, MAX) == "low"


def test_pause_goes_on_above_or_below() -> None:
    mas = MA_STATE(abc(), 0, 0)
    assert mas_find(mas, MAX) == "A"
    mas_pause(mas)
    assert mas_find(mas, MAX) == "B"
    mas_pause(mas)
    assert mas_find_rev(mas, 0) == "A"
    mas_pause(mas)
    mtree_erase(mas.tree, 0x2000)
    assert mas_find(mas, MAX) == "C"


def test_pause_at_either_limit() -> None:
    mas = MA_STATE(abc(), 0x5000, 0x5000)
    mas_walk(mas)
    mas_pause(mas)
    assert after(mas, mas_find, 0x5FFF) == (None, 0x5000, 0x5FFF, ma_pause)
    assert after(mas, mas_find_rev, 0x5000) == (None, 0x5000, 0x5FFF, ma_underflow)


def test_an_empty_tree() -> None:
    mas = MA_STATE(tree(), 5, 5)
    assert mas_walk(mas) is None
    assert (mas.index, mas.last, mas.status) == (0, MAX, ma_none)
    assert after(mas, mas_find, MAX) == (None, 0, MAX, ma_none)
    mas = MA_STATE(mas.tree, MAX, MAX)
    assert after(mas, mas_find_rev, 0) == (None, 0, 0, ma_root)
    assert after(mas, mas_find_rev, 0) == (None, 0, 0, ma_none)
    assert after(MA_STATE(mas.tree, 0, 0), mas_prev, 0)[3] is ma_underflow


def test_an_entry_in_the_root_pointer() -> None:
    mt = tree((0, 0, "only"))
    assert after(MA_STATE(mt, 10, 10), mas_prev, 0) == ("only", 0, 0, ma_root)
    assert after(MA_STATE(mt, 0, 0), mas_next, MAX) == (None, 1, MAX, ma_none)
    mas = MA_STATE(mt, 0, 0)
    assert after(mas, mas_find, MAX) == ("only", 0, 0, ma_root)
    assert after(mas, mas_find, MAX) == (None, 1, MAX, ma_none)
    mas = MA_STATE(mt, 10, 10)
    assert mas_walk(mas) is None
    assert (mas.index, mas.last, mas.status) == (1, MAX, ma_none)


def test_an_error_ends_every_walk_until_a_reset() -> None:
    mas = MA_STATE(abc(), 0, 0)
    assert mas_empty_area(mas, 0x1000, 0x2FFF, 1) == -EBUSY
    for step in (mas_find, mas_find_rev, mas_find_range, mas_next, mas_prev):
        mas.index = mas.last = 0x2800
        limit = 0 if step in (mas_find_rev, mas_prev) else MAX
        assert after(mas, step, limit) == (None, 0x2800, 0x2800, ma_error)
    mas_set(mas, 0)
    assert mas_find(mas, MAX) == "A"


def test_next_and_prev_reach_an_entry_that_just_touches_the_limit() -> None:
    mas = MA_STATE(abc(), 0x2000, 0x2000)
    assert after(mas, mas_next, 0x5000) == ("C", 0x5000, 0x5FFF, ma_active)
    assert after(mas, mas_prev, 0x2FFF) == ("B", 0x2000, 0x2FFF, ma_active)


def test_a_limit_hit_before_the_first_search_leaves_the_search_to_do() -> None:
    for mt, found in (
        (abc(), ("A", 0x1000, 0x1FFF, ma_active)),
        (tree(), (None, 0, MAX, ma_none)),
        (tree((0, 0, "only")), (None, 1, MAX, ma_none)),
    ):
        mas = MA_STATE(mt, 0, 5)
        assert after(mas, mas_next, 3) == (None, 0, 5, ma_overflow)
        assert after(mas, mas_next, MAX) == found


def test_a_loop_may_erase_what_it_stands_at() -> None:
    mas = MA_STATE(abc(), 0, 0)
    for entry in mas_for_each(mas, MAX):
        if entry != "B":
            assert mas_erase(mas) == entry
    assert [mtree_load(mas.tree, a) for a in (0x1000, 0x2000, 0x5000)] == [
        None,
        "B",
        None,
    ]


def test_a_loop_sees_what_others_change_ahead_of_it() -> None:
    mas = MA_STATE(abc(), 0, 0)
    seen = []
    for entry in mas_for_each(mas, MAX):
        seen.append(entry)
        if entry == "A":
            mtree_erase(mas.tree, 0x2000)
            mtree_store_range(mas.tree, 0x3000, 0x3FFF, "new", 0)
    assert seen == ["A", "new", "C"]
    mas = MA_STATE(mas.tree, MAX, MAX)
    seen = []
    for entry in mas_for_each_rev(mas, 0):
        seen.append(entry)
        if entry == "C":
            mtree_erase(mas.tree, 0x3000)
    assert seen == ["C", "A"]


def test_a_state_goes_on_from_where_others_changed_the_tree() -> None:
    """Its slot is erased, cut, moved or stored over, and new ones come beside it."""
    mas = MA_STATE(abc(), 0x2000, 0x2000)
    assert mas_find(mas, MAX) == "B"
    mtree_erase(mas.tree, 0x2000)
    mtree_store_range(mas.tree, 0x4000, 0x4FFF, "new", 0)
    assert mas_find(mas, MAX) == "new"
    mtree_store_range(mas.tree, 0x2800, 0x4FFF, "over", 0)
    mtree_store_range(mas.tree, 0x2000, 0x20FF, "below", 0)
    assert mas_find_rev(mas, 0) == "below"
    mtree_store_range(mas.tree, 0x1F00, 0x20FF, None, 0)
    assert after(mas, mas_prev, 0) == ("A", 0x1000, 0x1EFF, ma_active)


def test_a_state_in_a_gap_sees_who_moves_in() -> None:
    mas = MA_STATE(abc(), 0x4000, 0x4000)
    assert mas_walk(mas) is None
    mtree_store_range(mas.tree, 0x4000, 0x40FF, "above", 0)
    assert after(mas, mas_next, MAX) == ("above", 0x4000, 0x40FF, ma_active)
    mas_set(mas, 0x4800)
    assert mas_walk(mas) is None
    mtree_store_range(mas.tree, 0x4000, 0x4100, "at its index", 0)
    assert after(mas, mas_prev, 0) == ("B", 0x2000, 0x2FFF, ma_active)


def test_statuses_have_their_questions() -> None:
    questions = {
        ma_start: mas_is_start,
        ma_root: mas_is_ptr,
        ma_none: mas_is_none,
        ma_pause: mas_is_paused,
        ma_overflow: mas_is_overflow,
        ma_underflow: mas_is_underflow,
        ma_error: mas_is_err,
    }
    for status in maple_status:
        mas = MA_STATE(abc(), 0, 0)
        mas.status = status
        assert [ask(mas) for ask in questions.values()] == [
            s is status for s in questions
        ]
