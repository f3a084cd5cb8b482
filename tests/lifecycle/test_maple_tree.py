# SPDX-License-Identifier: GPL-2.0-only
"""Walks over a maple tree, and where each one stops: vectors L145 to L156."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pykmm.lib.maple_tree import (
    mas_erase,
    mas_find,
    mas_find_rev,
    mas_next,
    mas_next_range,
    mas_pause,
    mas_prev,
    mas_walk,
    mtree_erase,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    MT_FLAGS_ALLOC_RANGE,
    ULONG_MAX,
    ma_active,
    ma_none,
    ma_overflow,
    ma_root,
    ma_start,
    ma_state,
    ma_underflow,
    maple_status,
    maple_tree,
    mtree_empty,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Walk = Callable[[ma_state[str], int], str | None]

MAX = ULONG_MAX
A, B, C = (0x1000, 0x1FFF), (0x2000, 0x2FFF), (0x5000, 0x5FFF)


def tree(**ranges: tuple[int, int]) -> maple_tree[str]:
    """Make a tree of named ranges."""
    made: maple_tree[str] = maple_tree(MT_FLAGS_ALLOC_RANGE)
    for name, (first, last) in ranges.items():
        assert mtree_store_range(made, first, last, name, 0) == 0
    return made


@pytest.fixture
def abc() -> maple_tree[str]:
    return tree(A=A, B=B, C=C)


def at(mt: maple_tree[str], index: int) -> ma_state[str]:
    return MA_STATE(mt, index, index)


def bounds(mas: ma_state[str]) -> tuple[int, int]:
    return mas.index, mas.last


def where(mas: ma_state[str]) -> tuple[int, int, maple_status]:
    return mas.index, mas.last, mas.status


def repeat(step: Walk, mas: ma_state[str], limit: int, times: int) -> list[str | None]:
    return [step(mas, limit) for _ in range(times)]


def test_l145_find_to_the_end_then_back_down_then_up(abc):
    mas = at(abc, 0)
    assert repeat(mas_find, mas, MAX, 3) == ["A", "B", "C"]
    assert bounds(mas) == C
    assert mas_find(mas, MAX) is None
    assert where(mas) == (0x6000, MAX, ma_active)
    assert repeat(mas_prev, mas, 0, 3) == ["C", "B", "A"]
    assert bounds(mas) == A
    assert mas_prev(mas, 0) is None
    assert where(mas) == (0, 0xFFF, ma_underflow)
    assert mas_next(mas, MAX) == "A"
    assert bounds(mas) == A


def test_l146_find_rev_from_the_top_then_up(abc):
    mas = at(abc, MAX)
    assert repeat(mas_find_rev, mas, 0, 3) == ["C", "B", "A"]
    assert mas_find_rev(mas, 0) is None
    assert where(mas) == (0, 0xFFF, ma_underflow)
    assert mas_find_rev(mas, 0) is None
    assert mas_find(mas, MAX) == "A"
    assert bounds(mas) == A


def test_l147_find_rev_gives_an_entry_that_straddles_the_limit(abc):
    mas = at(abc, MAX)
    assert repeat(mas_find_rev, mas, 0x2800, 3) == ["C", "B", None]
    assert where(mas) == (*B, ma_active)
    mas = at(abc, MAX)
    assert repeat(mas_find_rev, mas, 0x3000, 2) == ["C", None]
    assert where(mas) == (0x3000, 0x4FFF, ma_underflow)


def test_l148_find_rev_begins_with_what_contains_the_index_or_is_below(abc):
    assert repeat(mas_find_rev, at(abc, 0x2800), 0, 2) == ["B", "A"]
    assert mas_find_rev(at(abc, 0x4FFF), 0) == "B"
    mas = at(abc, 0xFFF)
    assert mas_find_rev(mas, 0) is None
    assert mas.status is ma_underflow
    assert mas_find_rev(at(abc, 0x1000), 0) == "A"


def test_l149_find_stops_at_its_limit_and_goes_on_beyond_it(abc):
    mas = at(abc, 0)
    assert mas_find(mas, 0xFFF) is None
    assert where(mas) == (0, 0xFFF, ma_active)
    assert mas_find(mas, 0x1000) == "A"
    mas = at(abc, 0x3000)
    assert mas_find(mas, 0x4FFF) is None
    assert bounds(mas) == (0x3000, 0x4FFF)
    assert mas_find(at(abc, 0x3000), 0x5000) == "C"
    mas = at(abc, MAX)
    assert mas_find(mas, MAX) is None
    assert bounds(mas) == (0x6000, MAX)


def test_l150_walk_next_and_prev_from_the_start(abc):
    mas = at(abc, 0x3000)
    assert mas_walk(mas) is None
    assert bounds(mas) == (0x3000, 0x4FFF)
    assert mas_next(at(abc, 0x1800), MAX) == "B"
    assert mas_next(at(abc, 0), MAX) == "A"
    mas = at(abc, 0x1800)
    assert mas_prev(mas, 0) is None
    assert mas.status is ma_underflow
    assert mas_prev(at(abc, 0x2800), 0) == "A"


def test_l151_next_goes_on_from_an_overflow_when_the_limit_is_raised(abc):
    mas = at(abc, 0)
    assert mas_next(mas, 0xFFF) is None
    assert where(mas) == (0, 0xFFF, ma_overflow)
    assert mas_next(mas, MAX) == "A"
    assert mas_next(mas, 0x1FFF) is None
    assert where(mas) == (*A, ma_overflow)
    assert mas_next(mas, MAX) == "B"


def test_l152_next_range_stops_at_gaps_as_well(abc):
    mas = at(abc, 0x2000)
    assert mas_walk(mas) == "B"
    assert mas_next_range(mas, MAX) is None
    assert where(mas) == (0x3000, 0x4FFF, ma_active)
    assert mas_next_range(mas, MAX) == "C"
    assert mas_next_range(mas, MAX) is None
    assert where(mas) == (0x6000, MAX, ma_active)
    assert mas_next_range(mas, MAX) is None
    assert mas.status is ma_overflow


def test_l153_a_paused_search_goes_on_where_it_was(abc):
    mas = at(abc, 0)
    assert mas_find(mas, MAX) == "A"
    mas_pause(mas)
    assert mas_find(mas, MAX) == "B"
    mas_pause(mas)
    assert mas_find_rev(mas, 0) == "A"
    mas = at(abc, 0)
    assert mas_find(mas, MAX) == "A"
    mas_pause(mas)
    assert mtree_erase(abc, B[0]) == "B"
    assert mas_find(mas, MAX) == "C"


def test_l154_erase_gives_the_bounds_of_the_whole_gap(abc):
    assert mas_erase(at(abc, B[0])) == "B"
    mas = at(abc, 0x1800)
    assert mas_erase(mas) == "A"
    assert bounds(mas) == (0, 0x4FFF)
    assert mas_erase(at(abc, 0x3000)) is None
    mas = at(abc, 0x5000)
    assert mas_erase(mas) == "C"
    assert where(mas) == (0, MAX, ma_start)
    assert mtree_empty(abc)


def test_l155_find_up_to_the_very_last_slot_skips_it_on_the_way_back():
    mt = tree(Z=(0, 0xFFF), M=(MAX - 0xFFF, MAX))
    mas = at(mt, 0)
    assert repeat(mas_find, mas, MAX, 3) == ["Z", "M", None]
    assert where(mas) == (MAX - 0xFFF, MAX, ma_active)
    assert mas_find_rev(mas, 0) == "Z"
    mas = at(mt, MAX)
    assert repeat(mas_find_rev, mas, 0, 3) == ["M", "Z", None]
    assert mas.status is ma_underflow


def test_l156_next_and_prev_at_both_ends_of_the_address_line():
    mt = tree(Z=(0, 0xFFF), M=(MAX - 0xFFF, MAX))
    mas = at(mt, MAX)
    assert mas_next(mas, MAX) is None
    assert mas.status is ma_overflow
    mas = at(mt, 0)
    assert mas_prev(mas, 0) is None
    assert mas.status is ma_underflow
    mas = at(mt, 0x1000)
    assert mas_prev(mas, 0) == "Z"
    assert mas_prev(mas, 0) is None
    assert mas.status is ma_underflow
    assert mas_next(mas, MAX) == "Z"


def test_l158_the_empty_tree():
    mt = tree()
    mas = at(mt, 5)
    assert mas_walk(mas) is None
    assert where(mas) == (0, MAX, ma_none)
    mas = at(mt, 0)
    assert mas_find(mas, MAX) is None
    assert mas.status is ma_none
    mas = at(mt, MAX)
    assert mas_find_rev(mas, 0) is None
    assert mas.status is ma_root
    assert mas_find_rev(mas, 0) is None
    assert mas.status is ma_none
    mas = at(mt, 0)
    assert mas_prev(mas, 0) is None
    assert mas.status is ma_underflow


def test_l159_one_entry_in_the_root_pointer():
    mt = tree(it=(0, 0))
    mas = at(mt, 10)
    assert mas_prev(mas, 0) == "it"
    assert mas.status is ma_root
    mas = at(mt, 0)
    assert mas_next(mas, MAX) is None
    assert where(mas) == (1, MAX, ma_none)
    mas = at(mt, 0)
    assert mas_find(mas, MAX) == "it"
    assert mas_find(mas, MAX) is None
    assert where(mas) == (1, MAX, ma_none)
    mas = at(mt, 10)
    assert mas_walk(mas) is None
    assert where(mas) == (1, MAX, ma_none)
    assert mas_walk(at(mt, 0)) == "it"


def three() -> maple_tree[str]:
    return tree(p1=(0x1000, 0x1500), p2=(0x2000, 0x2500), p3=(0x3000, 0x3500))


def test_l160_next_with_limits_inside_and_behind_the_entry_that_follows():
    mt = three()
    mas = at(mt, 0x1000)
    assert mas_walk(mas) == "p1"
    assert mas_next(mas, 0x2100) == "p2"
    assert mas_next(mas, 0x2999) is None
    assert where(mas) == (0x2501, 0x2FFF, ma_overflow)
    assert mas_next(mas, MAX) == "p3"
    assert mas_next(mas, MAX) is None
    assert where(mas) == (0x3501, MAX, ma_overflow)
    assert mas_prev(mas, 0) == "p3"


def test_l161_prev_with_limits_inside_and_before_the_entry_below():
    mt = three()
    mas = at(mt, 0x2000)
    assert mas_walk(mas) == "p2"
    assert mas_prev(mas, 0x1200) == "p1"
    assert mas.status is ma_active
    assert mas_prev(mas, 0x1200) is None
    assert where(mas) == (0x1000, 0x1500, ma_underflow)
    assert mas_prev(mas, 0x100) is None
    assert where(mas) == (0, 0xFFF, ma_underflow)
